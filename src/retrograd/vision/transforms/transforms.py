"""Transforms as objects, for pipelines: torchvision's classes, on PIL images and tensors (..., H, W)."""

from collections.abc import Sequence

from retrograd import nn
from retrograd.vision.transforms import _auto_augment, _color_transforms, _random_transforms, _warp_transforms
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms._arguments import InterpolationMode, as_interpolation, check_padding, pair
from retrograd.vision.transforms._auto_augment import *  # noqa: F403
from retrograd.vision.transforms._color_transforms import *  # noqa: F403
from retrograd.vision.transforms._random_transforms import *  # noqa: F403
from retrograd.vision.transforms._random_transforms import listed
from retrograd.vision.transforms._warp_transforms import *  # noqa: F403

__all__ = [
    *_auto_augment.__all__, *_color_transforms.__all__, *_random_transforms.__all__,
    *_warp_transforms.__all__,
    "CenterCrop", "Compose", "ConvertImageDtype", "FiveCrop", "Grayscale", "InterpolationMode", "Lambda",
    "LinearTransformation",
    "Normalize", "PILToTensor", "Pad", "Resize", "TenCrop", "ToPILImage", "ToTensor",
]  # fmt: skip


class Compose:
    """Applies `transforms`, a list, one after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self):
        return listed(self, self.transforms)


class ToTensor:
    """A PIL image or uint8 array (H, W, C) becomes a float tensor (C, H, W) in [0, 1]."""

    def __call__(self, pic):
        return F.to_tensor(pic)

    def __repr__(self):
        return f"{type(self).__name__}()"


class PILToTensor:
    """A PIL image becomes a tensor (C, H, W) of the same type and values."""

    def __call__(self, pic):
        return F.pil_to_tensor(pic)

    def __repr__(self):
        return f"{type(self).__name__}()"


class ConvertImageDtype(nn.Module):
    """A tensor image becomes `dtype`, its values scaled; see `functional.convert_image_dtype`."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, image):
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor (C, H, W) or array (H, W, C) becomes a PIL image; see `functional.to_pil_image`."""

    def __init__(self, mode=None):
        self.mode = mode

    def __call__(self, pic):
        return F.to_pil_image(pic, self.mode)

    def __repr__(self):
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class Normalize(nn.Module):
    """(image - mean) / std per channel, for a float tensor image."""

    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor):
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self):
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class Resize(nn.Module):
    """Resizes an image: `size` is (height, width) or the shorter side's length; see `functional.resize`."""

    def __init__(self, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"size should be an int or a sequence of ints, got {type(size).__name__} [RG096]")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(
                f"size should be an int or a sequence of 1 or 2 ints, got {len(size)}: {size} [RG096]"
            )
        self.size = size
        self.max_size = max_size
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias

    def forward(self, img):
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self):
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(nn.Module):
    """The middle of an image, `size` being (height, width) or a square's; smaller images are zero-padded."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size)

    def forward(self, img):
        return F.center_crop(img, self.size)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size})"


class Pad(nn.Module):
    """Pads an image on all sides; see `functional.pad`."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        check_padding(padding, fill, padding_mode)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img):
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self):
        name = type(self).__name__
        return f"{name}(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class Lambda:
    """Applies the function `lambd`."""

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r} [RG096]")
        self.lambd = lambd

    def __call__(self, img):
        return self.lambd(img)

    def __repr__(self):
        return f"{type(self).__name__}()"


class FiveCrop(nn.Module):
    """(top left, top right, bottom left, bottom right, centre) crops of `size`."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size)

    def forward(self, img):
        return F.five_crop(img, self.size)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(nn.Module):
    """`FiveCrop` of an image and of its mirror image."""

    def __init__(self, size, vertical_flip=False):
        super().__init__()
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def forward(self, img):
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class Grayscale(nn.Module):
    """An image in grey, with 1 or 3 equal channels."""

    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img):
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self):
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


def check_linear(transformation_matrix, mean_vector):
    """Errors for a matrix and a vector that do not fit."""
    rows, columns = transformation_matrix.shape
    if rows != columns:
        raise ValueError(
            f"transformation_matrix should be square. Got {(rows, columns)} rectangular matrix. [RG096]"
        )
    if len(mean_vector) != rows:
        raise ValueError(f"mean_vector has {len(mean_vector)} values, but the matrix has {rows} rows [RG096]")
    if transformation_matrix.dtype != mean_vector.dtype:
        raise ValueError(
            f"the matrix is of {transformation_matrix.dtype}, the mean vector of {mean_vector.dtype}; they "
            "should be of one type [RG096]"
        )


class LinearTransformation(nn.Module):
    """A tensor image, flattened, minus `mean_vector`, times the square `transformation_matrix`."""

    def __init__(self, transformation_matrix, mean_vector):
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor):
        length = tensor.shape[-3] * tensor.shape[-2] * tensor.shape[-1]
        if length != len(self.mean_vector):
            raise ValueError(
                f"an image of shape {tuple(tensor.shape[-3:])} has {length} values, the matrix is for "
                f"{len(self.mean_vector)} [RG095]"
            )
        flat = tensor.reshape(-1, length) - self.mean_vector
        return (flat @ self.transformation_matrix.to(flat.dtype)).reshape(tensor.shape)

    def __repr__(self):
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"(mean_vector={self.mean_vector.tolist()})"
        )
