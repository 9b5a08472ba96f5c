"""The compiled kernels of products, attention and sums against their rows' NumPy forwards."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retrograd
from kernel_checks import by_row, close, float_types, laid_out, random
from retrograd import kernels
from retrograd.core import generator as generator_module
from retrograd.core import random as rng
from retrograd.core.op import TABLE
from retrograd.core.words import NumpyWords

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

from retrograd.kernels import attention

native = kernels.native
row_kernels = native.row_kernels
quick = settings(max_examples=60, deadline=None)
layouts = st.sampled_from(["contiguous", "transposed", "strided"])


# --- matrix products -----------------------------------------------------------------------------

sizes = st.sampled_from([0, 1, 2, 5, 12, 13, 31, 33, 64, 97])


@quick
@given(
    st.tuples(sizes, sizes, st.sampled_from([0, 1, 3, 40, 255, 256, 300, 520])),
    st.sampled_from([((), ()), ((3,), (3,)), ((2, 3), (3,)), ((), (2,)), ((2, 1), (2, 4)), ((0,), ())]),
    float_types,
    layouts,
    layouts,
)
def test_matmul(size, lead, dtype, x_layout, y_layout):
    m, n, k = size
    x = laid_out(random(1, *lead[0], m, k, dtype=dtype), x_layout)
    y = laid_out(random(2, *lead[1], k, n, dtype=dtype), y_layout)
    close(row_kernels["matmul"](x, y), by_row("matmul", x, y), k)


@quick
@given(
    st.tuples(sizes, sizes, st.sampled_from([0, 1, 3, 40, 300, 1030])),
    st.sampled_from([(), (3,), (0,)]),
    st.sampled_from(["none", "row", "all", "column"]),
    float_types,
    layouts,
    layouts,
)
def test_products_of_matrices_and_of_batches(size, lead, plus, dtype, x_layout, y_layout):
    m, n, k = size
    x = laid_out(random(1, *lead, m, k, dtype=dtype), x_layout)
    y = laid_out(random(2, *lead, k, n, dtype=dtype), y_layout)
    if plus == "none":
        name, values = ("bmm" if lead else "mm"), (x, y)
    else:
        shape = {"row": (n,), "all": (*lead, m, n), "column": (*lead, m, 1)}[plus]
        name, values = ("baddbmm" if lead else "addmm"), (random(3, *shape, dtype=dtype), x, y, 1, 1.0)
    got = row_kernels[name](*values)
    of_blas = (n < 4 and m * k >= 1024) or (m * n <= 1024 <= k)
    if got is NotImplemented:
        assert of_blas or (plus == "column" and n != 1)
    else:
        close(got, by_row(name, *values), k)


def test_products_of_other_ranks_are_left_to_the_row():
    x = random(1, 3, 3, 3)
    row = x[0]
    for name, args in (("mm", (x, x)), ("bmm", (row, row)), ("bmm", (x, x[:2])), ("addmm", (x, x, x, 1, 1)),
                       ("addmm", (row, row, row, 2, 1)), ("addmm", (row, row, row, 1, 0.5))):  # fmt: skip
        assert row_kernels[name](*args) is NotImplemented


@quick
@given(
    st.sampled_from([(3,), (2, 3), (0,), (2, 0, 2), (200,)]),
    st.sampled_from([0, 1, 3, 40, 255, 256, 300, 520]),
    sizes,
    float_types,
    layouts,
    st.booleans(),
)
def test_linear(lead, features, outputs, dtype, layout, with_bias):
    x = laid_out(random(1, *lead, features, dtype=dtype), layout)
    weight = laid_out(random(2, outputs, features, dtype=dtype), layout)
    bias = random(3, outputs, dtype=dtype) if with_bias else None
    close(row_kernels["linear"](x, weight, bias), by_row("linear", x, weight, bias), features)


@pytest.mark.parametrize("rows", [1, 3, 16, 17])
@pytest.mark.parametrize("features", [(520, 301), (16, 4100), (4100, 17)])
def test_a_layer_of_few_rows(rows, features):
    inputs, outputs = features
    shapes = (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)
    x, weight, bias, g = (random(i, *shape) for i, shape in enumerate(shapes))
    close(row_kernels["linear"](x, weight, bias), by_row("linear", x, weight, bias), inputs)
    for a, b in ((x, weight.T), (g, weight), (g.T, x)):
        close(row_kernels["matmul"](a, b), by_row("matmul", a, b), a.shape[1])


def test_products_do_not_depend_on_the_number_of_threads(threads):
    x, y = random(1, 301, 530), random(2, 530, 260)
    batch = random(3, 9, 40, 33), random(4, 9, 33, 50)
    results = []
    for n in (1, 2, 5):
        threads(n)
        pairs = (x, y), (y.T, x.T), batch, (x[:3], y), (x[:90], y)
        results.append([row_kernels["matmul"](*pair) for pair in pairs])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_products_let_nan_and_infinity_through():
    x, y = random(1, 40, 30), random(2, 30, 50)
    x[3, 4], y[7, 9] = np.nan, np.inf
    got, expected = row_kernels["matmul"](x, y), x @ y
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    assert np.array_equal(np.isinf(got), np.isinf(expected))
    assert np.isnan(got[3]).all() and not np.isnan(got[4]).any()


@pytest.mark.parametrize(
    ("x", "y", "out", "message"),
    [
        ((2, 3), (4, 5), (2, 5), "does not give"),
        ((2, 3), (3, 5), (2, 4), "does not give"),
        ((1, 2, 3), (3, 5), (2, 5), "as many dimensions"),
    ],
)
def test_products_refuse_what_does_not_fit(x, y, out, message):
    with pytest.raises(ValueError, match=message):
        native.matmul(random(1, *x), random(2, *y), None, random(3, *out))


# --- attention -----------------------------------------------------------------------------------


@st.composite
def attentions(draw):
    lead = draw(st.sampled_from([(1,), (3,), (2, 2), (1, 3)]))
    length, source = draw(st.sampled_from([1, 2, 17, 70])), draw(st.sampled_from([1, 3, 16, 90]))
    return lead, length, source, draw(st.sampled_from([1, 4, 33])), draw(st.sampled_from([1, 5, 32]))


@quick
@given(
    attentions(),
    float_types,
    layouts,
    st.booleans(),
    st.sampled_from([None, "all", "keys", "some see nothing"]),
)
def test_attention(case, dtype, layout, causal, masked):
    lead, length, source, depth, width = case
    sizes = (length, depth), (source, depth), (source, width), (length, width)
    q, k, v, g = [laid_out(random(i, *lead, *s, dtype=dtype), layout) for i, s in enumerate(sizes)]
    mask = None
    if masked:
        mask = random(5, *lead, 1 if masked == "keys" else length, source, dtype=dtype)
        mask[..., mask.shape[-2] // 2, :] = -np.inf if masked == "some see nothing" else 0
        mask = np.broadcast_to(mask, (*lead, length, source))
    how = mask, causal, 0.7
    close(attention.attention(q, k, v, *how), by_row("scaled_dot_product_attention", q, k, v, *how), 10)
    needs = (True, True, True)
    got = attention.attention_backward(g, needs, q, k, v, *how)
    expected = by_row("scaled_dot_product_attention_backward", g, needs, q, k, v, *how)
    for a, b in zip(got, expected, strict=True):
        close(a, b, 100)


@pytest.mark.parametrize("causal", (False, True))
@pytest.mark.parametrize(("length", "source"), ((300, 700), (700, 300), (600, 512)))
def test_attention_of_many_queries_and_keys(threads, causal, length, source):
    """Longer than the blocks that are in work at a time."""
    q, k, v, g = [random(i, 1, 2, n, 8) for i, n in enumerate((length, source, source, length))]
    how = None, causal, 0.3
    results = []
    for n in (1, 3):
        threads(n)
        grads = attention.attention_backward(g, (True,) * 3, q, k, v, *how)
        results.append((attention.attention(q, k, v, *how), *grads))
    expected = by_row("scaled_dot_product_attention", q, k, v, *how)
    close(results[0][0], expected, 10)
    expected = by_row("scaled_dot_product_attention_backward", g, (True,) * 3, q, k, v, *how)
    for a, b in zip(results[0][1:], expected, strict=True):
        close(a, b, 100)
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


def test_attention_lets_nan_through():
    q, k, v = [random(i, 1, 1, 20, 8) for i in range(3)]
    q[0, 0, 3, 2] = np.nan
    out = attention.attention(q, k, v, None, True, 1.0)
    assert np.isnan(out[0, 0, 3]).all() and not np.isnan(out[0, 0, [2, 4]]).any()


def test_attention_to_scores_that_a_mask_leaves_and_that_are_not_numbers():
    q, k, v = [random(i, 1, 1, 20, 8) for i in range(3)]
    k[0, 0, 17, 0] = np.nan
    mask = np.full((1, 1, 20, 20), -np.inf, q.dtype)
    mask[..., :3, 17] = 0
    out = attention.attention(q, k, v, mask, False, 1.0)
    assert np.isnan(out).all()  # a NaN is not taken away by adding -inf
    k[0, 0, 17, 0] = 0
    out = attention.attention(q, k, v, mask, False, 1.0)
    assert np.isfinite(out).all() and not out[0, 0, 3:].any()


# --- products ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "k"), ((5, 300, 4500), (70, 2000, 1100), (13, 260, 2300)))
def test_products_that_are_packed_in_parts(threads, m, n, k):
    x, y = random(0, m, k), random(1, k, n)
    results = []
    for count in (1, 3):
        threads(count)
        results.append(native.row_kernels["matmul"](x, y))
    close(results[0], (x.astype(np.float64) @ y).astype(x.dtype), 1000)
    assert np.array_equal(*results)


# --- sums ----------------------------------------------------------------------------------------


@quick
@given(
    st.sampled_from(
        [((37,), (0,)), ((5, 3), (1,)), ((4, 50, 40), (1, 2)), ((2, 3, 20), (0, 1, 2)), ((3, 0), (1,))]
    ),
    st.sampled_from(["sum", "mean"]),
    float_types,
    st.booleans(),
)
def test_sums_over_last_axes(case, name, dtype, keepdim):
    shape, axes = case
    x = random(1, *shape, dtype=dtype)
    with np.errstate(all="ignore"):
        close(row_kernels[name](x, axes, keepdim), by_row(name, x, axes, keepdim), 30)


def test_sums_over_other_axes_are_left_to_numpy():
    x = random(1, 3, 4, 5)
    for array, axes in ((x, (1,)), (x[None], (2,)), (x.transpose(2, 0, 1), (2,)), (x.astype(np.int64), (2,))):
        assert row_kernels["sum"](array, axes, False) is NotImplemented


@quick
@given(
    st.sampled_from([
        ((3, 4, 5), (0, 2)), ((2, 3, 4, 5), (0, 2, 3)), ((2, 3, 4, 5), (0, 3)), ((2, 3, 4, 5), (0, 1, 3)),
        ((40, 16, 33, 70), (0, 2, 3)), ((2, 3, 40000), (0, 2)), ((3, 0, 5), (0, 2)), ((2, 3, 4, 5), (3, 0)),
    ]),
    float_types,
    st.booleans(),
)  # fmt: skip
def test_sum_of_leading_and_last_axes(case, dtype, keepdim):
    shape, axes = case
    x = random(1, *shape, dtype=dtype)
    given = row_kernels["sum"](x, axes, keepdim)
    assert given.dtype == dtype
    close(given, by_row("sum", x, axes, keepdim), 100)


@quick
@given(
    st.sampled_from([((5, 3), 1), ((700, 33), 1), ((4, 50, 40), 2), ((2, 3, 4, 5), 3), ((3, 0, 4), 2)]),
    float_types,
    st.booleans(),
)
def test_sum_of_leading_axes(case, dtype, keepdim):
    shape, count = case
    x = random(1, *shape, dtype=dtype)
    axes = tuple(range(count))
    close(row_kernels["sum"](x, axes, keepdim), by_row("sum", x, axes, keepdim), 30)


def test_sums_do_not_depend_on_the_number_of_threads(threads):
    x = random(1, 3001, 517)
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append(row_kernels["sum"](x, (0,), False))
    assert all(np.array_equal(results[0], other) for other in results[1:])


# --- picking -------------------------------------------------------------------------------------


@quick
@given(st.integers(1, 9), st.integers(0, 40), st.sampled_from([1, 3, 600]), float_types)
def test_rows_are_added_to(count, times, width, dtype):
    out, rows = random(1, count, width, dtype=dtype), np.random.default_rng(2).integers(0, count, times)
    values = random(3, times, width, dtype=dtype)
    expected = out.astype(np.float64)
    np.add.at(expected, rows, values.astype(np.float64))
    assert native.add_rows(out, rows, values)
    close(out, expected, 30)


def test_rows_that_are_not_there_are_left_to_numpy():
    out, values = np.zeros((4, 2), np.float32), np.ones((1, 2), np.float32)
    for rows in ([4], [-1]):
        assert not native.add_rows(out, np.array(rows), values)
    assert not native.add_rows(out, np.array([0, 1]), values)
    assert not native.add_rows(out, np.array([0]), values.astype(np.float64))
    assert not out.any()


@quick
@given(
    st.sampled_from([((7,), (5,), 0), ((4, 5), (3, 9), 1), ((4, 5), (9, 2), 0), ((2, 3, 4), (2, 6, 3), 1)]),
    float_types,
    layouts,
)
def test_elements_along_an_axis(case, dtype, layout):
    shape, few, axis = case
    wide = laid_out(random(1, *shape, dtype=dtype), layout)
    indices = np.random.default_rng(2).integers(0, shape[axis], few)
    values, taken = random(3, *few, dtype=dtype), np.empty(few, dtype)
    grid = list(np.ogrid[tuple(slice(n) for n in few)])
    grid[axis] = indices
    assert native.take_along(wide, indices, taken, axis)
    assert np.array_equal(taken, wide[tuple(grid)])
    expected = wide.copy()
    np.add.at(expected, tuple(grid), values)
    assert native.add_along(wide, indices, values, axis)
    close(wide, expected, 10)
    assert not native.take_along(wide, indices + shape[axis], taken, axis)
    assert not native.take_along(wide, indices, taken.astype(np.float16), axis)


@quick
@given(
    st.sampled_from(
        [((40, 50), 1), ((40, 50), 0), ((7,), 0), ((2, 30, 4), 1), ((300, 400), 1), ((300, 400), 0)]
    ),
    float_types,
    layouts,
    st.integers(0, 300),
)
def test_slices_along_an_axis(case, dtype, layout, count):
    shape, axis = case
    wide = laid_out(random(1, *shape, dtype=dtype), layout)
    rows = np.random.default_rng(2).integers(0, shape[axis], count)
    few = (*shape[:axis], count, *shape[axis + 1 :])
    indices = np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1 - axis)), few)
    values, taken = random(3, *few, dtype=dtype), np.empty(few, dtype)
    assert native.take_along(wide, indices, taken, axis)
    assert np.array_equal(taken, np.take(wide, rows, axis))
    expected = np.moveaxis(wide.astype(np.float64), axis, 0)
    np.add.at(expected, rows, np.moveaxis(values, axis, 0))
    assert native.add_along(wide, indices, values, axis)
    close(np.moveaxis(wide, axis, 0), expected, 100)


@pytest.mark.parametrize("dtype", ["?", "i2", "i4", "i8", "f2"])
def test_elements_of_other_types_are_taken(dtype):
    x = np.arange(12).reshape(3, 4).astype(dtype)
    indices, out = np.array([[3, 0], [1, 1], [2, 2]]), np.empty((3, 2), dtype)
    if native.take_along(x, indices, out, 1):
        assert np.array_equal(out, np.take_along_axis(x, indices, 1))
    assert not native.add_along(x, indices, out, 1)


@pytest.mark.parametrize("wrong", [-1, 40, 1 << 62, -(1 << 63)])
@pytest.mark.parametrize("where", [0, 777, 79999])
def test_no_index_beyond_is_used(wrong, where):
    x, indices = random(1, 40, 2000), np.zeros((40, 2000), np.int64)
    indices.flat[where] = wrong
    out = np.zeros((40, 2000), np.float32)
    assert native.indices_below(indices, 40) is False
    assert native.indices_below(indices[:, ::-1].T, 40) is False
    assert not native.take_along(x, indices, out, 0)
    assert not native.add_along(out, indices, x, 0)
    assert not out.any()
    indices.flat[where] = 39
    assert native.indices_below(indices, 40) is True and native.indices_below(indices[:, None], 39) is False
    assert native.indices_below(indices.astype(np.int32), 40) is native.indices_below([1], 40) is None


def test_sums_and_picks_along_axes_do_not_depend_on_the_number_of_threads(threads):
    x, indices = random(1, 90, 800), np.random.default_rng(2).integers(0, 90, (90, 800))
    results = []
    for n in (1, 2, 5):
        threads(n)
        out = np.zeros((90, 800), np.float32)
        assert native.add_along(out, indices, x, 0) and native.add_along(out, indices, x, 1)
        results.append(out)
    assert all(np.array_equal(results[0], other) for other in results[1:])


# --- elementwise functions -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["erf", "gelu", "gelu_slope"])
@quick
@given(st.integers(0, 700), float_types, st.sampled_from([1, 2, -3]), st.sampled_from([1e-3, 1, 4, 100]))
def test_functions(name, count, dtype, step, spread):
    x = (random(1, abs(step) * count, dtype=dtype) * dtype(spread))[::step]
    exact = torch.from_numpy(x.astype(np.float64))
    if name == "erf":
        expected = torch.erf(exact)
    elif name == "gelu":
        expected = torch.nn.functional.gelu(exact)
    else:
        density = torch.exp(-exact * exact / 2) / (2 * np.pi) ** 0.5
        expected = 0.5 * (1 + torch.erf(exact / 2**0.5)) + exact * density
    with np.errstate(all="ignore"):
        got = getattr(native, name)(x)
    assert got.dtype == x.dtype
    tolerance = 4e-7 if dtype == np.float32 else 1e-15
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, spread))


def test_functions_of_what_is_not_finite():
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0] * 5)
    with np.errstate(all="ignore"):
        got = native.erf(x), native.gelu(x)
    for a, b in zip(got, (torch.erf, torch.nn.functional.gelu), strict=True):
        np.testing.assert_array_equal(a, b(torch.from_numpy(x)))
    assert np.array_equal(np.signbit(got[0][:5]), [False, True, np.signbit(got[0][2]), False, True])


@pytest.mark.parametrize("n", [1, 15, 1024, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_choices_between_arrays_and_numbers(n, dtype):
    x, y = random(1, n, dtype=dtype), random(2, n, dtype=dtype)
    mask = random(3, n) > 0
    x[0] = np.nan
    where = retrograd.where
    tensors = [retrograd.from_numpy(a) for a in (mask, x, y)]
    for how, a, b in (((1, 2), x, y), ((1, 0.5), x, 0.5), ((2.0, 2), 2.0, y)):
        args = [tensors[h] if type(h) is int else h for h in how]
        expected = np.where(mask, *(dtype(v) if type(v) is float else v for v in (a, b)))
        np.testing.assert_array_equal(where(tensors[0], *args).numpy(), expected)


# --- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(64, 32, 3, 3), (300, 16, 5), (3, 2, 1, 1), (2, 3, 4, 2, 2)])
def test_a_convolutions_weight_is_laid_out_in_its_own_memory(shape):
    weight = retrograd.nn.Parameter(retrograd.randn(shape))
    before, place = weight._array.copy(), weight._array.ctypes.data
    kernels.lay_out_weight(weight)
    assert np.array_equal(weight._array, before) and weight._array.ctypes.data == place
    assert len(shape) == 5 or np.moveaxis(weight._array, 1, -1).flags.c_contiguous


def test_a_weight_whose_memory_others_see_is_left_to_them():
    whole = retrograd.randn(2, 64, 32, 3, 3)
    weight = retrograd.nn.Parameter(whole[1])
    kernels.lay_out_weight(weight)
    whole += 1
    held = weight._array
    kernels.lay_out_weight(weight)
    assert weight._array is held


@pytest.fixture
def numpy_draws(monkeypatch):
    """A function that draws from a seed's stream without the compiled module."""

    def draw(seed, function, *args):
        with monkeypatch.context() as patch:
            patch.setattr(generator_module, "Words", NumpyWords)
            patch.setattr(generator_module, "native", None)
            patch.setattr(rng, "_COMPILED", ())
            return drawn(seed, function, *args)

    return draw


