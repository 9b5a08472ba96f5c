"""Elementwise operations and reductions: what no single sample shows."""

import copy
import math
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

import retrograd
from oracle import both_refuse, same
from retrograd import special

# --- a zero gradient meets an infinite derivative -----------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.sqrt(),
        lambda x: x**0.5,
        lambda x: x**-1.0,
        lambda x: (x * x).sum().sqrt(),
        lambda x: x.norm(),
    ],
    ids=["sqrt", "pow half", "pow minus one", "root of sum", "norm"],
)
def test_zero_gradient_stays_zero_at_a_pole(function):
    """Where PyTorch computes 0 * inf = NaN."""
    x = retrograd.zeros(3, dtype=retrograd.float64, requires_grad=True)
    y = function(x)
    (g,) = retrograd.autograd.grad(y, x, retrograd.zeros_like(y), create_graph=True)
    assert g._array.tolist() == [0, 0, 0]


def test_pole_with_gradient_is_infinite_as_in_pytorch():
    def program(torch):
        x = torch.tensor([0.0, 4.0], requires_grad=True)
        return torch.autograd.grad(x.sqrt().sum(), x) + torch.autograd.grad((x**0.5).sum(), x)

    same(program)


def test_second_derivative_where_the_first_is_zero():
    """The Hessian of (sqrt(x) - 2) ** 2 at its minimum: the guard at the pole must not reach it."""

    def program(torch):
        x = torch.tensor([4.0, 9.0], dtype=torch.float64, requires_grad=True)
        loss = ((x.sqrt() - torch.tensor([2.0, 3.0], dtype=torch.float64)) ** 2).sum()
        (g,) = torch.autograd.grad(loss, x, create_graph=True)
        return torch.autograd.grad(g.sum(), x)

    same(program)


def test_where_keeps_nan_out():
    """The branch that was not chosen gets a gradient of zero, though the incoming one is NaN or
    infinite.
    """

    def program(torch):
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = torch.where(torch.tensor([True, False, True]), x, x * 2)
        g = torch.tensor([math.nan, 1.0, math.inf])
        return torch.autograd.grad(torch.where(torch.tensor([False, True, True]), y, 0.0), x, g)

    same(program)


@pytest.mark.parametrize("size", [10, 5000])
def test_masks_are_exact(size):
    """Small and large masks take different paths; both give zero for NaN and keep -0 and infinities."""
    rng = np.random.default_rng(0)
    values = rng.choice([1.5, -0.0, np.nan, np.inf, -np.inf], size).astype(np.float32)
    keep = rng.integers(0, 2, size).astype(bool)
    x, mask = retrograd.from_numpy(values), retrograd.from_numpy(keep)
    np.testing.assert_array_equal(retrograd.where(mask, x, 0.0)._array, np.where(keep, values, 0))
    other = retrograd.from_numpy(values[::-1].copy())
    np.testing.assert_array_equal(
        retrograd.where(mask, x, other)._array, np.where(keep, values, values[::-1])
    )
    assert np.array_equal(np.signbit(retrograd.where(mask, x, x)._array), np.signbit(values))


# --- numbers and dtypes -------------------------------------------------------------------------------------

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
    "complex64",
]  # fmt: skip
PAIRS = [(a, b) for a in DTYPES for b in DTYPES if {a, b} != {"float16", "complex64"}]  # no complex32 here


@pytest.mark.parametrize("a, b", PAIRS)
def test_promotion(a, b):
    """The dtype and values of x * y, and of x + y, for tensors with and without dimensions."""

    def program(torch):
        x, y = torch.ones(2, dtype=getattr(torch, a)), torch.ones(2, dtype=getattr(torch, b))
        return x * y, x + y[0], x[0] + y, x[0] * y[0], x / y if a == b else x / 2, x == y

    same(program)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 2, 2.5, 1j])
def test_promotion_with_numbers(dtype, number):
    if dtype == "float16" and isinstance(number, complex):
        dtype = "bfloat16"  # as there is no complex32 here

    def program(torch):
        x = torch.ones(2, dtype=getattr(torch, dtype))
        return x * number, number + x, x[0] * number, x == number

    same(program)


def test_numbers_wrap_in_whole_dtypes():
    def program(torch):
        x = torch.tensor([1, 2, 3], dtype=torch.uint8)
        return x + 300, x * -1, x < -1, x == 257, torch.tensor([1], dtype=torch.int8) * 1000

    same(program)


