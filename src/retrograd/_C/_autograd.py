"""`torch._C._autograd`: switches of autograd under PyTorch's private names."""

from ..core.modes import modes
from ..core.saved import SavedTensor

__all__ = ["SavedTensor"]


def _saved_tensors_hooks_is_enabled():
    return modes.saving_disabled is None


def _saved_tensors_hooks_enable():
    modes.saving_disabled = None


def _saved_tensors_hooks_disable(error_message):
    modes.saving_disabled = error_message


def _push_saved_tensors_default_hooks(pack_hook, unpack_hook):
    if modes.saving_disabled is not None:
        raise RuntimeError(modes.saving_disabled)
    modes.saving = (*modes.saving, (pack_hook, unpack_hook))


def _pop_saved_tensors_default_hooks():
    modes.saving = modes.saving[:-1]


def _get_current_graph_task_keep_graph():
    """Whether the backward walk that runs now keeps what nodes saved; True outside of walks."""
    return modes.task is None or modes.task.keep


def _is_fwd_grad_enabled():
    return modes.forward


def _set_fwd_grad_enabled(mode):
    modes.forward = bool(mode)
