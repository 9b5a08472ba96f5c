"""The modes that say whether a graph is recorded."""

from ..core.modes import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
    zero_gradient_rule,
)  # fmt: skip

__all__ = [
    "enable_grad", "enforce_grad_layout_policy", "inference_mode", "is_multithreading_enabled", "no_grad",
    "set_grad_enabled", "set_multithreading_enabled", "zero_gradient_rule",
]  # fmt: skip
