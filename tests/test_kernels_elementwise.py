"""Elementwise programs of the compiled door against NumPy's own ufuncs: broadcasting, layouts, dtypes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from kernel_checks import laid_out
from retrograd import kernels
from retrograd.core.op import TABLE
from retrograd.core.tensor import wrap

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

quick = settings(max_examples=60, deadline=None)
layouts = st.sampled_from(["contiguous", "transposed", "last", "strided"])
dtypes = st.sampled_from([np.float32, np.float64, np.int64])


@st.composite
def broadcast(draw, count):
    """Arrays of one dtype that broadcast together, each laid out in its own way."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 5, 9, 17]), min_size=1, max_size=4))
    if draw(st.integers(0, 9)) == 0:
        shape[draw(st.integers(0, len(shape) - 1))] = 0
    if draw(st.integers(0, 9)) == 0:
        shape[:] = [shape[0], 3000]  # longer than a block
    dtype, random = draw(dtypes), np.random.default_rng(draw(st.integers(0, 99)))
    arrays = []
    for _ in range(count):
        own = [n if draw(st.booleans()) or draw(st.booleans()) else 1 for n in shape]
        own = own[draw(st.integers(0, len(own))) :] if draw(st.booleans()) else own
        values = random.integers(-4, 5, own).astype(dtype)
        if dtype is not np.int64 and values.size:
            values.ravel()[0] = random.choice([np.nan, np.inf, -0.0])
        arrays.append(np.asarray(laid_out(values, draw(layouts))))
    return arrays


def _same(got, expected):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
    if expected.size and all(n > 1 for n in expected.shape):
        assert got.strides == expected.strides


@quick
@given(broadcast(2), st.sampled_from(["add", "sub", "mul", "maximum", "gt", "eq"]))
def test_two_arrays(arrays, name):
    with np.errstate(all="ignore"):
        _same(TABLE[name](*arrays), TABLE[name].forward(np, *arrays))


@quick
@given(broadcast(3))
def test_choices(arrays):
    x, y, condition = arrays
    expected = np.where(condition > 0, x, y)
    got = TABLE["where"](x, y, condition > 0)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@quick
@given(broadcast(1), st.sampled_from(["neg", "abs", "sign"]))
def test_one_array(arrays, name):
    _same(TABLE[name](*arrays), TABLE[name].forward(np, *arrays))


@quick
@given(broadcast(1), st.sampled_from([3, -7, 0, 2.5, 1 << 30]))
def test_an_array_and_a_number(arrays, number):
    x = wrap(arrays[0])
    expected = arrays[0] + number if x.is_floating_point() or type(number) is int else None
    if expected is None:
        assert (x + number).dtype == retrograd.float32
    else:
        _same((x + number).numpy(), expected)


def test_large_arrays_give_the_same_bits_with_any_number_of_threads(threads):
    random = np.random.default_rng(0)
    x, row, column = (random.normal(size=n).astype("f") for n in ((700, 300), (300,), (700, 1)))
    results = []
    for n in (1, 2, 5):
        threads(n)
        pairs = ("mul", x[:, ::2], row[::2]), ("sub", column, row), ("add", x.T, column.T)
        results.append([TABLE[name](*pair) for name, *pair in pairs])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)
    assert np.array_equal(results[0][0], x[:, ::2] * row[::2])
    assert np.array_equal(results[0][1], column - row)
    assert np.array_equal(results[0][2], x.T + column.T)


def test_a_float_in_a_formula_keeps_whole_numbers_from_being_cut():
    x = retrograd.tensor([1, 2, 3])
    assert (x * 0.5).tolist() == [0.5, 1.0, 1.5] and (x > 1.5).tolist() == [False, True, True]


def test_shapes_that_do_not_broadcast_are_an_error():
    x, y = retrograd.ones(3, 20), retrograd.ones(2, 20)
    with pytest.raises(RuntimeError, match="broadcast"):
        x + y


def _polynomial(x, y, scale):
    difference = x - y
    return difference * difference * scale + np.abs(x)


@quick
@given(broadcast(2), st.sampled_from([2, 0.5]))
def test_a_fused_function(arrays, scale):
    x, y = arrays
    with np.errstate(all="ignore"):
        expected = _polynomial(x, y, scale)
        _same(_fused(x, y, scale), expected)
    if x.dtype.kind == "f":
        got = _fused(wrap(x), wrap(y), scale)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)


_fused = retrograd.core.compiled.fused(_polynomial)


def test_sums_with_a_scale_are_one_node():
    x, y = (retrograd.ones(3, requires_grad=True) for _ in "xy")
    for function, name, slope in ((retrograd.add, "Add", 0.5), (retrograd.sub, "Sub", -0.5)):
        out = function(x, y, alpha=0.5)
        assert out.grad_fn.name() == f"{name}Backward0" and out.grad_fn.next_functions[1][0].variable is y
        assert retrograd.autograd.grad(out.sum(), y)[0].tolist() == [slope] * 3
