"""Colours, contrast and sharpness as functions, on PIL images and on tensor images of 1 or 3 channels.

On PIL images Pillow does the work. On tensors the formulas are torchvision's; values stay within [0, white]
and whole numbers are rounded down, as there.
"""

import numbers

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _pil, _tensor
from retrograd.vision.transforms._arguments import pair

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness",
    "autocontrast", "equalize", "gaussian_blur", "invert", "posterize", "solarize",
]  # fmt: skip


def _is_tensor(img, *channels):
    """True for a tensor image, False for a PIL image; anything else is an error."""
    if isinstance(img, Tensor):
        _tensor.require_image(img)
        if channels:
            _tensor.require_channels(img, *channels)
        return True
    if _pil.is_pil_image(img):
        return False
    raise TypeError(f"expected a PIL image or a tensor, got {type(img).__name__} [RG095]")


def _blend(first, second, ratio):
    """`ratio` * first + (1 - `ratio`) * second within [0, white], in first's type."""
    white = _tensor.max_value(first.dtype)
    return (ratio * first + (1.0 - ratio) * second).clamp(0, white).to(first.dtype)


def _as_float(img):
    return img if img.is_floating_point() else img.to(retrograd.float32)


def _factor(name, value):
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value} [RG096]")
    return float(value)


def _enhance(img, kind, factor):
    return getattr(_pil.pillow().ImageEnhance, kind)(img).enhance(factor)


def adjust_brightness(img, brightness_factor):
    """An image between black (factor 0), itself (1) and brighter."""
    if not _is_tensor(img, 1, 3):
        return _enhance(img, "Brightness", brightness_factor)
    return _blend(img, retrograd.zeros_like(img), _factor("brightness_factor", brightness_factor))


def adjust_contrast(img, contrast_factor):
    """An image between its mean grey (factor 0), itself (1) and more contrast."""
    if not _is_tensor(img, 1, 3):
        return _enhance(img, "Contrast", contrast_factor)
    grey = img if _tensor.dimensions(img)[0] == 1 else _tensor.to_grayscale(img, 1)
    mean = _as_float(grey).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(img, mean, _factor("contrast_factor", contrast_factor))


def adjust_saturation(img, saturation_factor):
    """An image between grey (factor 0), itself (1) and stronger colours."""
    if not _is_tensor(img, 1, 3):
        return _enhance(img, "Color", saturation_factor)
    factor = _factor("saturation_factor", saturation_factor)
    return img if img.shape[-3] == 1 else _blend(img, _tensor.to_grayscale(img, 1), factor)


def adjust_sharpness(img, sharpness_factor):
    """An image between smoothed (factor 0), itself (1) and sharper; a tensor's border pixels stay."""
    if not _is_tensor(img, 1, 3):
        return _enhance(img, "Sharpness", sharpness_factor)
    factor = _factor("sharpness_factor", sharpness_factor)
    height, width = img.shape[-2:]
    if height <= 2 or width <= 2:
        return img
    values = _as_float(img)
    windows = [values[..., i : height - 2 + i, j : width - 2 + j] for i in range(3) for j in range(3)]
    smooth = sum((5.0 if k == 4 else 1.0) / 13.0 * window for k, window in enumerate(windows))
    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = (
        smooth.to(img.dtype) if img.is_floating_point() else smooth.round().to(img.dtype)
    )
    return _blend(img, blurred, factor)


