"""Images and models for them, under torchvision's names."""

import importlib

__version__ = "0.28.0"  # of torchvision, whose names and results these are

_SUBMODULES = ("datasets", "io", "models", "ops", "transforms", "utils")


def __getattr__(name):
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r} [RG135]")


def __dir__():
    return [*globals(), *_SUBMODULES]
