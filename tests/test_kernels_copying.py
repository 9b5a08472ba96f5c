"""The compiled copies, conversions and joins against NumPy's: orders of memory, dtypes, repeated axes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_checks import laid_out
from retrograd import kernels
from retrograd.core.arrays import bfloat16
from retrograd.core.op import TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

native = kernels.native
row_kernels = native.row_kernels
quick = settings(max_examples=100, deadline=None)
layouts = st.sampled_from(["contiguous", "transposed", "last", "strided"])
known = [np.float32, np.float64, np.int64, np.int32, np.bool_, np.uint8]
dtypes = st.sampled_from([*known, np.int16, np.float16, np.complex64, np.complex128, bfloat16.numpy])
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 8, 17, 33]), max_size=4).filter(lambda s: np.prod(s) < 9000)


def made(shape, dtype, layout, seed=0):
    values = np.random.default_rng(seed).integers(-3, 4, shape)
    with np.errstate(all="ignore"):
        values = values.astype(dtype)
    return np.asarray(laid_out(values, layout)) if np.dtype(dtype).kind in "fiub" else values


def _same(got, expected):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got.view(), expected)
    if all(n > 1 for n in expected.shape):
        assert got.strides == expected.strides


def _kernel(name, *args):
    """What the kernel gives, or the row's own forward where it leaves these to it."""
    out = row_kernels[name](*args)
    return TABLE[name].forward(np, *args) if out is NotImplemented else out


@quick
@given(shapes, dtypes, layouts)
def test_clone(shape, dtype, layout):
    x = made(shape, dtype, layout)
    _same(_kernel("clone", x), TABLE["clone"].forward(np, x))
    repeated = np.broadcast_to(x, (3, *x.shape))
    _same(_kernel("clone", repeated), TABLE["clone"].forward(np, repeated))


@quick
@given(shapes, st.sampled_from(known), st.sampled_from(known), layouts)
def test_cast(shape, dtype, to, layout):
    x = made(shape, dtype, layout)
    _same(_kernel("cast", x, np.dtype(to)), TABLE["cast"].forward(np, x, np.dtype(to)))


def test_cast_of_what_no_whole_number_is():
    for kind in (np.float32, np.float64):
        x = np.array([np.nan, np.inf, -np.inf, 0.5, -1.5, -0.0] * 9, kind)
        with np.errstate(all="ignore"):
            for to in (np.bool_, np.int64, np.float32, np.float64):
                _same(row_kernels["cast"](x, np.dtype(to)), x.astype(to))


@quick
@given(shapes, dtypes, layouts, st.randoms())
def test_contiguous(shape, dtype, layout, random):
    x = made(shape, dtype, layout)
    axes = list(range(x.ndim))
    random.shuffle(axes)
    _same(_kernel("contiguous", x, tuple(axes)), TABLE["contiguous"].forward(np, x, tuple(axes)))


@quick
@given(shapes.filter(len), dtypes, st.integers(0, 15))
def test_flip(shape, dtype, which):
    x = made(shape, dtype, "contiguous")
    axes = tuple(i for i in range(x.ndim) if which >> i & 1)
    _same(_kernel("flip", x, axes), TABLE["flip"].forward(np, x, axes))


@quick
@given(
    shapes.filter(len),
    dtypes,
    st.integers(0, 3),
    st.lists(st.sampled_from([0, 1, 3, 20]), min_size=1, max_size=4),
    layouts,
)
def test_cat_and_stack(shape, dtype, axis, sizes, layout):
    axis %= len(shape)
    parts = [made([n if i == axis else s for i, s in enumerate(shape)], dtype, layout, n) for n in sizes]
    got = _kernel("cat", axis, tuple(sizes), *parts)
    _same(got, TABLE["cat"].forward(np, axis, tuple(sizes), *parts))
    np.testing.assert_array_equal(got, np.concatenate(parts, axis))
    parts = [made(shape, dtype, "contiguous", i) for i in range(len(sizes))]
    _same(_kernel("stack", axis, *parts), np.ascontiguousarray(np.stack(parts, axis)))


@quick
@given(shapes, st.sampled_from(known), st.sampled_from(known), layouts, layouts, st.integers(0, 15))
def test_copy_into(shape, to, dtype, out_layout, layout, single):
    x = made([1 if single >> i & 1 else n for i, n in enumerate(shape)], dtype, layout)
    out = np.asarray(laid_out(np.zeros(shape, to), out_layout))
    expected = np.zeros(shape, to)
    with np.errstate(all="ignore"):
        expected[...] = x
    if native.copy_into(out, x):
        np.testing.assert_array_equal(out, expected)
    else:
        assert to is np.uint8 and dtype is not np.uint8


def test_large_copies(threads):
    x = np.random.default_rng(0).normal(size=(3, 517, 601)).astype("f")
    for n in (1, 2, 5):
        threads(n)
        _same(row_kernels["contiguous"](x, (0, 2, 1)), TABLE["contiguous"].forward(np, x, (0, 2, 1)))
        _same(
            row_kernels["contiguous"](x.transpose(0, 2, 1), (0, 1, 2)),
            np.ascontiguousarray(x.transpose(0, 2, 1)),
        )
        _same(row_kernels["contiguous"](x, (1, 2, 0)), TABLE["contiguous"].forward(np, x, (1, 2, 0)))
        _same(row_kernels["cast"](x, np.dtype(float)), x.astype(float))
        _same(row_kernels["cat"](2, (601, 601), x, x), np.concatenate([x, x], 2))


def test_what_is_left_to_numpy():
    x = np.arange(12.0)
    assert not native.copy_into(x[1:], x[:-1]), "they share memory"
    assert not native.copy_into(x, np.arange(5.0)), "the shapes don't fit"
    x.flags.writeable = False
    assert not native.copy_into(x, np.arange(12.0)), "it is read-only"
    assert row_kernels["clone"](np.array([None])) is NotImplemented
    assert row_kernels["cat"](3, (1,), np.ones(1)) is NotImplemented
    assert row_kernels["contiguous"](np.ones((2, 2)), (0, 0)) is NotImplemented
    with pytest.raises(TypeError, match="expected 2 arguments"):
        row_kernels["cast"](x)
