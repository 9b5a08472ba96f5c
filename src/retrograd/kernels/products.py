"""The kernels of matrix products, attention and long sums, registered for their rows."""

from math import prod

import numpy as np

from ..core.op import kernel
from . import native
from .cpu import ready

# --- matrix products -----------------------------------------------------------------------------


def multiply(x, y, bias=None):
    """x (..., M, K) @ y (..., K, N) + bias, of arrays that fit."""
    if y.ndim == 2 and x.ndim > 2:  # one product instead of many; a copy of x where its rows lie scattered
        x_rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
        return multiply(x_rows, y, bias).reshape(*x.shape[:-1], y.shape[1])
    if x.ndim != y.ndim or x.shape[:-2] != y.shape[:-2]:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = (np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (x, y))
    out = native.empty((*x.shape[:-1], y.shape[-1]), x)
    native.matmul(x, y, bias, out)
    return out


def _matrices_ready(x, y):
    return (
        ready(x, y)
        and 1 < x.ndim <= 8
        and 1 < y.ndim <= 8
        and x.shape[-1] == y.shape[-2]
        and _broadcast(x, y)
    )


def _broadcast(x, y):
    """Whether the leading sizes fit each other (where not, the row says so)."""
    if y.ndim == 2 or x.ndim == 2 or x.shape[:-2] == y.shape[:-2]:
        return True
    pairs = zip(x.shape[-3::-1], y.shape[-3::-1], strict=False)
    return all(m == n or m == 1 or n == 1 for m, n in pairs)


@kernel("matmul", when=_matrices_ready)
def matmul(x, y):
    return multiply(x, y)


def _linear_ready(x, weight, bias=None):
    return (
        ready(x, weight, bias)
        and 1 < x.ndim <= 8
        and weight.ndim == 2
        and x.shape[-1] == weight.shape[1]
        and (bias is None or (bias.shape == weight.shape[:1] and bias.flags.c_contiguous))
    )


@kernel("linear", when=_linear_ready)
def linear(x, weight, bias=None):
    return multiply(x, weight.T, bias)
