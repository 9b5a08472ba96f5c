"""`torch.library`: operators of the user's own, by name: `torch.ops.mylib.sin_twice(x)`.

An operator is a Python function on tensors that modes at the door see as one operation, and that may have a
gradient of its own. For a `Function` that is no operator, see `torch.autograd.Function`.
"""

import inspect
import re
from contextlib import contextmanager

from . import _ops
from .autograd.function import Function
from .core.modes import modes, no_grad
from .dispatch import DispatchLevel

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "impl", "register_autograd", "register_fake",
    "register_kernel", "register_vmap",
]  # fmt: skip

_defined = {}  # "namespace::name" -> CustomOpDef


def custom_op(name, fn=None, /, *, mutates_args, device_types=None, schema=None, tags=None):
    """Make the function `fn` the operator `name`, as "mylib::sin_twice"; without fn, a decorator.

    mutates_args: the names of arguments that it changes in place; such an operator has no gradient. Others
    get one by `register_autograd`, for tensors that are arguments themselves. device_types, schema and tags
    are accepted: there is one device, and Python's own signature says what the arguments are.
    """
    if fn is None:
        return lambda fn: custom_op(name, fn, mutates_args=mutates_args, device_types=device_types)
    return CustomOpDef(name, fn, mutates_args)


class CustomOpDef:
    """An operator of the user's: call it, or give it a gradient and the like."""

    def __init__(self, name, fn=None, mutates_args=()):
        space, separator, short = name.partition("::")
        if not separator or not space.isidentifier() or not short.isidentifier():
            raise ValueError(
                f"custom_op: expected a name such as 'mylib::sin_twice', but got {name!r} [RG047]"
            )
        self._qualname, self._kernel, self._mutates = name, fn, mutates_args
        self.__name__, self.__doc__ = short, getattr(fn, "__doc__", None)
        self._backward = self._setup_context = self._vmap = None
        self._function = None  # the Function that records it, made with the first call
        packet = _ops.OpOverloadPacket(space, short, self)
        _ops.register(packet)
        self._opoverload = packet.default
        _defined[name] = self

    def __call__(self, *args, **kwargs):
        if self._kernel is None:
            raise NotImplementedError(
                f"{self._qualname} was defined, but has no kernel: register one [RG018]"
            )
        args = self._bound(args, kwargs)
        if self._mutates:
            with no_grad():
                return self._run(*args)
        if self._function is None:
            self._function = _function_of(self)
        return self._function.apply(*args)

    def _bound(self, args, kwargs):
        bound = inspect.signature(self._kernel).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:  # by keyword only: in the order of the signature, too
            return tuple(bound.arguments.values())
        return bound.args

    def _run(self, *args):
        """The result, from the innermost TorchDispatchMode if there is one, else computed."""
        levels = [i for i in modes.interpreters if isinstance(i, DispatchLevel) and i.mode is not None]
        if not levels:
            return self._compute(args)
        stack = modes.interpreters
        modes.interpreters = tuple([i for i in stack if i is not levels[-1]])
        try:
            return levels[-1].mode.__torch_dispatch__(self._opoverload, (), args, {})
        finally:
            modes.interpreters = stack

    def _compute(self, args):
        parameters = inspect.signature(self._kernel).parameters.values()
        if not any(p.kind is p.KEYWORD_ONLY for p in parameters):
            return self._kernel(*args)
        first, last = [], {}
        for p, value in zip(parameters, args, strict=True):
            if p.kind is p.KEYWORD_ONLY:
                last[p.name] = value
            else:
                first.append(value)
        return self._kernel(*first, **last)

    def register_autograd(self, backward, /, *, setup_context=None):
        """Give it a gradient: `backward(ctx, *grads)`, with what `setup_context(ctx, inputs, output)` saved.

        backward returns a gradient for each argument, None where there is none.
        """
        self._backward, self._setup_context, self._function = backward, setup_context, None

    def register_kernel(self, device_types, func=None, /):
        """Make `func` what is computed on these devices (None: on all); without func, a decorator."""
        if func is None:
            return lambda func: self.register_kernel(device_types, func)
        kinds = [device_types] if isinstance(device_types, str) else device_types
        if kinds is None or "cpu" in kinds:
            self._kernel = func
        return func

    def register_fake(self, fn, /):
        """Accepted, for compilers: nothing here runs without values."""
        return fn

    def register_vmap(self, func=None, /):
        """Make `func(info, in_dims, *args)` its rule under vmap: it gives (results, out_dims)."""
        if func is None:
            return self.register_vmap
        self._vmap, self._function = func, None
        return func

    def __repr__(self):
        return f"<CustomOpDef({self._qualname})>"