def drawn(seed, function, *args):
    """Numbers, and where the stream is then."""
    generator = rng.Generator().manual_seed(seed)
    generator.normals(seed % 2)  # a normal may wait for its turn
    values = function(*args, generator=generator)
    return values, generator.get_state()._array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.one_of(st.integers(0, 40), st.integers(600, 5000)),
    # beside a tiny bound NumPy's emulated multiply-add rounds twice (core/random_math.py)
    low=st.one_of(st.just(0.0), st.floats(1e-3, 1e3), st.floats(-1e3, -1e-3)),
    span=st.floats(0, 1e3),
)
def test_draws(numpy_draws, dtype, seed, n, low, span):
    p = span / 1e3
    for function, *args in (
        (rng.uniform, (n,), dtype, low, low + span),
        (rng.uniform, (n,), dtype),
        (rng.normal, (n,), dtype, low, span),
        (rng.bernoulli, p, (n,), dtype),
        (rng.randint, (n,), int(low), int(low + span) + 1),
        (rng.randint, (n,), -5, 2**31),
        (rng.randperm, n),
    ):
        (ours, place), (theirs, expected) = drawn(seed, function, *args), numpy_draws(seed, function, *args)
        np.testing.assert_array_equal(place, expected)
        assert ours.dtype == theirs.dtype
        if function is rng.normal:  # NumPy has no fused multiply-add, and its own cosine
            scale = np.finfo(dtype).eps * (abs(low) + 8 * span)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=scale)
        else:
            np.testing.assert_array_equal(ours, theirs)


