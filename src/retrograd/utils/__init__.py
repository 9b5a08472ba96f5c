"""Utilities around training, under PyTorch's names."""

import importlib

from .swap import swap_tensors  # noqa: F401

_SUBMODULES = ("checkpoint", "data", "dlpack", "hooks", "model_zoo", "weak", "_pytree", "_python_dispatch")


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r} [RG135]")
