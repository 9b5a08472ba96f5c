"""Transforms as functions, on PIL images and on tensor images (..., H, W), under torchvision's names."""

import sys
import warnings

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _color, _pil, _tensor, _warp
from retrograd.vision.transforms._arguments import (
    InterpolationMode,
    as_interpolation,
    borders,
    check_padding,
    pair,
    pil_modes_mapping,
    resized_size,
)
from retrograd.vision.transforms._color import *  # noqa: F403
from retrograd.vision.transforms._warp import *  # noqa: F403

__all__ = [
    *_color.__all__, *_warp.__all__,
    "InterpolationMode", "center_crop", "convert_image_dtype", "crop", "erase", "five_crop", "get_dimensions",
    "get_image_num_channels", "get_image_size", "hflip", "normalize", "pad", "pil_modes_mapping",
    "pil_to_tensor",
    "resize", "resized_crop", "rgb_to_grayscale", "ten_crop", "to_grayscale", "to_pil_image", "to_tensor",
    "vflip",
]  # fmt: skip


def _backend(image):
    """The module that transforms this kind of image."""
    if isinstance(image, Tensor):
        return _tensor
    if _pil.is_pil_image(image):
        return _pil
    raise TypeError(f"expected a PIL image or a tensor, got {type(image).__name__} [RG095]")


def get_dimensions(img):
    """[channels, height, width] of an image."""
    return _backend(img).dimensions(img)


def get_image_size(img):
    """[width, height] of an image."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img):
    """The number of channels of an image."""
    return get_dimensions(img)[0]


def _to_channels_first(array):
    return array[:, :, None].transpose(2, 0, 1) if array.ndim == 2 else array.transpose(2, 0, 1)


def to_tensor(pic):
    """A PIL image or an array (H, W, C) or (H, W) as a tensor (C, H, W).

    uint8 becomes the default float type, scaled to [0, 1]; other types keep their values and type.
    """
    if _pil.is_pil_image(pic):
        kinds = {"I": np.int32, "F": np.float32, "I;16": np.int16, "I;16B": np.int16, "I;16L": np.int16}
        array = np.array(pic, kinds.get(pic.mode, np.uint8), copy=True)
        if pic.mode == "1":
            array *= 255
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"expected an array of shape (H, W) or (H, W, C), got shape {pic.shape} [RG095]")
        array = pic
    else:
        raise TypeError(f"expected a PIL image or a NumPy array, got {type(pic).__name__} [RG095]")
    array = _to_channels_first(array)
    if array.dtype != np.uint8:
        return retrograd.from_numpy(np.ascontiguousarray(array))
    array = array.astype(retrograd.get_default_dtype().numpy, order="C")
    array /= 255
    return wrap(array)


def pil_to_tensor(pic):
    """A copy of a PIL image as a tensor (C, H, W) of the same type and values."""
    if not _pil.is_pil_image(pic):
        raise TypeError(f"expected a PIL image, got {type(pic).__name__} [RG095]")
    return retrograd.from_numpy(_to_channels_first(np.array(pic, copy=True)))


# Pillow's modes by the number of channels; the first is the usual one.
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_pil_image(pic, mode=None):
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a PIL image.

    Floats are taken to lie in [0, 1] (except in mode "F"). mode: Pillow's, chosen by channels and type if
    None.
    """
    if isinstance(pic, Tensor):
        array = pic._array
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"expected a tensor or a NumPy array, got {type(pic).__name__} [RG095]")
    if array.ndim not in (2, 3):
        raise ValueError(f"expected an image of 2 or 3 dimensions, got shape {tuple(pic.shape)} [RG095]")
    array = array[:, :, None] if array.ndim == 2 else array
    channels = array.shape[2]
    if channels > 4:
        raise ValueError(
            f"expected an image of at most 4 channels, got {channels} (shape {tuple(pic.shape)}) [RG095]"
        )
    if retrograd.core.arrays.from_numpy_dtype(array.dtype).is_floating_point and mode != "F":
        array = (array * 255).astype(np.uint8)
    if channels == 1:
        array = array[:, :, 0]
        sixteen = "I;16" if sys.byteorder == "little" else "I;16B"
        fitting = {"uint8": "L", "int16": sixteen, "int32": "I", "float32": "F"}.get(array.dtype.name)
        if mode is not None and mode != fitting:
            raise ValueError(
                f"mode {mode} does not fit one channel of {array.dtype}; it would be {fitting} [RG095]"
            )
        mode = fitting
    else:
        if mode is not None and mode not in _MODES[channels]:
            raise ValueError(
                f"mode {mode} does not fit {channels} channels; choose one of {_MODES[channels]} [RG095]"
            )
        if mode is None and array.dtype == np.uint8:
            mode = _MODES[channels][0]
    if mode is None:
        raise TypeError(f"there is no PIL mode for {channels} channels of {array.dtype} [RG095]")
    return _pil.from_array(array, mode)


