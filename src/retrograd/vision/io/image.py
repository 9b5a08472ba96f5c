"""Reading and writing image files: torchvision's functions, done by Pillow.

Decoded JPEGs may differ from torchvision's by a level or two where the two use different decoders.
"""

import io
import os
from enum import Enum

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil
from retrograd.vision.transforms import functional as F


class ImageReadMode(Enum):
    """The channels that a decoded image gets."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PIL_MODES = {
    ImageReadMode.GRAY: "L", ImageReadMode.GRAY_ALPHA: "LA", ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}  # fmt: skip


def read_file(path):
    """The bytes of a file as a tensor of uint8."""
    return retrograd.from_numpy(np.fromfile(os.fspath(path), np.uint8))


def write_file(filename, data):
    """Write a tensor of uint8 as a file."""
    _bytes(data).tofile(os.fspath(filename))


def _bytes(data):
    if not isinstance(data, Tensor) or data.dtype != retrograd.uint8 or data.ndim != 1:
        is_tensor = isinstance(data, Tensor)
        given = f"{data.dtype} of shape {tuple(data.shape)}" if is_tensor else type(data).__name__
        raise ValueError(
            f"expected a tensor of uint8 with one dimension, a file's bytes, got {given} [RG095]"
        )
    return data.contiguous().numpy()


def decode_image(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """An image file, a path or its bytes as a tensor, as a tensor (C, H, W) of uint8, or uint16 for 16 bits.

    mode: the channels wanted, an ImageReadMode or its name; palettes are always resolved. Of an animation,
    the first picture. apply_exif_orientation: whether to turn the image as its camera says.
    """
    data = _bytes(input) if isinstance(input, Tensor) else _bytes(read_file(str(input)))
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    pillow = _pil.pillow()
    try:
        image = pillow.Image.open(io.BytesIO(data.tobytes()))
        image.load()
    except (OSError, SyntaxError) as error:
        raise RuntimeError(
            f"these {len(data)} bytes are no image that Pillow can read: {error} [RG095]"
        ) from error
    if apply_exif_orientation:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if mode is not ImageReadMode.UNCHANGED:
        image = image.convert(_PIL_MODES[mode])
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode in ("1", "CMYK", "YCbCr"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode.startswith("I;16"):
        return retrograd.from_numpy(np.array(image).astype(np.uint16)[None])
    return F.pil_to_tensor(image)


def read_image(path, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """`decode_image` of a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def decode_png(input, mode=ImageReadMode.UNCHANGED, apply_exif_orientation=False):
    """`decode_image` of the bytes of a PNG file."""
    return decode_image(input, mode, apply_exif_orientation)


def decode_jpeg(input, mode=ImageReadMode.UNCHANGED, device="cpu", apply_exif_orientation=False):
    """`decode_image` of the bytes of a JPEG file, or of a list of such."""
    if isinstance(input, list):
        return [decode_jpeg(data, mode, device, apply_exif_orientation) for data in input]
    return decode_image(input, mode, apply_exif_orientation).to(device)


def decode_webp(input, mode=ImageReadMode.UNCHANGED):
    """`decode_image` of the bytes of a WebP file."""
    return decode_image(input, mode)


def decode_gif(input):
    """The bytes of a GIF file as (C, H, W), or (N, C, H, W) if it is an animation, in RGB."""
    from PIL import ImageSequence

    image = _pil.pillow().Image.open(io.BytesIO(_bytes(input).tobytes()))
    frames = [F.pil_to_tensor(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    return frames[0] if len(frames) == 1 else retrograd.stack(frames)


def _encode(image, format, **options):
    if not isinstance(image, Tensor) or image.dtype != retrograd.uint8:
        raise ValueError("expected an image of uint8, (1, H, W) or (3, H, W) [RG095]")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"expected an image (1, H, W) or (3, H, W), got shape {tuple(image.shape)} [RG095]")
    file = io.BytesIO()
    F.to_pil_image(image).save(file, format=format, **options)
    return retrograd.from_numpy(np.frombuffer(file.getvalue(), np.uint8).copy())


def encode_png(input, compression_level=6):
    """The bytes of a PNG file of an image of uint8. compression_level: 0 to 9."""
    if not 0 <= compression_level <= 9:
        raise ValueError(f"compression_level should be from 0 to 9, got {compression_level} [RG096]")
    return _encode(input, "PNG", compress_level=compression_level)


def write_png(input, filename, compression_level=6):
    """`encode_png`, written to a file."""
    write_file(filename, encode_png(input, compression_level))


def encode_jpeg(input, quality=75):
    """The bytes of a JPEG file of an image of uint8, or of each of a list. quality: 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError(f"quality should be from 1 to 100, got {quality} [RG096]")
    if isinstance(input, list):
        return [encode_jpeg(image, quality) for image in input]
    return _encode(input, "JPEG", quality=quality)


def write_jpeg(input, filename, quality=75):
    """`encode_jpeg`, written to a file."""
    write_file(filename, encode_jpeg(input, quality))
