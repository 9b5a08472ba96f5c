"""The v2 transforms of colours, contrast and sharpness."""

import retrograd
from retrograd.vision.transforms import _color_transforms as v1
from retrograd.vision.transforms._color_transforms import jitter_range
from retrograd.vision.transforms._random_transforms import happens, uniform
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import RandomApplyTransform, Transform

__all__ = [
    "ColorJitter", "GaussianBlur", "GaussianNoise", "JPEG", "RGB", "RandomAdjustSharpness",
    "RandomAutocontrast", "RandomChannelPermutation", "RandomEqualize", "RandomInvert",
    "RandomPhotometricDistort", "RandomPosterize", "RandomSolarize",
]  # fmt: skip


class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue by random factors, in random order; see v1's."""

    def __init__(self, brightness=None, contrast=None, saturation=None, hue=None):
        super().__init__()
        self.brightness = jitter_range(brightness or 0, "brightness")
        self.contrast = jitter_range(contrast or 0, "contrast")
        self.saturation = jitter_range(saturation or 0, "saturation")
        self.hue = jitter_range(hue or 0, "hue", 0.0, (-0.5, 0.5))

    get_params = staticmethod(v1.ColorJitter.get_params)

    def make_params(self, flat_inputs):
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt, params):
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = changes[i](inpt, params["factors"][i])
        return inpt


class GaussianBlur(Transform):
    """Smooths an image by a Gaussian of a random standard deviation; see v1's."""

    def __init__(self, kernel_size, sigma=(0.1, 2.0)):
        super().__init__()
        checked = v1.GaussianBlur(kernel_size, sigma)
        self.kernel_size = checked.kernel_size
        self.sigma = [float(value) for value in checked.sigma]

    get_params = staticmethod(v1.GaussianBlur.get_params)

    def make_params(self, flat_inputs):
        sigma = self.get_params(*self.sigma)
        return {"sigma": [sigma, sigma]}

    def transform(self, inpt, params):
        return F.gaussian_blur(inpt, self.kernel_size, params["sigma"])


class GaussianNoise(Transform):
    """Adds noise to a tensor image; see `functional.gaussian_noise`."""

    def __init__(self, mean=0.0, sigma=0.1, clip=True):
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt, params):
        return F.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


class JPEG(Transform):
    """Loses what a JPEG file loses; quality: 1 to 100, or a range (lowest, highest) to draw it from."""

    def __init__(self, quality):
        super().__init__()
        if isinstance(quality, int) and not isinstance(quality, bool):
            quality = [quality, quality]
        if not isinstance(quality, (list, tuple)) or len(quality) != 2:
            raise TypeError(f"quality should be an int or two of them, got {quality!r} [RG096]")
        if not all(isinstance(q, int) for q in quality) or not 1 <= quality[0] <= quality[1] <= 100:
            raise ValueError(f"quality must be an integer from 1 to 100, got quality ={quality!r} [RG096]")
        self.quality = quality

    def make_params(self, flat_inputs):
        return {"quality": retrograd.randint(self.quality[0], self.quality[1] + 1, ()).item()}

    def transform(self, inpt, params):
        return F.jpeg(inpt, params["quality"])


class RGB(Transform):
    """A grey image gets three equal channels."""

    def transform(self, inpt, params):
        return F.grayscale_to_rgb(inpt)


class RandomChannelPermutation(Transform):
    """Puts the channels in a random order."""

    def make_params(self, flat_inputs):
        return {"order": retrograd.randperm(F.get_num_channels(flat_inputs[0]))}

    def transform(self, inpt, params):
        return F.permute_channels(inpt, params["order"])


class RandomPhotometricDistort(Transform):
    """Brightness, contrast, saturation, hue and the order of channels, each changed with probability `p`.

    From the SSD detector (Liu et al. 2015). brightness, contrast, saturation, hue: ranges of the factors.
    """

    def __init__(
        self, brightness=(0.875, 1.125), contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=(-0.05, 0.05), p=0.5
    ):  # fmt: skip
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs):
        names = ("brightness", "contrast", "saturation", "hue")
        params = {name: uniform(*getattr(self, name)) if happens(self.p) else None for name in names}
        params["contrast_first"] = bool(retrograd.rand(()) < 0.5)
        channels = F.get_num_channels(flat_inputs[0])
        params["order"] = retrograd.randperm(channels) if happens(self.p) else None
        return params

    def transform(self, inpt, params):
        steps = ["brightness", "saturation", "hue"]
        steps.insert(1 if params["contrast_first"] else 3, "contrast")
        for name in steps:
            if params[name] is not None:
                inpt = getattr(F, f"adjust_{name}")(inpt, params[name])
        return inpt if params["order"] is None else F.permute_channels(inpt, params["order"])


class RandomInvert(RandomApplyTransform):
    """Makes an image its negative with probability `p`."""

    def transform(self, inpt, params):
        return F.invert(inpt)


class RandomAutocontrast(RandomApplyTransform):
    """Stretches each channel from black to white with probability `p`."""

    def transform(self, inpt, params):
        return F.autocontrast(inpt)


class RandomEqualize(RandomApplyTransform):
    """Makes each channel's histogram flat with probability `p`."""

    def transform(self, inpt, params):
        return F.equalize(inpt)


class RandomPosterize(RandomApplyTransform):
    """Keeps only the highest `bits` of every value with probability `p`."""

    def __init__(self, bits, p=0.5):
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt, params):
        return F.posterize(inpt, self.bits)


class RandomSolarize(RandomApplyTransform):
    """Inverts the values from `threshold` on with probability `p`."""

    def __init__(self, threshold, p=0.5):
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt, params):
        return F.solarize(inpt, self.threshold)


class RandomAdjustSharpness(RandomApplyTransform):
    """Changes the sharpness by `sharpness_factor` (1 changes nothing) with probability `p`."""

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt, params):
        return F.adjust_sharpness(inpt, self.sharpness_factor)
