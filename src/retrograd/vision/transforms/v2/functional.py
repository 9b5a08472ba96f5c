"""The functions of `transforms.functional` under v2's names, with v2's differences.

Those are: uint8 tensors are resized in whole numbers (bilinear, bicubic and lanczos, rounding once per axis),
interpolation may be given by name, and changing the type of whole numbers shifts their bits.
"""

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _arguments, _color, _pil, _resample, _tensor, _warp
from retrograd.vision.transforms import functional as v1
from retrograd.vision.transforms._arguments import resized_size
from retrograd.vision.transforms._color import *  # noqa: F403
from retrograd.vision.transforms.functional import (
    InterpolationMode,
    center_crop,
    crop,
    erase,
    five_crop,
    pad,
    pil_to_tensor,
    rgb_to_grayscale,
    ten_crop,
    to_pil_image,
    to_tensor,
)
from retrograd.vision.transforms.functional import get_dimensions as get_dimensions
from retrograd.vision.transforms.functional import get_image_size as get_image_size
from retrograd.vision.transforms.functional import hflip as horizontal_flip
from retrograd.vision.transforms.functional import vflip as vertical_flip

__all__ = [
    *_color.__all__, "affine", "elastic", "elastic_transform", "gaussian_noise", "grayscale_to_rgb", "jpeg",
    "permute_channels", "perspective", "rotate",
    "InterpolationMode", "center_crop", "convert_image_dtype", "crop", "erase", "five_crop", "get_dimensions",
    "get_image_num_channels", "get_image_size", "get_num_channels", "get_size", "hflip", "horizontal_flip",
    "normalize", "pad", "pil_to_tensor", "resize",
    "resized_crop", "rgb_to_grayscale", "ten_crop", "to_dtype", "to_grayscale", "to_image", "to_pil_image",
    "to_tensor", "vertical_flip", "vflip",
]  # fmt: skip

hflip, vflip = horizontal_flip, vertical_flip
to_grayscale = rgb_to_grayscale
get_num_channels = get_image_num_channels = v1.get_image_num_channels


def get_size(inpt):
    """[height, width] of an image."""
    return get_dimensions(inpt)[1:]


def as_interpolation(mode):
    """`mode` as an InterpolationMode: one, its value ("bilinear") or Pillow's constant."""
    if isinstance(mode, str):
        names = [known.value for known in InterpolationMode]
        if mode not in names:
            raise ValueError(f"Invalid interpolation mode {mode!r}; choose one of {', '.join(names)} [RG096]")
        return InterpolationMode(mode)
    return _arguments.as_interpolation(mode)


def resize(inpt, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """Resize an image; as `transforms.functional.resize`, except for uint8 tensors.

    size: may also be None, where `max_size` is the length of the longer side.
    """
    interpolation = as_interpolation(interpolation)
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an int where size is None, got {max_size!r} [RG096]")
        size, max_size = resized_size(get_size(inpt), None, max_size), None
    smooth = interpolation.value in ("bilinear", "bicubic", "lanczos")
    if not isinstance(inpt, Tensor) or not smooth:
        return v1.resize(inpt, size, interpolation, max_size, antialias)
    if interpolation is InterpolationMode.LANCZOS and not antialias:
        raise ValueError("lanczos interpolation of tensors needs antialias=True [RG095]")
    size = [size] if isinstance(size, int) else size
    new_size = tuple(resized_size(get_size(inpt), size, max_size))
    if new_size == tuple(inpt.shape[-2:]):
        return inpt
    if inpt.dtype == retrograd.uint8:
        return wrap(_resample.resample_uint8(inpt._array, new_size, interpolation.value, bool(antialias)))
    return _tensor.resize(inpt, new_size, interpolation.value, antialias)


def rotate(inpt, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None):
    """An image turned counter-clockwise by `angle` degrees; see `transforms.functional.rotate`."""
    return _warp.rotate(inpt, angle, as_interpolation(interpolation), expand, center, fill)


def affine(
    inpt, angle, translate, scale, shear, interpolation=InterpolationMode.NEAREST, fill=None, center=None
):
    """An image turned, scaled, sheared and moved; see `transforms.functional.affine`."""
    return _warp.affine(inpt, angle, translate, scale, shear, as_interpolation(interpolation), fill, center)


def perspective(inpt, startpoints, endpoints, interpolation=InterpolationMode.BILINEAR, fill=None):
    """An image with four corners moved; see `transforms.functional.perspective`."""
    return _warp.perspective(inpt, startpoints, endpoints, as_interpolation(interpolation), fill)


def elastic(inpt, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """An image distorted by `displacement`; see `transforms.functional.elastic_transform`."""
    return _warp.elastic_transform(inpt, displacement, as_interpolation(interpolation), fill)


elastic_transform = elastic


def gaussian_noise(inpt, mean=0.0, sigma=0.1, clip=True):
    """A float tensor image in [0, 1], or one of uint8, plus noise of the normal distribution.

    mean, sigma: as parts of white. clip: whether to keep values between black and white.
    """
    if not isinstance(inpt, Tensor):
        raise ValueError(
            f"noise is added to tensors, not to a {type(inpt).__name__}; use ToImage first [RG095]"
        )
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma} [RG096]")
    if inpt.is_floating_point():
        out = inpt + (mean + retrograd.randn_like(inpt) * sigma)
        return retrograd.clamp(out, 0, 1) if clip else out
    if inpt.dtype != retrograd.uint8:
        raise ValueError(f"expected an image of uint8 or a float type, got dtype={inpt.dtype} [RG095]")
    noise = mean * 255 + retrograd.randn_like(inpt, dtype=retrograd.float32) * (sigma * 255)
    out = inpt + noise.to(retrograd.int16)
    return (retrograd.clamp(out, 0, 255) if clip else out).to(retrograd.uint8)


def grayscale_to_rgb(inpt):
    """A grey image with three equal channels; other images as they are."""
    if _pil.is_pil_image(inpt):
        return inpt if inpt.mode == "RGB" else inpt.convert("RGB")
    if get_num_channels(inpt) >= 3:
        return inpt
    return rgb_to_grayscale(inpt, 3)


def permute_channels(inpt, permutation):
    """An image whose channel i is the old channel permutation[i]."""
    if _pil.is_pil_image(inpt):
        moved = permute_channels(pil_to_tensor(inpt), permutation)
        return to_pil_image(moved, inpt.mode)
    if len(permutation) != get_num_channels(inpt):
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != "
            f"{get_num_channels(inpt)} [RG095]"
        )
    return inpt[..., permutation, :, :]


