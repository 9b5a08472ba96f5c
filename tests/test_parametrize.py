"""Parametrizations, and the hooks that came before them, against PyTorch's."""

import copy
import pickle

import numpy as np
import pytest
import torch

import retrograd
from optim_twins import close, converted, plain, theirs, values
from retrograd.core.tensor import wrap
from test_nn_utils import both, twin_models

LIBRARIES = (retrograd, torch)


def parametrize(library):
    return library.nn.utils.parametrize


def double(library, inverse=True):
    """A parametrization by twice the tensor, with or without an inverse."""

    class Double(library.nn.Module):
        def forward(self, x):
            return 2 * x

    class Invertible(Double):
        def right_inverse(self, x):
            return x / 2

    return Invertible() if inverse else Double()


def product(library):
    """A parametrization by a product of two tensors."""

    class Product(library.nn.Module):
        def forward(self, a, b):
            return a * b

        def right_inverse(self, x):
            return x / 2, library.full_like(x, 2.0)

    return Product()


def same_modules(pair, tol=1e-12):
    ours, expected = (m.state_dict() for m in pair)
    assert list(ours) == list(expected)
    for key in expected:
        close(ours[key], expected[key], tol)
    assert [n for n, _ in pair[0].named_parameters()] == [n for n, _ in pair[1].named_parameters()]


def same_pass(pair, tol=1e-12, shape=(5, 3)):
    """Forward and backward, with the gradients of all parameters."""
    x, y = both(7, *shape)
    outputs = pair[0](x), pair[1](y)
    close(*outputs, tol)
    for m, out in zip(pair, outputs, strict=True):
        m.zero_grad()
        (out * out).sum().backward()
    for p, q in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        close(p.grad, q.grad, tol * 10)


@pytest.mark.parametrize("make", [double, lambda lib: double(lib, inverse=False), product])
def test_registering(make):
    pair = twin_models(lambda nn: nn.Linear(3, 4))
    kept = [m.weight for m in pair]
    for library, m in zip(LIBRARIES, pair, strict=True):
        p = parametrize(library)
        assert p.register_parametrization(m, "weight", make(library)) is m
        assert p.is_parametrized(m) and p.is_parametrized(m, "weight") and not p.is_parametrized(m, "bias")
        assert p.type_before_parametrizations(m) is library.nn.Linear
    assert type(pair[0]).__name__ == type(pair[1]).__name__ == "ParametrizedLinear"
    assert repr(pair[0]) == repr(pair[1])
    same_modules(pair)
    same_pass(pair)
    if make is double:
        assert all(m.parametrizations.weight.original is w for m, w in zip(pair, kept, strict=True))


def test_several_in_a_row_assignment_and_removal():
    pair = twin_models(lambda nn: nn.Linear(3, 4))
    for library, m in zip(LIBRARIES, pair, strict=True):
        for _ in range(2):
            parametrize(library).register_parametrization(m, "weight", double(library))
        parametrize(library).register_parametrization(m, "bias", double(library))
    same_modules(pair)
    same_pass(pair)
    new = values(3, (4, 3))
    pair[0].weight, pair[1].weight = wrap(new), torch.from_numpy(new)
    close(pair[0].weight, new)
    same_modules(pair)
    for library, m in zip(LIBRARIES, pair, strict=True):
        parametrize(library).remove_parametrizations(m, "weight", leave_parametrized=False)
        assert parametrize(library).is_parametrized(m)
        parametrize(library).remove_parametrizations(m, "bias")
        assert type(m) is library.nn.Linear and isinstance(m.weight, library.nn.Parameter)
        assert not hasattr(m, "parametrizations")
    same_modules(pair)
    same_pass(pair)