def test_what_is_no_state_is_refused():
    words, out = np.zeros(625, np.uint32), np.empty(20, np.float32)
    native.random_uniform(words, out, 0.0, 1.0)
    for wrong in (words[:624], words.astype(np.int64), np.full(625, 2**31, np.uint32), words.tolist()):
        with pytest.raises(ValueError, match="625 contiguous uint32"):
            native.random_uniform(wrong, out, 0.0, 1.0)
    for wrong in (out[::2], out.astype(np.int64), None):
        with pytest.raises(ValueError, match="out "):
            native.random_uniform(words, wrong, 0.0, 1.0)
    with pytest.raises(ValueError, match="at least 16"):
        native.random_normal(words, out[:15], 0.0, 1.0)
    with pytest.raises(ValueError, match="p must be"):
        native.random_bernoulli(words, out, 2.0, 1.0)


def special(dtype, *shape, seed=0):
    """Few distinct numbers, so that many are equal, among them NaN, infinities and both zeros."""
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 1e-40, 3.0], dtype)
    return values[np.random.default_rng(seed).integers(0, len(values), shape)]


lane_shapes = st.tuples(st.integers(1, 9), st.sampled_from([1, 2, 5, 64, 65, 300, 1500]))


@quick
@given(lane_shapes, float_types, st.booleans(), st.booleans(), st.integers(0, 99))
def test_sort_keeps_the_order_of_equal_elements(shape, dtype, descending, few, seed):
    x = special(dtype, *shape, seed=seed) if few else random(seed, *shape, dtype=dtype)
    got = row_kernels["sort"](x, 1, descending)
    for a, b in zip(got, TABLE["sort"].forward(np, x, 1, descending), strict=True):
        np.testing.assert_array_equal(a, b)


