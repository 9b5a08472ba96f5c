"""What happens when a Module is called: forward between its hooks, and the hooks of all modules."""

import warnings
import weakref
from collections import OrderedDict

from ...core.compiled import compiled
from ...core.graph import Handle
from ...core.tensor import Tensor
from .backward_hooks import BackwardHooks, first_tensor

_global_forward_pre_hooks = OrderedDict()
_global_forward_hooks = OrderedDict()
_global_forward_hooks_with_kwargs = OrderedDict()
_global_forward_hooks_always_called = OrderedDict()
_global_backward_pre_hooks = OrderedDict()
_global_backward_hooks = OrderedDict()
_kind = {"full": None}  # whether _global_backward_hooks are full ones; None: nobody has registered one

_NOT_BOTH = (
    "Cannot use both regular backward hooks and full backward hooks {where}. Please use only one of them. "
    "[RG017]"
)


class Calls:
    """The part of Module that is called and hooked."""

    def forward(self, *inputs):
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function [RG144]'
        )

    @compiled
    def __call__(self, *args, **kwargs):
        if (
            self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
            or _global_forward_hooks or _global_forward_pre_hooks or _global_backward_hooks
            or _global_backward_pre_hooks
        ):  # fmt: skip
            return self._call_with_hooks(args, kwargs)
        try:
            return self.forward(*args, **kwargs)
        except (AttributeError, TypeError) as error:
            _explain_argument(self, args, error)
            raise

    _call_impl = _wrapped_call_impl = __call__

    def _call_with_hooks(self, args, kwargs):
        called, result = set(), None
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            full, legacy = self._get_backward_hooks()
            pre = [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]
            backward = BackwardHooks(self, pre, full) if full or pre else None
            if backward is not None:
                args = backward.around_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in [*_global_forward_hooks.items(), *self._forward_hooks.items()]:
                called.add(key)
                new = self._run_forward_hook(key, hook, args, kwargs, result)
                if new is not None:
                    result = new
            if backward is not None:
                result = backward.around_outputs(result)
            if legacy:
                self._hook_last_node(legacy, args, result)
            return result
        except Exception:
            self._run_hooks_always_called(called, args, kwargs, result)
            raise

    def _run_forward_pre_hooks(self, args, kwargs):
        for key, hook in [*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()]:
            if key not in self._forward_pre_hooks_with_kwargs:
                new = hook(self, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
                continue
            new = hook(self, args, kwargs)
            if new is not None:
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{new}. [RG017]"
                    )
                args, kwargs = new
        return args, kwargs

    def _run_forward_hook(self, key, hook, args, kwargs, result):
        if key in self._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _run_hooks_always_called(self, called, args, kwargs, result):
        """After an exception: the hooks with always_call=True that it kept from running."""
        for hooks, always, whose in (
            (_global_forward_hooks, _global_forward_hooks_always_called, "global module"),
            (self._forward_hooks, self._forward_hooks_always_called, "module"),
        ):
            for key in [key for key in always if key not in called]:
                try:
                    new = self._run_forward_hook(key, hooks[key], args, kwargs, result)
                    if new is not None:
                        result = new
                except Exception as error:
                    warnings.warn(
                        f"{whose} forward hook with ``always_call=True`` raised an exception that was "
                        "silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=5,
                    )

    def _get_backward_hooks(self):
        """(full, legacy): the hooks of all modules and those of this one, each kind."""
        full, legacy = [], []
        if _global_backward_hooks:
            (full if _kind["full"] else legacy).extend(_global_backward_hooks.values())
        if self._backward_hooks:
            (full if self._is_full_backward_hook else legacy).extend(self._backward_hooks.values())
        return full, legacy

    def _hook_last_node(self, hooks, args, result):
        """Legacy backward hooks see the gradients of the last operation, not the module's."""
        node = first_tensor(result).grad_fn
        if node is None:
            return
        reason = _what_a_legacy_hook_misses(args, result, node)
        if reason is not None:
            warnings.warn(
                f"Using a non-full backward hook when {reason} is deprecated and will be removed in future "
                "versions: it is not given all gradients. Please use register_full_backward_hook to get the "
                "documented behavior.",
                FutureWarning,
                stacklevel=4,
            )
        for hook in hooks:
            node.register_hook(WithModule(hook, self))

    # --- registering ---

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args)` before forward; it may return other args.

        with_kwargs: `hook(module, args, kwargs)`, which may return (args, kwargs).
        """
        handle = Handle(self._forward_pre_hooks, hook, prepend, (self._forward_pre_hooks_with_kwargs,))
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Call `hook(module, args, output)` after forward; what it returns, if not None, replaces the output.

        with_kwargs: `hook(module, args, kwargs, output)`. always_call: also after an exception.
        """
        extra = (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        handle = Handle(self._forward_hooks, hook, prepend, extra)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` when known; it may return other grad_inputs."""
        if self._is_full_backward_hook is False:
            raise RuntimeError(_NOT_BOTH.format(where="on a single Module"))
        self._is_full_backward_hook = True
        return Handle(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` when the outputs' gradients are known; it may replace them."""
        return Handle(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook):
        """Deprecated: as `register_full_backward_hook`, but grad_input is the last operation's."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_NOT_BOTH.format(where="on a single Module"))
        self._is_full_backward_hook = False
        return Handle(self._backward_hooks, hook)


class WithModule:
    """A hook with its module as first argument; copied and pickled with it, and not keeping it alive."""

    def __init__(self, hook, module):
        self.hook = hook
        self.module = weakref.ref(module)

    def __call__(self, *args):
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module! [RG017]")
        return self.hook(module, *args)

    def __getstate__(self):
        return self.hook, self.module()

    def __setstate__(self, state):
        self.hook, module = state
        self.module = weakref.ref(module)


def _what_a_legacy_hook_misses(args, result, node):
    """Why `node`, the last of a module's call, doesn't have all gradients of its arguments and result."""
    result = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(t, Tensor) for t in result):
        return "the module does not return a single Tensor or a tuple of Tensors"
    if not all(isinstance(t, Tensor) for t in args):
        return "the module does not take as input a single Tensor or a tuple of Tensors"
    if len({t.grad_fn for t in result if t.grad_fn is not None}) > 1:
        return "outputs are generated by different autograd Nodes"
    if {t.grad_fn for t in args if t.grad_fn is not None} != {before for before, _ in node.next_functions}:
        return "the forward contains multiple autograd Nodes"
    return None


def _explain_argument(module, args, error):
    """Raise a TypeError instead of `error` if that is due to an argument of one of our layers."""
    if module._modules or not type(module).__module__.startswith(__package__):
        return
    missed = [getattr(e, "obj", None) for e in (error, error.__cause__)]
    for i, value in enumerate(args):
        if not isinstance(value, Tensor) and any(value is m for m in missed):
            kind = type(value)
            if value is None:
                remedy = "does the forward() before it return its result?"
            elif kind.__module__ == "numpy":
                remedy = "convert it with torch.from_numpy(...)"
            else:
                remedy = "make one with torch.tensor(...)"
            raise TypeError(
                f"{type(module).__name__}: argument {i + 1} must be a Tensor, not {kind.__name__}; "
                f"{remedy} [RG047]"
            ) from error


# --- hooks of all modules ---------------------------------------------------------------------------------


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before every module's forward."""
    return Handle(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call `hook(module, args, output)` after every module's forward."""
    beside = _global_forward_hooks_with_kwargs, _global_forward_hooks_always_called
    handle = Handle(_global_forward_hooks, hook, False, beside)
    if with_kwargs:
        _global_forward_hooks_with_kwargs[handle.id] = True
    if always_call:
        _global_forward_hooks_always_called[handle.id] = True
    return handle


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` in every module's backward."""
    return _global_backward_hook(hook, True)


def register_module_backward_hook(hook):
    """Deprecated: like `register_module_full_backward_hook`, with the last operation's grad_input."""
    return _global_backward_hook(hook, False)


def _global_backward_hook(hook, full):
    if _kind["full"] is not full and _kind["full"] is not None:
        raise RuntimeError(_NOT_BOTH.format(where="as global Module hooks"))
    _kind["full"] = full
    return Handle(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` in every module's backward."""
    return Handle(_global_backward_pre_hooks, hook)
