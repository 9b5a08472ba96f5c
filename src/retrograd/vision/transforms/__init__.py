"""Image transforms under torchvision's names; `v2` has the newer ones."""

import importlib

from retrograd.vision.transforms import functional, transforms
from retrograd.vision.transforms.transforms import *  # noqa: F403
from retrograd.vision.transforms.transforms import __all__ as _names

__all__ = [*_names, "functional", "transforms", "v2"]  # noqa: F405  (v2 is imported when asked for)


def __getattr__(name):
    if name == "v2":
        return importlib.import_module(f"{__name__}.v2")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r} [RG135]")
