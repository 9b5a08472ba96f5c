"""`interpolate` under the names that PyTorch deprecated."""

import warnings

from ..ops.resample import interpolate


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate` under its old name; warns."""
    _warn_of_upsample("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with mode="nearest" under its old name; warns."""
    _warn_of_upsample("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` with mode="bilinear" and align_corners=True under its old name; warns."""
    _warn_of_upsample("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of_upsample(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `interpolate` instead.", stacklevel=3)
