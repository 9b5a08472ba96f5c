"""PyTorch's `*_copy` functions: what a view function gives, as a copy."""

from ..core import arrays
from ..core.memory import contiguous_format
from . import shape, view
from .arguments import deliver
from .shape import clone


def _reshaped(input, *args, **kwargs):
    """`view`, and of what can't be viewed so, `reshape`."""
    dtype = kwargs.get("dtype") or (args and isinstance(args[0], arrays.dtype))
    return (shape.view if dtype else shape.reshape)(input, *args, **_renamed(kwargs))


def _renamed(kwargs):
    return {"shape" if k == "size" else k: v for k, v in kwargs.items()}


_VIEWS = {
    "alias_copy": shape.alias, "as_strided_copy": view.as_strided, "detach_copy": view.detach,
    "diagonal_copy": view.diagonal, "expand_copy": shape.expand, "narrow_copy": view.narrow,
    "permute_copy": shape.permute, "select_copy": view.select, "slice_copy": view.slice_,
    "split_copy": view.split, "split_with_sizes_copy": view.split_with_sizes, "squeeze_copy": shape.squeeze,
    "t_copy": shape.t, "transpose_copy": shape.transpose, "unbind_copy": view.unbind,
    "unfold_copy": view.unfold, "unsqueeze_copy": shape.unsqueeze, "view_copy": _reshaped,
}  # fmt: skip
__all__ = list(_VIEWS)
METHODS = ["narrow_copy"]
INPLACE = []


def _copied(x):
    return clone(x, memory_format=contiguous_format)


def _copying(name, function):
    def copy(input, *args, out=None, **kwargs):
        result = function(input, *args, **kwargs)
        many = isinstance(result, tuple)
        return deliver(tuple([_copied(r) for r in result]) if many else _copied(result), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"`{name.removesuffix('_copy')}`, as a copy."
    return copy


globals().update({name: _copying(name, function) for name, function in _VIEWS.items()})
