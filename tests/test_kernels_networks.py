"""The compiled kernels that networks of other kinds need, against their rows' NumPy forwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_checks import by_row, close, float_types, laid_out, random
from retrograd import kernels
from retrograd.core.op import TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

from retrograd.kernels import cpu, volumes
from retrograd.kernels import images as image_kernels

native = kernels.native
row_kernels = native.row_kernels
quick = settings(max_examples=60, deadline=None)
layouts = st.sampled_from(["contiguous", "last", "strided"])


# --- depthwise convolution -----------------------------------------------------------------------

axes = st.tuples(  # size, kernel, stride, padding, dilation
    st.integers(1, 17), st.integers(1, 7), st.integers(1, 3), st.integers(0, 4), st.integers(1, 3)
).filter(lambda a: a[0] + 2 * a[3] >= a[4] * (a[1] - 1) + 1)


def outputs(axis):
    size, kernel, stride, padding, dilation = axis
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 3), st.sampled_from([2, 3, 16, 17, 40, 65, 130]), axes, axes, float_types,
    st.lists(layouts, min_size=3, max_size=3), st.booleans(),
)  # fmt: skip
def test_depthwise(images, channels, down, along, dtype, layout, with_bias):
    (h, kh, *_), (w, kw, *_) = down, along
    stride, padding, dilation = zip(down[2:], along[2:], strict=True)
    x = laid_out(random(1, images, channels, h, w, dtype=dtype), layout[0])
    weight = laid_out(random(2, channels, 1, kh, kw, dtype=dtype), layout[1])
    g = laid_out(random(3, images, channels, outputs(down), outputs(along), dtype=dtype), layout[2])
    bias = laid_out(random(4, channels, dtype=dtype), layout[1]) if with_bias else None
    how = stride, padding, dilation, channels
    for name, args in (
        ("conv2d", (x, weight, bias, *how)),
        ("conv2d_input", (g, weight, (h, w), *how)),
        ("conv2d_weight", (g, x, (kh, kw), *how)),
    ):
        got = row_kernels[name](*args)
        assert got is not NotImplemented and got.dtype == dtype
        close(got, by_row(name, *args), 200.0 if name == "conv2d_weight" else 20.0)


def test_depthwise_does_not_depend_on_the_number_of_threads(threads):
    x, weight, g = random(1, 3, 150, 20, 21), random(2, 150, 1, 3, 5), random(3, 3, 150, 10, 21)
    how = (2, 1), (1, 2), (1, 1), 150
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append([
            row_kernels["conv2d"](x, weight, None, *how),
            row_kernels["conv2d_input"](g, weight, (20, 21), *how),
            row_kernels["conv2d_weight"](g, x, (3, 5), *how),
        ])  # fmt: skip
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_a_nan_reaches_its_channel_alone():
    x, weight = random(1, 1, 20, 6, 6), random(2, 20, 1, 3, 3)
    x[0, 7, 3, 3] = np.nan
    out = row_kernels["conv2d"](x, weight, None, (1, 1), (1, 1), (1, 1), 20)
    expected = np.zeros(out.shape, bool)
    expected[0, 7, 2:5, 2:5] = True
    assert np.array_equal(np.isnan(out), expected)


# --- convolution over three axes -----------------------------------------------------------------

short_axes = st.tuples(
    st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 2)
).filter(lambda a: a[0] + 2 * a[3] >= a[4] * (a[1] - 1) + 1)


@quick
@given(
    st.integers(1, 3), st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(*[short_axes] * 3),
    float_types, st.lists(layouts, min_size=3, max_size=3), st.booleans(),
    st.sampled_from([1, 3000, 1 << 22]),
)  # fmt: skip
def test_conv3d(images, channels, over, dtype, layout, with_bias, piece):
    inputs, made = channels
    sizes, kernel, stride, padding, dilation = zip(*over, strict=True)
    x = laid_out(random(1, images, inputs, *sizes, dtype=dtype), layout[0])
    weight = laid_out(random(2, made, inputs, *kernel, dtype=dtype), layout[1])
    g = laid_out(random(3, images, made, *map(outputs, over), dtype=dtype), layout[2])
    bias = random(4, made, dtype=dtype) if with_bias else None
    how = stride, padding, dilation, 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "BYTES", piece)
        for name, args in (
            ("conv3d", (x, weight, bias, *how)),
            ("conv3d_input", (g, weight, sizes, *how)),
            ("conv3d_weight", (g, x, kernel, *how)),
        ):
            ((_, when, kernel_of_row),) = TABLE[name].kernels
            assert when(*args)
            got = kernel_of_row(*args)
            assert got.dtype == dtype
            close(got, by_row(name, *args), 300.0)


# --- recurrent layers ----------------------------------------------------------------------------


def by_kernel(name, *args):
    """What the kernel registered for the row gives; it must take these arguments."""
    ((_, when, function),) = TABLE[name].kernels
    assert when(*args)
    return function(*args)


def all_close(got, expected, scale=1.0):
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            close(a, b, scale)


lengths = st.lists(st.integers(1, 27), min_size=1, max_size=6).map(lambda sizes: tuple(sorted(sizes)[::-1]))
units = st.sampled_from([1, 3, 16, 31, 33, 70])


@quick
@given(lengths, units, st.booleans(), st.booleans(), float_types, layouts)
def test_rnn_steps(sizes, n, reverse, relu, dtype, layout):
    count = sum(sizes)
    x, h0 = random(1, count, n, dtype=dtype), random(2, sizes[0], n, dtype=dtype)
    w, g = laid_out(random(3, n, n, dtype=dtype), layout) / dtype(n**0.5), random(4, count, n, dtype=dtype)
    args = x, laid_out(h0, layout), w, sizes, reverse, relu
    out = by_kernel("rnn_steps", *args)
    close(out, by_row("rnn_steps", *args))
    back = g, (True,) * 3, out, out.dtype, h0, w, sizes, reverse, relu
    all_close(by_kernel("rnn_steps_backward", *back), by_row("rnn_steps_backward", *back), 30.0)


@quick
@given(lengths, units, st.booleans(), float_types, layouts, st.sampled_from(["h", "c", "both"]))
def test_lstm_steps(sizes, n, reverse, dtype, layout, given):
    count = sum(sizes)
    x, w = random(1, count, 4 * n, dtype=dtype), laid_out(random(2, 4 * n, n, dtype=dtype), layout)
    w = w / dtype(n**0.5)
    h0, c0 = (laid_out(random(i, sizes[0], n, dtype=dtype), layout) for i in (3, 4))
    args = x, h0, c0, w, None, sizes, reverse
    made = by_kernel("lstm_steps", *args)
    all_close(made, by_row("lstm_steps", *args))
    g_h, g_c = (random(i, count, n, dtype=dtype) for i in (5, 6))
    g_h, g_c = g_h if given != "c" else None, g_c if given != "h" else None
    back = g_h, g_c, None, (True,) * 5, *made, made[0].dtype, h0, c0, w, None, sizes, reverse
    got, expected = (f("lstm_steps_backward", *back) for f in (by_kernel, by_row))
    all_close(got[:4], expected[:4], 30.0)


@quick
@given(lengths, units, st.booleans(), float_types, layouts, st.booleans())
def test_gru_steps(sizes, n, reverse, dtype, layout, with_bias):
    count = sum(sizes)
    x, w = random(1, count, 3 * n, dtype=dtype), laid_out(random(2, 3 * n, n, dtype=dtype), layout)
    w = w / dtype(n**0.5)
    h0, bias = random(3, sizes[0], n, dtype=dtype), random(4, 3 * n, dtype=dtype) if with_bias else None
    args = x, laid_out(h0, layout), w, bias, sizes, reverse
    made = by_kernel("gru_steps", *args)
    all_close(made, by_row("gru_steps", *args))
    g = random(5, count, n, dtype=dtype)
    back = g, None, (True, True, True, with_bias), *made, made[0].dtype, h0, w, bias, sizes, reverse
    all_close(by_kernel("gru_steps_backward", *back), by_row("gru_steps_backward", *back), 30.0)


def test_recurrent_layers_do_not_depend_on_the_number_of_threads(threads):
    sizes, n = (40, 40, 25, 3), 70
    x, h0, c0 = random(1, sum(sizes), 4 * n), random(2, 40, n), random(3, 40, n)
    w, g = random(4, 4 * n, n) / 8, random(5, sum(sizes), n)
    results = []
    for threads_ in (1, 2, 5):
        threads(threads_)
        made = by_kernel("lstm_steps", x, h0, c0, w, None, sizes, True)
        back = g, None, None, (True,) * 5, *made, made[0].dtype, h0, c0, w, None, sizes, True
        results.append([*made, *by_kernel("lstm_steps_backward", *back)[:4]])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_tanh_keeps_its_digits_and_limits():
    x = np.concatenate([np.linspace(-20, 20, 4001), [0, 1e-30, -1e-8, 0.6, 0.5999, 100, np.inf, -np.inf]])
    first, weight = np.zeros((len(x), 1)), np.zeros((1, 1))
    for dtype, rtol in ((np.float32, 4e-7), (np.float64, 1e-15)):
        values = x.astype(dtype)[:, None]
        states = first.astype(dtype), weight.astype(dtype)
        out = by_kernel("rnn_steps", values, *states, (len(x),), False, False)
        np.testing.assert_allclose(out, np.tanh(values.astype(np.float64)), rtol=rtol)
    nan = by_kernel("rnn_steps", *(np.full((1, 1), v) for v in (np.nan, 0.0, 0.0)), (1,), False, False)
    assert np.isnan(nan).all()


# --- group norm, resampling ----------------------------------------------------------------------


@quick
@given(
    st.integers(1, 3), st.sampled_from([(1, 1), (3, 3), (2, 8), (4, 20), (1, 70), (33, 33)]),
    st.sampled_from([(), (1,), (7,), (5, 6), (40, 41), (2, 3, 4)]), float_types, layouts, st.booleans(),
)  # fmt: skip
def test_group_norm(images, channels, size, dtype, layout, affine):
    groups, count = channels
    x = laid_out(random(1, images, count, *size, dtype=dtype) * 3 + 5, layout)
    weight, bias = (random(i, count, dtype=dtype) if affine else None for i in (2, 3))
    g = laid_out(random(4, *x.shape, dtype=dtype), layout)
    args = x, weight, bias, groups, 1e-3
    made = row_kernels["group_norm"](*args)
    all_close(made, by_row("group_norm", *args), 10.0)
    needs = True, affine, affine
    back = g, None, None, needs, x, weight, made[1], made[2], groups, 1e-3
    all_close(row_kernels["group_norm_backward"](*back), by_row("group_norm_backward", *back), 300.0)


@quick
@given(
    st.sampled_from([(2, 3, 5), (1, 4, 6, 7), (2, 1, 3, 4, 5), (1, 2500, 3, 2)]), st.integers(1, 9),
    st.integers(1, 4), float_types, layouts, st.integers(0, 99),
)  # fmt: skip
def test_resample(shape, outputs, taps, dtype, layout, seed):
    random_ = np.random.default_rng(seed)
    axis = int(random_.integers(2, len(shape)))
    x, size = laid_out(random(1, *shape, dtype=dtype), layout), shape[axis]
    indices, weights = random_.integers(0, size, (outputs, taps)), random_.random((outputs, taps))
    args = x, indices, weights, axis, size
    close(by_kernel("resample", *args), by_row("resample", *args), 5.0)
    g = laid_out(random(2, *shape[:axis], outputs, *shape[axis + 1 :], dtype=dtype), layout)
    back = g, indices, weights, axis, size
    close(by_kernel("resample_backward", *back), by_row("resample_backward", *back), 30.0)


# --- few channels, channels last -----------------------------------------------------------------


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize(
    "shape", [(70, 6, 28, 28), (3, 1, 5, 7), (2, 33, 4, 3), (5, 16, 9), (4, 3, 2, 5, 6)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_the_pixels_of_channels_last(shape, name, dtype, keepdim, threads):
    x = laid_out(random(1, *shape, dtype=dtype), "last")
    axes = (0, *range(2, x.ndim))
    results = []
    for n in (1, 3):
        threads(n)
        results.append(row_kernels[name](x, axes, keepdim))
    assert results[0] is not NotImplemented and results[0].dtype == dtype
    close(results[0], by_row(name, x, axes, keepdim), 100.0)
    np.testing.assert_array_equal(*results)


@quick
@given(st.integers(0, 700), st.integers(1, 40), float_types)
def test_sums_of_short_rows(rows, width, dtype):
    x = random(1, rows, width, dtype=dtype)
    close(row_kernels["sum"](x, (0,), False), by_row("sum", x, (0,), False), 30.0)


@quick
@given(
    st.tuples(st.integers(1, 4), st.sampled_from([8, 16, 21, 64]), st.integers(1, 6), st.integers(1, 6)),
    float_types,
    layouts,
    st.sampled_from(["softmax", "log_softmax"]),
)
def test_softmax_over_channels(shape, dtype, layout, name):
    x = laid_out(random(1, *shape, dtype=dtype), "last")
    g = laid_out(random(2, *shape, dtype=dtype), layout)
    out = row_kernels[name](x, 1)
    close(out, by_row(name, x, 1))
    gx = row_kernels[name + "_backward"](g, out, 1)
    close(gx, by_row(name + "_backward", g, out, 1), 10.0)
    assert all(np.moveaxis(a, 1, -1).flags.c_contiguous for a in (out, gx))


@quick
@given(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 3, 6, 16, 20]), st.integers(4, 13), st.integers(4, 13)),
    st.integers(1, 4), st.integers(1, 4), st.integers(0, 1), st.booleans(), float_types, layouts,
)  # fmt: skip
def test_average_pool(shape, window, stride, padding, ceil_mode, dtype, layout):
    padding = min(padding, window // 2)
    how = (window,) * 2, (stride,) * 2, (padding,) * 2, ceil_mode, True, None
    x = laid_out(random(1, *shape, dtype=dtype), layout)
    out = cpu.avg_pool(x, *how)
    close(out, by_row("avg_pool", x, *how))
    g = laid_out(random(2, *out.shape, dtype=dtype), layout)
    close(cpu.avg_pool_input(g, shape[2:], *how), by_row("avg_pool_input", g, shape[2:], *how))


@quick
@given(
    st.integers(1, 120), st.integers(1, 4), st.sampled_from([64, 65, 100, 333]), st.booleans(), float_types
)
def test_products_of_few_columns(rows, columns, depth, with_bias, dtype):
    x, weight = random(1, rows, depth, dtype=dtype), random(2, columns, depth, dtype=dtype)
    bias = random(3, columns, dtype=dtype) if with_bias else None
    out = row_kernels["linear"](x, weight, bias)
    close(out, by_row("linear", x, weight, bias), 50.0)


@pytest.mark.parametrize("layout", ["contiguous", "last", "another"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_parts_put_together_keep_their_order_in_memory(axis, layout):
    x = laid_out(random(1, 6, 8, 10), layout)
    x = np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2) if layout == "another" else x
    sizes = (2, 3, x.shape[axis] - 5)
    parts = np.split(x, np.cumsum(sizes)[:-1], axis)
    got = cpu.uncut(x.shape, axis, sizes, (True,) * 3, *parts)
    if layout == "another":
        assert got is NotImplemented
        got = TABLE["uncut"].forward(np, x.shape, axis, sizes, (True,) * 3, *parts)
    np.testing.assert_array_equal(got, x)
    assert got.strides == x.strides
    some = TABLE["uncut"].forward(np, x.shape, axis, sizes, (True, False, True), parts[0], parts[2])
    assert not np.take(some, range(2, 5), axis).any() and some.strides == x.strides
    np.testing.assert_array_equal(np.take(some, range(2), axis), parts[0])


@pytest.mark.parametrize("name", ["relu", "mul"])
def test_elementwise_results_keep_any_order_of_axes(name):
    x = random(1, 20, 30, 8, 9).transpose(2, 0, 3, 1)
    got = row_kernels[name](*[x] * (1 if name == "relu" else 2))
    assert got.strides == x.strides
    np.testing.assert_array_equal(got, np.maximum(x, 0) if name == "relu" else x * x)


@quick
@given(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 5, 16]), *[st.integers(3, 9)] * 3),
    st.tuples(*[st.integers(1, 3)] * 3), st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 1),
    st.integers(1, 2), float_types, layouts, st.sampled_from(["plain", "ties", "nan", "low"]),
)  # fmt: skip
def test_max_pool3d(shape, window, stride, padding, dilation, dtype, layout, values):
    reach = [dilation * (k - 1) + 1 for k in window]
    padding = (0, *[min(padding, r // 2) for r in reach[1:]])
    how = window, stride, padding, (dilation,) * 3, False
    x = random(1, *shape, dtype=dtype)
    if values == "ties":
        x = np.round(x)
    elif values == "nan":
        x[..., 1:3, 0:2, 2] = np.nan
    elif values == "low":
        x[..., :2, :] = -np.inf
    x = laid_out(x, layout)
    if not volumes._max_pool_ready(x, *how):
        return
    wanted = TABLE["max_pool3d"].forward(np, x, *how)
    for got, expected in zip(volumes.max_pool3d(x, *how), wanted, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


@quick
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple), st.data(), float_types,
    st.sampled_from(["contiguous", "last", "strided", "transposed"]),
)  # fmt: skip
def test_padding_with_own_elements(shape, data, dtype, layout):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=2, unique=True))
    picks = [data.draw(st.lists(st.integers(0, shape[a] - 1), min_size=1, max_size=9)) for a in axes]
    indices = tuple((a, np.array(p)) for a, p in zip(axes, picks, strict=True))
    x = laid_out(random(1, *shape, dtype=dtype), layout)
    out = image_kernels.own_pad(x, shape, indices)
    np.testing.assert_array_equal(out, TABLE["own_pad"].forward(np, x, shape, indices))
    g = laid_out(random(2, *out.shape, dtype=dtype), layout)
    got = image_kernels.own_pad_backward(g, shape, indices)
    close(got, by_row("own_pad_backward", g, shape, indices), 10.0)