@quick
@given(lane_shapes, float_types, st.booleans(), st.booleans(), st.integers(0, 99), st.floats(0, 1))
def test_topk_gives_the_first_of_equal_elements(shape, dtype, largest, few, seed, part):
    x = special(dtype, *shape, seed=seed) if few else random(seed, *shape, dtype=dtype)
    k = max(1, int(part * shape[1]))
    values, indices = row_kernels["topk"](x, 1, k, largest)
    all_values, all_indices = TABLE["sort"].forward(np, x, 1, largest)
    np.testing.assert_array_equal(values, all_values[:, :k])
    np.testing.assert_array_equal(indices, all_indices[:, :k])


@quick
@given(lane_shapes, float_types, st.booleans(), st.integers(0, 99))
def test_running_sums(shape, dtype, reverse, seed):
    x = random(seed, *shape, dtype=dtype)
    wide = x.astype(float)
    expected = np.flip(np.cumsum(np.flip(wide, 1), 1), 1) if reverse else np.cumsum(wide, 1)
    close(row_kernels["cumsum"](x, 1, reverse), expected, np.abs(x).sum())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [1 << 15, (1 << 15) + 1, 100_003])
def test_sums_of_long_runs_do_not_depend_on_the_number_of_threads(threads, dtype, length):
    x, results = random(1, 3, length, dtype=dtype), []
    for n in (1, 2, 3):
        threads(n)
        results.append((row_kernels["sum"](x, (1,), False), row_kernels["sum"](x, (0, 1), False)))
    close(results[0][0], x.sum(1, dtype=float), np.abs(x).sum())
    close(results[0][1], np.asarray(x.sum(dtype=float)), np.abs(x).sum())
    for lanes, whole in results[1:]:
        np.testing.assert_array_equal(lanes, results[0][0])
        np.testing.assert_array_equal(whole, results[0][1])


