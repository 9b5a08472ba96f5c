"""Gradients: `backward`, `grad`, custom Functions, and the modes that say whether a graph is recorded."""

import importlib
import sys

from ..core.modes import is_grad_enabled, is_inference_mode_enabled
from ..core.saved import SavedTensor
from . import batched_function, function, grad_mode  # noqa: F401
from .anomaly_mode import detect_anomaly, is_anomaly_check_nan_enabled, is_anomaly_enabled, set_detect_anomaly
from .function import Function, NestedIOFunction
from .grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
    zero_gradient_rule,
)  # fmt: skip
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .variables import Variable, variable
from .walks import _calculate_shape, backward, grad  # noqa: F401
from .watch import watch

__all__ = [
    "Function", "GradcheckError", "NestedIOFunction", "SavedTensor", "Variable", "backward",
    "detect_anomaly", "enable_grad", "enforce_grad_layout_policy", "function", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "inference_mode", "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled", "is_grad_enabled", "is_inference_mode_enabled", "is_multithreading_enabled",
    "no_grad", "set_detect_anomaly", "set_grad_enabled", "set_multithreading_enabled", "variable",
    "watch", "zero_gradient_rule",
]  # fmt: skip

_LAZY = ("_functions", "anomaly_mode", "forward_ad", "functional", "graph", "profiler", "profiler_util")


def _profiler_enabled():
    """Whether a profiler is at work."""
    recording = sys.modules.get("retrograd.profiler.recording")  # if nobody imported it, none is
    return bool(recording and recording.active)


def kineto_available():
    """False: profiles are made by retrograd itself, without PyTorch's library for them."""
    return False


def __getattr__(name):
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]")
