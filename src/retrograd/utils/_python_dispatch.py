"""`torch.utils._python_dispatch`: TorchDispatchMode and what goes with it."""

from ..dispatch import TorchDispatchMode, current_modes, without_modes

__all__ = ["TorchDispatchMode"]

_disable_current_modes = without_modes


def _get_current_dispatch_mode():
    """The innermost mode that holds, or None."""
    stack = current_modes()
    return stack[-1] if stack else None


def _get_current_dispatch_mode_stack():
    return current_modes()


def is_traceable_wrapper_subclass(t):
    """False: nothing is traced here."""
    return False


def is_in_torch_dispatch_mode(include_infra_modes=True):
    """Whether any mode holds."""
    return bool(current_modes())