def test_lanes_that_do_not_lie_one_after_the_other_are_left_to_numpy():
    x = random(0, 4, 6)
    for array in (x.T, x[:, ::2], x.astype(np.int64), np.empty((3, 0), np.float32)):
        assert row_kernels["sort"](array, 1, False) is NotImplemented
        assert row_kernels["topk"](array, 1, 1, True) is NotImplemented
        for name in ("cumsum", "cumprod", "prod"):
            assert row_kernels[name](array, 1, False) is NotImplemented
    assert row_kernels["sort"](x, 0, False) is NotImplemented
    assert row_kernels["topk"](x, 1, 7, True) is NotImplemented


@quick
@given(
    st.sampled_from([(1,), (7,), (3, 5), (9, 64), (2, 3, 33), (300, 70)]),
    float_types,
    st.booleans(),
    st.sampled_from([None, 0.0, np.inf, -np.inf, np.nan]),
)
def test_products_of_lanes(shape, dtype, flag, special):
    x = random(1, *shape, dtype=dtype)
    if special is not None:
        x[..., shape[-1] // 2] = special
    axis = len(shape) - 1
    for name in ("prod", "cumprod"):
        given, expected = row_kernels[name](x, axis, flag), TABLE[name].forward(np, x, axis, flag)
        assert given.shape == expected.shape and given.dtype == dtype
        np.testing.assert_allclose(given, expected, rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-30)


@quick
@given(
    st.sampled_from(["add", "sub", "mul", "div"]),
    st.sampled_from([
        ((90, 120), (120,)), ((90, 120), (1, 120)), ((90, 120), (90, 1)), ((9, 10, 700), (10, 700)),
        ((9, 10, 700), (9, 10, 1)), ((9, 10, 700), (1, 700)), ((20000, 1), (1, 1)), ((3, 3000), (3, 1)),
    ]),
    float_types,
)
def test_a_row_or_a_column_beside_a_matrix(name, shapes, dtype):
    x, y = random(1, *shapes[0], dtype=dtype), random(2, *shapes[1], dtype=dtype)
    got = row_kernels[name](x, y)
    if got is not NotImplemented:
        np.testing.assert_array_equal(got, TABLE[name].forward(np, x, y))
    column = y.shape[-1] == 1  # left to the walk of elementwise.cpp
    assert (got is NotImplemented) == (x.size < 1 << 13 or column)
    np.testing.assert_array_equal(TABLE[name](x, y), TABLE[name].forward(np, x, y))


@pytest.mark.parametrize("name", ["sigmoid", "silu"])
@quick
@given(st.integers(0, 700), float_types, st.sampled_from([1, 2, -3]), st.sampled_from([1e-3, 1, 4, 100]))
def test_sigmoids(name, count, dtype, step, spread):
    x = (random(3, count * abs(step), dtype=np.float64) * spread).astype(dtype)[::step]
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-x.astype(np.float64)))
    expected = expected if name == "sigmoid" else x * expected
    rtol = 4 * np.finfo(dtype).eps
    with np.errstate(over="ignore"):
        got = getattr(native, name)(x)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=np.finfo(dtype).tiny * 400)


