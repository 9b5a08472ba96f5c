"""`__torch_function__`: subclasses of Tensor, and modes, that are asked before a function runs.

Nobody pays for it who doesn't use it: the functions of `torch`, `torch.nn.functional`, `linalg`, `special`,
`fft` and Tensor's methods are replaced by ones that ask (`install`) when the first subclass of Tensor is
defined, or a TorchFunctionMode entered. What was imported by name before then (`from torch import add`) does
not ask. Properties that are no tensors, such as `shape`, never do; objects that are no Tensors are asked once
it is installed.
"""

import functools
import importlib
import threading
import types
from contextlib import contextmanager

import numpy as np

from .core.arrays import as_dtype, get_default_dtype
from .core.modes import modes
from .core.op import Op
from .core.tensor import Tensor, sequence_of
from .dispatch import SubclassLevel, answers, anybody_answers

__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "get_default_nowrap_functions", "handle_torch_function",
    "has_torch_function", "is_tensor_like", "is_tensor_method_or_property", "resolve_name",
    "wrap_torch_function",
]  # fmt: skip


class _State(threading.local):
    modes = ()  # the TorchFunctionModes that hold, the innermost last
    subclasses = True  # whether subclasses are asked


_state = _State()


def _disabled_torch_function_impl(func, types, args=(), kwargs=None):
    """As a class's `__torch_function__`: it is no reason to ask."""
    return func(*args, **(kwargs or {}))


# --- who is asked -------------------------------------------------------------------------------------

_known = {Tensor: False}  # whether instances of a class are asked


def _is_asked(kind):
    asked = _known.get(kind)
    if asked is None:
        implementation = getattr(kind, "__torch_function__", None)
        own = not (kind.__module__ or "").startswith("retrograd.")
        if getattr(implementation, "__func__", None) is Tensor.__torch_function__.__func__ and answers(kind):
            own = False  # as in PyTorch: whoever answers for operations is not asked about functions
        asked = implementation is not None and own and implementation is not _disabled_torch_function_impl
        _known[kind] = asked
    return asked


def _asked(values, found):
    """Adds those among `values` and lists of them whose classes are asked: one each, subclasses first."""
    for value in values:
        kind = type(value)
        if kind is list or kind is tuple:
            _asked(value, found)
        elif kind is not Tensor and _is_asked(kind) and not any(type(f) is kind for f in found):
            place = next((i for i, f in enumerate(found) if issubclass(kind, type(f))), len(found))
            found.insert(place, value)
    return found


def has_torch_function(relevant_args):
    """Whether somebody is asked about a call with these arguments: a mode, or a class among theirs."""
    return bool(_state.modes) or bool(_state.subclasses and _asked(relevant_args, []))


def has_torch_function_unary(arg):
    """`has_torch_function` for one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args):
    """`has_torch_function` for several."""
    return has_torch_function(args)


def handle_torch_function(public_api, relevant_args, *args, **kwargs):
    """Ask the innermost mode, then classes among `relevant_args`, what `public_api(*args, **kwargs)` is."""
    found = _asked(relevant_args, []) if _state.subclasses else []
    kinds = tuple([type(f) for f in found])
    stack = _state.modes
    if stack:
        _state.modes = stack[:-1]
        try:
            result = stack[-1].__torch_function__(public_api, kinds, args, kwargs)
        finally:
            _state.modes = stack
        if result is not NotImplemented:
            return result
    for value in found:
        result = value.__torch_function__(public_api, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"Multiple dispatch failed for '{resolve_name(public_api)}'; all __torch_function__ handlers "
        f"returned NotImplemented: those of {[k.__name__ for k in kinds]} [RG107]"
    )


# --- asking -------------------------------------------------------------------------------------------


def _asking(function):
    """`function`, which asks first."""

    @functools.wraps(function, updated=())
    def asking(*args, **kwargs):
        if _state.modes or (_state.subclasses and _asked((*args, *kwargs.values()), [])):
            return handle_torch_function(asking, (*args, *kwargs.values()), *args, **kwargs)
        if _dispatching and anybody_answers((*args, *kwargs.values())):
            with SubclassLevel():
                return function(*args, **kwargs)
        return function(*args, **kwargs)

    return asking


_dispatching = []  # the classes with __torch_dispatch__


def wrap_torch_function(dispatcher):
    """Decorate a function so that it asks; `dispatcher(*args, **kwargs)` gives the arguments that count."""

    def decorate(function):
        @functools.wraps(function)
        def asking(*args, **kwargs):
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return asking

    return decorate


def _asking_property(found):
    """A property of Tensor, read-only or not, that asks; the function is its `__get__`, as in PyTorch."""

    def read(self):
        if _state.modes or (_state.subclasses and _asked((self,), [])):
            return handle_torch_function(asking.__get__, (self,), self)
        return found.__get__(self)

    asking = property(read, found.__set__ if found.fset else None, doc=found.__doc__)
    return asking


_PROPERTIES = ("H", "T", "data", "imag", "mH", "mT", "real")
_SPACES = ("nn.functional", "linalg", "special", "fft")
_PLAIN = {  # of Tensor's methods: those that make it what it is
    "__class__", "__delattr__", "__dict__", "__getattribute__", "__getstate__", "__hash__", "__init__",
    "__init_subclass__", "__new__", "__reduce__", "__reduce_ex__", "__setattr__", "__setstate__",
    "__torch_function__", "as_subclass",
}  # fmt: skip
_FUNCTIONS = (types.FunctionType, Op)
_names = {}  # id of a function that asks -> its name
_installed = False


def meet(cls):
    """A subclass of Tensor was defined: from now on functions ask, if it wants to be asked."""
    if answers(cls):
        _dispatching.append(cls)
        install()
    elif _is_asked(cls):
        install()


def install():
    """Put functions that ask in the place of those that don't, once."""
    global _installed
    if _installed:
        return
    _installed = True
    root = importlib.import_module("retrograd")
    autograd = importlib.import_module("retrograd.autograd")
    _replace(root, root.ops.__all__, "torch")
    _replace(autograd, ["backward", "grad"], "torch.autograd")
    _replace(importlib.import_module("retrograd.autograd.forward_ad"), ["make_dual"], "torch.forward_ad")
    for name in _SPACES:
        space = importlib.import_module(f"retrograd.{name}")
        public = getattr(space, "__all__", None) or [n for n in vars(space) if not n.startswith("_")]
        _replace(space, public, f"torch.{name}")
    for name in _PROPERTIES:
        setattr(Tensor, name, _asking_property(getattr(Tensor, name)))
    own = [n for n in vars(Tensor) if n not in _PLAIN and (not n.startswith("_") or n.startswith("__"))]
    _replace(Tensor, own, "torch.Tensor")