def jpeg(inpt, quality):
    """An image as it comes back from a JPEG file of `quality`, 1 to 100; tensors are of uint8.

    Pillow encodes and decodes tensors too.
    """
    if _pil.is_pil_image(inpt):
        return _pil.through_jpeg(inpt, quality)
    flat = inpt.reshape(-1, *inpt.shape[-3:])
    images = [pil_to_tensor(_pil.through_jpeg(to_pil_image(image), quality)) for image in flat]
    return retrograd.stack(images).reshape(inpt.shape) if images else inpt.clone()


def resized_crop(
    inpt, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True
):
    """`crop`, then `resize`."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def normalize(inpt, mean, std, inplace=False):
    """(image - mean) / std per channel, for a float image (..., C, H, W)."""
    return v1.normalize(inpt, mean, std, inplace)


def to_image(inpt):
    """A PIL image, an array (H, W, C) or (H, W), or a tensor as a tensor image (C, H, W); no scaling.

    torchvision gives an `Image`, a subclass of Tensor; this gives a Tensor.
    """
    if isinstance(inpt, np.ndarray):
        return retrograd.from_numpy(np.atleast_3d(inpt).transpose(2, 0, 1).copy())
    return inpt if isinstance(inpt, Tensor) else pil_to_tensor(inpt)


def to_dtype(inpt, dtype=None, scale=False):
    """A tensor image as `dtype` (float32 if None); `scale` maps the old type's range to the new one's."""
    dtype = retrograd.float32 if dtype is None else dtype
    if not isinstance(inpt, Tensor):
        raise TypeError(f"expected a tensor image, got {type(inpt).__name__}; to_image makes one [RG095]")
    source = inpt.dtype
    if not scale or source == dtype:
        return inpt.to(dtype)
    if source.is_floating_point:
        return _tensor.convert_dtype(inpt, dtype)
    if dtype.is_floating_point:
        return inpt.to(dtype) * (1.0 / _tensor.max_value(source))
    shift = _value_bits(dtype) - _value_bits(source)
    return (
        inpt.to(dtype) * 2**shift
        if shift >= 0
        else retrograd.div(inpt, 2**-shift, rounding_mode="floor").to(dtype)
    )


def _value_bits(dtype):
    if dtype.category != retrograd.int64.category:
        raise TypeError(
            f"values are scaled between whole-number or float types, not to or from {dtype} [RG095]"
        )
    return dtype.itemsize * 8 - dtype.is_signed


def convert_image_dtype(image, dtype=None):
    """`to_dtype` with scaling."""
    return to_dtype(image, dtype, scale=True)
