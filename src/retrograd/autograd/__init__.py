"""Gradients: `backward`, `grad`, custom Functions, and the modes that say whether a graph is recorded."""

from ..core.graph import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled,
)  # fmt: skip
from ..core.tensor import Tensor as Variable
from .function import Function
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .walks import backward, grad

__all__ = [
    "Function", "GradcheckError", "Variable", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip
