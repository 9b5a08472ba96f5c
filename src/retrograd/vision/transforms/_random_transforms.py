"""Random crops, flips, erasing and choices as objects, for pipelines; and how all random transforms draw."""

import math
import numbers
import random
import warnings
from collections.abc import Sequence

import retrograd
from retrograd import nn
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms._arguments import InterpolationMode, as_interpolation, pair

__all__ = [
    "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip",
    "RandomOrder", "RandomResizedCrop", "RandomVerticalFlip",
]  # fmt: skip


def uniform(low, high):
    return retrograd.empty(1).uniform_(float(low), float(high)).item()


def below(end):
    """A random whole number from 0 to `end` - 1."""
    return retrograd.randint(0, end, size=(1,)).item()


def happens(p):
    return bool(retrograd.rand(1) < p)


def listed(transform, items, before=""):
    lines = "".join(f"\n    {item}" for item in items)
    return f"{type(transform).__name__}({before}{lines}\n)"


class RandomApply(nn.Module):
    """Applies all of `transforms` with probability `p`, else none."""

    def __init__(self, transforms, p=0.5):
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img):
        if not bool(retrograd.rand(1) <= self.p):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self):
        return listed(self, self.transforms, before=f"\n    p={self.p}")


class RandomTransforms:
    """What RandomOrder and RandomChoice share: a sequence of transforms."""

    def __init__(self, transforms):
        if not isinstance(transforms, Sequence):
            raise TypeError(f"transforms should be a sequence, got {type(transforms).__name__} [RG096]")
        self.transforms = transforms

    def __call__(self, *args):
        raise NotImplementedError(
            f"{type(self).__name__} does not say how its transforms are applied [RG144]"
        )

    def __repr__(self):
        return listed(self, self.transforms)


class RandomOrder(RandomTransforms):
    """Applies all of `transforms` in a random order (drawn from Python's `random`, as torchvision does)."""

    def __call__(self, img):
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """Applies one of `transforms`, drawn with the weights `p` (by Python's `random`, as in torchvision)."""

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"p should be a sequence of weights, got {type(p).__name__} [RG096]")
        self.p = p

    def __call__(self, *args):
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self):
        return f"{super().__repr__()}(p={self.p})"


class RandomCrop(nn.Module):
    """A crop of `size` at a random place, after padding; `pad_if_needed` pads images smaller than `size`."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size = pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img, output_size):
        """(top, left, height, width) of a random crop."""
        _, height, width = F.get_dimensions(img)
        crop_height, crop_width = output_size
        if height < crop_height or width < crop_width:
            raise ValueError(
                f"Required crop size {tuple(output_size)} is larger than input image size "
                f"{(height, width)} [RG095]"
            )
        if (height, width) == (crop_height, crop_width):
            return 0, 0, height, width
        return below(height - crop_height + 1), below(width - crop_width + 1), crop_height, crop_width

    def forward(self, img):
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = F.get_dimensions(img)
            if width < self.size[1]:
                img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
            if height < self.size[0]:
                img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self):
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(nn.Module):
    """Mirrors an image left to right with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, img):
        return F.hflip(img) if happens(self.p) else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(nn.Module):
    """Mirrors an image top to bottom with probability `p`."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, img):
        return F.vflip(img) if happens(self.p) else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


def check_ranges(scale, ratio):
    for name, value in (("scale", scale), ("ratio", ratio)):
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a sequence (min, max), got {type(value).__name__} [RG096]")
        if value[0] > value[1]:
            warnings.warn(f"{name} should be (min, max), got {value}", stacklevel=3)


def _random_shapes(area, scale, ratio):
    """Ten tries of (sqrt(a * r), sqrt(a / r)), a being a part of `area`, r log-uniform in `ratio`."""
    log_ratio = retrograd.log(retrograd.tensor(ratio)).tolist()
    for _ in range(10):
        part = area * uniform(*scale)
        aspect = retrograd.exp(retrograd.empty(1).uniform_(*log_ratio)).item()
        yield round(math.sqrt(part * aspect)), round(math.sqrt(part / aspect))


class RandomResizedCrop(nn.Module):
    """A random part of an image resized to `size`.

    scale: (least, largest) part of the image's area. ratio: (least, largest) width / height of the part.
    """

    def __init__(
        self,
        size,
        scale=(0.08, 1.0),
        ratio=(3.0 / 4.0, 4.0 / 3.0),
        interpolation=InterpolationMode.BILINEAR,
        antialias=True,
    ):
        super().__init__()
        check_ranges(scale, ratio)
        self.size = pair(size)
        self.interpolation = as_interpolation(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img, scale, ratio):
        """(top, left, height, width) of a random part; of the middle if ten tries don't fit the image."""
        _, height, width = F.get_dimensions(img)
        for w, h in _random_shapes(height * width, scale, ratio):
            if 0 < w <= width and 0 < h <= height:
                return below(height - h + 1), below(width - w + 1), h, w
        h, w = height, width
        if width / height < min(ratio):
            h = round(width / min(ratio))
        elif width / height > max(ratio):
            w = round(height * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img):
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self):
        scale, ratio = (tuple(round(value, 4) for value in pair) for pair in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class RandomGrayscale(nn.Module):
    """An image in grey with probability `p`; it keeps its number of channels."""

    def __init__(self, p=0.1):
        super().__init__()
        self.p = p

    def forward(self, img):
        channels = F.get_image_num_channels(img)
        return F.rgb_to_grayscale(img, channels) if happens(self.p) else img

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


class RandomErasing(nn.Module):
    """Overwrites a random rectangle of a tensor image with probability `p`.

    scale: (least, largest) part of the image's area. ratio: (least, largest) height / width. value: a number,
    one per channel, or "random" for normally distributed pixels.
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(
                f"value should be a number, a sequence or 'random', got {type(value).__name__} [RG096]"
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"value should be 'random' if it is a string, got {value!r} [RG096]")
        check_ranges(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"scale should be between 0 and 1, got {scale} [RG096]")
        if not 0 <= p <= 1:
            raise ValueError(f"p should be a probability between 0 and 1, got {p} [RG096]")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(img, scale, ratio, value=None):
        """(top, left, height, width, values) of a rectangle; the whole, unchanged, if ten tries don't fit."""
        channels, height, width = img.shape[-3:]
        if value is not None and len(value) not in (1, channels):
            raise ValueError(
                f"value has {len(value)} numbers; give one, or one for each of the {channels} channels "
                "[RG095]"
            )
        for h, w in _random_shapes(height * width, scale, ratio):
            if h < height and w < width:
                if value is None:
                    values = retrograd.empty([channels, h, w], dtype=retrograd.float32).normal_()
                else:
                    values = retrograd.tensor(value)[:, None, None]
                return below(height - h + 1), below(width - w + 1), h, w, values
        return 0, 0, height, width, img

    def values(self):
        """`value` as a list of floats, or None for "random"."""
        if isinstance(self.value, str):
            return None
        return [float(v) for v in ([self.value] if isinstance(self.value, numbers.Number) else self.value)]

    def forward(self, img):
        if not happens(self.p):
            return img
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, self.values()), self.inplace)

    def __repr__(self):
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
