"""Gamma and Dirichlet numbers whose gradients flow to their parameters, by implicit differentiation.

A draw x with the distribution function F(x; a) moves with a so that F stays: dx/da = -(dF/da) / (dF/dx).
Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018). The power series of the incomplete
gamma and beta functions are differentiated term by term, divided by their first term, which keeps them in
range.
"""

import numpy as np

from ..core import random_rejection
from ..core.apply import drawing
from ..core.op import Op
from .reduce import sum_row
from .special import digamma

__all__ = ["_sample_dirichlet", "_standard_gamma"]
METHODS = []
INPLACE = []

_MOST_TERMS = 20_000
_LARGE = 2_000.0  # shapes beyond: the series is long, Wilson and Hilferty's cube of a normal exact enough


def _series(first, ratio, factor, size):
    """The sum over n of t[n] * factor(n), where t[0] = `first` and t[n + 1] = t[n] * ratio(n)."""
    term, total, weight = np.full(size, first), np.zeros(size), np.zeros(size)
    for n in range(_MOST_TERMS):
        total += term * factor(n)
        weight += term
        term = term * ratio(n)
        if not np.any(term > 1e-17 * weight):
            break
    return total


def _gamma_slope(xp, shape, x):
    """dx/da of a draw x from the gamma distribution of shape a and rate 1."""
    kind = x.dtype
    a, x = shape.astype(np.float64), x.astype(np.float64)
    out = np.empty_like(x)
    large = a > _LARGE
    if large.any():
        c, w = 1 / (9 * a[large]), np.cbrt(x[large] / a[large])
        out[large] = w**3 + 1.5 * w**2 * (c - w + 1)
    a, x = a[~large], x[~large]
    log_x, psi = np.log(x), _Digamma(a + 1)
    total = _series(1.0, lambda n: x / (a + n + 1), lambda n: log_x - psi.at(n), x.shape)
    out[~large] = -x / a * total
    return out.astype(kind)


class _Digamma:
    """digamma(a + n) for n = 0, 1, 2... in turn, by its recurrence."""

    def __init__(self, a):
        self.a, self.value = a, digamma(a)

    def at(self, n):
        value = self.value
        self.value = value + 1 / (self.a + n)
        return value


def _dirichlet_slope(xp, x, concentration):
    """dx[j]/da[j] over 1 - x[j], of a draw x from the Dirichlet distribution of concentration a."""
    kind = x.dtype
    a, x = concentration.astype(np.float64), x.astype(np.float64)
    b = a.sum(-1, keepdims=True) - a
    out = np.empty_like(x)
    # Each series is exact on its side of the mean; it has some 40 / (1 - x), or 40 / x, terms.
    low = ((x * (a + b) <= a) | (x < 0.02)) & (x <= 0.98)
    for chosen, slope in ((low, _beta_slope_low), (~low, _beta_slope_high)):
        out[chosen] = slope(a[chosen], b[chosen], x[chosen])
    return out.astype(kind)


def _beta_slope_low(a, b, x):
    log_x, both, psi = np.log(x), _Digamma(a + b), _Digamma(a + 1)
    ratio = lambda n: x * (a + b + n) / (a + n + 1)
    return -x / a * _series(1.0, ratio, lambda n: log_x + both.at(n) - psi.at(n), x.shape)


def _beta_slope_high(a, b, x):
    log_x, both, psi = np.log(x), _Digamma(a + b), digamma(a)
    ratio = lambda n: (1 - x) * (a + b + n) / (b + n + 1)
    return x / b * _series(1.0, ratio, lambda n: log_x + both.at(n) - psi, x.shape)


gamma_slope_row = Op("standard_gamma_grad", _gamma_slope)
dirichlet_slope_row = Op("dirichlet_grad", _dirichlet_slope)


def _moved(g, draw, concentration):
    """The gradient of a Dirichlet's concentration: what leaves one component goes to the others evenly."""
    axis = (len(draw.shape) - 1,)
    return dirichlet_slope_row(draw, concentration) * (g - sum_row(g * draw, axis, True))


standard_gamma_row = Op(
    "standard_gamma", lambda xp, x, drawn: drawn, x=lambda g, x, drawn: g * gamma_slope_row(x, drawn),
    jvp=lambda t_x, x, drawn: t_x * gamma_slope_row(x, drawn),
)  # fmt: skip
sample_dirichlet_row = Op(
    "sample_dirichlet", lambda xp, x, drawn: drawn, x=lambda g, x, drawn: _moved(g, drawn, x),
)  # fmt: skip


@drawing
def _standard_gamma(input, generator=None):
    """Numbers from the gamma distributions of the shapes that `input` holds, of rate 1; differentiable."""
    return standard_gamma_row(input, random_rejection.standard_gamma(input._array, generator))


@drawing
def _sample_dirichlet(input, generator=None):
    """Points of simplices from the Dirichlet distributions of input's concentrations, its last dimension."""
    return sample_dirichlet_row(input, random_rejection.dirichlet(input._array, generator))
