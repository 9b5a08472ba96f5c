"""Gradients: `backward`, `grad`, and the modes that say whether a graph is recorded."""

from ..core.graph import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .walks import backward, grad

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]
