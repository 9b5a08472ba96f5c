"""Special functions around the normal distribution and logarithms: the rows of `torch.special` alone."""

import math

import numpy as np

from ..core.op import ELEMENTWISE, FLOAT, PAIR_FLOAT, Op, through_float32
from .arguments import deliver
from .elementary import exp, log, log1p
from .pointwise import masked, where_row
from .special import TWO_OVER_ROOT_PI, by_blocks, erfc, far_scaled, hurwitz, inverse_erf

ROOT_HALF = math.sqrt(0.5)


@through_float32
def _erfcx(xp, x):
    near = xp.exp(x * x) * erfc.run(xp.minimum(x, 1))
    return xp.where(x < 1, near, far_scaled(xp.maximum(x, 1)))


erfcx = Op(
    "erfcx", _erfcx, x=lambda g, x, out: g * (2 * x * out - TWO_OVER_ROOT_PI), jvp=ELEMENTWISE, promote=FLOAT,
    doc="exp(x**2) * erfc(x), without underflow.",
)  # fmt: skip


def ndtr(input, *, out=None):
    """The normal distribution's cumulative function: the probability of a value up to x."""
    return deliver(erfc(input * -ROOT_HALF) * 0.5, out)


@through_float32
def _log_ndtr(xp, x):
    t = x * ROOT_HALF
    low = xp.log(_erfcx(xp, -xp.minimum(t, 0)) / 2) - t * t
    return xp.where(x < -1, low, xp.log1p(-erfc.run(t) / 2))


log_ndtr = Op(
    "log_ndtr", _log_ndtr, x=lambda g, x: g / erfcx(x * -ROOT_HALF) * (TWO_OVER_ROOT_PI * ROOT_HALF),
    jvp=ELEMENTWISE, promote=FLOAT, doc="log(ndtr(x)), without underflow.",
)  # fmt: skip


def _ndtri_block(p):
    tail = 2 * np.minimum(p, 1 - p)
    y = inverse_erf(1 - tail, tail) / ROOT_HALF
    y = np.where(p < 0.5, -y, y)
    return np.where((p > 0) & (p < 1), y, np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.nan)))


ndtri = Op(
    "ndtri", lambda xp, x: by_blocks(_ndtri_block, x.astype(np.float64)).astype(x.dtype),
    x=lambda g, out: g * exp(out * out * 0.5) * math.sqrt(2 * math.pi), jvp=ELEMENTWISE, promote=FLOAT,
    doc="The inverse of ndtr on [0, 1].",
)  # fmt: skip


@through_float32
def _entr(xp, x):
    return xp.where(x > 0, -x * xp.log(x), xp.where(x == 0, 0, xp.where(x < 0, -xp.inf, x))).astype(x.dtype)


entr = Op(
    "entr", _entr, x=lambda g, x: g * where_row(-(log(x) + 1), math.nan, x >= 0), jvp=ELEMENTWISE,
    promote=FLOAT, doc="-x * log(x), an entropy's term: 0 at 0, minus infinity below.",
)  # fmt: skip


def _xlog1py(xp, x, y):
    return xp.where((x == 0) & (y == y), xp.zeros((), x.dtype), x * xp.log1p(xp.asarray(y, x.dtype)))


xlog1py = Op(
    "xlog1py", _xlog1py,
    x=lambda g, x, y: masked(g * log1p(y), ~((x == 0) & (y <= -1))),
    y=lambda g, x, y: g * x / (y + 1), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="x * log1p(y), and 0 where x is 0.",
)  # fmt: skip


def _zeta(xp, x, y):
    kind = np.result_type(x, np.float32)
    s, q = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    pole = (q <= 0) & (q == np.floor(q))
    undefined = (s < 1) | ((q < 0) & ~pole & (s != np.floor(s))) | (s != s) | (q != q)
    fine = (s > 1) & ~pole & ~undefined
    total = hurwitz(np.where(fine, s, 2), np.where(fine, q, 1))
    total = np.where(undefined, np.nan, np.where((s == 1) | pole, np.inf, total))
    return total.astype(kind)


zeta = Op(
    "zeta", _zeta, promote=PAIR_FLOAT,
    doc="Hurwitz's zeta function, the sum of (other + k) ** -input over k >= 0. No gradient.",
)  # fmt: skip