def convert_image_dtype(image, dtype=None):
    """A tensor image in another type (float32 if None), its values scaled to that type's range.

    RuntimeError where a float type cannot hold the integer type's values (float32 to int32 or int64).
    """
    if not isinstance(image, Tensor):
        raise TypeError(f"expected a tensor image, got {type(image).__name__} [RG095]")
    return _tensor.convert_dtype(image, retrograd.float32 if dtype is None else dtype)


def normalize(tensor, mean, std, inplace=False):
    """(tensor - mean) / std per channel, for a float image (..., C, H, W)."""
    return _tensor.normalize(tensor, mean, std, inplace)


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """Resize an image.

    size: (height, width), or the shorter side's length (an int or a sequence of one), which keeps the
    proportions. max_size: then the longer side's largest length. antialias: for tensors, whether bilinear and
    bicubic average over all pixels that an output pixel covers; PIL images always are.
    Tensors: whole numbers are computed in float32 and rounded, as torchvision does; gradients flow through.
    """
    interpolation = as_interpolation(interpolation)
    size = [size] if isinstance(size, int) else size
    if len(size) not in (1, 2):
        raise ValueError(f"size must be an int or a sequence of 1 or 2 ints, got {len(size)}: {size} [RG096]")
    if max_size is not None and len(size) != 1:
        raise ValueError(
            f"max_size limits the longer side where size gives the shorter one; size is {size} [RG096]"
        )
    backend = _backend(img)
    image_size = get_dimensions(img)[1:]
    new_size = resized_size(image_size, size, max_size)
    if new_size == image_size:
        return img
    if backend is _tensor:
        return _tensor.resize(img, new_size, interpolation.value, antialias)
    if antialias is False:
        warnings.warn(
            "PIL images are always resized with antialiasing; antialias=False has no effect", stacklevel=2
        )
    return _pil.resize(img, new_size, pil_modes_mapping[interpolation])


def pad(img, padding, fill=0, padding_mode="constant"):
    """Pad an image on all sides.

    padding: an int, (left/right, top/bottom) or (left, top, right, bottom). fill: for "constant"; one number,
    or one per channel (PIL images only). padding_mode: "constant", "edge", "reflect" or "symmetric".
    """
    check_padding(padding, fill, padding_mode)
    return _backend(img).pad(img, borders(padding), fill, padding_mode)


def crop(img, top, left, height, width):
    """The rectangle of `height` x `width` whose top left corner is at (top, left); zero outside the image."""
    return _backend(img).crop(img, top, left, height, width)


def center_crop(img, output_size):
    """The middle of an image, (height, width) or a square; a smaller image is padded with zeros first."""
    crop_height, crop_width = pair(output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        spare_width, spare_height = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, [spare_width // 2, spare_height // 2, (spare_width + 1) // 2, (spare_height + 1) // 2])
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top, left = round((height - crop_height) / 2), round((width - crop_width) / 2)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True
):
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img):
    """An image mirrored left to right."""
    return _backend(img).hflip(img)


def vflip(img):
    """An image turned upside down, mirrored top to bottom."""
    return _backend(img).vflip(img)


def five_crop(img, size):
    """(top left, top right, bottom left, bottom right, centre) crops of `size`, which must fit the image."""
    crop_height, crop_width = pair(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise ValueError(
            f"Requested crop size {(crop_height, crop_width)} is bigger than the image {(height, width)} "
            "[RG095]"
        )
    bottom, right = height - crop_height, width - crop_width
    corners = [crop(img, top, left, crop_height, crop_width) for top in (0, bottom) for left in (0, right)]
    return *corners, center_crop(img, [crop_height, crop_width])


def ten_crop(img, size, vertical_flip=False):
    """`five_crop` of an image, and of its mirror image (left to right, or top to bottom)."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def to_grayscale(img, num_output_channels=1):
    """A PIL image in grey, with 1 or 3 equal channels."""
    if not _pil.is_pil_image(img):
        raise TypeError(
            f"expected a PIL image, got {type(img).__name__}; rgb_to_grayscale takes tensors too [RG095]"
        )
    return rgb_to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img, num_output_channels=1):
    """An image in grey, with 1 or 3 equal channels."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, got {num_output_channels} [RG095]")
    return _backend(img).to_grayscale(img, num_output_channels)


def erase(img, i, j, h, w, v, inplace=False):
    """A tensor image with the rectangle of `h` x `w` at row `i`, column `j` replaced by the value(s) `v`."""
    if not isinstance(img, Tensor):
        raise TypeError(f"expected a tensor image, got {type(img).__name__} [RG095]")
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
