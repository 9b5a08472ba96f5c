"""gradcheck and gradgradcheck: they pass what is right, and say what is wrong where it is wrong."""

import re

import pytest
import torch

import retrograd
from oracle import both_refuse, same
from retrograd.autograd import Function, GradcheckError, gradcheck, gradgradcheck


def leaf(lib, *values, dtype="float64"):
    return lib.tensor(list(values), dtype=getattr(lib, dtype), requires_grad=True)


def real(lib):
    return leaf(lib, 0.5, 2.0, -1.5)


def complex_(lib):
    return leaf(lib, 1 + 2j, -0.5 + 0.25j, dtype="complex128")


def square(scale=2.0, dtype=None, materialize=True, forward_scale=2.0):
    """x * x with a gradient and a tangent of our making."""

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            ctx.set_materialize_grads(materialize)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0] * scale

        @staticmethod
        def jvp(ctx, t):
            return t * ctx.saved_tensors[0] * forward_scale

    return Square.apply


MODES = [{}, {"fast_mode": True}, {"check_forward_ad": True}, {"check_forward_ad": True, "fast_mode": True}]


@pytest.mark.parametrize("options", MODES, ids=str)
def test_what_is_right_passes(options):
    x, y, z = real(retrograd), leaf(retrograd, 1.0, 3.0, 2.0), complex_(retrograd)
    constant = retrograd.ones(3, dtype=retrograd.float64)
    assert gradcheck(lambda x, y: x * y.sin() + x.sum(), (x, y), **options)
    assert gradcheck(lambda x, y: (x * y, y.exp().sum(), x > 0), (x, y), **options)
    assert gradcheck(lambda x, c, n: x * c * n, (x, constant, 3), **options)
    assert gradcheck(lambda z: z * z.conj() * z, z, **options)
    assert gradcheck(lambda z: (z.abs(), z.exp() * 1j, z.real), (z,), **options)
    assert gradcheck(lambda x: x * (1 + 2j), (x,), **options)
    assert gradcheck(lambda x: x.reshape(1, 3), x, **options)
    assert gradcheck(square(), (x,), **options)
    empty = retrograd.ones((0, 2), dtype=retrograd.float64).requires_grad_()
    assert gradcheck(lambda e: e * 2, (empty,), **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"fast_mode": True}, {"gen_non_contig_grad_outputs": True}, {"check_fwd_over_rev": True}],
    ids=str,
)
def test_second_order_passes(options):
    x, y, z = real(retrograd), leaf(retrograd, 1.0, 3.0, 2.0), complex_(retrograd)
    assert gradgradcheck(lambda x, y: (x * y.sin(), (x * x).sum()), (x, y), **options)
    assert gradgradcheck(lambda z: z * z.conj() * z, (z,), **options)
    given = leaf(retrograd, 1.0, 2.0, 3.0)
    assert gradgradcheck(lambda x: x**3, x, given, **options)


def test_inputs_are_left_as_they_were():
    x = real(retrograd)
    before, version = x.detach().clone(), x._version
    gradcheck(lambda x: x.exp(), (x,))
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 / 0, (x,))
    assert (x == before).all() and x._version == version and x.grad is None


@pytest.mark.parametrize("fast_mode", [False, True])
def test_the_error_shows_the_entries(fast_mode):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(square(scale=3.0), (real(retrograd),), fast_mode=fast_mode)
    text = str(caught.value)
    assert (
        "Jacobian mismatch for output 0 with respect to input 0: 3 of 9 entries differ" in text
    )
    rows = [line.split() for line in text.split("\n")[1:]]
    assert rows[0] == ["output", "at", "input", "at", "numerical", "analytical", "difference"]
    assert rows[1][:2] == ["[1]", "[1]"]  # the largest difference first
    assert [round(float(n), 6) for n in rows[1][2:]] == [4, 6, 2]
    assert "numerical Jacobian is 0.6667 times the analytical one" in text
    assert not gradcheck(square(scale=3.0), (real(retrograd),), fast_mode=fast_mode, raise_exception=False)


def test_the_error_of_a_complex_function_names_the_part():
    with pytest.raises(GradcheckError, match=re.escape("[0].real")):
        gradcheck(lambda z: z * z.detach().conj(), (complex_(retrograd),))


def test_the_error_of_many_entries_is_short():
    x = retrograd.arange(100.0, dtype=retrograd.float64).requires_grad_()
    with pytest.raises(GradcheckError, match="and 89 more") as caught:
        gradcheck(square(scale=3.0), (x,))
    assert len(str(caught.value).split("\n")) < 20


