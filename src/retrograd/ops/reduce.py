"""Rows that reduce: sums, means, extremes, norms, along axes or over everything."""

from ..core.op import LINEAR, Op
from .shape import broadcast_row, reshape_row

__all__ = ["sum"]
METHODS = ["sum"]
INPLACE = []


def kept_shape(shape, axes):
    """`shape` with 1 where it was reduced over `axes`."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def spread(g, shape, axes, keepdim):
    """A reduction's gradient, broadcast back to the input's shape."""
    if not keepdim:
        g = reshape_row(g, kept_shape(shape, axes))
    return broadcast_row(g, shape)


sum_row = Op(
    "sum", lambda xp, x, axes, keepdim: xp.add.reduce(x, axis=axes, keepdims=keepdim),
    x=lambda g, x_shape, axes, keepdim: spread(g, x_shape, axes, keepdim), jvp=LINEAR,
)  # fmt: skip


def normal_axes(dim, ndim):
    """`dim` (None, an int or several) as a tuple of non-negative axes; None and () mean all of them."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    return tuple(normal_axis(d, ndim) for d in dims)


def normal_axis(dim, ndim):
    """`dim` counted from the front; IndexError where there is no such dimension."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})")
    return dim % n


def sum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The sum over the dimensions `dim` (all by default); whole numbers and bools sum to int64."""
    return sum_row(input, normal_axes(dim, input.ndim) if input.ndim else (), keepdim)