def test_half_precision_is_rounded_once():
    """Sums and softmax of 16-bit floats are computed in float32."""

    def program(torch, dtype):
        x = torch.arange(5000).to(dtype) % 7
        return x.sum(), x.mean(), x.softmax(0).sum(), x.var(), x.norm(), x.logsumexp(0)

    for name in ("float16", "bfloat16"):
        same(lambda torch, name=name: program(torch, getattr(torch, name)), tol=1e-2)


def test_gradients_of_bfloat16():
    def program(torch):
        x = torch.tensor([0.5, -1.5, 2.0], dtype=torch.bfloat16, requires_grad=True)
        y = (x.relu() * 3 + x.exp() / x.abs().sqrt()).clamp(-2.5, 20.5).sum()
        return torch.autograd.grad(y, x)

    same(program, tol=2e-2)


def test_ml_dtypes_scalars_are_numbers():
    x = retrograd.ones(2)
    assert (x * ml_dtypes.bfloat16(2))._array.tolist() == [2, 2]


# --- operators ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [None, "a", [1.0], {}])
def test_operators_refuse_what_is_no_number(other):
    both_refuse(lambda torch: torch.ones(2) + other, TypeError)
    both_refuse(lambda torch: torch.ones(2) < other, TypeError)
    same(lambda torch: torch.tensor([(torch.ones(2) == other) is False]))


def test_operators_leave_others_their_turn():
    class Other:
        def __radd__(self, x):
            return "radd"

        def __eq__(self, x):
            return "eq"

    assert retrograd.ones(2) + Other() == "radd"
    assert (retrograd.ones(2) == Other()) == "eq"


def test_numpy_arrays_as_operands():
    x = retrograd.ones(3)
    for y in (x + np.arange(3.0), np.arange(3.0) + x):
        assert isinstance(y, retrograd.Tensor)
        assert y._array.tolist() == [1, 2, 3]


def test_in_place_operators_write_into_the_memory():
    def program(torch):
        x = torch.arange(6.0)
        view, before = x[2:], x
        x += 1
        x *= 2
        view -= 10
        assert x is before
        return x, view

    same(program)


@pytest.mark.parametrize("name", ["sin_", "square_", "abs_", "log_", "atan_", "erf_"])
def test_in_place_where_the_gradient_needs_the_old_value(name):
    def program(torch):
        x = torch.tensor([0.5, 0.25], dtype=torch.float64, requires_grad=True)
        y = x * 2
        getattr(y, name)()
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        return y, g, *torch.autograd.grad(g.sum(), x)

    same(program)


def test_in_place_refuses_to_change_the_dtype():
    both_refuse(lambda torch: torch.ones(2, dtype=torch.int64).div_(2), match="result type")
    both_refuse(lambda torch: torch.ones(2, dtype=torch.int64).add_(1.5), match="result type")
    both_refuse(lambda torch: torch.ones(2).add_(torch.ones(3, 2)), match="broadcast")


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        lambda torch: torch.tensor([1]) // 0,
        lambda torch: torch.tensor([1]) % 0,
        lambda torch: torch.tensor([1, 2]) ** -1,
        lambda torch: torch.where(torch.tensor([1, 0]), 1, 2),
        lambda torch: torch.ones(2).clamp(),
        lambda torch: torch.div(torch.ones(2), 2, rounding_mode="up"),
        lambda torch: torch.tensor([1, 2]).mean(),
        lambda torch: torch.ones(0).max(),
        lambda torch: torch.tensor([1]).var(),
        lambda torch: torch.ones(3).topk(4),
        lambda torch: torch.ones(3).kthvalue(0),
        lambda torch: torch.ones(3).quantile(1.5),
        lambda torch: torch.ones(3).imag,
        lambda torch: torch.view_as_complex(torch.ones(3)),
        lambda torch: torch.tensor([-1]).bincount(),
        lambda torch: torch.ones(2).renorm(2, 0, 1.0),
        lambda torch: torch.tensor([1]).norm(),
        lambda torch: torch.ones(2, 3).isclose(torch.ones(2, 3, dtype=torch.float64)),
        lambda torch: torch.lerp(torch.ones(2), torch.ones(2, dtype=torch.float64), 0.5),
        lambda torch: torch.polygamma(-1, torch.ones(2)),
    ],
)
def test_errors(program):
    both_refuse(program, RuntimeError)


@pytest.mark.parametrize(
    "program",
    [
        lambda torch: torch.ones(2).sum(1),
        lambda torch: torch.ones(2).softmax(-2),
        lambda torch: torch.ones(0, 3).amax(0),
        lambda torch: torch.ones(0, 3).max(0),
        lambda torch: torch.ones(2, 3).sort(2),
    ],
)
def test_dimensions_out_of_range(program):
    both_refuse(program, IndexError)