def adjust_hue(img, hue_factor):
    """An image with its hue turned by `hue_factor`, a part of the circle between -0.5 and 0.5."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor must be between -0.5 and 0.5, got {hue_factor} [RG096]")
    if not _is_tensor(img, 1, 3):
        return _turn_pil_hue(img, hue_factor)
    if img.shape[-3] == 1:
        return img
    hue, saturation, value = _to_hsv(_tensor.convert_dtype(img, retrograd.float32))
    return _tensor.convert_dtype(_from_hsv((hue + hue_factor) % 1.0, saturation, value), img.dtype)


def _turn_pil_hue(img, hue_factor):
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    turned = np.asarray(hue, dtype=np.int64) + int(hue_factor * 255)
    hue = _pil.from_array((turned % 256).astype(np.uint8), "L")
    return _pil.pillow().Image.merge("HSV", (hue, saturation, value)).convert(img.mode)


def _to_hsv(img):
    """(hue, saturation, value) of a float image, each in [0, 1]; grey has hue and saturation 0."""
    red, green, blue = img.unbind(-3)
    value, least = img.amax(-3), img.amin(-3)
    grey = value == least
    spread = value - least
    divisor = retrograd.where(grey, 1.0, spread)
    from_red, from_green, from_blue = ((value - part) / divisor for part in (red, green, blue))
    hue = retrograd.where(
        value == red,
        from_blue - from_green,
        retrograd.where(value == green, 2.0 + from_red - from_blue, 4.0 + from_green - from_red),
    )
    return (hue / 6.0 + 1.0) % 1.0, spread / retrograd.where(grey, 1.0, value), value


def _from_hsv(hue, saturation, value):
    """The image (..., 3, H, W): red, green, blue are value - value * saturation * f(n) for n = 5, 3, 1."""
    parts = []
    for n in (5.0, 3.0, 1.0):
        k = (n + hue * 6.0) % 6.0
        parts.append(value - value * saturation * retrograd.minimum(k, 4.0 - k).clamp(0.0, 1.0))
    return retrograd.stack(parts, -3)


def adjust_gamma(img, gamma, gain=1):
    """white * gain * (img / white) ** gamma."""
    _factor("gamma", gamma)
    if not _is_tensor(img, 1, 3):
        table = [int((255 + 1 - 1e-3) * gain * (level / 255.0) ** gamma) for level in range(256)] * 3
        return img.convert("RGB").point(table).convert(img.mode)
    values = img if img.is_floating_point() else _tensor.convert_dtype(img, retrograd.float32)
    return _tensor.convert_dtype((gain * values**gamma).clamp(0, 1), img.dtype)


def _require_planes(img):
    if img.ndim < 3:
        raise TypeError(
            f"expected an image of shape (..., C, H, W), got a tensor of shape {tuple(img.shape)} [RG095]"
        )


def _require_uint8(img, what):
    _require_planes(img)
    if img.dtype != retrograd.uint8:
        raise TypeError(f"{what} works on uint8 images only, got {img.dtype} [RG095]")


def invert(img):
    """The negative of an image: white - img."""
    if not _is_tensor(img, 1, 3):
        return _pil.pillow().ImageOps.invert(img)
    _require_planes(img)
    return _tensor.max_value(img.dtype) - img


def posterize(img, bits):
    """An image with only the highest `bits` (0 to 8) of every value kept."""
    if not 0 <= bits <= 8:
        raise ValueError(f"bits must be between 0 and 8, got {bits} [RG096]")
    if not _is_tensor(img, 1, 3):
        return _pil.pillow().ImageOps.posterize(img, bits)
    _require_uint8(img, "posterize")
    return wrap(img._array & np.uint8(256 - (1 << (8 - bits)) & 255))


def solarize(img, threshold):
    """An image with the values from `threshold` on inverted."""
    if not _is_tensor(img, 1, 3):
        return _pil.pillow().ImageOps.solarize(img, threshold)
    white = _tensor.max_value(img.dtype)
    if threshold > white:
        raise TypeError(f"threshold must be at most {white}, white in {img.dtype}; got {threshold} [RG096]")
    return retrograd.where(img >= threshold, invert(img), img)


def autocontrast(img):
    """An image with each channel stretched from black to white."""
    if not _is_tensor(img, 1, 3):
        return _pil.pillow().ImageOps.autocontrast(img)
    _require_planes(img)
    white = _tensor.max_value(img.dtype)
    values = _as_float(img)
    least, most = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = least == most
    scale = retrograd.where(flat, 1.0, white / (most - least))
    return ((values - retrograd.where(flat, 0.0, least)) * scale).clamp(0, white).to(img.dtype)


def equalize(img):
    """An image with each channel's histogram made flat; tensors must be uint8."""
    if not _is_tensor(img, 1, 3):
        return _pil.pillow().ImageOps.equalize(img)
    _require_uint8(img, "equalize")
    planes = img._array.reshape(-1, *img.shape[-2:])
    return wrap(np.stack([_equalize_plane(plane) for plane in planes]).reshape(img._array.shape))


def _equalize_plane(plane):
    histogram = np.bincount(plane.ravel(), minlength=256)
    step = histogram[histogram != 0][:-1].sum() // 255
    if step == 0:
        return plane
    table = (np.cumsum(histogram) + step // 2) // step
    return np.concatenate([[0], table[:-1]]).clip(0, 255).astype(np.uint8)[plane]


def gaussian_blur(img, kernel_size, sigma=None):
    """An image smoothed by a Gaussian.

    kernel_size: odd, one number or (along x, along y). sigma: its standard deviation in pixels, likewise; by
    default 0.15 * kernel_size + 0.35. Borders are reflected. Whole numbers are computed in float32 and
    rounded.
    """
    sizes = pair(kernel_size)
    if any(size <= 0 or size % 2 == 0 for size in sizes):
        raise ValueError(f"kernel_size must be odd and positive, got {kernel_size} [RG096]")
    if sigma is None:
        sigmas = [size * 0.15 + 0.35 for size in sizes]
    elif isinstance(sigma, numbers.Number):
        sigmas = [sigma, sigma]
    else:
        sigmas = list(sigma) * 2 if len(sigma) == 1 else list(sigma)
    if len(sigmas) != 2 or min(sigmas) <= 0:
        raise ValueError(f"sigma must be positive, one number or two; got {sigma} [RG096]")
    if _is_tensor(img):
        return _blur(img, sizes, sigmas)
    blurred = _blur(wrap(np.moveaxis(np.atleast_3d(np.asarray(img)), 2, 0)), sizes, sigmas)._array
    return _pil.from_array(np.ascontiguousarray(np.moveaxis(blurred, 0, 2)), img.mode)


def _blur(img, sizes, sigmas):
    values = _as_float(img)
    x, y = sizes[0] // 2, sizes[1] // 2
    values = _tensor.pad(values, [x, y, x, y], 0, "reflect")
    for axis, size, sigma in zip((-1, -2), sizes, sigmas, strict=True):
        offsets = np.arange(size, dtype=values._array.dtype) - (size - 1) * 0.5
        weights = np.exp(-0.5 * (offsets / sigma) ** 2)
        weights /= weights.sum()
        length = values.shape[axis] - size + 1
        values = sum(float(weight) * values.narrow(axis, i, length) for i, weight in enumerate(weights))
    return values.to(img.dtype) if img.is_floating_point() else values.round().to(img.dtype)
