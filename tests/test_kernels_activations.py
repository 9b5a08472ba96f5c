"""Compiled activations and their gradients against the rows' NumPy forwards and PyTorch."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from kernel_checks import float_types, laid_out, random
from retrograd import kernels
from retrograd.core.op import TABLE
from retrograd.ops import activation

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

native = kernels.native
quick = settings(max_examples=60, deadline=None)
layouts = st.sampled_from(["contiguous", "transposed", "last", "strided"])
EDGES = [np.nan, np.inf, -np.inf, -3.0, 3.0, -1.0, 1.0, 0.0, -0.0, 6.0]
NUMBERS = {
    "leaky_relu": (0.2,), "leaky_relu_backward": (-0.3,),
    "hardtanh": (-1.0, 2.5), "hardtanh_backward": (-1.0, 2.5),
}  # fmt: skip
CURVES = ["hardswish", "hardsigmoid", "hardtanh", "leaky_relu"]
SLOPES = [
    "hardswish_backward", "hardsigmoid_backward", "hardtanh_backward", "leaky_relu_backward", "silu_backward",
]  # fmt: skip


@contextlib.contextmanager
def _without_compiled_loops():
    loops, activation.native = activation.native, None
    try:
        yield
    finally:
        activation.native = loops


def _values(seed, shape, dtype):
    x = random(seed, *shape, dtype=dtype) * dtype(4)
    edges = np.asarray(EDGES, dtype)[: x.size]
    x.reshape(-1)[: edges.size] = edges
    return x


def _close(got, expected, dtype):
    assert got.dtype == dtype and got.shape == expected.shape
    tolerance = 16 * np.finfo(dtype).eps
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CURVES + SLOPES)
@quick
@given(
    st.lists(st.sampled_from([1, 2, 3, 7, 16, 33]), max_size=4),
    float_types,
    st.lists(layouts, min_size=2, max_size=2),
)
def test_loops_compute_what_the_rows_do(name, shape, dtype, lie):
    seeds = (1,) if name in CURVES else (2, 1)
    arrays = [
        laid_out(random(s, *shape, dtype=dtype) if s == 2 else _values(s, shape, dtype), how)
        for s, how in zip(seeds, lie, strict=False)
    ]
    numbers = NUMBERS.get(name, ())
    with np.errstate(all="ignore"):
        got = getattr(native, name)(*arrays, *numbers)
        with _without_compiled_loops():
            expected = TABLE[name].forward(np, *arrays, *numbers)
    _close(got, expected, dtype)


def test_numbers_may_be_arrays():
    x, slopes = random(1, 5, 40), random(2, 5, 40)
    np.testing.assert_array_equal(native.leaky_relu(x, slopes), np.where(x > 0, x, x * slopes))
    got = native.hardtanh_backward(x, x, slopes - 1, slopes[:, :1] + 1)
    np.testing.assert_array_equal(got, np.where((x <= slopes - 1) | (x >= slopes[:, :1] + 1), 0, x))


CALLS = {
    "silu": {}, "hardswish": {}, "hardsigmoid": {}, "relu6": {}, "leaky_relu": {"negative_slope": 0.2},
    "hardtanh": {"min_val": -0.5, "max_val": 2.0},
}  # fmt: skip


@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("layout", ["contiguous", "last", "strided"])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (4, 33, 30, 31), (), (0, 3)])
@pytest.mark.parametrize("name", CALLS)
def test_as_in_pytorch(name, shape, layout, expanded):
    x, g = (laid_out(random(s, *shape) * np.float32(4), layout) for s in (1, 2))
    x, g = np.asarray(x), np.asarray(g)
    if expanded:
        g = np.broadcast_to(np.float32(0.7), shape)
    ours, theirs = retrograd.from_numpy(x.copy("K")), torch.from_numpy(x.astype(np.float64, order="C"))
    out = getattr(retrograd.nn.functional, name)(ours.requires_grad_(), **CALLS[name])
    expected = getattr(torch.nn.functional, name)(theirs.requires_grad_(), **CALLS[name])
    out.backward(retrograd.tensor(0.7).expand(shape) if expanded else retrograd.from_numpy(g.copy("K")))
    expected.backward(torch.from_numpy(g.astype(np.float64, order="C")))
    for got, wanted in ((out, expected), (ours.grad, theirs.grad)):
        got, wanted = got.detach().numpy(), wanted.detach().numpy()
        assert got.shape == wanted.shape and got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, rtol=4e-6, atol=4e-6)


@pytest.mark.parametrize("name", CALLS)
def test_the_same_bits_with_any_number_of_threads(name, threads):
    values, results = random(1, 300, 401) * np.float32(4), []
    for count in (1, 3):
        threads(count)
        x = retrograd.from_numpy(values).requires_grad_()
        out = getattr(retrograd.nn.functional, name)(x, **CALLS[name])
        out.backward(x.detach())
        results.append((out.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_of_what_is_not_finite():
    x = [np.nan, np.inf, -np.inf, 0.0, 4.0] * 5  # PyTorch's vectors and its rest differ in gradients at NaN
    for dtype in ("float32", "float64"):
        for name, options in [*CALLS.items(), ("leaky_relu", {"negative_slope": 0.0})]:
            got, expected = (
                getattr(library.nn.functional, name)(
                    library.tensor(x, dtype=getattr(library, dtype)), **options
                ).numpy()
                for library in (retrograd, torch)
            )
            np.testing.assert_allclose(got, expected, rtol=1e-6)
    x = np.array([3.0, 4.0, 1e30, 7.7], np.float32)
    for bounds in ((np.nan, 1.0), (0.0, np.nan)):
        assert np.isnan(native.hardtanh(x, *map(np.float32, bounds))).all()
    np.testing.assert_array_equal(native.hardswish(x), x)
    np.testing.assert_array_equal(native.hardsigmoid(x.astype(np.float64)), np.ones(4))
    zero = native.hardswish_backward(np.full(3, np.inf), np.array([-3.0, -5.0, -np.inf]))
    np.testing.assert_array_equal(zero, np.zeros(3))