def _replace(owner, names, prefix):
    for name in names:
        function = vars(owner).get(name)
        if isinstance(function, _FUNCTIONS) or type(function).__name__ == "Compiled":
            asking = _asking(function)
            asking.__name__ = name
            _names[id(asking)] = f"{prefix}.{name}"
            setattr(owner, name, asking)


def resolve_name(f):
    """`torch.add` or `torch.Tensor.add` for a function that asks; None for others."""
    return _names.get(id(f))


def is_tensor_method_or_property(func):
    """Whether a function that was asked about is one of Tensor's."""
    return (resolve_name(func) or "").startswith("torch.Tensor.")


def is_tensor_like(inp):
    """Whether something is a Tensor, or has `__torch_function__`."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


# --- subclasses ---------------------------------------------------------------------------------------


class DisableTorchFunctionSubclass:
    """A context in which subclasses are not asked."""

    def __enter__(self):
        self._before = _state.subclasses
        _state.subclasses = False

    def __exit__(self, *exc):
        _state.subclasses = self._before


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """A context in which neither subclasses nor modes are asked."""

    def __enter__(self):
        super().__enter__()
        self._modes, _state.modes = _state.modes, ()

    def __exit__(self, *exc):
        _state.modes = self._modes
        super().__exit__()


_NOWRAP = {"grad", "_base", "_grad", "tolist", "__repr__", "__len__", "__format__"}


def get_default_nowrap_functions():
    """Functions whose results a subclass leaves as they are."""
    return {getattr(Tensor, name) for name in _NOWRAP if callable(getattr(Tensor, name, None))}


def default(cls, func, kinds, args=(), kwargs=None):
    """Tensor's own `__torch_function__`: what would be done, with tensors among the results made of `cls`."""
    if not all(issubclass(cls, kind) for kind in kinds):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        return _converted(func(*args, **(kwargs or {})), cls)


def _converted(result, cls):
    if isinstance(result, Tensor):
        return result if cls is Tensor or isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, (tuple, list)):
        return sequence_of(type(result), [_converted(r, cls) for r in result])
    return result


def make_subclass(cls, data, require_grad=False):
    """A tensor of class `cls` with the memory of `data`, outside its graph."""
    out = data.detach()
    out.__class__ = cls
    return out.requires_grad_(require_grad)


def make_wrapper_subclass(cls, size, dtype, requires_grad):
    """A tensor of class `cls` that looks like one of that size and dtype, and has no memory of its own."""
    out = object.__new__(cls)
    out._array = np.broadcast_to(np.zeros((), as_dtype(dtype or get_default_dtype()).numpy), tuple(size))
    return out.requires_grad_(requires_grad)


# --- modes --------------------------------------------------------------------------------------------


class TorchFunctionMode:
    """A context in which each function is handed to `__torch_function__(self, func, types, args, kwargs)`.

    That comes before anything of the function runs; `func(*args, **kwargs)` does what would have been done.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} must define __torch_function__ [RG107]")

    def __enter__(self):
        install()
        _state.modes = (*_state.modes, self)
        return self

    def __exit__(self, *exc):
        _state.modes = _state.modes[:-1]


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


@contextmanager
def enable_reentrant_dispatch():
    """Record the graph again within `__torch_dispatch__`, of what is computed in the block."""
    before, modes.grad = modes.grad, True
    try:
        yield
    finally:
        modes.grad = before
