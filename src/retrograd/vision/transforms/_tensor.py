"""Transforms of tensor images, (..., H, W): made of tensor operations, so gradients flow through them."""

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _resample

_WHOLE_NUMBERS = ("uint8", "int8", "int16", "int32", "int64")


def require_image(image):
    if image.ndim < 2:
        raise TypeError(
            f"expected an image of shape (..., H, W), got a tensor of shape {tuple(image.shape)} [RG095]"
        )


def dimensions(image):
    require_image(image)
    return [1 if image.ndim == 2 else image.shape[-3], image.shape[-2], image.shape[-1]]


def require_channels(image, *permitted):
    channels = dimensions(image)[0]
    if channels not in permitted:
        expected = " or ".join(map(str, permitted))
        raise TypeError(
            f"expected an image of {expected} channels, got {channels} (shape {tuple(image.shape)}) [RG095]"
        )


def resize(image, size, mode, antialias):
    """Computed in float32 (float64 stays); whole numbers are rounded and, for bicubic uint8, clamped."""
    require_image(image)
    if mode.startswith("nearest"):
        return _nearest(image, size, mode == "nearest-exact")
    if mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "tensors can be resized with nearest, nearest-exact, bilinear or bicubic interpolation, "
            f"not {mode}; PIL images know more [RG095]"
        )
    dtype = image.dtype
    if dtype not in (retrograd.float32, retrograd.float64):
        image = image.to(retrograd.float32)
    image = _resample.resample(image, tuple(size), mode, bool(antialias))
    if dtype == retrograd.uint8 and mode == "bicubic":
        image = image.clamp(0, 255)
    return back_to(image, dtype)


def back_to(image, dtype):
    """A float image as `dtype`, rounded where that is a type of whole numbers."""
    return (image.round() if dtype.name in _WHOLE_NUMBERS else image).to(dtype)


def _nearest(image, size, exact):
    dtype = np.float64 if image.dtype == retrograd.float64 else np.float32
    rows, columns = (
        _resample.nearest_index(n, out, exact, dtype) for n, out in zip(image.shape[-2:], size, strict=True)
    )
    return image[..., wrap(rows[:, None]), wrap(columns)]


def crop(image, top, left, height, width):
    """The part outside the image is zero."""
    _, image_height, image_width = dimensions(image)
    bottom, right = top + height, left + width
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= image_width and bottom <= image_height:
        return inside
    borders = [
        max(min(0, right) - left, 0),
        max(min(0, bottom) - top, 0),
        max(right - max(image_width, left), 0),
        max(bottom - max(image_height, top), 0),
    ]
    return pad(inside, borders, 0, "constant")


def hflip(image):
    require_image(image)
    return image.flip(-1)


def vflip(image):
    require_image(image)
    return image.flip(-2)


def pad(image, borders, fill, mode):
    """`borders` is [left, top, right, bottom]; a negative border cuts."""
    require_image(image)
    left, top, right, bottom = borders
    if mode == "constant":
        fill = 0 if fill is None else fill
        if isinstance(fill, (tuple, list)):
            raise TypeError(f"expected one number as the fill of a tensor image, got {fill!r} [RG095]")
        return retrograd.nn.functional.pad(image, [left, right, top, bottom], value=fill)
    rows = _border_index(image.shape[-2], top, bottom, mode)
    columns = _border_index(image.shape[-1], left, right, mode)
    return image[..., wrap(rows[:, None]), wrap(columns)]


def _border_index(size, before, after, mode):
    """Which pixels of a line of `size` the padded line shows."""
    index = np.arange(size)[max(-before, 0) : size - max(-after, 0)]
    before, after = max(before, 0), max(after, 0)
    longest = {"reflect": len(index) - 1, "symmetric": len(index)}.get(mode)
    if longest is not None and max(before, after) > longest:
        raise ValueError(
            f"{mode} padding of {max(before, after)} is too much for {len(index)} pixels: at most "
            f"{longest} [RG095]"
        )
    return np.pad(index, (before, after), mode)


def to_grayscale(image, channels):
    """Luma by the weights 0.2989, 0.587, 0.114 (ITU-R BT.601)."""
    if image.ndim < 3:
        raise TypeError(
            f"expected an image of shape (..., C, H, W), got a tensor of shape {tuple(image.shape)} [RG095]"
        )
    require_channels(image, 1, 3)
    grey = image
    if image.shape[-3] == 3:
        red, green, blue = image.unbind(-3)
        grey = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)
    if channels == 3:
        return grey.expand(*image.shape[:-3], 3, *image.shape[-2:])
    return grey.clone() if grey is image else grey


def max_value(dtype):
    """The value that white has in images of `dtype`."""
    if dtype.name in (*_WHOLE_NUMBERS, "uint16"):
        return int(np.iinfo(dtype.numpy).max)
    return 1


def convert_dtype(image, dtype):
    if image.dtype == dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        refuse_unsafe(image.dtype, dtype)
        # Just under max + 1, so that the whole numbers get equal shares of [0, 1].
        return (image * (max_value(dtype) + 1.0 - 1e-3)).to(dtype)
    largest = max_value(image.dtype)
    if dtype.is_floating_point:
        return image.to(dtype) / largest
    new_largest = max_value(dtype)
    if largest > new_largest:
        return retrograd.div(image, (largest + 1) // (new_largest + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_largest + 1) // (largest + 1))


def refuse_unsafe(source, dtype):
    """RuntimeError where a float type cannot tell the values of an integer type apart."""
    if (source.name, dtype.name) in (("float32", "int32"), ("float32", "int64"), ("float64", "int64")):
        raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely. [RG095]")


def normalize(image, mean, std, inplace):
    if not isinstance(image, Tensor):
        raise TypeError(
            f"expected a tensor image, got {type(image).__name__}; use ToTensor or PILToTensor first [RG095]"
        )
    if not image.is_floating_point():
        raise TypeError(
            f"expected a float image, got {image.dtype}; use ConvertImageDtype or ToDtype first [RG095]"
        )
    if image.ndim < 3:
        raise ValueError(f"expected an image of shape (..., C, H, W), got shape {tuple(image.shape)} [RG095]")
    mean = _per_channel(mean, image)
    std = _per_channel(std, image)
    if not std._array.all():
        raise ValueError(f"std is zero for a channel in {image.dtype}: {std.flatten().tolist()} [RG096]")
    if inplace:
        return image.sub_(mean).div_(std)
    return (image - mean) / std


def _per_channel(values, image):
    values = retrograd.as_tensor(values, dtype=image.dtype)
    return values.view(-1, 1, 1) if values.ndim == 1 else values
