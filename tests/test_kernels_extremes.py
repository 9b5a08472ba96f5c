"""The compiled kernels of extremes, their places, and of masks against their rows' NumPy forwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_checks import float_types, laid_out
from retrograd import kernels
from retrograd.core.op import TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

row_kernels = kernels.native.row_kernels
quick = settings(max_examples=100, deadline=None)
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 17, 70, 150]), max_size=4).filter(lambda s: np.prod(s) < 30000)
layouts = st.sampled_from(["contiguous", "contiguous", "transposed", "strided"])


@st.composite
def numbers(draw, dtype=None):
    shape, random = draw(shapes), np.random.default_rng(draw(st.integers(0, 99)))
    x = random.integers(-40, 40, shape).astype(draw(float_types) if dtype is None else dtype)
    if x.dtype.kind == "f" and x.size and draw(st.booleans()):
        x.reshape(-1)[random.integers(0, x.size, 1 + x.size // 40)] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf])
        )
    return np.asarray(laid_out(x, draw(layouts)))


def _check(name, x, *rest):
    got = row_kernels[name](x, *rest)
    if got is NotImplemented:
        return False
    expected = TABLE[name].forward(np, x, *rest)
    for g, e in zip(*((r if type(r) is tuple else (r,)) for r in (got, expected)), strict=True):
        assert g.dtype == np.asarray(e).dtype and g.shape == np.shape(e)
        np.testing.assert_array_equal(g, e)
    return True


def _axes(x, which):
    return tuple(i for i in range(x.ndim) if which >> i & 1)


@quick
@given(
    numbers(),
    st.integers(0, 15),
    st.booleans(),
    st.sampled_from(["amax", "amin", "max_of_all", "min_of_all"]),
)
def test_extremes(x, which, keep, name):
    axes = _axes(x, which)
    done = _check(name, x, axes, keep) if x.size else row_kernels[name](x, axes, keep) is not None
    assert done or not (x.flags.c_contiguous and axes == tuple(range(x.ndim)) and axes)


@quick
@given(
    numbers(),
    st.integers(-1, 3),
    st.booleans(),
    st.sampled_from(["arg", ""]),
    st.sampled_from(["max", "min"]),
)
def test_places(x, axis, keep, prefix, name):
    axis = None if axis < 0 and prefix else max(axis, 0) % max(x.ndim, 1)
    if x.size and x.ndim:
        done = _check(prefix + name, x, axis, keep, *([] if prefix else [1]))
        assert done or axis not in (None, 0, x.ndim - 1) or not x.flags.c_contiguous


@quick
@given(numbers(bool), st.integers(0, 15), st.booleans(), st.sampled_from(["any", "all", "sum"]))
def test_masks(x, which, keep, name):
    _check(name, x, _axes(x, which), keep)


def test_large_ones_do_not_depend_on_the_number_of_threads(threads):
    random = np.random.default_rng(0)
    x = random.normal(size=(301, 700)).astype("f")
    mask = x > 2.5
    for n in (1, 2, 5):
        threads(n)
        for axes in ((0,), (1,), (0, 1)):
            assert _check("amax", x, axes, False) and _check("amin", x, axes, True)
        assert (
            _check("argmax", x, None, False)
            and _check("argmax", x, 1, False)
            and _check("argmax", x, 0, False)
            and _check("max", x, 0, False, 1)
            and _check("min", x, 1, False, 1)
        )
        for name in ("any", "all", "sum"):
            assert _check(name, mask, (1,), False) and _check(name, mask, (0, 1), False)
    assert row_kernels["sum"](np.ones(100_003, bool), (0,), False) == 100_003


def test_a_nan_is_found_wherever_it_is():
    for n in (1, 5, 16, 64, 65, 200):
        for at in range(n):
            x = np.arange(n, dtype="f")
            x[at] = np.nan
            assert np.isnan(row_kernels["amax"](x, (0,), False)) and row_kernels["argmin"](x, 0, False) == at