def test_a_wrong_tangent_is_found():
    wrong = square(forward_scale=1.0)
    assert gradcheck(wrong, (real(retrograd),))
    for options in ({}, {"fast_mode": True}, {"check_backward_ad": False}):
        with pytest.raises(GradcheckError, match="forward mode"):
            gradcheck(wrong, (real(retrograd),), check_forward_ad=True, **options)


def test_a_lost_gradient_is_found():
    for f in (lambda x: x.detach() * 2, lambda x: (x.detach() * 2).requires_grad_()):
        with pytest.raises(GradcheckError, match="expected to be zero|Jacobian is zero"):
            gradcheck(f, (real(retrograd),))
    assert gradcheck(lambda x: x.detach().sign(), (real(retrograd),))


def test_a_wrong_second_derivative_is_found():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0].detach() ** 2

    assert gradcheck(Once.apply, (real(retrograd),))
    with pytest.raises(GradcheckError, match="input 0"):
        gradgradcheck(Once.apply, (real(retrograd),))
    assert not gradgradcheck(Once.apply, (real(retrograd),), raise_exception=False)


def test_a_gradient_that_changes_is_found():
    class Noisy(Function):
        calls = 0

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Noisy.calls += 1
            return g * 2 + 1e-7 * (Noisy.calls % 2)

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(Noisy.apply, (real(retrograd),))
    loose = {"nondet_tol": 1e-6, "check_undefined_grad": False}
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(Noisy.apply, (real(retrograd),), **loose)


def test_outputs_without_a_gradient():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    class Careful(Two):
        @staticmethod
        def backward(ctx, g, h):
            known = [k * n for k, n in ((g, 2), (h, 3)) if k is not None]
            return sum(known) if known else None

    with pytest.raises(TypeError, match="NoneType"):
        gradcheck(Two.apply, (real(retrograd),))
    assert gradcheck(Careful.apply, (real(retrograd),))


def test_bad_calls():
    both_refuse(
        lambda lib: lib.autograd.gradcheck(lambda x: x * 2, (lib.ones(3, dtype=lib.float64),)), ValueError,
        "at least one input tensor to require gradient",
    )  # fmt: skip
    both_refuse(
        lambda lib: lib.autograd.gradcheck(lambda x: x * 2, (leaf(lib, 1.0).expand(3),)),
        RuntimeError,
        "stride 0",
    )
    for lib in (torch, retrograd):
        with pytest.warns(UserWarning, match="not a double precision"):
            lib.autograd.gradcheck(lambda x: x * 2, (leaf(lib, 1.0, dtype="float32"),), eps=1e-2, atol=1e-2)
    x = real(retrograd)
    with pytest.raises(AssertionError, match="Expected at least one of"):
        gradcheck(lambda x: x * 2, (x,), check_backward_ad=False)
    with pytest.raises(TypeError, match="must return a Tensor"):
        gradcheck(lambda x: 3.0, (x,))
    with pytest.raises(AssertionError, match="return outputs with the same shape"):
        gradcheck(lambda x: x[x > 0.5], (leaf(retrograd, 0.5, 1.0),))


def test_batched_gradients():
    x = real(retrograd)
    assert gradcheck(lambda x: (x * x, x.sum()), (x,), check_batched_grad=True, check_grad_dtypes=True)
    assert gradgradcheck(lambda x: x**3, (x,), check_batched_grad=True)


def test_batched_tangents():
    x, y = real(retrograd), leaf(retrograd, 1.0, 3.0, 2.0)
    options = {"check_forward_ad": True, "check_batched_forward_grad": True}
    assert gradcheck(lambda x, y: (x * y.sin(), x.sum(), y * 2), (x, y), **options)
    with pytest.raises(AssertionError, match="requires check_forward_ad"):
        gradcheck(lambda x: x, (x,), check_batched_forward_grad=True)


def test_pytorch_agrees():
    """The same verdicts as PyTorch's, on functions of both kinds."""

    def program(lib):
        class Wrong(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g * 2.01

        check = lib.autograd.gradcheck
        return [
            check(f, (make(lib),), raise_exception=False, fast_mode=fast)
            for f in (lambda x: x.exp(), lambda x: x * x.detach(), Wrong.apply, lambda x: x.detach() * 2, abs)
            for make in (real, complex_)
            for fast in (False, True)
        ]

    same(program)
