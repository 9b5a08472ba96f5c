"""Rows that pick elements along one axis by index, and put gradients back there: for sort, max, cummax and the like."""

import numpy as np

from ..core.op import LINEAR, Op


def _add_along(xp, x, indices, axis, shape):
    out = xp.zeros(shape, x.dtype)
    if not shape:
        return out + x.sum()
    grid = list(np.ogrid[tuple([slice(n) for n in indices.shape])])
    grid[axis] = indices
    xp.add.at(out, tuple(grid), x)
    return out


def _put_along(xp, x, indices, axis, shape):
    if not shape:
        return x.reshape(())
    out = xp.zeros(shape, x.dtype)
    np.put_along_axis(out, indices, x, axis)
    return out


take_along = Op(
    "take_along", lambda xp, x, indices, axis: np.take_along_axis(x, indices, axis) if x.ndim else x.reshape(indices.shape),
    x=lambda g, x_shape, indices, axis: add_along(g, indices, axis, x_shape), jvp=LINEAR, node="GatherBackward0",
    doc="The elements at `indices` along `axis`; the other axes are walked together.",
)  # fmt: skip

add_along = Op(
    "add_along", _add_along, x=lambda g, indices, axis: take_along(g, indices, axis), jvp=LINEAR,
    doc="Zeros of `shape` with x added at `indices` along `axis`.",
)  # fmt: skip

put_along = Op(
    "put_along", _put_along, x=lambda g, indices, axis: take_along(g, indices, axis), jvp=LINEAR,
    doc="`add_along` for indices that are distinct along the axis, which is faster.",
)  # fmt: skip
