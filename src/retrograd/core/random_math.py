"""The arithmetic of PyTorch's CPU random kernels in NumPy, rounded step by step as they round it.

PyTorch's x86-64 kernels use fused multiply-adds, the single-precision polynomials of Cephes for float32
normals, and the C library's functions for float64. NumPy has no fused multiply-add, and functions of its own,
whose last bit may differ: so the operations are spelled out here. Arrays in and out are one-dimensional.

What can remain: `fma32` rounds twice where the exact sum needs more than 53 bits, which changes a result once
in 2**29 such sums or so; `fma64` once in 2**50. A PyTorch that runs without AVX2 (ARM, old x86) uses other
approximations: there float32 normals agree to a few units in the last place.
"""

import math

import numpy as np

f32, f64 = np.float32, np.float64

# Cephes logf on [sqrt(1/2), sqrt(2)), sinf and cosf on [-pi/4, pi/4]; float32 coefficients held as float64.
_LOG = [f64(f32(c)) for c in (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)]  # fmt: skip
_SIN = [f64(f32(c)) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)]
_COS = [f64(f32(c)) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)]
_LN2_LOW, _LN2_HIGH = f32(-2.12194440e-4), f64(f32(0.693359375))
_MINUS_PI_4 = [f64(f32(c)) for c in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)]
_SQRT_HALF, _FOUR_OVER_PI, _TWO_PI = f32(math.sqrt(0.5)), f32(4 / math.pi), f32(2 * math.pi)


def libm(function, x):
    """`function` of the `math` module on each element: the C library's, which NumPy's may miss by a bit."""
    return np.fromiter(map(function, x.tolist()), f64, x.size)


def fma32(a, b, c):
    """a * b + c rounded once to float32, for float32 values (held in arrays of either precision)."""
    total = np.multiply(a, b, dtype=f64)  # exact: 24 + 24 bits
    total += c
    return total.astype(f32)


def fma64(a, b, c):
    """a * b + c rounded once, for a float64 array and two numbers (Dekker's product, Knuth's sum)."""
    product = a * b
    if c == 0 or math.frexp(b)[0] == 0.5:  # nothing to add, or a power of two: the product is exact
        return product + c
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error = a_high * b_high - product
    error += a_high * b_low
    error += a_low * b_high
    error += a_low * b_low
    total = product + c
    rest = total - product
    error += (product - (total - rest)) + (c - rest)
    return total + error


def _halves(x):
    """`x` as a sum of two numbers of 26 bits (Veltkamp)."""
    scaled = x * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - x)
    return high, x - high


def box_muller32(uniform, mean, std):
    """float32 normals from float32 uniforms on [0, 1), by blocks of 16: eight radii, then their angles."""
    blocks = uniform.reshape(-1, 2, 8)
    radius = _log(f32(1) - blocks[:, 0].reshape(-1))
    radius *= f32(-2)
    np.sqrt(radius, out=radius)
    cos, sin = _cos_sin(blocks[:, 1].reshape(-1) * _TWO_PI)
    return _interleave(radius, cos, sin, lambda x: fma32(x, f64(f32(std)), f64(f32(mean))))


def box_muller64(uniform, mean, std):
    """float64 normals from float64 uniforms on [0, 1), by blocks of 16: eight radii, then their angles."""
    blocks = uniform.reshape(-1, 2, 8)
    # NumPy's complex log1p is log(hypot(1 + re, im)) with the C library's log; its real log is its own.
    radius = np.log1p(-blocks[:, 0].reshape(-1) + 0j).real
    radius = np.sqrt(-2 * radius)
    theta = 2 * math.pi * blocks[:, 1].reshape(-1)
    return _interleave(radius, np.cos(theta), np.sin(theta), lambda x: fma64(x, std, mean))


def _interleave(radius, cos, sin, scale):
    out = np.empty((radius.size // 8, 2, 8), radius.dtype)
    for half, direction in enumerate((cos, sin)):
        direction *= radius
        out[:, half] = scale(direction).reshape(-1, 8)
    return out.reshape(-1)


def _log(x):
    """Cephes logf of normal float32 numbers above 0."""
    bits = x.view(np.int32)
    exponent = (bits >> 23) - 126
    mantissa = ((bits & 0x007FFFFF) | 0x3F000000).view(f32)  # on [1/2, 1)
    small = mantissa < _SQRT_HALF
    exponent -= small
    exponent = exponent.astype(f32)
    x = mantissa - f32(1)
    x += mantissa * small
    square = x * x
    wide = x.astype(f64)
    y = fma32(wide, _LOG[0], _LOG[1])
    for coefficient in _LOG[2:]:
        y = fma32(y, wide, coefficient)
    y *= x
    y = fma32(y, square, exponent * _LN2_LOW)
    square *= f32(0.5)
    y -= square
    x += y
    return fma32(exponent, _LN2_HIGH, x)


def _cos_sin(x):
    """Cephes cosf and sinf of float32 numbers on [0, 2 pi]."""
    octant = (x * _FOUR_OVER_PI).astype(np.int32)
    octant += 1
    octant &= -2
    multiple = octant.astype(f64)
    for part in _MINUS_PI_4:
        x = fma32(multiple, part, x)
    square = x * x
    wide = square.astype(f64)
    cos = fma32(wide, _COS[0], _COS[1])
    cos = fma32(cos, wide, _COS[2])
    cos *= square
    cos = fma32(cos, wide, square * f32(-0.5))
    cos += f32(1)
    sin = fma32(wide, _SIN[0], _SIN[1])
    sin = fma32(sin, wide, _SIN[2])
    sin *= square
    sin = fma32(sin, x, x)
    swap = (octant & 2).astype(bool)
    cos, sin = np.where(swap, sin, cos), np.where(swap, cos, sin)
    cos.view(np.int32)[...] ^= (~(octant - 2) & 4) << 29
    sin.view(np.int32)[...] ^= (octant & 4) << 29
    return cos, sin
