"""Handles of hooks, under PyTorch's names."""

import functools
import warnings

from ..core.graph import Handle as RemovableHandle

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]


def unserializable_hook(f):
    """Mark the hook `f`: saving a tensor that carries it warns."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor):
    """Warn for each hook on `tensor` that is not marked: it is lost when the tensor is saved."""
    for hook in (tensor._backward_hooks or {}).values():
        function = hook.func if isinstance(hook, functools.partial) else hook
        if not hasattr(function, "__torch_unserializable__"):
            warnings.warn(
                f"the backward hook {function!r} on a tensor will not be saved; decorate it with "
                "torch.utils.hooks.unserializable_hook if that is meant",
                stacklevel=3,
            )