def test_removal_of_a_product_and_of_buffers():
    pair = twin_models(lambda nn: nn.BatchNorm1d(3))
    for library, m in zip(LIBRARIES, pair, strict=True):
        p = parametrize(library)
        p.register_parametrization(m, "weight", product(library))
        p.register_parametrization(m, "running_mean", double(library))
        assert "running_mean" not in m._buffers
    same_modules(pair)
    for library, m in zip(LIBRARIES, pair, strict=True):
        with pytest.raises(ValueError, match="Cannot leave unparametrized"):
            parametrize(library).remove_parametrizations(m, "weight", leave_parametrized=False)
        parametrize(library).remove_parametrizations(m, "weight")
        parametrize(library).remove_parametrizations(m, "running_mean")
        assert "running_mean" in m._buffers
    assert sorted(pair[0].state_dict()) == sorted(pair[1].state_dict())
    close(pair[0].weight, pair[1].weight)


def test_cached():
    for library in LIBRARIES:
        m = library.nn.Linear(3, 3)
        parametrize(library).register_parametrization(m, "weight", double(library))
        assert m.weight is not m.weight
        with parametrize(library).cached():
            first = m.weight
            assert m.weight is first
        assert m.weight is not first


def test_copies_and_state():
    pair = twin_models(lambda nn: nn.Linear(3, 4))
    for library, m in zip(LIBRARIES, pair, strict=True):
        parametrize(library).register_parametrization(m, "weight", double(library))
        with pytest.raises(RuntimeError, match="only supported through state_dict"):
            pickle.dumps(m)
    twin = copy.deepcopy(pair[0])
    twin.weight = wrap(np.zeros((4, 3)))
    assert type(twin) is type(pair[0])
    same_modules(pair)
    twin.load_state_dict(converted(pair[1].state_dict(), retrograd))
    same_modules((twin, pair[1]))


def test_transfer():
    results = []
    for library in LIBRARIES:
        library.manual_seed(0)
        first, second = library.nn.Linear(3, 4), library.nn.Linear(3, 4)
        parametrize(library).register_parametrization(first, "weight", double(library))
        parametrize(library).register_parametrization(first, "bias", product(library))
        parametrize(library).transfer_parametrizations_and_params(first, second)
        assert second.parametrizations.weight.original is first.parametrizations.weight.original
        results.append(second)
        close(first.weight, plain(second.weight))
        close(first.bias, plain(second.bias))
    assert list(results[0].state_dict()) == list(results[1].state_dict())


def test_errors():
    for library in LIBRARIES:
        p, nn = parametrize(library), library.nn
        m = nn.Linear(3, 4)
        with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized"):
            p.register_parametrization(m, "wait", double(library))
        with pytest.raises(ValueError, match="does not have a parametrization on weight"):
            p.remove_parametrizations(m, "weight")

        def made(function, inverse=None, nn=nn):
            methods = {"forward": lambda self, x: function(x)}
            if inverse is not None:
                methods["right_inverse"] = lambda self, x: inverse(x)
            return type("Made", (nn.Module,), methods)()

        for function, message in (
            (lambda x: 3, "A parametrization must return a tensor. Got int"),
            (lambda x: x[:2], "may not change the shape of the tensor"),
            (lambda x: x.double(), "may not change the dtype of the tensor"),
        ):
            with pytest.raises(ValueError, match=message):
                p.register_parametrization(nn.Linear(3, 4), "weight", made(function))
            done = p.register_parametrization(nn.Linear(3, 4), "weight", double(library))
            with pytest.raises(ValueError, match=message):
                p.register_parametrization(done, "weight", made(function))
        for inverse, message in (
            (lambda x: 3, "'right_inverse' must return a Tensor or a Sequence of tensors"),
            (lambda x: x.double(), "it may not change the dtype"),
        ):
            with pytest.raises(ValueError, match=message):
                p.register_parametrization(nn.Linear(3, 4), "weight", made(lambda x: x, inverse))
        p.register_parametrization(m, "weight", double(library, inverse=False))
        with pytest.raises(RuntimeError, match="does not implement right_inverse"):
            m.weight = library.zeros(4, 3)
        with pytest.raises(ValueError, match="requires one or more modules"):
            p.ParametrizationList([], m.bias)


# --- weight norm ---------------------------------------------------------------------------------------

LAYERS = [
    (lambda nn: nn.Linear(3, 4), 0, (5, 3)),
    (lambda nn: nn.Linear(3, 4), 1, (5, 3)),
    (lambda nn: nn.Linear(3, 4), None, (5, 3)),
    (lambda nn: nn.Conv2d(3, 4, 2), 0, (2, 3, 4, 4)),
]


