"""The arguments of transforms in one form: interpolation, sizes, paddings."""

import numbers
from enum import Enum


class InterpolationMode(Enum):
    """How `resize` finds the value between pixels; tensors know the first four."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's Resampling constants. Pillow's nearest is PyTorch's nearest-exact.
pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.NEAREST_EXACT: 0,
}
_FROM_PIL = {
    number: mode for mode, number in pil_modes_mapping.items() if mode is not InterpolationMode.NEAREST_EXACT
}


def as_interpolation(mode):
    """`mode` as an InterpolationMode; Pillow's constants are accepted too."""
    if isinstance(mode, InterpolationMode):
        return mode
    if isinstance(mode, int) and mode in _FROM_PIL:
        return _FROM_PIL[mode]
    raise TypeError(
        "interpolation should be an InterpolationMode or one of Pillow's constants (0 to 5), got "
        f"{mode!r} [RG096]"
    )


_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def check_padding(padding, fill, padding_mode):
    """The errors that `pad` gives for these arguments, whatever the image."""
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError(f"padding must be an int or a sequence of ints, got {padding!r} [RG096]")
    if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
        raise ValueError(
            f"padding must be an int or a sequence of 1, 2 or 4 ints, got {len(padding)}: {padding} [RG096]"
        )
    if fill is not None and not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"fill must be a number or a sequence of numbers, got {fill!r} [RG096]")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {', '.join(_PADDING_MODES)}; got {padding_mode!r} [RG096]"
        )


def borders(padding):
    """`padding` as [left, top, right, bottom]."""
    return [padding] * 4 if isinstance(padding, int) else list(padding) * (4 // len(padding))


def pair(size):
    """`size` as two numbers, (height, width): an int or a sequence of one stands for a square."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)
    if len(size) not in (1, 2):
        raise ValueError(
            f"Please provide only two dimensions (h, w) for size, got {len(size)}: {size} [RG096]"
        )
    return (size[0], size[0]) if len(size) == 1 else size


def resized_size(image_size, size, max_size=None):
    """[height, width] that `resize` makes of an image of `image_size`; `size` is a sequence or None."""
    height, width = image_size
    short, long = sorted((height, width))
    if size is not None and len(size) == 2:
        return [size[0], size[1]]
    if size is None:
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short, new_long = size[0], int(size[0] * long / short)
        if max_size is not None:
            if max_size <= new_short:
                raise ValueError(
                    f"max_size = {max_size} must be greater than the size of the smaller edge, "
                    f"{new_short} [RG096]"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]
