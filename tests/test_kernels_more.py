"""The compiled kernels of products, attention and sums against their rows' NumPy forwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrograd import kernels
from retrograd.core.op import TABLE

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

from retrograd.kernels import products

native = kernels.native
float_types = st.sampled_from([np.float32, np.float64])
quick = settings(max_examples=60, deadline=None)


def random(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def laid_out(x, layout):
    """`x` with its values in another memory layout."""
    if layout == "transposed" and x.ndim > 1:
        return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "strided":
        wide = np.full([2 * n + 1 for n in x.shape], np.nan, x.dtype)
        steps = tuple(slice(n * 2 - 1, None, -2) if n else slice(0, 0) for n in x.shape)
        wide[steps] = x
        return wide[steps]
    return x.copy()


layouts = st.sampled_from(["contiguous", "transposed", "strided"])


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
    close(products.matmul(x, y), by_row("matmul", x, y), k)


@quick
@given(
    st.sampled_from([(3,), (2, 3), (0,), (2, 0, 2), (200,)]),
    sizes,
    sizes,
    float_types,
    layouts,
    st.booleans(),
)
def test_linear(lead, features, outputs, dtype, layout, with_bias):
    x = laid_out(random(1, *lead, features, dtype=dtype), layout)
    weight = laid_out(random(2, outputs, features, dtype=dtype), layout)
    bias = random(3, outputs, dtype=dtype) if with_bias else None
    close(products.linear(x, weight, bias), by_row("linear", x, weight, bias), features)


def test_products_do_not_depend_on_the_number_of_threads(threads):
    x, y = random(1, 301, 530), random(2, 530, 260)
    batch = random(3, 9, 40, 33), random(4, 9, 33, 50)
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append([products.matmul(x, y), products.matmul(y.T, x.T), products.matmul(*batch)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_products_let_nan_and_infinity_through():
    x, y = random(1, 40, 30), random(2, 30, 50)
    x[3, 4], y[7, 9] = np.nan, np.inf
    got, expected = products.matmul(x, y), x @ y
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
