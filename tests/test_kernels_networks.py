"""The compiled kernels that networks of other kinds need, against their rows' NumPy forwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrograd import kernels
from retrograd.core.op import TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

from retrograd.kernels import volumes

native = kernels.native
row_kernels = native.row_kernels
float_types = st.sampled_from([np.float32, np.float64])
quick = settings(max_examples=60, deadline=None)


def random(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def laid_out(x, layout):
    """`x` with its values in another memory layout."""
    if layout == "last" and x.ndim > 2:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    if layout == "strided":
        wide = np.full([2 * n + 1 for n in x.shape], np.nan, x.dtype)
        steps = tuple(slice(n * 2 - 1, None, -2) if n else slice(0, 0) for n in x.shape)
        wide[steps] = x
        return wide[steps]
    return x.copy()


layouts = st.sampled_from(["contiguous", "last", "strided"])


def by_row(name, *args):
    """What the row's own forward gives for these arrays, in float64."""
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in args]
    return TABLE[name].forward(np, *wide)


def close(got, expected, scale=1.0):
    """Equal up to the rounding of a sum whose terms add up to about `scale`."""
    rtol = 2e-5 if got.dtype == np.float32 else 1e-12
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale)


@pytest.fixture
def threads():
    before = native.get_num_threads()
    yield native.set_num_threads
    native.set_num_threads(before)


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
