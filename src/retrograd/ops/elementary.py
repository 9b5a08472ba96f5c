"""Exponentials, logarithms, trigonometric and hyperbolic functions.

The formulas are the derivatives of calculus; complex ones are conjugated, as PyTorch's gradients are.
"""

import math

import numpy as np

from ..core.compiled import native
from ..core.op import ELEMENTWISE, FLOAT, PAIR_FLOAT, Op, through_float32
from .compare import isfinite
from .pointwise import conj, masked, safe_div, where_row

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin",
    "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "exp", "exp2", "expm1", "hypot", "log",
    "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logit", "rad2deg", "sigmoid", "sin", "sinc", "sinh",
    "tan", "tanh", "xlogy",
]  # fmt: skip
METHODS = __all__
INPLACE = [name for name in __all__ if name not in ("logaddexp", "logaddexp2")]

LN2, LN10 = math.log(2), math.log(10)

# --- exponentials and logarithms ----------------------------------------------------------------------------

exp = Op(
    "exp", lambda xp, x: xp.exp(x), x=lambda g, out: g * conj(out), jvp=ELEMENTWISE, promote=FLOAT,
    doc="e to the power of each element.",
)  # fmt: skip

exp2 = Op(
    "exp2", lambda xp, x: xp.exp2(x), x=lambda g, out: g * conj(out) * LN2, jvp=ELEMENTWISE, promote=FLOAT,
    doc="2 to the power of each element.",
)  # fmt: skip

expm1 = Op(
    "expm1", lambda xp, x: xp.expm1(x), x=lambda g, out: g * conj(out + 1), jvp=ELEMENTWISE, promote=FLOAT,
    doc="exp(x) - 1, exact for small x.",
)  # fmt: skip

log = Op(
    "log", lambda xp, x: xp.log(x), x=lambda g, x: g / conj(x), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The natural logarithm.",
)  # fmt: skip

log2 = Op(
    "log2", lambda xp, x: xp.log2(x), x=lambda g, x: g / (conj(x) * LN2), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The logarithm to base 2.",
)  # fmt: skip

log10 = Op(
    "log10", lambda xp, x: xp.log10(x), x=lambda g, x: g / (conj(x) * LN10), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The logarithm to base 10.",
)  # fmt: skip

log1p = Op(
    "log1p", lambda xp, x: xp.log1p(x), x=lambda g, x: g / conj(x + 1), jvp=ELEMENTWISE, promote=FLOAT,
    doc="log(1 + x), exact for small x.",
)  # fmt: skip

def _logaddexp(xp, x, y):
    if x.dtype.kind != "c":
        return xp.logaddexp(x, y)
    larger = xp.where(x.real >= y.real, x, y)
    smaller = xp.where(x.real >= y.real, y, x)
    sums = larger + xp.log1p(xp.exp(smaller - larger))
    return xp.where(xp.isinf(larger.real) & (larger.real < 0), larger, sums)


logaddexp = Op(
    "logaddexp", _logaddexp,
    x=lambda g, x, y: g / (1 + exp(_apart(y, x))),
    y=lambda g, x, y: g / (1 + exp(_apart(x, y))), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="log(exp(x) + exp(y)), without overflow.",
)  # fmt: skip

logaddexp2 = Op(
    "logaddexp2", lambda xp, x, y: xp.logaddexp2(x, y),
    x=lambda g, x, y: g / (1 + exp2(_apart(y, x))),
    y=lambda g, x, y: g / (1 + exp2(_apart(x, y))), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="log2(2**x + 2**y), without overflow.",
)  # fmt: skip


def _apart(x, y):
    """x - y; 0 where both are the same infinity."""
    return masked(x - y, (x != y) | isfinite(x))


def _xlogy(xp, x, y):
    return xp.where((x == 0) & (y == y), xp.zeros((), x.dtype), x * xp.log(xp.asarray(y, x.dtype)))


xlogy = Op(
    "xlogy", _xlogy,
    x=lambda g, x, y: masked(g * log(y), ~((x == 0) & (y <= 0))),
    y=lambda g, x, y: g * x / y, jvp=ELEMENTWISE, promote=PAIR_FLOAT, doc="x * log(y), and 0 where x is 0.",
)  # fmt: skip


@through_float32
def _sigmoid(xp, x):
    if native is not None and xp is np and x.dtype.char in "fd":
        return native.sigmoid(x)
    out = xp.negative(x, out=xp.empty_like(x))
    xp.exp(out, out=out)
    out += 1
    return xp.reciprocal(out, out=out)


sigmoid = Op(
    "sigmoid", _sigmoid, x=lambda g, out: g * conj(out * (1 - out)), jvp=ELEMENTWISE, promote=FLOAT,
    doc="1 / (1 + exp(-x)).",
)  # fmt: skip


@through_float32
def _logit(xp, x, eps):
    if eps is not None:
        x = xp.minimum(xp.maximum(x, eps), 1 - eps)
    return xp.log(x / (1 - x))


