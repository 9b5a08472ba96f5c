"""The rows of adaptive pooling: window i of n spans floor(i * size / n) to ceil((i + 1) * size / n)."""

from math import prod

import numpy as np

from ..core.op import LINEAR, Op, through_float32
from .pooling import greatest, pick_row, place_row, spatial


def _spans(xp, size, n):
    """The first index and the length of each of `n` adaptive windows over `size` elements."""
    i = xp.arange(n)
    start = i * size // n
    return start, -(-((i + 1) * size) // n) - start


def _averaging(xp, size, n, kind):
    """The matrix (n, size) that averages over adaptive windows."""
    start, length = _spans(xp, size, n)
    at = xp.arange(size) - start[:, None]
    return ((at >= 0) & (at < length[:, None])).astype(kind) / length[:, None].astype(kind)


@through_float32
def _adaptive_avg(xp, x, size):
    kind = x.dtype
    lead = x.ndim - len(size)
    if all(n == 1 for n in size):
        return x.mean(axis=tuple(range(lead, x.ndim)), keepdims=True, dtype=kind)
    for axis, n in enumerate(size, lead):
        if x.shape[axis] != n:
            x = _along(xp, _averaging(xp, x.shape[axis], n, kind), x, axis)
    return xp.array(x)


@through_float32
def _adaptive_avg_input(xp, y, size):
    kind = y.dtype
    lead = y.ndim - len(size)
    if all(n == 1 for n in y.shape[lead:]):
        return xp.array(xp.broadcast_to(y / kind.type(prod(size)), (*y.shape[:lead], *size)))
    for axis, n in enumerate(size, lead):
        if y.shape[axis] != n:
            y = _along(xp, _averaging(xp, n, y.shape[axis], kind).T, y, axis)
    return xp.array(y)


def _along(xp, matrix, x, axis):
    """`matrix` applied to the vectors along `axis`."""
    return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), matrix.T), -1, axis)


def _adaptive_avg_row(n):
    return Op(
        f"adaptive_avg_pool{n}d", lambda xp, x, size: _adaptive_avg(xp, x, size),
        x=lambda g, x_shape, size: adaptive_avg_input(g, spatial(x_shape, len(size))), jvp=LINEAR,
    )  # fmt: skip


ADAPTIVE_AVG = [_adaptive_avg_row(n) for n in (1, 2, 3)]

adaptive_avg_input = Op(
    "adaptive_avg_pool_input", lambda xp, y, size: _adaptive_avg_input(xp, y, size),
    y=lambda g, y_shape, size: ADAPTIVE_AVG[len(size) - 1](g, spatial(y_shape, len(size))), jvp=LINEAR,
)  # fmt: skip


@through_float32
def _adaptive_max(xp, x, size):
    lead = x.ndim - len(size)
    spans = [_spans(xp, i, n) for i, n in zip(x.shape[lead:], size, strict=True)]

    def at(k):
        """Along each axis, the index that position `k` of each window meets; past its end, the last again."""
        return [s + xp.minimum(i, length - 1) for i, (s, length) in zip(k, spans, strict=True)]

    def part(k):
        return x[(..., *xp.ix_(*at(k)))]

    positions = list(np.ndindex(*[int(length.max()) if length.size else 0 for _, length in spans]))
    shape = (*x.shape[:lead], *size)
    best, which = greatest(xp, positions, part, shape, x.dtype)
    table = xp.empty((len(positions), *size), np.int64)
    for number, k in enumerate(positions):
        flat = 0
        for axis, index in enumerate(at(k)):
            index = index.reshape(-1, *[1] * (len(size) - 1 - axis))
            flat = flat + index * prod(x.shape[lead + axis + 1 :])
        table[number] = flat
    places = xp.indices(size, sparse=True)
    return best, table[(which, *places)]


def _adaptive_max_row(n):
    return Op(
        f"adaptive_max_pool{n}d", lambda xp, x, size: _adaptive_max(xp, x, size),
        outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape: place_row(g_values, indices, spatial(x_shape, n)),
        jvp=lambda t_x, indices, size: (pick_row(t_x, indices, len(size)), None),
    )  # fmt: skip


ADAPTIVE_MAX = [_adaptive_max_row(n) for n in (1, 2, 3)]
