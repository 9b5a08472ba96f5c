"""Special functions: error functions and gamma functions. (Bessel functions are in bessel.py.)

NumPy has none of them. Error functions are polynomials fitted with mpmath in 40 digits, by
interpolation at Chebyshev points: good to the last bits of float64, and a shorter pair for float32.
"""

import math

import numpy as np

from ..core.compiled import native
from ..core.op import ELEMENTWISE, FLOAT, PAIR_FLOAT, Op, no_derivative, through_float32
from .arguments import deliver
from .elementary import exp, log
from .pointwise import choose

__all__ = ["digamma", "erf", "erfc", "erfinv", "igamma", "igammac", "lgamma", "mvlgamma", "polygamma"]
METHODS = __all__
INPLACE = __all__

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

# --- error functions ----------------------------------------------------------------------------------------

# erf(x) / x in 2 x^2 - 1 for x up to 1, and x exp(x^2) erfc(x) in (x - 4.5) / (x + 2.5) beyond.
_NEAR_64 = (
    0.9654687386698673, -0.1405360890227171, 0.019852496688983708, -0.0022854855611440673,
    0.00021751715604160108, -1.75371694414921e-05, 1.223382738352401e-06, -7.511569160678138e-08,
    4.11580059766496e-09, -2.0352493920247854e-10, 9.167606746069445e-12, -3.7910930392717217e-13,
    1.454817075960679e-14, -5.166061616805981e-16,
)  # fmt: skip
_FAR_64 = (
    0.5511816192322864, 0.037891878042285686, -0.04329446654176374, 0.02730797668112057,
    -0.011714640742239556, 0.003234643495686367, -0.00033431423153752824, -0.0001346880185715913,
    5.323976444780221e-05, 3.0879267164302695e-06, -5.374879929744022e-06, 1.2994032200993113e-07,
    5.802289590033475e-07, -2.5488889943415935e-08, -7.1405036068517e-08, 6.348794229303066e-10,
    9.509115896453622e-09, 6.47894770895792e-10, -1.176283376009661e-09, -1.8768496554920337e-10,
    9.376258914857805e-11, 2.2215879877729653e-11,
)  # fmt: skip
_NEAR_32 = (
    0.9654687386, -0.140536089, 0.01985249772, -0.002285485657, 0.0002175119898, -1.753682469e-05,
    1.231640173e-06, -7.557492822e-08,
)  # fmt: skip
_FAR_32 = (
    0.551181619, 0.03789187871, -0.04329445235, 0.02730796287, -0.01171480873, 0.003234725402,
    -0.0003335814466, -0.000134893037, 5.177290456e-05, 3.329704322e-06, -3.969745069e-06,
)  # fmt: skip
_BLOCK = 8192  # elements at a time: what a polynomial works on stays in the cache


def _horner(coefficients, t):
    out = np.full_like(t, coefficients[-1])
    for c in coefficients[-2::-1]:
        out *= t
        out += c
    return out


def _near(x):
    """erf(x) for |x| <= 1."""
    return x * _horner(_NEAR_32 if x.dtype == np.float32 else _NEAR_64, x * x * 2 - 1)


def far_scaled(x):
    """exp(x**2) * erfc(x) for x >= 1."""
    return _horner(_FAR_32 if x.dtype == np.float32 else _FAR_64, 1 - 7 / (x + 2.5)) / x


def _far(x):
    """erfc(x) for x >= 1."""
    scaled = far_scaled(x)
    if x.dtype == np.float32:
        return scaled * np.exp(-x * x)
    high = x.astype(np.float32).astype(
        np.float64
    )  # its square is exact: the exponent's error doesn't grow with x
    return scaled * (np.exp(-high * high) * np.exp((high - x) * (high + x)))


def _erf_block(x):
    size = np.abs(x)
    near = size < 1
    if near.all():
        return _near(x)
    far = np.copysign(1 - _far(np.clip(size, 1, 30)), x)
    return choose(np, near, _near(np.clip(x, -1, 1)), far) if near.any() else far


def _erfc_block(x):
    size = np.abs(x)
    far = _far(np.clip(size, 1, 30))  # 0 is all that is left of it there
    return choose(np, size < 1, 1 - _near(np.clip(x, -1, 1)), choose(np, x < 0, 2 - far, far))


def by_blocks(function, x):
    if not isinstance(x, np.ndarray):  # it is being recorded: see core/elementwise.py
        return function(x)
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    for i in range(0, flat.size, _BLOCK):
        out[i : i + _BLOCK] = function(flat[i : i + _BLOCK])
    return out.reshape(x.shape)


