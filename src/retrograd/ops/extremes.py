"""Largest and smallest elements, and where they are."""

import numpy as np

from ..core import arrays
from ..core.compiled import fused
from ..core.op import Op
from ..core.tensor import Tensor
from . import return_types
from .along import selecting
from .arguments import deliver, normal_axis
from .pointwise import masked, maximum, minimum
from .reduce import axes_of, numpy_names, sum_row, unreduced
from .shape import cast_row

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]
METHODS = __all__
INPLACE = []


@fused
def _hits(x, extreme):
    """Where x is the extreme value; NaN is itself."""
    return (x == extreme) | ((x != x) & (extreme != extreme))


def shared(g, x, axes, keepdim, out):
    """The gradient of an extreme value, in equal parts to all elements that have it."""
    hits = _hits(x, unreduced(out, x.shape, axes, keepdim))
    kind = x._array.dtype if isinstance(x, Tensor) else x.dtype
    return masked(unreduced(g, x.shape, axes, keepdim) / cast_row(sum_row(hits, axes, True), kind), hits)


def shared_tangent(t_x, x, axes, keepdim, out):
    hits = _hits(x, unreduced(out, x.shape, axes, keepdim))
    return sum_row(masked(t_x, hits), axes, keepdim) / sum_row(hits, axes, keepdim)


def _sharing(name, ufunc, node=None):
    return Op(
        name, lambda xp, x, axes, keepdim: ufunc.reduce(x, axis=axes, keepdims=keepdim), x=shared,
        jvp=shared_tangent, node=node,
    )  # fmt: skip


amax_row, amin_row = _sharing("amax", np.maximum), _sharing("amin", np.minimum)
_max_of_all_row = _sharing("max_of_all", np.maximum, "MaxBackward1")
_min_of_all_row = _sharing("min_of_all", np.minimum, "MinBackward1")


def _arg(name):
    def forward(xp, x, axis, keepdim):
        function = getattr(xp, name)
        if x.dtype.kind == "V":
            x = x.astype(np.float32)
        return function(x, axis=axis, keepdims=keepdim)

    return forward


_argmax_row = Op("argmax", _arg("argmax"))
_argmin_row = Op("argmin", _arg("argmin"))


def _first(name):
    find = _arg(name)
    return lambda xp, x, axis, k: find(xp, x, axis, True)


_max_row, _min_row = (
    selecting("max", _first("argmax"), np.maximum),
    selecting("min", _first("argmin"), np.minimum),
)


def need_elements(name, input, axes, dim):
    shape = input._array.shape
    if input._array.size or all(shape[a] for a in axes):
        return
    if dim is None or dim == ():
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            "reduction dim with the "
            "'dim' argument. [RG123]"
        )
    empty = next(a for a in axes if not shape[a])
    raise IndexError(f"{name}(): Expected reduction dim {empty} to have non-zero size. [RG123]")


def _reduce(name, row, input, dim, keepdim, out):
    axes = axes_of(input, dim)
    need_elements(name, input, axes, dim)
    need_order(name, input)
    return deliver(row(input, axes, keepdim), out, exact=True)


def need_order(name, input):
    if input._array.dtype.kind == "c":
        kind = arrays.scalar_name(input.dtype)
        raise NotImplementedError(
            f"\"{name}\" not implemented for '{kind}': complex numbers have no order [RG041]"
        )


@numpy_names
def amax(input, dim=(), keepdim=False, *, out=None):
    """The largest elements over the dimensions `dim` (all by default); equal ones share the gradient."""
    return _reduce("amax", amax_row, input, dim, keepdim, out)


@numpy_names
def amin(input, dim=(), keepdim=False, *, out=None):
    """The smallest elements over the dimensions `dim` (all by default); equal ones share the gradient."""
    return _reduce("amin", amin_row, input, dim, keepdim, out)


@numpy_names
def aminmax(input, *, dim=None, keepdim=False, out=None):
    """(min, max) over the dimension `dim`, or over everything."""
    axes = axes_of(input, dim)
    need_elements("aminmax", input, axes, dim)
    need_order("aminmax", input)
    return deliver(
        return_types.aminmax((amin_row(input, axes, keepdim), amax_row(input, axes, keepdim))), out
    )


def _along(name, rows, input, dim, keepdim, out):
    """max and min in their three forms: of everything, of two tensors, along a dimension."""
    whole, pair, row = rows
    if dim is None:
        return _reduce(name, whole, input, None, False, out)
    if isinstance(dim, Tensor):
        return pair(input, dim, out=out)
    axis = normal_axis(dim, input._array.ndim)
    need_elements(name, input, (axis,) if input._array.ndim else (), dim)
    need_order(name, input)
    return deliver(getattr(return_types, name)(row(input, axis, keepdim, None)), out, exact=True)


@numpy_names
def max(input, dim=None, keepdim=False, *, other=None, out=None):
    """The largest element; along `dim`: (values, indices); of two tensors, the larger of each pair.

    Of everything, equal elements share the gradient evenly; along a dimension the first of them gets it.
    """
    return _along(
        "max", (_max_of_all_row, maximum, _max_row), input, dim if other is None else other, keepdim, out
    )


@numpy_names
def min(input, dim=None, keepdim=False, *, other=None, out=None):
    """The smallest element; along `dim`: (values, indices); of two tensors, the smaller of each pair.

    Of everything, equal elements share the gradient evenly; along a dimension the first of them gets it.
    """
    return _along(
        "min", (_min_of_all_row, minimum, _min_row), input, dim if other is None else other, keepdim, out
    )


def _place(name, row, input, dim, keepdim, out):
    if input._array.dtype.kind in "bc":
        raise NotImplementedError(f'"{name}" not implemented for {input.dtype} [RG041]')
    if dim is None:
        need_elements(name, input, tuple(range(input._array.ndim)), None)
        return deliver(row(input, None, keepdim), out, exact=True)
    axis = normal_axis(dim, input._array.ndim)
    need_elements(name, input, (axis,) if input._array.ndim else (), dim)
    return deliver(row(input, axis if input._array.ndim else None, keepdim), out, exact=True)


@numpy_names
def argmax(input, dim=None, keepdim=False, *, out=None):
    """Where the largest element is (NaN if there is one): along `dim`, or in the flattened tensor."""
    return _place("argmax", _argmax_row, input, dim, keepdim, out)


@numpy_names
def argmin(input, dim=None, keepdim=False, *, out=None):
    """Where the smallest element is (NaN if there is one): along `dim`, or in the flattened tensor."""
    return _place("argmin", _argmin_row, input, dim, keepdim, out)
