"""Differences between neighbours, and integrals by trapezoids."""

import numpy as np

from ..core.op import as_tensor
from ..core.tensor import Tensor
from .arguments import deliver, normal_axes, normal_axis
from .compare import logical_xor
from .join import cat
from .scan import cumsum
from .shape import reshape_row
from .view import narrow

__all__ = ["cumulative_trapezoid", "diff", "gradient", "trapezoid", "trapz"]
METHODS = ["diff"]
INPLACE = []


def _part(x, axis, start, stop):
    """x[..., start:stop, ...] along `axis`; a negative `stop` counts from the end."""
    stop = x._array.shape[axis] + stop if stop <= 0 else stop
    return narrow(x, axis, start, max(stop - start, 0))


def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None):
    """The differences of neighbours along `dim`, `n` times over; of bools, whether they differ.

    prepend, append: tensors put before and after `input` first.
    """
    if not input._array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional [RG038]")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n} [RG049]")
    axis = normal_axis(dim, input._array.ndim)
    shape = input.shape
    for t in (prepend, append):
        if t is not None and t.ndim != len(shape):
            raise RuntimeError(
                "diff expects prepend or append to be the same dimension as input: got "
                f"{t.ndim} and {len(shape)} [RG044]"
            )
        if t is not None and any(a != b for i, (a, b) in enumerate(zip(t.shape, shape)) if i != axis):
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along "
                f"the differencing dimension {axis}; got {list(t.shape)} and {list(shape)} [RG044]"
            )
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, axis) if len(parts) > 1 and n else input
    for _ in range(min(n, x._array.shape[axis])):
        after, before = _part(x, axis, 1, 0), _part(x, axis, 0, -1)
        x = logical_xor(after, before) if x._array.dtype.kind == "b" else after - before
    return deliver(x.clone() if x is input else x, out)


def _trapezoids(y, x, dx, dim):
    """(areas between neighbours along the axis, the axis)."""
    axis = normal_axis(dim, y._array.ndim)
    if x is not None and dx is not None:
        raise TypeError("received an invalid combination of arguments: give x or dx, not both [RG120]")
    if isinstance(dx, complex):
        raise RuntimeError("Currently, we only support dx as a real number. [RG047]")
    if x is not None and (x.ndim == 0 or x.shape[axis if x.ndim > 1 else 0] != y.shape[axis]):
        raise RuntimeError(
            f"There must be one `x` value for each sample point: got shapes {list(x.shape)} and "
            f"{list(y.shape)} along dimension {axis} [RG044]"
        )
    if not y._array.shape[axis]:
        return y, axis
    height = (_part(y, axis, 1, 0) + _part(y, axis, 0, -1)) * 0.5
    if x is None:
        return height * (1 if dx is None else dx), axis
    if x._array.ndim == 1:
        x = reshape_row(x, (-1,) + (1,) * (y._array.ndim - 1 - axis))
    return height * diff(x, dim=axis - y._array.ndim), axis


def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integral of `y` along `dim` by the trapezoidal rule; `x`: where y is given, else `dx` (1) apart."""
    areas, axis = _trapezoids(y, x, dx, dim)
    return areas.sum(axis)


def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The integrals of `y` from the first element up to each further one along `dim`, as `trapezoid`."""
    areas, axis = _trapezoids(y, x, dx, dim)
    return cumsum(areas, axis)


trapz = trapezoid


def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The derivative along each dimension of `dim` by central differences: a tuple of tensors.

    spacing: the distance of neighbours, or their coordinates, for all dimensions or a list with one for each.
    edge_order: 1 or 2, that of the differences at the ends.
    """
    axes = normal_axes(dim, input._array.ndim)
    spacing = 1 if spacing is None else spacing
    several = isinstance(spacing, (list, tuple))
    if several and len(spacing) != len(axes):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"{len(axes)}, got {len(spacing)} [RG049]"
        )
    if edge_order not in (1, 2):
        raise RuntimeError(
            f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order} [RG049]"
        )
    return tuple(
        [_derivative(input, a, spacing[i] if several else spacing, edge_order) for i, a in enumerate(axes)]
    )


def _derivative(y, axis, spacing, edge_order):
    n = y._array.shape[axis]
    if n < edge_order + 1:
        raise RuntimeError(
            f"torch.gradient expected each dimension size to be at least {edge_order + 1}, got {n} "
            f"in dimension {axis} [RG123]"
        )
    shape = (-1,) + (1,) * (y._array.ndim - 1 - axis)
    if isinstance(spacing, Tensor) and spacing._array.ndim:
        steps = reshape_row(diff(spacing), shape)
    else:
        step = spacing.item() if isinstance(spacing, Tensor) else spacing
        steps = reshape_row(
            as_tensor(np.full(n - 1, step, np.result_type(y._array.dtype, np.float32))), shape
        )
    slopes = diff(y, dim=axis) / steps  # between neighbours; at an element, the mean of both sides, weighted
    along = 0 if steps._array.ndim == y._array.ndim - axis else axis
    first, last = _ends(slopes, steps, axis, along, edge_order)
    left, right = _part(steps, along, 0, -1), _part(steps, along, 1, 0)
    inner = (_part(slopes, axis, 0, -1) * right + _part(slopes, axis, 1, 0) * left) / (left + right)
    return cat([first, inner, last], axis)


def _ends(slopes, steps, axis, along, edge_order):
    m = slopes._array.shape[axis]
    first, last = _part(slopes, axis, 0, 1), _part(slopes, axis, m - 1, m)
    if edge_order == 1:
        return first, last
    second, before = _part(slopes, axis, 1, 2), _part(slopes, axis, m - 2, m - 1)
    h0, h1 = _part(steps, along, 0, 1), _part(steps, along, 1, 2)
    k0, k1 = _part(steps, along, m - 1, m), _part(steps, along, m - 2, m - 1)
    return (
        first + (first - second) * (h0 / (h0 + h1)),
        last + (last - before) * (k0 / (k0 + k1)),
    )