@pytest.mark.parametrize("make, dim, shape", LAYERS)
@pytest.mark.parametrize("old", [False, True])
def test_weight_norm(make, dim, shape, old):
    pair = twin_models(make)
    for library, m in zip(LIBRARIES, pair, strict=True):
        utils = library.nn.utils
        if old:
            with pytest.warns(FutureWarning, match="deprecated in favor of"):
                assert utils.weight_norm(m, dim=dim) is m
            with pytest.raises(RuntimeError, match="two weight_norm hooks"), pytest.warns(FutureWarning):
                utils.weight_norm(m)
        else:
            assert utils.parametrizations.weight_norm(m, dim=dim) is m
    assert repr(pair[0]) == repr(pair[1])
    same_modules(pair)
    same_pass(pair, shape=shape)
    for library, m in zip(LIBRARIES, pair, strict=True):
        if old:
            library.nn.utils.remove_weight_norm(m)
            with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
                library.nn.utils.remove_weight_norm(m)
        else:
            parametrize(library).remove_parametrizations(m, "weight")
    assert sorted(pair[0].state_dict()) == sorted(pair[1].state_dict()) == ["bias", "weight"]
    same_pass((pair[0], pair[1]), shape=shape) if old else close(pair[0].weight, pair[1].weight)


def test_weight_norm_loads_the_older_state():
    with pytest.warns(FutureWarning):
        old = torch.nn.utils.weight_norm(torch.nn.Linear(3, 4))
    new = retrograd.nn.utils.parametrizations.weight_norm(retrograd.nn.Linear(3, 4))
    new.load_state_dict(converted(old.state_dict(), retrograd))
    close(new.weight, old.weight, 1e-6)


# --- spectral norm -------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "kind, shape", [("Linear", (5, 3)), ("Conv2d", (2, 3, 4, 4)), ("ConvTranspose2d", (2, 3, 4, 4))]
)
def test_spectral_norm(kind, shape, old):
    make = lambda nn: getattr(nn, kind)(3, 4, *(() if kind == "Linear" else (2,)))
    pair = twin_models(make)
    for library, m in zip(LIBRARIES, pair, strict=True):
        library.manual_seed(0)
        utils = library.nn.utils if old else library.nn.utils.parametrizations
        assert utils.spectral_norm(m, n_power_iterations=2) is m
    pair[0].load_state_dict(converted(pair[1].state_dict(), retrograd))
    assert repr(pair[0]) == repr(pair[1])
    for _ in range(3):
        same_pass(pair, shape=shape)
        same_modules(pair)
    for m in pair:
        m.eval()
    before = [plain(t).copy() for t in pair[0].state_dict().values()]
    same_pass(pair, shape=shape)
    for a, b in zip(before, pair[0].state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, plain(b))
    close(np.linalg.norm(plain(pair[0].weight).reshape(4, -1), 2) if kind == "Linear" else 1.0, 1.0, 0.2)
    for library, m in zip(LIBRARIES, pair, strict=True):
        if old:
            library.nn.utils.remove_spectral_norm(m)
            with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
                library.nn.utils.remove_spectral_norm(m)
        else:
            parametrize(library).remove_parametrizations(m, "weight")
    assert sorted(pair[0].state_dict()) == sorted(pair[1].state_dict()) == ["bias", "weight"]
    close(pair[0].weight, pair[1].weight)


def test_spectral_norm_draws_the_same_numbers():
    for old in (False, True):
        pair = []
        for library in LIBRARIES:
            m = library.nn.Linear(3, 4)
            a = values(0, (4, 3), "float32")
            m.weight.data = wrap(a.copy()) if library is retrograd else theirs(a)
            library.manual_seed(1)
            utils = library.nn.utils if old else library.nn.utils.parametrizations
            pair.append(utils.spectral_norm(m))
        for name in [n for n in pair[1].state_dict() if "bias" not in n]:
            close(pair[0].state_dict()[name], pair[1].state_dict()[name], 1e-5)


