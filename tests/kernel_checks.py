"""What tests of compiled kernels share: inputs in several layouts, and what the rows themselves compute."""

import numpy as np
from hypothesis import strategies as st

from retrograd.core.op import TABLE

float_types = st.sampled_from([np.float32, np.float64])


def random(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def laid_out(x, layout):
    """`x` with its values in another memory layout: transposed, channels last, or strided among NaN."""
    if layout == "transposed" and x.ndim > 1:
        return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "last" and x.ndim > 2:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    if layout == "strided":
        wide = np.full([2 * n + 1 for n in x.shape], np.nan if x.dtype.kind == "f" else 77, x.dtype)
        steps = tuple(slice(n * 2 - 1, None, -2) if n else slice(0, 0) for n in x.shape)
        wide[steps] = x
        return wide[steps]
    return x.copy()


def by_row(name, *args):
    """What the row's own forward gives for these arrays, in float64."""
    wide = [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in args]
    wide = [np.dtype(np.float64) if isinstance(a, np.dtype) else a for a in wide]
    return TABLE[name].forward(np, *wide)


def close(got, expected, scale=1.0):
    """Equal up to the rounding of a sum whose terms add up to about `scale`."""
    rtol = 2e-5 if got.dtype == np.float32 else 1e-12
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * scale)
