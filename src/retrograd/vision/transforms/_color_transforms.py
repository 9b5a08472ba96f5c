"""Random changes of colours, contrast and sharpness as objects, for pipelines."""

import numbers
from collections.abc import Sequence

import retrograd
from retrograd import nn
from retrograd.vision.transforms import _color as F
from retrograd.vision.transforms._arguments import pair
from retrograd.vision.transforms._random_transforms import happens, uniform

__all__ = [
    "ColorJitter", "GaussianBlur", "RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize",
    "RandomInvert",
    "RandomPosterize", "RandomSolarize",
]  # fmt: skip

_JITTERS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def jitter_range(value, name, centre=1.0, bounds=(0.0, float("inf"))):
    """(least, largest) factor from a pair or from the distance from `centre`; None where nothing changes."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"{name} must not be negative where it is a single number, got {value} [RG096]")
        low, high = centre - float(value), centre + float(value)
        low = max(low, 0.0) if centre else low
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = map(float, value)
    else:
        raise TypeError(f"{name} should be a number or two numbers (min, max), got {value!r} [RG096]")
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"{name} must lie between {bounds[0]} and {bounds[1]}, got {value} [RG096]")
    return None if low == high == centre else (low, high)


class ColorJitter(nn.Module):
    """Changes brightness, contrast, saturation and hue by random factors, in random order.

    Each argument is (min, max), or a number v: factors are then drawn from [max(0, 1 - v), 1 + v], hue from
    [-v, v] (at most 0.5).
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        super().__init__()
        self.brightness = jitter_range(brightness, "brightness")
        self.contrast = jitter_range(contrast, "contrast")
        self.saturation = jitter_range(saturation, "saturation")
        self.hue = jitter_range(hue, "hue", 0.0, (-0.5, 0.5))

    @staticmethod
    def get_params(brightness, contrast, saturation, hue):
        """(order, brightness, contrast, saturation, hue): a permutation of 0 to 3 and factors, or None."""
        order = retrograd.randperm(4)
        ranges = (brightness, contrast, saturation, hue)
        return order, *[None if r is None else uniform(*r) for r in ranges]

    def forward(self, img):
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = _JITTERS[i](img, factors[i])
        return img

    def __repr__(self):
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class GaussianBlur(nn.Module):
    """Smooths an image by a Gaussian of a random standard deviation; see `functional.gaussian_blur`."""

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        self.kernel_size = pair(kernel_size)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"kernel_size should be odd and positive, got {kernel_size} [RG096]")
        sigma = (sigma, sigma) if isinstance(sigma, numbers.Number) else sigma
        if not (isinstance(sigma, Sequence) and len(sigma) == 2 and 0.0 < sigma[0] <= sigma[1]):
            raise ValueError(f"sigma should be a positive number or two (min, max), got {sigma} [RG096]")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min, sigma_max):
        """A standard deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img):
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self):
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class _Random(nn.Module):
    """Applies `change` with probability `p`; `name` is the attribute that `change` takes as its argument."""

    change = None
    name = None

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, img):
        if not happens(self.p):
            return img
        return self.change(img, getattr(self, self.name)) if self.name else self.change(img)

    def __repr__(self):
        argument = f"{self.name}={getattr(self, self.name)}," if self.name else ""
        return f"{type(self).__name__}({argument}p={self.p})"


class RandomInvert(_Random):
    """Makes an image its negative with probability `p`."""

    change = staticmethod(F.invert)

    def __init__(self, p=0.5):
        super().__init__(p)


class RandomAutocontrast(_Random):
    """Stretches each channel from black to white with probability `p`."""

    change = staticmethod(F.autocontrast)

    def __init__(self, p=0.5):
        super().__init__(p)


class RandomEqualize(_Random):
    """Makes each channel's histogram flat with probability `p`."""

    change = staticmethod(F.equalize)

    def __init__(self, p=0.5):
        super().__init__(p)


class RandomPosterize(_Random):
    """Keeps only the highest `bits` of every value with probability `p`."""

    change, name = staticmethod(F.posterize), "bits"

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        self.bits = bits


class RandomSolarize(_Random):
    """Inverts the values from `threshold` on with probability `p`."""

    change, name = staticmethod(F.solarize), "threshold"

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = threshold


class RandomAdjustSharpness(_Random):
    """Changes the sharpness by `sharpness_factor` (1 changes nothing) with probability `p`."""

    change, name = staticmethod(F.adjust_sharpness), "sharpness_factor"

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor
