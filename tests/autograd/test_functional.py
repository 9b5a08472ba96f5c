"""autograd.functional: Jacobians, Hessians and products with them, against PyTorch's."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


def plain(result):
    """The results detached, and whether each requires gradients."""
    if isinstance(result, tuple | list):  # PyTorch has lists in places, in forward mode
        return tuple(plain(r) for r in result)
    return result.detach(), result.requires_grad


ONE = lambda x: (x.sin() * x.sum()).exp()
TWO = lambda a, b: (a.sin() * b, (a * b).sum(), b[:1])
SCALAR = lambda x: (x.pow(3) * x.sum()).sum()
SCALAR_OF_TWO = lambda a, b: (a.sin() * b.pow(2)).sum() * a.sum()
PARTLY = lambda a, b: (a * 2, b.detach() * 0 + b[0])


@pytest.mark.parametrize(
    "options", [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}]
)
def test_jacobian(options):
    def program(lib):
        jacobian = lib.autograd.functional.jacobian
        x, pair = values(lib, 3), (values(lib, 3), values(lib, 3, seed=1))
        return plain((
            jacobian(ONE, x, **options), jacobian(TWO, pair, **options), jacobian(PARTLY, pair, **options),
            jacobian(lambda x: (x.sum(),), x, **options),
            jacobian(lambda a: a @ a, values(lib, 2, 2), **options),
        ))  # fmt: skip

    same(program)


@pytest.mark.parametrize(
    "options",
    [{}, {"vectorize": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}],
)
def test_hessian(options):
    def program(lib):
        hessian = lib.autograd.functional.hessian
        pair = (values(lib, 3), values(lib, 3, seed=1))
        detached = lambda r: tuple(map(detached, r)) if isinstance(r, tuple | list) else r.detach()
        return detached((
            hessian(SCALAR, values(lib, 3), **options), hessian(SCALAR_OF_TWO, pair, **options),
            hessian(lambda x: x.sum(), values(lib, 2), **options),
            hessian(SCALAR, values(lib, 2, 2), **options),
        ))  # fmt: skip

    same(program)


def test_products():
    def program(lib):
        fn, x, v = lib.autograd.functional, values(lib, 3), values(lib, 3, seed=1)
        pair, vs = (x, v), (values(lib, 3, seed=2), values(lib, 3, seed=3))
        cotangents = (values(lib, 3, seed=4), values(lib, seed=5), values(lib, 1, seed=6))
        return plain((
            fn.vjp(ONE, x, v), fn.vjp(TWO, pair, cotangents), fn.vjp(SCALAR, x), fn.jvp(ONE, x, v),
            fn.jvp(TWO, pair, vs),
            fn.jvp(ONE, x[:1]), fn.vhp(SCALAR, x, v), fn.vhp(SCALAR_OF_TWO, pair, vs), fn.hvp(SCALAR, x, v),
            fn.hvp(SCALAR_OF_TWO, pair, vs), fn.jvp(lambda x: x.detach(), x, v),
            fn.hvp(lambda x: x.sum(), x, v),
            fn.vhp(lambda x: x.sum(), x, v), fn.vjp(lambda x: x.detach() * 1, x, v),
        ))  # fmt: skip

    same(program)


@pytest.mark.parametrize("vectorize", [False, True])
def test_create_graph(vectorize):
    def program(lib):
        fn = lib.autograd.functional
        x, v = values(lib, 3).requires_grad_(), values(lib, 3, seed=1).requires_grad_()
        results = [
            fn.jacobian(ONE, x, create_graph=True, vectorize=vectorize),
            fn.hessian(SCALAR, x, create_graph=True, vectorize=vectorize),
            fn.vjp(ONE, x, v, create_graph=True)[1], fn.jvp(ONE, x, v, create_graph=True)[1],
            fn.vhp(SCALAR, x, v, create_graph=True)[1], fn.hvp(SCALAR, x, v, create_graph=True)[1],
            fn.vjp(ONE, x, v, create_graph=True)[0],
        ]  # fmt: skip
        return [(plain(r), lib.autograd.grad(r.sin().sum(), (x, v), allow_unused=True)[0]) for r in results]

    same(program)


def test_inputs_are_left_alone():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        fn = lib.autograd.functional
        results = fn.jacobian(ONE, x), fn.hessian(SCALAR, x), fn.vjp(ONE, x, values(lib, 3))[1]
        with lib.no_grad():
            quiet = fn.jacobian(ONE, x)
        return plain((*results, quiet)), x.grad is None, x.requires_grad

    same(program)


def test_strict():
    def program(lib):
        fn, x, v = lib.autograd.functional, values(lib, 3), values(lib, 3, seed=1)
        return plain((
            fn.jacobian(ONE, x, strict=True), fn.jacobian(ONE, x, strict=True, create_graph=True),
            fn.hessian(SCALAR, x, strict=True), fn.vjp(ONE, x, v, strict=True),
            fn.jvp(ONE, x, v, strict=True),
            fn.vhp(SCALAR, x, v, strict=True), fn.hvp(SCALAR, x, v, strict=True),
        ))  # fmt: skip

    same(program)


@pytest.mark.parametrize(
    "attempt, error, match",
    [
        (lambda fn, x: fn.jacobian(lambda a, b: a, [x, x]), TypeError, "tuple of Tensors"),
        (lambda fn, x: fn.jacobian(lambda a, b: a, (x, 3)), TypeError, "index 1"),
        (lambda fn, x: fn.jacobian(lambda a: 3, x), TypeError, "outputs of the user-provided function"),
        (
            lambda fn, x: fn.jacobian(lambda a: a, x, strict=True, vectorize=True),
            RuntimeError,
            "not supported together",
        ),
        (
            lambda fn, x: fn.jacobian(lambda a: a, x, strategy="forward-mode"),
            NotImplementedError,
            "vectorize=True",
        ),
        (
            lambda fn, x: fn.jacobian(ONE, x, True, False, True, "forward-mode"),
            NotImplementedError,
            "create_graph",
        ),
        (lambda fn, x: fn.jacobian(lambda a: a, x, strategy="sideways"), AssertionError, "forward-mode"),
        (
            lambda fn, x: fn.jacobian(lambda a: x * 1, x, strict=True),
            RuntimeError,
            "does not require gradients",
        ),
        (
            lambda fn, x: fn.jacobian(lambda a, b: a * 2, (x, x), strict=True),
            RuntimeError,
            "independent of input 1",
        ),
        (
            lambda fn, x: fn.jacobian(lambda a: a * 2, x, strict=True, create_graph=True),
            RuntimeError,
            "jacobian of the",
        ),
        (lambda fn, x: fn.jacobian(lambda a: a, x.to(x.dtype.to_complex())), RuntimeError, "real scalar"),
        (lambda fn, x: fn.hessian(lambda a: a, x), RuntimeError, "single element"),
        (lambda fn, x: fn.hessian(lambda a: (a.sum(),), x), RuntimeError, "single Tensor"),
        (lambda fn, x: fn.hessian(lambda a: a.sum(), x, strict=True), RuntimeError, "hessian"),
        (lambda fn, x: fn.hessian(SCALAR, x, outer_jacobian_strategy="sideways"), AssertionError, "strategy"),
        (lambda fn, x: fn.vjp(ONE, x), RuntimeError, "can only be None"),
        (lambda fn, x: fn.vjp(ONE, x, x[:2]), RuntimeError, "invalid size"),
        (lambda fn, x: fn.vjp(ONE, x, (x, x)), RuntimeError, "single Tensor"),
        (lambda fn, x: fn.vjp(lambda a, b: (a, b), (x, x), x), RuntimeError, "invalid length"),
        (lambda fn, x: fn.jvp(ONE, x), RuntimeError, "can only be None"),
        (
            lambda fn, x: fn.jvp(lambda a: x * 1, x, x, strict=True),
            RuntimeError,
            "does not require gradients",
        ),
        (lambda fn, x: fn.vhp(ONE, x, x), RuntimeError, "single element"),
        (lambda fn, x: fn.hvp(lambda a: a.sum(), x, x, strict=True), RuntimeError, "hessian"),
    ],
)
def test_errors(attempt, error, match):
    both_refuse(lambda lib: attempt(lib.autograd.functional, values(lib, 3)), error, match)


def test_the_jacobian_of_a_function_with_no_vmap_rule():
    class Twice(retrograd.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = values(retrograd, 3)
    for vectorize in (False, True):
        found = retrograd.autograd.functional.jacobian(Twice.apply, x, vectorize=vectorize)
        np.testing.assert_allclose(found.numpy(), 2 * np.eye(3))


def test_inside_vmap():
    x = values(retrograd, 4, 3)
    found = retrograd.func.vmap(lambda x: retrograd.autograd.functional.jacobian(ONE, x))(x)
    for i in range(4):
        one = retrograd.autograd.functional.jacobian(ONE, x[i])
        np.testing.assert_allclose(found[i].numpy(), one.numpy())
