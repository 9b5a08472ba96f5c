"""The compiled kernels against PyTorch: random shapes, layouts and dtypes, any number of threads, any ISA."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import retrograd
from retrograd import kernels
from retrograd.core.op import KERNELS, TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

import retrograd.kernels.cpu  # noqa: E402, F401

native = kernels.native
F = torch.nn.functional
float_types = st.sampled_from([np.float32, np.float64])
quick = settings(max_examples=60, deadline=None)


def random(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def laid_out(x, layout):
    """`x` with its values in another memory layout."""
    if layout == "channels_last" and x.ndim > 2:
        return as_channels_last(x)
    if layout == "strided" and x.ndim:
        wide = np.zeros([2 * n for n in x.shape], x.dtype)
        wide[tuple(slice(None, None, -2) for _ in x.shape)] = x
        return wide[tuple(slice(None, None, -2) for _ in x.shape)]
    return x.copy()


def as_channels_last(x):
    out = channels_last(x.shape, x.dtype)
    out[...] = x
    return out


def channels_last(shape, dtype):
    """An array of NaN, (N, C, ...) stored with contiguous channels."""
    n, c, *space = shape
    return np.moveaxis(np.full((n, *space, c), np.nan if np.dtype(dtype).kind == "f" else 0, dtype), -1, 1)


layouts = st.sampled_from(["contiguous", "channels_last", "strided"])


def close(got, expected, scale=1.0):
    """Equal up to the rounding of a sum whose terms add up to about `scale`."""
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    rtol = 2e-5 if got.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale)


def same(x):
    return torch.tensor(x.copy())  # PyTorch knows no negative strides


def wide(x):
    return torch.tensor(x.astype(np.float64, order="C"))


# --- convolution --------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    geometry = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 3))),
    }
    side = st.integers(1, 14) | st.integers(1, 6)  # images of few pixels have kernels of their own
    size = draw(st.tuples(side, side))
    for n, k, p, d in zip(size, kernel, geometry["padding"], geometry["dilation"], strict=True):
        assume(n + 2 * p >= d * (k - 1) + 1)
    channels = st.sampled_from([1, 2, 3, 7, 16, 17, 33])
    batch = draw(st.sampled_from([0, 1, 2, 5]))
    i, o = draw(channels), draw(channels)
    return (batch, groups * i, *size), (groups * o, i, *kernel), groups, geometry


@quick
@given(convolutions(), float_types, layouts, layouts, st.booleans())
def test_convolution(case, dtype, layout, weight_layout, with_bias):
    x_shape, w_shape, groups, geometry = case
    x, w = (
        laid_out(random(1, *x_shape, dtype=dtype), layout),
        laid_out(random(2, *w_shape, dtype=dtype), weight_layout),
    )
    bias = random(3, w_shape[0], dtype=dtype) if with_bias else None
    tx, tw = wide(x).requires_grad_(), wide(w).requires_grad_()
    expected = F.conv2d(tx, tw, None if bias is None else wide(bias), groups=groups, **geometry)
    g = laid_out(random(4, *expected.shape, dtype=dtype), layout)
    expected.backward(wide(g))

    out, gx, gw = (channels_last(s, dtype) for s in (expected.shape, x_shape, w_shape))
    native.conv2d_forward(x, w, bias, out, groups=groups, **geometry)
    native.conv2d_input_gradient(g, w, gx, groups=groups, **geometry)
    native.conv2d_weight_gradient(g, x, gw, groups=groups, **geometry)
    close(out, expected, 100)
    close(gx, tx.grad, 100)
    close(gw, tw.grad, 300)


FEW_CHANNELS = [  # x, weight, stride, padding, dilation
    ((3, 1, 28, 28), (6, 1, 5, 5), (1, 1), (2, 2), (1, 1)),
    ((2, 3, 41, 37), (7, 3, 4, 3), (2, 3), (1, 2), (1, 1)),
    ((2, 2, 33, 70), (10, 2, 3, 2), (1, 1), (0, 3), (2, 3)),
    ((1, 12, 50, 50), (1, 12, 3, 3), (3, 1), (1, 0), (1, 2)),
    ((4, 6, 14, 14), (16, 6, 5, 5), (1, 1), (0, 0), (1, 1)),
    ((3, 3, 30, 21), (33, 3, 4, 4), (2, 2), (1, 1), (1, 1)),
    ((2, 8, 20, 20), (40, 8, 1, 7), (1, 3), (3, 3), (2, 1)),
    ((5, 1, 9, 40), (17, 1, 3, 3), (4, 2), (2, 0), (1, 1)),
    ((1, 9, 40, 19), (16, 9, 7, 7), (2, 2), (3, 3), (1, 1)),
    ((2, 16, 33, 20), (3, 16, 5, 3), (1, 1), (2, 1), (2, 1)),
    ((1, 40, 19, 30), (1, 40, 2, 9), (1, 1), (0, 8), (1, 1)),
]


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("case", FEW_CHANNELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_of_few_channels(case, dtype, layout, threads):
    x_shape, w_shape, stride, padding, dilation = case
    x, w = (laid_out(random(seed, *s, dtype=dtype), layout) for seed, s in ((1, x_shape), (2, w_shape)))
    bias = random(3, w_shape[0], dtype=dtype)
    tx, tw = wide(x).requires_grad_(), wide(w).requires_grad_()
    expected = F.conv2d(tx, tw, wide(bias), stride, padding, dilation)
    g = laid_out(random(4, *expected.shape, dtype=dtype), layout)
    expected.backward(wide(g))
    results = []
    for n in (1, 3):
        threads(n)
        out, gx, gw = (channels_last(s, dtype) for s in (expected.shape, x_shape, w_shape))
        native.conv2d_forward(x, w, bias, out, stride, padding, dilation, 1)
        native.conv2d_input_gradient(g, w, gx, stride, padding, dilation, 1)
        native.conv2d_weight_gradient(g, x, gw, stride, padding, dilation, 1)
        results.append((out, gx, gw))
    for got, again, wanted in zip(*results, (expected, tx.grad, tw.grad), strict=True):
        close(got, wanted, 300)
        assert np.array_equal(got, again)


def resnet_layer(seed=0):
    """A layer large enough that weights are packed and several threads have work."""
    return as_channels_last(random(seed, 3, 48, 15, 15)), as_channels_last(random(seed + 1, 80, 48, 3, 3))


GEOMETRY = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def convolve_all(x, w, geometry=GEOMETRY):
    size = [-(-n // s) for n, s in zip(x.shape[2:], geometry["stride"], strict=True)]
    out = channels_last((x.shape[0], w.shape[0], *size), x.dtype)
    gx, gw = channels_last(x.shape, x.dtype), channels_last(w.shape, x.dtype)
    native.conv2d_forward(x, w, None, out, **geometry)
    native.conv2d_input_gradient(out, w, gx, **geometry)
    native.conv2d_weight_gradient(out, x, gw, **geometry)
    return out, gx, gw


@pytest.fixture
def winograd():
    before = native.get_winograd()
    yield native.set_winograd
    native.set_winograd(before)


WINOGRAD = [  # batch, channels in and out, height, width, padding
    (6, 32, 32, 16, 16, (1, 1)),
    (7, 64, 48, 17, 13, (1, 2)),
    (5, 33, 70, 15, 22, (0, 2)),
    (8, 128, 130, 28, 28, (1, 1)),
    (8, 256, 256, 7, 7, (1, 1)),
    (16, 128, 128, 8, 8, (1, 1)),  # few pixels
    (16, 256, 256, 4, 4, (1, 1)),
    (3, 64, 72, 14, 14, (1, 1)),  # of 4 and of 3 pixels along both axes
    (3, 40, 32, 13, 18, (1, 1)),
    (3, 512, 256, 28, 28, (1, 1)),  # more tiles than are transformed at a time
]


def distances(a, b):
    """Of all elements from b, relative to its norm, and of one, relative to the largest."""
    return np.linalg.norm(a - b) / np.linalg.norm(b), np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("case", WINOGRAD)
def test_winograd(case, winograd):
    batch, i, o, height, width, padding = case
    x, w = as_channels_last(random(1, batch, i, height, width)), as_channels_last(random(2, o, i, 3, 3) / 9)
    bias = random(3, o)
    tx, tw = wide(x).requires_grad_(), wide(w).requires_grad_()
    expected = F.conv2d(tx, tw, wide(bias), 1, padding)
    g = as_channels_last(random(4, *expected.shape))
    expected.backward(wide(g))
    errors = []
    for allowed in (True, False):
        winograd(allowed)
        out, gx, gw = (channels_last(s, x.dtype) for s in (expected.shape, x.shape, w.shape))
        native.conv2d_forward(x, w, bias, out, (1, 1), padding, (1, 1), 1)
        native.conv2d_input_gradient(g, w, gx, (1, 1), padding, (1, 1), 1)
        native.conv2d_weight_gradient(g, x, gw, (1, 1), padding, (1, 1), 1)
        errors.append(
            [
                distances(a, b.detach().numpy())
                for a, b in ((out, expected), (gx, tx.grad), (gw, tw.grad))
            ]
        )
    quick, direct = np.array(errors)
    assert (quick < (3e-6, 1e-5)).all() and (direct < (2e-6, 5e-6)).all()
    assert (quick != direct).any(axis=1).all(), "Winograd was used"


def test_results_do_not_depend_on_the_number_of_threads(threads):
    x, w = resnet_layer()
    small = as_channels_last(random(7, 1, 48, 4, 4)), as_channels_last(random(8, 80, 48, 3, 3))
    by_tiles = as_channels_last(random(9, 2, 32, 28, 32)), as_channels_last(random(10, 40, 32, 3, 3))
    by_weights = as_channels_last(random(11, 1, 256, 13, 14)), as_channels_last(random(12, 272, 256, 3, 3))
    square = {**GEOMETRY, "stride": (1, 1)}
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append([*convolve_all(x, w), *normalise(x), *layer_normalise(random(5, 500, 70))])
        for x_, w_ in ((x, w), by_tiles, by_weights, small):  # Winograd's method, streamed weights
            results[-1] += convolve_all(x_, w_, square)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_convolution_lets_nan_and_infinity_through():
    x, w = resnet_layer()
    x[1, 5, 7, 7] = np.nan
    x[2, 0, 0, 0] = np.inf
    out = convolve_all(x, w)[0]
    expected = F.conv2d(same(x), same(w), None, (2, 1), 1).numpy()
    assert np.array_equal(np.isnan(out), np.isnan(expected))
    assert np.array_equal(np.isinf(out), np.isinf(expected))
    assert np.isnan(out[1]).any() and not np.isnan(out[0]).any()


def test_threads_survive_a_fork(threads):
    threads(2)
    x, w = resnet_layer()
    expected = convolve_all(x, w)[0]
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(convolve_all(x, w)[0], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_many_python_threads_may_call_at_once(threads):
    from concurrent.futures import ThreadPoolExecutor

    threads(3)
    x, w = resnet_layer()
    expected = convolve_all(x, w)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: convolve_all(x, w), range(20)):
            assert all(np.array_equal(a, b) for a, b in zip(result, expected, strict=True))


# --- normalisation --------------------------------------------------------------------------


def normalise(x, g=None, weight=None, bias=None, training=True, eps=1e-5):
    """out, mean, variance, gx, gweight, gbias by the batch-norm kernels."""
    c, dtype = x.shape[1], x.dtype
    mean, variance = np.empty(c, dtype), np.empty(c, dtype)
    out, gx, gw, gb = (
        channels_last(x.shape, dtype),
        channels_last(x.shape, dtype),
        np.empty(c, dtype),
        np.empty(c, dtype),
    )
    native.batch_norm_forward(x, mean, variance, eps, weight, bias, out, True)
    native.batch_norm_gradient(out if g is None else g, x, mean, variance, eps, weight, gx, gw, gb, training)
    return out, mean, variance, gx, gw, gb


@quick
@given(
    st.sampled_from([(2, 1), (7, 5), (600, 33), (2, 3, 4), (3, 64, 9, 7), (1, 17, 2, 2), (2, 4, 3, 2, 2)]),
    float_types,
    layouts,
    st.booleans(),
)
def test_batch_norm(shape, dtype, layout, affine):
    x, g = (laid_out(random(s, *shape, dtype=dtype) + 3, layout) for s in (1, 2))
    weight, bias = (random(s, shape[1], dtype=dtype) if affine else None for s in (3, 4))
    tx = wide(x).requires_grad_()
    tw, tb = (torch.ones(shape[1]).double() if v is None else wide(v) for v in (weight, bias))
    tw.requires_grad_(), tb.requires_grad_()
    expected = F.batch_norm(
        tx, None, None, tw, tb if affine else torch.zeros_like(tb) + 0 * tb, training=True
    )
    expected.backward(wide(g))
    out, mean, variance, gx, gw, gb = normalise(x, g, weight, bias)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    close(mean, x.astype(np.float64).mean(axes))
    close(variance, x.astype(np.float64).var(axes))
    if x.size / shape[1] < 3:
        return  # two values per channel: the gradient is a difference of nearly equal numbers
    close(out, expected, 10)
    close(gx, tx.grad, 30)
    close(gw, tw.grad, 300)
    close(gb, g.astype(np.float64).sum(axes), 300)


def test_batch_norm_by_fixed_statistics():
    x, g = as_channels_last(random(1, 4, 6, 5, 5)), as_channels_last(random(2, 4, 6, 5, 5))
    mean, variance, weight = random(3, 6), random(4, 6) ** 2 + 1, random(5, 6)
    tx, tw = same(x).requires_grad_(), same(weight).requires_grad_()
    expected = F.batch_norm(tx, same(mean), same(variance), tw, eps=1e-3)
    expected.backward(same(g))
    out, gx, gw = channels_last(x.shape, x.dtype), channels_last(x.shape, x.dtype), np.empty(6, np.float32)
    native.batch_norm_forward(x, mean, variance, 1e-3, weight, None, out, False)
    native.batch_norm_gradient(g, x, mean, variance, 1e-3, weight, gx, gw, None, False)
    close(out, expected)
    close(gx, tx.grad)
    close(gw, tw.grad, 100)


def test_batch_norm_of_values_far_from_zero():
    x = as_channels_last((random(1, 8, 3, 16, 16, dtype=np.float64) + 1000).astype(np.float32))
    _, mean, variance, *_ = normalise(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(mean, exact.mean((0, 2, 3)), rtol=1e-6)


def layer_normalise(x, g=None, weight=None, bias=None):
    rows, d = x.shape[:-1], x.shape[-1]
    out, gx = np.full(x.shape, np.nan, x.dtype), np.full(x.shape, np.nan, x.dtype)
    mean, var = np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    native.layer_norm(x, weight, bias, 1e-5, out, mean, var)
    invstd = 1 / np.sqrt(var + x.dtype.type(1e-5))
    gw, gb = np.empty(d, x.dtype), np.empty(d, x.dtype)
    native.layer_norm_gradient(x if g is None else g, x, mean, invstd, weight, gx, gw, gb)
    return out, mean, var, gx, gw, gb


@quick
@given(
    st.sampled_from([(3, 5), (1, 1, 2), (40, 7, 31), (0, 4), (600, 256)]),
    float_types,
    st.sampled_from(["contiguous", "strided"]),
    st.booleans(),
)
def test_layer_norm(shape, dtype, layout, affine):
    x, g = (laid_out(random(s, *shape, dtype=dtype) + 2, layout) for s in (1, 2))
    d = shape[-1]
    weight, bias = (random(s, d, dtype=dtype) if affine else None for s in (3, 4))
    tx, tw = wide(x).requires_grad_(), wide(np.ones(d) if weight is None else weight).requires_grad_()
    expected = F.layer_norm(tx, (d,), tw, None if bias is None else wide(bias))
    expected.backward(wide(g))
    out, _, _, gx, gw, gb = layer_normalise(x, g, weight, bias)
    close(out, expected, 30)
    close(gx, tx.grad, 300 if d > 2 else 3000)
    close(gw, tw.grad, 300)
    close(gb, g.astype(np.float64).reshape(-1, d).sum(0), 300)


@quick
@given(
    st.sampled_from([(5,), (3, 1), (40, 7), (0, 4), (600, 100), (2, 3, 17)]),
    float_types,
    st.sampled_from(["contiguous", "strided"]),
    st.booleans(),
    st.sampled_from([1, 30, 500]),
)
def test_softmax(shape, dtype, layout, log, spread):
    x = laid_out(random(1, *shape, dtype=dtype) * spread, layout)
    g = laid_out(random(2, *shape, dtype=dtype), layout)
    tx = wide(x).requires_grad_()
    expected = (F.log_softmax if log else F.softmax)(tx, -1)
    expected.backward(wide(g))
    out, gx = np.full(shape, np.nan, dtype), np.full(shape, np.nan, dtype)
    native.softmax(x, out, log)
    native.softmax_gradient(g, out, gx, log)
    close(out, expected, spread)
    close(gx, tx.grad, 30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_what_is_not_finite(dtype):
    inf, nan = np.inf, np.nan
    rows = [
        [0, -inf, 1],
        [-inf, -inf, -inf],
        [1, inf, 0],
        [nan, 0, 1],
        [0, 1, nan],
        [inf, inf, 1],
        [1e30, 0, -1e30],
    ]
    x = np.array([row * 7 for row in rows], dtype)
    for log in (False, True):
        out = np.empty_like(x)
        native.softmax(x, out, log)
        expected = (F.log_softmax if log else F.softmax)(same(x), -1).numpy()
        np.testing.assert_allclose(out, expected, rtol=1e-6)


# --- pooling --------------------------------------------------------------------------


@quick
@given(
    st.tuples(
        st.sampled_from([0, 1, 3]), st.sampled_from([1, 3, 16, 70]), st.integers(5, 12), st.integers(5, 12)
    ),
    float_types,
    layouts,
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from(["plain", "ties", "nan"]),
)
def test_max_pool(shape, dtype, layout, kernel, stride, dilation, ceil_mode, values):
    x = random(1, *shape, dtype=dtype)
    if values == "ties":
        x = np.round(x)
    elif values == "nan":
        x[..., 2:4, 1:3] = np.nan
    x = laid_out(x, layout)
    padding = tuple(k // 2 for k in kernel)
    tx = same(x).requires_grad_()
    if shape[0] == 0:
        expected = torch.zeros(0, shape[1], 2, 2, dtype=tx.dtype)
        index = torch.zeros(0, shape[1], 2, 2)
    else:
        expected, index = F.max_pool2d(tx, kernel, stride, padding, dilation, ceil_mode, return_indices=True)
    how = kernel, stride, padding, (dilation, dilation)
    out, which = channels_last(expected.shape, dtype), channels_last(expected.shape, np.uint8)
    native.max_pool2d(x, out, which, *how)
    np.testing.assert_array_equal(out, expected.detach().numpy())
    if shape[0]:
        np.testing.assert_array_equal(TABLE["pool_indices"](which, shape[2:], *how), index.numpy())
    g, gx = laid_out(random(2, *expected.shape, dtype=dtype), layout), channels_last(shape, dtype)
    if shape[0]:
        expected.backward(same(g))
        native.max_pool2d_gradient(g, which, gx, *how)
        close(gx, tx.grad)


@quick
@given(
    st.tuples(
        st.sampled_from([0, 1, 3]), st.sampled_from([1, 3, 16, 70]), st.integers(1, 9), st.integers(1, 9)
    ),
    float_types,
    layouts,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_adaptive_average_pool(shape, dtype, layout, size):
    x, g = (
        laid_out(random(1, *shape, dtype=dtype), layout),
        laid_out(random(2, *shape[:2], *size, dtype=dtype), layout),
    )
    tx = wide(x).requires_grad_()
    expected = F.adaptive_avg_pool2d(tx, size)
    expected.backward(wide(g))
    rows, columns = (
        np.array([[i * n // k, -(-(i + 1) * n // k)] for i in range(k)])
        for n, k in zip(shape[2:], size, strict=True)
    )
    divisors = np.outer(rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]).astype(np.float64)
    out, gx = channels_last(expected.shape, dtype), channels_last(shape, dtype)
    native.average_pool2d(x, rows, columns, divisors, out)
    native.average_pool2d_gradient(g, rows, columns, divisors, gx)
    close(out, expected)
    close(gx, tx.grad)


# --- elementwise, optimizers --------------------------------------------------------------------------


@quick
@given(st.sampled_from([(), (1,), (0, 3), (5, 7), (70000,), (2, 3, 4, 5)]), float_types, layouts)
def test_relu(shape, dtype, layout):
    x, g = laid_out(random(1, *shape, dtype=dtype), layout), laid_out(random(2, *shape, dtype=dtype), layout)
    if x.size > 4:
        x.flat[:4] = [np.nan, 0, -0.0, np.inf]
    tx = same(x).requires_grad_()
    expected = F.relu(tx)
    expected.backward(same(g))
    out, gx = np.full(shape, 7, dtype), np.full(shape, 7, dtype)
    native.relu(x, out)
    native.relu_gradient(g, out, gx)
    np.testing.assert_array_equal(out, expected.detach().numpy())
    np.testing.assert_array_equal(gx, tx.grad.numpy())


# --- against the rows that they serve --------------------------------------------------------------

CONV = [  # x, weight, stride, padding, dilation, groups, of two axes
    ((2, 3, 9, 7), (5, 3, 3, 3), (2, 1), (1, 2), (1, 1), 1),
    ((1, 6, 5, 5), (4, 3, 2, 2), (1, 1), (0, 0), (2, 1), 2),
    ((3, 40, 16, 16), (70, 40, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((0, 3, 5, 5), (5, 3, 2, 2), (1, 1), (0, 0), (1, 1), 1),
]
POOL = [  # x, window, stride, padding, dilation, ceil_mode
    ((2, 3, 9, 8), (3, 2), (2, 2), (1, 1), (1, 2), True),
    ((70, 6, 7), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 5, 5, 5), (3, 3), (3, 3), (1, 1), (1, 1), True),
    ((2, 3, 20, 19), (17, 16), (2, 1), (1, 2), (1, 1), False),  # numbers of two bytes
]
LAST = [((4, 7), 1), ((3, 5, 6), 2), ((600, 64), 1)]


def cases():
    """(row, arguments) for every kernel; shapes stand for random arrays."""
    for x, w, *how in CONV:
        size = F.conv2d(torch.zeros(x), torch.zeros(w), None, *how).shape
        yield "conv2d", x, w, None, *how
        yield "conv2d", x, w, w[:1], *how
        yield "conv2d_input", tuple(size), w, Tuple(x[2:]), *how
        yield "conv2d_weight", tuple(size), x, Tuple(w[2:]), *how
        x, w, how = x[:2] + x[3:], w[:2] + w[3:], [h[1:] for h in how[:3]] + how[3:]
        size = F.conv1d(torch.zeros(x), torch.zeros(w), None, *how).shape
        yield "conv1d", x, w, w[:1], *how
        yield "conv1d_input", tuple(size), w, Tuple(x[2:]), *how
        yield "conv1d_weight", tuple(size), x, Tuple(w[2:]), *how
    for x in ((4, 3), (2, 5, 6), (3, 40, 9, 9), (2, 3, 2, 2, 2)):
        c = (x[1],)
        for affine in (c, None):
            yield "batch_norm", x, affine, affine, 1e-5
            yield "batch_norm_eval", x, affine, affine, c, Positive(c), 1e-3
            yield "batch_norm_backward", x, None, None, (True,) * 3, x, affine, c, Positive(c), 1e-3
        yield "batch_norm_backward", x, None, None, (True, False, False), x, c, c, Positive(c), 1e-3
    for x, kept in LAST:
        last, rows = x[len(x) - kept :], x[: len(x) - kept] + (1,) * kept
        for affine in (last, None):
            yield "layer_norm", x, affine, affine, kept, 1e-5
            yield (
                "layer_norm_backward",
                x,
                None,
                None,
                (True,) * 3,
                x,
                affine,
                rows,
                Positive(rows),
                kept,
                1e-3,
            )
        for row in ("softmax", "log_softmax"):
            yield row, x, len(x) - 1
            yield row + "_backward", x, Positive(x), len(x) - 1
    for x, *how in POOL:
        size = tuple(F.max_pool2d(torch.zeros(x), *how).shape)
        yield "max_pool2d", x, *map(Tuple, how[:4]), how[4]
        yield "max_pool_input", size, Which(x, how), Tuple(x[-2:]), *map(Tuple, how[:4])
        yield "pool_place", size, Indices(size, x[-2] * x[-1]), Tuple(x[-2:])
        window, stride, padding, _, ceil_mode = how
        size = tuple(F.avg_pool2d(torch.zeros(x), window, stride, padding, ceil_mode).shape)
        for rest in ((True, None), (False, None), (True, 5)):
            rest = (*map(Tuple, how[:3]), ceil_mode, *rest)
            yield "avg_pool", x, *rest
            yield "avg_pool_input", size, Tuple(x[-2:]), *rest
        for to in ((1, 1), (4, 3)):
            yield "adaptive_avg_pool2d", x, Tuple(to)
            yield "adaptive_avg_pool_input", (*x[:-2], *to), Tuple(x[-2:])
    for target, weight, ignored in ((Indices((6,), 4), None, -100), (Indices((6,), 4), (4,), 2)):
        for shape, reduction in (((6,), "none"), ((), "sum"), ((), "mean")):
            yield "nll_loss", (6, 4), target, weight, ignored, reduction
            yield "nll_loss_backward", shape, target, weight, Tuple((6, 4)), ignored, reduction
    for x, to in (((), (2, 3)), ((3,), (2, 3)), ((2, 1, 3), (4, 2, 5, 3))):
        yield "broadcast_to", x, Tuple(to)
    big = (3, 40, 9, 9)
    yield "relu", big
    yield "relu_backward", big, Relu(big)
    yield "masked", big, Mask(big)
    for row in ("add", "sub", "mul", "div"):
        yield row, big, big


class Tuple(tuple):
    """Numbers, not a shape."""


class Positive(tuple):
    """The shape of an array of positive numbers."""


class Relu(tuple):
    """The shape of an array without negative numbers, many of which are 0."""


class Mask(tuple):
    """The shape of an array of bools."""


class Indices(tuple):
    """The shape of an array of indices below a limit."""

    def __new__(cls, shape, limit):
        self = super().__new__(cls, shape)
        self.limit = limit
        return self


class Which(tuple):
    """The shape of images, and how they are pooled: which elements of the windows are greatest."""

    def __new__(cls, shape, how):
        self = super().__new__(cls, shape)
        self.how = how
        return self


def materialised(argument, i, dtype, layout):
    kind = type(argument)
    if kind is Which:
        pooled = TABLE["max_pool2d"].forward(np, random(i, *argument, dtype=dtype), *argument.how)
        return laid_out(pooled[1], layout)
    if kind is Mask:
        return laid_out(random(i, *argument) > 0, layout)
    if kind is Relu:
        return laid_out(np.maximum(random(i, *argument, dtype=dtype), 0), layout)
    if kind is Indices:
        return np.random.default_rng(i).integers(0, argument.limit, argument)
    if kind is Positive:
        return np.abs(random(i, *argument, dtype=dtype)) + dtype(0.5)
    if kind is tuple and not (argument and type(argument[0]) is bool):
        return laid_out(random(i, *argument, dtype=dtype), layout)
    return tuple(argument) if kind is Tuple else argument


CASES = [(c[0], c[1:]) for c in (tuple(c) for c in cases())]


# Those of test_kernels_more.py.
ELSEWHERE = {
    "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward", "sum",
    "mean", "sort", "topk", "cumsum", "cumprod", "prod",
    # test_kernels_networks.py
    "conv3d", "conv3d_input", "conv3d_weight", "group_norm", "group_norm_backward", "resample",
    "resample_backward", "rnn_steps", "rnn_steps_backward", "lstm_steps", "lstm_steps_backward", "gru_steps",
    "gru_steps_backward", "max_pool3d", "own_pad", "own_pad_backward",
    "uncut",
    # test_kernels_copying.py
    "clone", "cast", "contiguous", "flip", "cat", "stack",
    # test_kernels_extremes.py
    "amax", "amin", "argmax", "argmin", "max", "min", "max_of_all", "min_of_all", "any", "all",
}  # fmt: skip


def test_every_kernel_has_a_case():
    assert {name for name, _ in KERNELS} == {name for name, _ in CASES} | ELSEWHERE


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "strided"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda a: a if isinstance(a, str) else "")
def test_a_kernel_computes_what_its_row_does(name, arguments, dtype, layout):
    if name.startswith("conv"):  # the numbers of a convolution are its last four arguments
        arguments = (*arguments[:-4], *map(Tuple, arguments[-4:-1]), arguments[-1])
    values = [materialised(a, i, dtype, layout) for i, a in enumerate(arguments)]
    ((when, kernel),) = KERNELS[name, "cpu"]
    assert when is None or when(*values), "the kernel takes this"
    got, expected = kernel(*values), TABLE[name].forward(np, *values)
    assert got is not NotImplemented, "the kernel takes this"
    several = TABLE[name].outputs is not None
    wanted = values[3] if name.endswith("norm_backward") else (True,) * 3
    for a, b, w in zip(
        got if several else (got,), expected if several else (expected,), wanted, strict=False
    ):
        if w:
            assert a.shape == b.shape and a.dtype == b.dtype
            close(a, b, 300)


# --- what users see of the layout ------------------------------------------------------------------


def test_a_convolution_can_be_viewed_as_in_pytorch():
    x, w = retrograd.rand(2, 3, 8, 8), retrograd.rand(5, 3, 3, 3, requires_grad=True)
    convolve = retrograd.nn.functional.conv2d
    y = convolve(x, w)
    assert y.view(2, -1).shape == (2, 180) and y.is_contiguous()
    y.view(2, -1).sum().backward()
    assert w.grad.shape == w.shape
    row = convolve(x, w)[1].view(-1)
    assert np.array_equal(row.detach().numpy(), y.detach().numpy()[1].reshape(-1))
    with retrograd.no_grad():
        z = convolve(x, w)
        z.view(-1)[7:].zero_()
        assert z.view(-1)[:7].all() and not z.view(-1)[7:].any(), "the view shares the tensor's memory"
    shared = convolve(x, w).detach()
    kept = shared.detach()
    kept.view(-1)[0] = 2.0
    assert shared.flatten()[0].item() == 2.0, "detach() and what it was called on stay together"
    shared = convolve(x, w).detach()
    kept, third = shared.detach(), shared.detach()
    with pytest.raises(RuntimeError, match="reshape"):
        kept.view(-1)
    assert third.shape == shared.shape


def test_convolution_layers_store_weights_for_the_kernels():
    layer = retrograd.nn.Conv2d(4, 6, 3)
    twin = torch.nn.Conv2d(4, 6, 3)
    layer.load_state_dict({k: retrograd.tensor(v.numpy()) for k, v in twin.state_dict().items()})
    shared = retrograd.nn.Conv2d(4, 6, 3)
    other = shared.weight.data
    for each in (layer, shared):
        each(retrograd.rand(2, 4, 7, 7)).sum().backward()
    assert layer.weight._array.transpose(0, 2, 3, 1).flags.c_contiguous
    assert np.shares_memory(other._array, shared.weight._array), "what others see is left where it is"
    assert layer.weight.grad._array.strides == layer.weight._array.strides
    assert np.array_equal(layer.weight.detach().numpy(), twin.weight.detach().numpy())
    assert np.array_equal(layer.weight.view(6, -1).detach().numpy(), twin.weight.view(6, -1).detach().numpy())


# --- the boundary --------------------------------------------------------------------------


def refused(message, function, *args):
    with pytest.raises(ValueError, match=message):
        function(*args)


def test_bad_arguments_are_refused():
    x, w = resnet_layer()
    out = channels_last((3, 80, 15, 15), np.float32)
    one = (1, 1)
    refused("same dtype", native.conv2d_forward, x, w.astype(np.float64), None, out, one, one, one, 1)
    refused(
        r"out has shape .* expected \(3, 80, 13, 13\)",
        native.conv2d_forward,
        x,
        w,
        None,
        out,
        one,
        (0, 0),
        one,
        1,
    )
    refused("do not fit 2 groups", native.conv2d_forward, x, w, None, out, one, one, one, 2)
    refused("stride and dilation", native.conv2d_forward, x, w, None, out, (0, 1), one, one, 1)
    refused(
        "larger than the padded input",
        native.conv2d_forward,
        x[:, :, :1, :1],
        w,
        None,
        out,
        one,
        (0, 0),
        one,
        1,
    )
    refused("channels last", native.conv2d_forward, x, w, None, np.ascontiguousarray(out), one, one, one, 1)
    refused("OHWI", native.conv2d_weight_gradient, out, x, np.ascontiguousarray(w), one, one, one, 1)
    refused("4 dimensions", native.conv2d_forward, x[0], w, None, out, one, one, one, 1)
    refused("bias|expected", native.conv2d_forward, x, w, np.zeros(3, np.float32), out, one, one, one, 1)
    refused(
        "float32 and float64",
        native.conv2d_forward,
        *(a.astype(np.int64) for a in (x, w)),
        None,
        out.astype(np.int64),
        one,
        one,
        one,
        1,
    )
    out.flags.writeable = False
    refused("read-only", native.conv2d_forward, x, w, None, out, one, one, one, 1)
    a, nothing = channels_last((1, 2, 4, 4), np.float32), np.zeros(0, np.float32)
    wrong, mean = "must have the shape", np.zeros(2, np.float32)
    refused(wrong, native.batch_norm_forward, a, mean, mean.copy(), 1e-5, None, None, nothing, True)
    refused(wrong, native.batch_norm_gradient, a, a, mean, mean, 1e-5, None, nothing, None, None, True)
    pooled = channels_last((1, 2, 1, 1), np.float32), channels_last((1, 2, 1, 1), np.int32)
    refused("below 2", native.max_pool2d, a, *pooled, (2**62, 2), one, (0, 0), one)
    refused("x has shape", native.relu, np.zeros(3, np.float32), np.zeros(4, np.float32))
    refused("not aligned", native.relu, np.zeros(9, np.int8)[1:].view(np.float64), np.zeros(1))
    refused(
        "inside the image",
        native.average_pool2d,
        np.zeros((1, 1, 2, 2)),
        np.array([[0, 3]]),
        np.array([[0, 1]]),
        np.ones((1, 1)),
        np.zeros((1, 1, 1, 1)),
    )
    refused("at least 1", native.set_num_threads, 0)
    refused("byte order", native.relu, np.zeros(3, ">f4"), np.zeros(3, np.float32))
    with pytest.raises(TypeError, match="x must be a NumPy array"):
        native.relu([1.0], [1.0])


def test_indices_outside_the_image_are_ignored():
    g, indices, gx = (
        np.ones((1, 1, 1, 2), np.float32),
        np.array([[[[-1, 4]]]]),
        np.zeros((1, 1, 2, 2), np.float32),
    )
    native.pool_place(g, indices, gx)
    assert not gx.any()


def test_memory_is_used_again():
    native.empty_cache()
    array = native.empty((1 << 18,), np.empty(0, np.float32))
    array[:] = 1
    address = array.__array_interface__["data"][0]
    view = array[5:]
    del array
    assert native.cached_bytes() == 0, "the view keeps the memory"
    del view
    assert native.cached_bytes() > 1 << 20
    again = native.empty((1 << 17,), np.empty(0, np.int64))
    assert again.__array_interface__["data"][0] == address
    again.resize(1 << 18, refcheck=False)
    assert not again[1 << 17 :].any()
    del again
    native.empty_cache()
    assert native.cached_bytes() == 0


def test_what_stays_lies_apart():
    """A model's arrays and a step's use memory of their own kind again."""
    like, address = np.empty(0, np.float32), lambda a: a.__array_interface__["data"][0]
    native.empty_cache()
    brief, lasting = native.empty((1 << 18,), like), native.empty((1 << 18,), like, stays=True)
    first, second = address(brief), address(lasting)
    del brief, lasting
    lasting, brief = native.empty((1 << 18,), like, stays=True), native.empty((1 << 18,), like)
    assert (address(brief), address(lasting)) == (first, second)
    lasting.resize(1 << 19, refcheck=False)
    assert not lasting[1 << 18 :].any()
    del brief, lasting
    native.empty_cache()
    assert native.cached_bytes() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="what the system promises, as Linux tells it")
def test_more_memory_than_there_is_is_refused():
    with open("/proc/sys/vm/overcommit_memory") as file:
        if file.read().strip() == "1":
            pytest.skip("this system promises memory that it doesn't have")
    with pytest.raises(MemoryError):
        native.empty((1 << 44,), np.empty(0, np.float32))
    assert native.empty((1 << 10,), np.empty(0, np.float32)).size


@pytest.mark.parametrize("size", [1, 300])
def test_new_arrays(size):
    shape = (2, 3, 5, size)
    for dtype in (np.float64, np.int64, bool):
        plain = native.empty(shape, np.empty(0, dtype))
        last = native.empty(shape, np.empty(0, dtype), channels_last=True)
        assert plain.flags.c_contiguous and np.moveaxis(last, 1, -1).flags.c_contiguous
        for a in (plain, last):
            a[...] = 1
            assert a.shape == shape and a.dtype == dtype and a.flags.owndata and a.flags.writeable
    assert native.empty((4, 3), plain, channels_last=True).flags.c_contiguous
    assert native.empty((), plain).shape == ()


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux does")
def test_without_room_for_threads_the_caller_works_alone():
    code = """if True:
        import os, resource
        import numpy as np
        from retrograd import kernels
        x = np.linspace(-1, 1, 100_000, dtype="f4").reshape(100, 1000)
        out = np.empty_like(x)
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + 2**21, -1))  # a thread's stack is larger
        kernels.native.relu(x, out)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        assert (out == x.clip(0)).all()
        print(len(os.listdir("/proc/self/task")))
    """
    done = run(code, OMP_NUM_THREADS="4", OPENBLAS_NUM_THREADS="1")
    assert done.stdout.strip() == "1", done.stderr


# --- switches --------------------------------------------------------------------------


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


SHOW = (
    "from retrograd import kernels; print(kernels.describe(), kernels.available(), kernels.get_num_threads())"
)


def test_kernels_can_be_switched_off():
    assert run(SHOW, RETROGRAD_KERNELS="numpy").stdout.startswith(
        "kernels: NumPy (RETROGRAD_KERNELS=numpy) False"
    )
    assert "expected 'native' (the default) or 'numpy'" in run(SHOW, RETROGRAD_KERNELS="fast").stderr


def test_an_instruction_set_can_be_forced():
    least = "neon" if platform.machine() in ("aarch64", "arm64") else "generic"
    assert f"compiled, {least}" in run(SHOW, RETROGRAD_ISA=least).stdout
    assert "choose" in run(SHOW, RETROGRAD_ISA="sse9").stderr


def test_number_of_threads_comes_from_the_environment():
    assert run(SHOW, OMP_NUM_THREADS="3").stdout.split()[-1] == "3"


@pytest.mark.skipif("RETROGRAD_ISA" in os.environ, reason="already one instruction set of several")
@pytest.mark.parametrize("isa", ["generic", "avx2"])
def test_all_of_this_for_lesser_instruction_sets(isa):
    if "choose" in run(SHOW, RETROGRAD_ISA=isa).stderr:
        pytest.skip(f"this machine or build has no {isa}")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-o",
            "addopts=",
            __file__,
        ],
        env={**os.environ, "RETROGRAD_ISA": isa, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
