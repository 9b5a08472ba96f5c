"""Function: a differentiable operation of the user's, with its own backward."""

import functools
import inspect
import warnings

import numpy as np

from ..core.modes import modes, no_grad
from ..core.tensor import Tensor, wrap
from ..forward import DualLevel
from .function_call import call, call_inside, call_with_tangents
from .function_node import FunctionCtx, FunctionNode

__all__ = [
    "BackwardCFunction", "Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction",
    "once_differentiable",
]  # fmt: skip

BackwardCFunction = FunctionNode


class _FunctionMeta(type):
    """Gives each Function the class of its nodes, which looks up what the user's class defines."""

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._backward_cls = type(name + "Backward", (FunctionNode,), {"function": cls, "_forward_cls": cls})


_NO_BACKWARD = (
    "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
    "backward mode AD. [RG018]"
)
_INSTANCE = frozenset(
    "next_functions name register_hook register_prehook _register_hook_dict _sequence_nr _set_sequence_nr "
    "_input_metadata metadata".split()
)


class Function(metaclass=_FunctionMeta):
    """Base class of custom operations: define static `forward(ctx, *args)` and `backward(ctx,
    *grad_outputs)`.

    Or, apart: `forward(*args)` and `setup_context(ctx, inputs, output)`. Call it by
    `MyFunction.apply(*args)`. forward runs without a graph; backward returns a gradient (or None) for
    each argument of forward; what is behind None runs too, custom Functions with zeros.
    `jvp(ctx, *tangents)` is the rule in forward mode.
    """

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke "
            "them on the class itself: use .apply(...).",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd "
            f"function with static forward method, and {type(self).__name__}.apply(...). [RG018]"
        )

    def __getattr__(self, name):
        if name in _INSTANCE:
            raise RuntimeError(
                f"Attribute '{name}' is invalid for an instance of a Function: it belongs to the node that "
                f"{type(self).__name__}.apply(...) makes, the grad_fn of what it returns [RG018]"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}' [RG136]")

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function. [RG018]"
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented. [RG018]")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward "
            "mode AD. [RG018]"
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True. [RG018]"
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward and record a node whose backward is this class's."""
        if cls.setup_context is not Function.setup_context:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if modes.interpreters:
            stack = modes.interpreters
            if modes.plain_functions and stack[-1].batching:
                return call_inside(stack, cls, args, kwargs)
            modes.interpreters = stack[:-1]
            try:
                if isinstance(stack[-1], DualLevel):
                    return call_with_tangents(stack[-1], cls, args, kwargs)
                return stack[-1].process_function(cls, args, kwargs)
            finally:
                modes.interpreters = stack
        return call(cls, args, kwargs)

    @classmethod
    def _call(cls, args, kwargs):
        """`apply`, where the interpreters at the door see what forward computes, and not the call itself."""
        return call(cls, args, kwargs)


class InplaceFunction(Function):
    """A Function that may change its inputs in place; kept for old code, `ctx.mark_dirty` is what says so."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Kept for old code that names it; a Function takes tensors among its arguments, not in nested lists."""


FunctionNode.base = Function


# --- no second derivative -------------------------------------------------------------------------


def once_differentiable(backward):
    """Decorate a `backward` that can't be differentiated again: asking for second derivatives is then an
    error."""

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        with no_grad():
            results = backward(ctx, *grads)
        if not modes.grad or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return results
        outs = results if isinstance(results, tuple) else (results,)
        ends = _Twice.apply(*[_fresh_leaf(o) for o in outs])
        ends = ends if isinstance(ends, tuple) else (ends,)
        ends = tuple([e if isinstance(o, Tensor) else o for e, o in zip(ends, outs, strict=True)])
        return ends if isinstance(results, tuple) else ends[0]

    return wrapper


def _fresh_leaf(x):
    """A tensor's values as those of a leaf; something that needs no gradient where `x` is no tensor."""
    if not isinstance(x, Tensor):
        return wrap(np.zeros(()))
    x = x.detach()
    x._requires = x._array.dtype.kind in "fcV"
    return x


class _Twice(Function):
    """Passes values on; its backward is the error of a second derivative."""

    @staticmethod
    def forward(ctx, *values):
        return tuple([v.clone() for v in values])

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable [RG027]"
        )


_Twice._backward_cls.__name__ = "Error"
