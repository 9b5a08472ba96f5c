"""The v2 transforms of colours, contrast and sharpness."""

from retrograd.vision.transforms import _color_transforms as v1
from retrograd.vision.transforms._color_transforms import jitter_range
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import RandomApplyTransform, Transform

__all__ = [
    "ColorJitter", "GaussianBlur", "RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize",
    "RandomInvert",
    "RandomPosterize", "RandomSolarize",
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
