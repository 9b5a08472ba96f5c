"""Hangs the rows on Tensor: methods, operators, in-place forms, from the lists that the row modules keep."""

from . import convert, copying, legacy, questions, storage
from .core import inplace
from .core.compiled import compiled_method
from .core.op import Op
from .core.tensor import Tensor
from .ops import MODULES


def _as_method(function):
    """A row can be called but is no function; a class attribute must be one to be a method."""

    def method(self, *args, **kwargs):
        return function(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = function.__doc__
    return compiled_method(function, method) if isinstance(function, Op) else method


def attach():
    """Give Tensor the methods, operators and in-place forms that the row modules list."""
    for module in MODULES:
        for name in module.METHODS:
            function = getattr(module, name)
            setattr(Tensor, name, _as_method(function) if isinstance(function, Op) else function)
        for name in module.INPLACE:
            setattr(Tensor, name + "_", inplace.inplace(getattr(module, name), name + "_"))
        for name in getattr(module, "RESTRUCTURE", ()):
            setattr(Tensor, name + "_", inplace.restructure(getattr(module, name), name + "_"))
        for name, function in getattr(module, "OPERATORS", {}).items():
            setattr(Tensor, name, function)
    for module in (convert, copying, legacy, questions, storage):
        for name, function in module.METHODS.items():
            setattr(Tensor, name, function)


attach()
