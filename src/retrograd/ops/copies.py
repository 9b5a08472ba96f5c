"""PyTorch's `*_copy` functions: what a view function gives, as a copy."""

from . import shape, view
from .arguments import deliver
from .shape import clone

_VIEWS = {
    "alias_copy": shape.alias, "as_strided_copy": view.as_strided, "detach_copy": view.detach,
    "diagonal_copy": view.diagonal, "expand_copy": shape.expand, "narrow_copy": view.narrow,
    "permute_copy": shape.permute, "select_copy": view.select, "slice_copy": view.slice_,
    "split_copy": view.split, "split_with_sizes_copy": view.split_with_sizes, "squeeze_copy": shape.squeeze,
    "t_copy": shape.t, "transpose_copy": shape.transpose, "unbind_copy": view.unbind,
    "unfold_copy": view.unfold, "unsqueeze_copy": shape.unsqueeze, "view_copy": shape.view,
}  # fmt: skip
__all__ = list(_VIEWS)
METHODS = ["narrow_copy"]
INPLACE = []


def _copying(name, function):
    def copy(input, *args, out=None, **kwargs):
        result = function(input, *args, **kwargs)
        return deliver(tuple([clone(r) for r in result]) if isinstance(result, tuple) else clone(result), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"`{function.__name__.rstrip('_')}`, as a copy."
    return copy


globals().update({name: _copying(name, function) for name, function in _VIEWS.items()})