@through_float32
def _erf(xp, x):
    if native is not None and x.dtype.char in "fd" and xp is np:
        return native.erf(x)
    return by_blocks(_erf_block, x)


@through_float32
def _erfc(xp, x):
    return by_blocks(_erfc_block, x)


erf = Op(
    "erf", _erf, x=lambda g, x: g * exp(-(x * x)) * TWO_OVER_ROOT_PI, jvp=ELEMENTWISE, promote=FLOAT,
    doc="The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.",
)  # fmt: skip

erfc = Op(
    "erfc", _erfc, x=lambda g, x: g * exp(-(x * x)) * -TWO_OVER_ROOT_PI, jvp=ELEMENTWISE, promote=FLOAT,
    doc="1 - erf(x), without cancellation.",
)  # fmt: skip


def inverse_erf(size, tail):
    """y >= 0 with erf(y) = size and erfc(y) = tail = 1 - size, which is given apart: 1 - size would lose it.

    Winitzki's approximation, good to 0.2 %, then three of Halley's steps: each trebles the digits.
    """
    spread = np.log(tail * (1 + size))
    half = 2 / (math.pi * 0.147) + spread / 2
    y = np.sqrt(-spread / 0.147 / (np.sqrt(half * half - spread / 0.147) + half))
    for _ in range(3):
        short = np.where(size > 0.5, tail - _erfc_block(y), _erf_block(y) - size)
        step = short / (TWO_OVER_ROOT_PI * np.exp(-y * y))
        y = y - step / (1 + y * step)
    return y


def _erfinv_block(x):
    size = np.abs(x)
    y = inverse_erf(size, 1 - size)
    return np.copysign(np.where(size < 1, y, np.where(size == 1, np.inf, np.nan)), x)


def _erfinv(xp, x):
    return by_blocks(_erfinv_block, x.astype(np.float64)).astype(x.dtype)


def _erfinv_gradient(g, y):
    return g * exp(y * y) / TWO_OVER_ROOT_PI


erfinv = Op(
    "erfinv", _erfinv, x=lambda g, x: _erfinv_gradient(g, erfinv(x)), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The inverse of erf on (-1, 1).",
)  # fmt: skip

# --- gamma functions ----------------------------------------------------------------------------------------


def _libm_lgamma(x):
    try:
        return math.lgamma(x)
    except ValueError:  # at a pole
        return math.inf


def _lgamma(xp, x):
    return (
        np.fromiter(map(_libm_lgamma, x.ravel().tolist()), np.float64, x.size)
        .reshape(x.shape)
        .astype(x.dtype)
    )


lgamma = Op(
    "lgamma", _lgamma, x=lambda g, x: g * digamma(x), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The logarithm of |gamma(x)|.",
)  # fmt: skip

# B(2k) / (2k): the coefficients of digamma's asymptotic series, DLMF 5.11.2.
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def _digamma(xp, x):
    kind, x = x.dtype, x.astype(np.float64)
    negative = x < 0
    y = np.where(negative, 1 - x, x)
    total = np.zeros_like(y)
    for _ in range(10):  # psi(y) = psi(y + 1) - 1 / y
        small = y < 10
        total -= np.where(small, 1 / y, 0)
        y = y + small
    inverse = 1 / (y * y)
    total += np.log(y) - 0.5 / y - inverse * _horner(_DIGAMMA, inverse)
    fraction = x - np.trunc(x)
    total -= np.where(negative, math.pi / np.tan(math.pi * fraction), 0)
    total = np.where(negative & (fraction == 0), np.nan, total)
    return np.where(x == 0, np.copysign(np.inf, -x), total).astype(kind)


digamma = Op(
    "digamma", _digamma, x=lambda g, x: g * polygamma_row(x, 1), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The derivative of lgamma.",
)  # fmt: skip

# B(2k) / (2k)!: the Euler-Maclaurin terms of Hurwitz's zeta, DLMF 25.11.28.
_EULER_MACLAURIN = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip


def hurwitz(s, q):
    """The sum of (q + k) ** -s over k >= 0, s > 1; q not a whole number below 1."""
    total = np.zeros(np.broadcast_shapes(np.shape(s), q.shape))
    q = np.broadcast_to(q, total.shape).copy()
    while (small := q < 10).any():
        total += np.where(small, q**-s, 0)
        q += small
    total += q ** (1 - s) / (s - 1) + 0.5 * q**-s
    factor = s * q ** (-s - 1)
    for k, coefficient in enumerate(_EULER_MACLAURIN):
        total += coefficient * factor
        factor = factor * (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q)
    return total