def test_shapes_that_do_not_broadcast_are_named():
    with pytest.raises(RuntimeError, match=r"add.*\[2, 3\].*\[4\]"):
        retrograd.ones(2, 3) + retrograd.ones(4)


@pytest.mark.parametrize("operation", ["bitwise_and", "bitwise_or", "bitwise_left_shift", "gcd"])
def test_bits_need_whole_numbers(operation):
    both_refuse(lambda torch: getattr(torch, operation)(torch.ones(2), torch.ones(2)), NotImplementedError)


# --- named results ------------------------------------------------------------------------------------------


def test_named_results():
    result = retrograd.tensor([[1.0, 3.0], [4.0, 2.0]]).max(1)
    values, indices = result
    assert result.values is values and result[1] is result.indices is indices
    assert type(result).__name__ == "max" and len(result) == 2 and result._fields == ("values", "indices")
    assert repr(result) == repr(torch.tensor([[1.0, 3.0], [4.0, 2.0]]).max(1))
    with pytest.raises(TypeError, match="2-sequence"):
        type(result)([1])


def test_named_results_survive_copying():
    result = retrograd.ops.return_types.sort(([1], [2]))
    for twin in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert twin == result and type(twin) is type(result) and twin.values == [1]


# --- special functions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "gammaln", "digamma", "i0", "i0e", "i1", "i1e"])
def test_special_functions_to_the_last_digits(name):
    x = np.linspace(-0.999, 0.999, 999) if name == "erfinv" else np.linspace(-25, 26, 2001)
    if name in ("gammaln", "digamma"):
        x = np.abs(x) + 0.01
    expected = getattr(torch.special, name)(torch.from_numpy(x)).numpy()
    got = getattr(special, name)(retrograd.from_numpy(x))._array
    np.testing.assert_allclose(got, expected, rtol=2e-13, atol=1e-300 if name == "erfc" else 1e-15)


# --- larger than the samples --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape, axis", [((300, 70), 0), ((300, 70), 1), ((5, 300, 40), 1)])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "logcumsumexp"])
def test_running_results_along_wide_lanes(name, shape, axis):
    x = np.random.default_rng(0).uniform(0.9, 1.1, shape)

    def program(torch):
        y = torch.from_numpy(x.copy()).requires_grad_()
        out = getattr(y, name)(axis)
        out = out if name != "cummax" else out[0]
        return out, *torch.autograd.grad((out * out).sum(), y)

    same(program, tol=1e-10)


@pytest.mark.parametrize("name", ["relu", "gelu", "elu", "leaky_relu", "softplus", "hardshrink", "threshold"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_of_many_elements(name, dtype):
    x = np.random.default_rng(0).normal(size=(60, 70)).astype(dtype)
    more = (0.1, 0.7) if name == "threshold" else ()

    def program(torch):
        y = torch.from_numpy(x.copy()).requires_grad_()
        out = getattr(torch.nn.functional, name)(y, *more)
        return out, *torch.autograd.grad((out * out).sum(), y)

    same(program, tol=1e-6 if dtype == np.float32 else 1e-12)


def test_reductions_of_views_and_broadcasts():
    x = np.random.default_rng(0).normal(size=(4, 5, 6))

    def program(torch):
        y = torch.from_numpy(x.copy()).requires_grad_()
        z = y.permute(2, 0, 1)[::2].unsqueeze(0).expand(3, -1, -1, -1)
        out = z.sum((0, 2)) + z.amax((0, 2)) * z.var((0, 2)) + z.logsumexp((0, 2)) + z.prod(2).mean(0)
        return out, *torch.autograd.grad((out * out).sum(), y)

    same(program)


@pytest.mark.parametrize(
    "shape, dim",
    [
        ((20000, 5), 0),
        ((20000, 3, 4), (0, 2)),
        ((3, 9000, 4), 1),
        ((3, 9000, 4), (1, 0)),
        ((4, 9001), (0, 1)),
    ],
)
def test_long_sums_stay_accurate(shape, dim):
    """Float32 sums whatever the axis: adding one by one would be off by 1e-4."""
    x = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    exact = x.sum(dim, dtype=np.float64)
    for keepdim in (False, True):
        got = retrograd.from_numpy(x).sum(dim, keepdim)._array
        assert got.dtype == np.float32 and got.shape == x.sum(dim, keepdims=keepdim).shape
        np.testing.assert_allclose(got.reshape(exact.shape), exact, rtol=5e-6)
    bias = retrograd.zeros(4, requires_grad=True)
    (retrograd.full((100000, 4), 0.1) * (bias + 1)).sum().backward()
    np.testing.assert_allclose(bias.grad._array, 10000, rtol=1e-5)