def _logit_formula(g, x, eps):
    slope = 1 / (x * (1 - x))
    if eps is None:
        return g * where_row(slope, math.nan, (x >= 0) & (x <= 1))
    return g * masked(slope, (x >= eps) & (x <= 1 - eps))


_logit_row = Op("logit", _logit, x=_logit_formula, jvp=ELEMENTWISE, promote=FLOAT)


def logit(input, eps=None, *, out=None):
    """log(x / (1 - x)), of x brought between eps and 1 - eps if `eps` is given."""
    return _logit_row(input, eps, out=out)


# --- circular -----------------------------------------------------------------------------------------------

sin = Op(
    "sin",
    lambda xp, x: xp.sin(x),
    x=lambda g, x: g * conj(cos(x)),
    jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The sine.",
)

cos = Op(
    "cos",
    lambda xp, x: xp.cos(x),
    x=lambda g, x: g * -conj(sin(x)),
    jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The cosine.",
)

tan = Op(
    "tan", lambda xp, x: xp.tan(x), x=lambda g, out: g * conj(1 + out * out), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The tangent.",
)  # fmt: skip

def _arc_slope(x):
    """1 / sqrt(1 - x**2), conjugated; NaN at infinity, where `**` says 0."""
    return conj((1 - x * x) ** -0.5) + (x - x)


asin = Op(
    "asin", lambda xp, x: xp.arcsin(x), x=lambda g, x: g * _arc_slope(x), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The inverse of the sine.",
)  # fmt: skip

acos = Op(
    "acos", lambda xp, x: xp.arccos(x), x=lambda g, x: g * -_arc_slope(x), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The inverse of the cosine.",
)  # fmt: skip

atan = Op(
    "atan", lambda xp, x: xp.arctan(x), x=lambda g, x: g / conj(1 + x * x), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The inverse of the tangent.",
)  # fmt: skip

# At the origin, which has no angle, the gradient is zero.
atan2 = Op(
    "atan2", lambda xp, x, y: xp.arctan2(x, y),
    x=lambda g, x, y: g * safe_div(y, x * x + y * y),
    y=lambda g, x, y: g * -safe_div(x, x * x + y * y), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="The angle of the point (other, input), from -pi to pi.",
)  # fmt: skip

hypot = Op(
    "hypot", lambda xp, x, y: xp.hypot(x, y),
    x=lambda g, x, out: g * (x / out),
    y=lambda g, y, out: g * (y / out), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="sqrt(x**2 + y**2), without overflow.",
)  # fmt: skip


@through_float32
def _sinc(xp, x):
    return xp.sinc(x)


def _sinc_formula(g, x):
    x = x * math.pi
    zero = x == 0
    x = where_row(1, x, zero)
    return masked(g * conj((cos(x) * x - sin(x)) / (x * x)), ~zero) * math.pi


sinc = Op(
    "sinc", _sinc, x=_sinc_formula, jvp=ELEMENTWISE, promote=FLOAT, doc="sin(pi x) / (pi x), and 1 at 0."
)

deg2rad = Op(
    "deg2rad", lambda xp, x: x * x.dtype.type(math.pi / 180), x=lambda g: g * (math.pi / 180),
    jvp=ELEMENTWISE, promote=FLOAT,
    doc="Degrees to radians.",
)  # fmt: skip

rad2deg = Op(
    "rad2deg", lambda xp, x: x * x.dtype.type(180 / math.pi), x=lambda g: g * (180 / math.pi),
    jvp=ELEMENTWISE, promote=FLOAT,
    doc="Radians to degrees.",
)  # fmt: skip

# --- hyperbolic ---------------------------------------------------------------------------------------------

sinh = Op(
    "sinh", lambda xp, x: xp.sinh(x), x=lambda g, x: g * conj(cosh(x)), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The hyperbolic sine.",
)  # fmt: skip

cosh = Op(
    "cosh", lambda xp, x: xp.cosh(x), x=lambda g, x: g * conj(sinh(x)), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The hyperbolic cosine.",
)  # fmt: skip

tanh = Op(
    "tanh", lambda xp, x: xp.tanh(x), x=lambda g, out: g * conj(1 - out * out), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The hyperbolic tangent.",
)  # fmt: skip

asinh = Op(
    "asinh", lambda xp, x: xp.arcsinh(x), x=lambda g, x: g * conj((x * x + 1) ** -0.5), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="The inverse of the hyperbolic sine.",
)  # fmt: skip


acosh = Op(
    "acosh", lambda xp, x: xp.arccosh(x), x=lambda g, x: g * conj(((x - 1) ** 0.5 * (x + 1) ** 0.5) ** -1),
    jvp=ELEMENTWISE, promote=FLOAT, doc="The inverse of the hyperbolic cosine.",
)  # fmt: skip

atanh = Op(
    "atanh", lambda xp, x: xp.arctanh(x), x=lambda g, x: g / conj(1 - x * x), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The inverse of the hyperbolic tangent.",
)  # fmt: skip

arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