def _polygamma(xp, x, n):
    if n == 0:
        return _digamma(xp, x)
    y = x.astype(np.float64)
    if n == 1:  # by reflection, so that far negative numbers take no longer
        low = y < 0.5
        total = hurwitz(2.0, np.where(low, 1 - y, y))
        total = np.where(low, (math.pi / np.sin(math.pi * (y - np.round(y)))) ** 2 - total, total)
        return np.where((y <= 0) & (y == np.floor(y)), np.inf, total).astype(x.dtype)
    pole = (y <= 0) & (y == np.floor(y))
    total = math.factorial(n) * hurwitz(float(n + 1), np.where(pole, 1, y))
    total = np.where(pole, np.inf, total)
    return (total if n % 2 else -total).astype(x.dtype)


polygamma_row = Op(
    "polygamma", _polygamma, x=lambda g, x, n: g * polygamma_row(x, n + 1), jvp=ELEMENTWISE, promote=FLOAT
)


def polygamma(n, input, *, out=None):
    """The `n`th derivative of digamma, n >= 0. As a method: `input.polygamma(n)`."""
    if not isinstance(n, int):
        n, input = input, n
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}. [RG049]")
    return deliver(polygamma_row(input, n), out)


def mvlgamma(input, p, *, out=None):
    """The logarithm of the gamma function of `p` dimensions, for elements above (p - 1) / 2."""
    total = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = lgamma(input - j / 2) + total
    return deliver(total, out)


def _igamma_parts(a, x):
    """(P, Q), the regularised lower and upper incomplete gamma functions."""
    with np.errstate(all="ignore"):
        front = np.exp(a * np.log(x) - x - _lgamma(np, a))
        series = front * _lower_series(a, x)
        fraction = front * _upper_fraction(a, x)
    use_series = x < a + 1
    lower = np.where(use_series, series, 1 - fraction)
    upper = np.where(use_series, 1 - series, fraction)
    return lower, upper


def _lower_series(a, x):
    """P(a, x) / (x**a exp(-x) / gamma(a)), DLMF 8.11.4; converges fast for x < a + 1."""
    x = np.where(x < a + 1, x, 0)
    term = 1 / a
    total = term
    for k in range(1, 2000):
        term = term * (x / (a + k))
        total = total + term
        if not (np.abs(term) > np.abs(total) * 1e-17).any():
            break
    return total


def _upper_fraction(a, x):
    """Q(a, x) / (x**a exp(-x) / gamma(a)) for x >= a + 1: the continued fraction DLMF 8.9.2, by Lentz."""
    x = np.where(x >= a + 1, x, a + 2)
    b = x + 1 - a
    c, d = np.full_like(b, 1e300), 1 / b
    out = d
    for k in range(1, 2000):
        step = -k * (k - a)
        b = b + 2
        d = 1 / (b + step * d)
        c = b + step / c
        change = c * d
        out = out * change
        if not (np.abs(change - 1) > 1e-16).any():
            break
    return out


def _incomplete(upper):
    def forward(xp, x, y):
        kind = x.dtype
        a, z = np.broadcast_arrays(x.astype(np.float64), y.astype(np.float64))
        out = _igamma_parts(np.where(a > 0, a, 1), np.where(z > 0, z, 1))[upper]
        out = np.where(z == 0, float(upper), out)
        out = np.where(np.isinf(z), 1.0 - upper, out)
        out = np.where(a == 0, np.where(z > 0, 1.0 - upper, np.nan), out)
        out = np.where((a < 0) | (z < 0) | (a != a) | (z != z), np.nan, out)
        return out.astype(kind)

    return forward


def _igamma_slope(a, x):
    return exp((a - 1) * log(x) - x - lgamma(a))


igamma = Op(
    "igamma", _incomplete(0), x=lambda g: no_derivative("igamma"),
    y=lambda g, x, y: g * _igamma_slope(x, y), promote=PAIR_FLOAT, jvp=ELEMENTWISE,
    doc="The regularised lower incomplete gamma function P(input, other); no gradient for `input`.",
)  # fmt: skip

igammac = Op(
    "igammac", _incomplete(1), x=lambda g: no_derivative("igammac"),
    y=lambda g, x, y: -g * _igamma_slope(x, y), promote=PAIR_FLOAT,
    jvp=ELEMENTWISE,
    doc="The regularised upper incomplete gamma function Q(input, other); no gradient for `input`.",
)  # fmt: skip