def _function_of(op):
    """The Function that records calls of an operator."""

    def forward(*args):
        return op._run(*args)

    def setup_context(ctx, inputs, output):
        if op._setup_context is not None:
            op._setup_context(ctx, inputs, output)

    def backward(ctx, *grads):
        if op._backward is None:
            raise RuntimeError(
                f"Trying to backward through {op._qualname} but no autograd formula was registered: see "
                "torch.library.register_autograd [RG027]"
            )
        return op._backward(ctx, *grads)

    members = {"forward": forward, "setup_context": setup_context, "backward": backward}
    if op._vmap is not None:
        members["vmap"] = op._vmap
    name = f"{op.__name__}_{op._qualname.partition('::')[0]}"
    return type(name, (Function,), {key: staticmethod(value) for key, value in members.items()})


def _find(op):
    """The operator that a name, a definition or `torch.ops.mylib.f.default` means."""
    if isinstance(op, CustomOpDef):
        return op
    name = op.overloadpacket._qualified_op_name if isinstance(op, _ops.OpOverload) else op
    if name not in _defined:
        raise RuntimeError(f"no operator {name!r} was made by torch.library.custom_op or define [RG018]")
    return _defined[name]


def register_autograd(op, backward, /, *, setup_context=None, lib=None):
    """`CustomOpDef.register_autograd`, of an operator by name."""
    _find(op).register_autograd(backward, setup_context=setup_context)


def register_kernel(op, device_types, func=None, /, *, lib=None):
    """`CustomOpDef.register_kernel`, of an operator by name."""
    return _find(op).register_kernel(device_types, func)


def register_fake(op, func=None, /, *, lib=None):
    """`CustomOpDef.register_fake`, of an operator by name."""
    return (lambda func: func) if func is None else _find(op).register_fake(func)


def register_vmap(op, func=None, /, *, lib=None):
    """`CustomOpDef.register_vmap`, of an operator by name."""
    return _find(op).register_vmap(func)


# --- by schema -------------------------------------------------------------------------------------------


def define(qualname, schema="", *, lib=None, tags=()):
    """Make an operator of which `impl` says what it computes. schema, as "(Tensor x) -> Tensor", is kept as
    its documentation."""
    op = CustomOpDef(qualname)
    op.__doc__ = f"{qualname}{schema}"
    return op


def impl(qualname, types, func=None, *, lib=None):
    """Make `func` what the operator computes on devices of `types` ("default", "cpu"...); or a decorator."""
    if isinstance(qualname, Library):  # as impl(lib, name, dispatch_key)
        return lambda func: qualname.impl(types, func)
    kinds = [types] if isinstance(types, str) else types
    return register_kernel(qualname, None if "default" in kinds else kinds, func)


class Library:
    """A namespace of operators: `Library("mylib", "DEF")`, then `define` and `impl`."""

    def __init__(self, ns, kind, dispatch_key=""):
        self.ns, self.kind, self._names = ns, kind, []

    def define(self, schema, alias_analysis="", *, tags=()):
        """Make an operator of a schema such as "f(Tensor x) -> Tensor"; gives its name."""
        name = re.match(r"\w+", schema)[0]
        define(f"{self.ns}::{name}", schema[len(name) :])
        self._names.append(name)
        return name

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False, allow_override=False):
        """Make `fn` what the operator computes, for the keys that concern a CPU."""
        name = op_name if isinstance(op_name, str) else op_name.overloadpacket.__name__
        if dispatch_key in ("", "CPU") or dispatch_key.startswith("Composite"):
            _find(f"{self.ns}::{name.partition('::')[2] or name}").register_kernel(None, fn)


@contextmanager
def _scoped_library(*args, **kwargs):
    """A Library for a block."""
    yield Library(*args, **kwargs)
