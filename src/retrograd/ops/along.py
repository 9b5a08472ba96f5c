"""Rows that pick elements along one axis by index, and put gradients back there."""

import numpy as np

from ..core.compiled import native
from ..core.op import LINEAR, Op
from .shape import reshape_row


def picked(x, indices, axis):
    """x at `indices` along an axis, which may be shorter along the others; None where that isn't compiled."""
    if native is None or not x.ndim:
        return None
    out = np.empty(indices.shape, x.dtype)
    return out if native.take_along(x, indices, out, axis) else None


def added(out, indices, values, axis):
    """Whether `values`, of the shape of `indices`, were added to `out` there along an axis: False where that
    isn't compiled."""
    if native is None or not out.ndim:
        return False
    return native.add_along(out, indices, np.ascontiguousarray(values), axis)


def _add_along(xp, x, indices, axis, shape):
    out = xp.zeros(shape, x.dtype)
    if not shape:
        return out + x.sum()
    if added(out, indices, x, axis):
        return out
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


def _take_along(xp, x, indices, axis):
    if not x.ndim:
        return x.reshape(indices.shape)
    out = picked(x, indices, axis)
    return np.take_along_axis(x, indices, axis) if out is None else out


take_along = Op(
    "take_along", _take_along, x=lambda g, x_shape, indices, axis: add_along(g, indices, axis, x_shape),
    jvp=LINEAR, node="GatherBackward0",
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


def selecting(name, find, reduce=None):
    """The row of a function that picks one element of each lane along an axis: (values, indices).

    find: `find(xp, x, axis, k)` gives the indices, with `axis` of size 1; `k` is the function's own parameter
    reduce: a ufunc whose reduction gives the values, if there is one.
    """

    def forward(xp, x, axis, keepdim, k):
        if x.ndim == 0:
            return x.copy(), xp.zeros((), np.int64)
        indices = find(xp, x, axis, k)
        if reduce is None:
            values = np.take_along_axis(x, indices, axis)
        else:
            values = reduce.reduce(x, axis=axis, keepdims=True)
        return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))

    return Op(
        name, forward, outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape, axis, keepdim: put_along(
            _kept(g_values, x_shape, axis, keepdim), _kept(indices, x_shape, axis, keepdim), axis, x_shape
        ),
        jvp=lambda t_x, indices, x_shape, axis, keepdim: (
            _let_go(take_along(t_x, _kept(indices, x_shape, axis, keepdim), axis), x_shape, axis, keepdim),
            None,
        ),
    )  # fmt: skip


def _kept(y, shape, axis, keepdim):
    """A result with the axis that was reduced, as 1."""
    return y if keepdim or not shape else reshape_row(y, (*shape[:axis], 1, *shape[axis + 1 :]))


def _let_go(y, shape, axis, keepdim):
    return y if keepdim or not shape else reshape_row(y, (*shape[:axis], *shape[axis + 1 :]))
