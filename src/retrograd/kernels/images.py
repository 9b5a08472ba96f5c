"""The kernels of resampling images along one axis, of padding by their own elements, and their gradients."""

from math import prod

import numpy as np

from ..core.op import kernel
from . import native
from .cpu import ready


def _taps_ready(x, indices, weights, axis, size):
    return ready(x) and x.size > 0 and indices.size > 0


def _sums(x, start, index, weight, axis, outputs):
    """Sums of parts of `x` along `axis`, in the order in memory that x has."""
    order = range(x.ndim) if x.flags.c_contiguous else sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    order = list(order)
    lying = np.ascontiguousarray(x.transpose(order))
    place = order.index(axis)
    shape = (*lying.shape[:place], outputs, *lying.shape[place + 1 :])
    out = native.empty(shape, x)
    outer, inner = prod(shape[:place]), prod(shape[place + 1 :])
    native.weighted_rows(
        lying.reshape(outer, x.shape[axis], inner), start, index, weight, out.reshape(outer, outputs, inner)
    )
    return out.transpose(np.argsort(order))


def _flat(values, dtype):
    return np.ascontiguousarray(values, dtype).reshape(-1)


@kernel("resample", when=_taps_ready)
def resample(x, indices, weights, axis, size):
    outputs, taps = indices.shape
    start = np.arange(0, outputs * taps + 1, taps)
    return _sums(x, start, _flat(indices, np.int64), _flat(weights, np.float64), axis, outputs)


@kernel("resample_backward", when=_taps_ready)
def resample_backward(y, indices, weights, axis, size):
    """Input i gets what the outputs that have it among their taps got, in the order of the outputs."""
    seen = _flat(indices, np.int64)
    order = np.argsort(seen, kind="stable")
    start = np.searchsorted(seen[order], np.arange(size + 1))
    weight = _flat(weights, np.float64)[order]
    return _sums(y, start, order // indices.shape[1], weight, axis, size)


# --- padding -------------------------------------------------------------------------------------


@kernel("own_pad", when=lambda x, shape, indices: ready(x) and x.size > 0)
def own_pad(x, shape, indices):
    for axis, index in indices:
        taps = np.arange(len(index) + 1)
        x = _sums(x, taps, _flat(index, np.int64), np.ones(len(index)), axis, len(index))
    return x


@kernel("own_pad_backward", when=lambda g, shape, indices: ready(g) and g.size > 0)
def own_pad_backward(g, shape, indices):
    """Each element gets what its copies got, in their order."""
    for axis, index in reversed(indices):
        seen = _flat(index, np.int64)
        order = np.argsort(seen, kind="stable")
        start = np.searchsorted(seen[order], np.arange(shape[axis] + 1))
        g = _sums(g, start, order, np.ones(len(seen)), axis, shape[axis])
    return g