def test_spectral_norm_of_a_vector_and_errors():
    pair = twin_models(lambda nn: nn.BatchNorm1d(3))
    for library, m in zip(LIBRARIES, pair, strict=True):
        p = library.nn.utils.parametrizations
        p.spectral_norm(m)
        with pytest.raises(ValueError, match="has no parameter or buffer with name 'wait'"):
            p.spectral_norm(m, "wait")
        linear = library.nn.Linear(3, 3)
        with pytest.raises(IndexError, match="Dimension out of range"):
            p.spectral_norm(linear, dim=2)
        for utils in (p, library.nn.utils):
            with pytest.raises(ValueError, match="n_power_iterations to be positive"):
                utils.spectral_norm(linear, n_power_iterations=0)
        library.nn.utils.spectral_norm(linear)
        with pytest.raises(RuntimeError, match="Cannot register two spectral_norm hooks"):
            library.nn.utils.spectral_norm(linear)
    close(pair[0].weight, pair[1].weight)


# --- orthogonal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 3)])
@pytest.mark.parametrize("base", [True, False])
def test_orthogonal(kind, sizes, base):
    pair = twin_models(lambda nn: nn.Linear(*sizes))
    for library, m in zip(LIBRARIES, pair, strict=True):
        options = {"orthogonal_map": kind, "use_trivialization": base}
        assert library.nn.utils.parametrizations.orthogonal(m, **options) is m
    if base and sizes[0] == sizes[1]:
        same_modules(pair)
    pair[0].load_state_dict(converted(pair[1].state_dict(), retrograd))
    for p, q in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        change = values(5, tuple(p.shape)) * 0.1  # away from the base
        p.data, q.data = wrap(plain(p) + change), torch.from_numpy(plain(q) + change)
    same_modules(pair)
    same_pass(pair, 1e-10, (4, sizes[0]))
    if kind in ("matrix_exp", "cayley"):
        w = plain(pair[0].weight)
        close(w.T @ w if sizes[1] >= sizes[0] else w @ w.T, np.eye(min(sizes)), 1e-12)


@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 3)])
@pytest.mark.parametrize("base", [True, False])
def test_assigning_an_orthogonal_matrix(sizes, base):
    q, _ = np.linalg.qr(values(0, (max(sizes), max(sizes))))
    new = q[: sizes[1], : sizes[0]]
    for library in LIBRARIES:
        m = library.nn.Linear(*sizes, dtype=library.float64)
        library.nn.utils.parametrizations.orthogonal(m, orthogonal_map="householder", use_trivialization=base)
        m.weight = wrap(new.copy()) if library is retrograd else torch.from_numpy(new.copy())
        close(m.weight, new, 1e-10)


def test_orthogonal_batches_and_complex():
    pair = []
    for library in LIBRARIES:
        m = library.nn.Module()
        a = values(0, (2, 3, 3), "complex128")
        t = wrap(a.copy()) if library is retrograd else theirs(a)
        m.weight = library.nn.Parameter(t)
        pair.append(library.nn.utils.parametrizations.orthogonal(m))
    close(pair[0].weight, pair[1].weight, 1e-10)


def test_orthogonal_errors():
    for library in LIBRARIES:
        orthogonal = library.nn.utils.parametrizations.orthogonal
        with pytest.raises(ValueError, match="has no parameter or buffer with name 'wait'"):
            orthogonal(library.nn.Linear(2, 2), "wait")
        with pytest.raises(ValueError, match="Expected a matrix or batch of matrices. Got a tensor of 1"):
            orthogonal(library.nn.Linear(2, 2), "bias")
        with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
            orthogonal(library.nn.Linear(2, 2), orthogonal_map="expm")
        m = library.nn.Linear(2, 2)
        m.weight = library.nn.Parameter(library.ones(2, 2, dtype=library.complex64))
        with pytest.raises(ValueError, match="householder parametrization does not support complex"):
            orthogonal(m, orthogonal_map="householder")
        m = orthogonal(library.nn.Linear(2, 2), orthogonal_map="cayley", use_trivialization=False)
        with pytest.raises(NotImplementedError, match="not possible to assign"):
            m.weight = library.eye(2)
