"""Transforms of PIL images: Pillow does the work, so the results are the ones that torchvision gives.

Pillow is imported when an image is made from an array; no code path needs it before there is a PIL image.
"""

import io
import numbers
import sys

import numpy as np


def is_pil_image(image):
    """Whether `image` is a PIL image; imports nothing, for without Pillow there can be none."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def pillow():
    """Pillow's PIL package with the modules that are used here."""
    try:
        import PIL.Image
        import PIL.ImageEnhance
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError("this needs Pillow, which is not installed: pip install Pillow [RG141]") from error
    return PIL


def from_array(array, mode):
    """An image of `mode` from an array (H, W) or (H, W, C) of that mode's type."""
    height, width = array.shape[:2]
    return pillow().Image.frombytes(mode, (width, height), array.tobytes())


def dimensions(image):
    width, height = image.size
    return [len(image.getbands()), height, width]


def resize(image, size, interpolation):
    """`size` is (height, width), `interpolation` Pillow's constant."""
    return image.resize((size[1], size[0]), interpolation)


def crop(image, top, left, height, width):
    return image.crop((left, top, left + width, top + height))


def hflip(image):
    return image.transpose(pillow().Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image):
    return image.transpose(pillow().Image.Transpose.FLIP_TOP_BOTTOM)


def pad(image, borders, fill, mode):
    """`borders` is [left, top, right, bottom]; a negative border cuts."""
    PIL = pillow()
    if mode == "constant":
        padded = PIL.ImageOps.expand(image, tuple(borders), fill=fill_colour(image, fill))
        if image.mode == "P":
            padded.putpalette(image.getpalette())
        return padded
    left, top, right, bottom = borders
    cut = [-min(border, 0) for border in borders]
    if any(cut):
        image = image.crop((cut[0], cut[1], image.width - cut[2], image.height - cut[3]))
    left, top, right, bottom = (max(border, 0) for border in borders)
    array = np.asarray(image)
    padded = PIL.Image.fromarray(
        np.pad(array, [(top, bottom), (left, right)] + [(0, 0)] * (array.ndim - 2), mode)
    )
    if image.mode == "P":
        padded.putpalette(image.getpalette())
    return padded


def fill_colour(image, fill):
    """`fill` as Pillow wants it for this image: a number, or one per band; whole ones except in mode F."""
    bands = len(image.getbands())
    fill = 0 if fill is None else fill
    if isinstance(fill, numbers.Number):
        fill = (fill,) * bands if bands > 1 else fill
    else:
        fill = tuple(fill) * bands if len(fill) == 1 else tuple(fill)
        if len(fill) != bands:
            raise ValueError(
                f"fill has {len(fill)} numbers but the image has {bands} channels (mode {image.mode}); "
                "give one number, or one per channel [RG095]"
            )
    if image.mode == "F":
        return fill
    return tuple(int(value) for value in fill) if isinstance(fill, tuple) else int(fill)


def to_grayscale(image, channels):
    grey = image.convert("L")
    return grey if channels == 1 else pillow().Image.merge("RGB", [grey] * 3)


def through_jpeg(image, quality):
    """`image` written as JPEG and read again."""
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    file.seek(0)
    return pillow().Image.open(file).copy()