def test_sigmoids_of_what_is_not_finite():
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        sigmoid, silu = native.sigmoid(x), native.silu(x)
    np.testing.assert_array_equal(sigmoid, np.array([np.nan, 1, 0, 1, 0, 0.5], np.float32))
    np.testing.assert_array_equal(silu[:4], np.array([np.nan, np.inf, np.nan, 1e30], np.float32))


def test_new_tensors():
    for value in (0, 1):
        for dtype in (np.float32, np.float64, np.int64):
            for sizes in ((2, 3), ((2, 3),), ([2, 3],), ()):
                made = native.new_tensor(sizes, np.dtype(dtype), value)._array
                expected = np.full((2, 3) if sizes else (), value, dtype)
                assert made.dtype == dtype and made.flags.c_contiguous
                np.testing.assert_array_equal(made, expected)
        like = retrograd.tensor(random(0, 2, 3))
        np.testing.assert_array_equal(native.new_like(like, value)._array, np.full((2, 3), value))
        assert native.new_like(like.t(), value) is None
    assert native.new_tensor((4,), np.dtype(np.int64), None)._array.shape == (4,)
    for sizes in ((-1,), (2.0,), (True,), (2**70,), (1,) * 9, "no"):
        assert native.new_tensor(sizes, np.dtype(np.float32), 0) is None
    assert native.new_tensor((2,), np.dtype(np.int8), 1) is None
    assert native.new_like(np.ones(2), 0) is None
