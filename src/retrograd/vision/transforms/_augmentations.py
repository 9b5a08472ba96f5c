"""What the automatic augmentations share: the operations, how strong they can be, and the learnt policies."""

import math
from enum import Enum

import retrograd
from retrograd.core.random_rejection import dirichlet
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _tensor


class AutoAugmentPolicy(Enum):
    """The data sets for which AutoAugment's policies were learnt."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# From Cubuk et al. 2018: pairs of operation, probability and place among ten magnitudes ("-": it has none).
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 0.4 8/Rotate 0.6 9; Solarize 0.6 5/AutoContrast 0.6 -; Equalize 0.8 -/Equalize 0.6 -;
        Posterize 0.6 7/Posterize 0.6 6; Equalize 0.4 -/Solarize 0.2 4; Equalize 0.4 -/Rotate 0.8 8;
        Solarize 0.6 3/Equalize 0.6 -; Posterize 0.8 5/Equalize 1.0 -; Rotate 0.2 3/Solarize 0.6 8;
        Equalize 0.6 -/Posterize 0.4 6; Rotate 0.8 8/Color 0.4 0; Rotate 0.4 9/Equalize 0.6 -;
        Equalize 0.0 -/Equalize 0.8 -; Invert 0.6 -/Equalize 1.0 -; Color 0.6 4/Contrast 1.0 8;
        Rotate 0.8 8/Color 1.0 2; Color 0.8 8/Solarize 0.8 7; Sharpness 0.4 7/Invert 0.6 -;
        ShearX 0.6 5/Equalize 1.0 -; Color 0.4 0/Equalize 0.6 -; Equalize 0.4 -/Solarize 0.2 4;
        Solarize 0.6 5/AutoContrast 0.6 -; Invert 0.6 -/Equalize 1.0 -; Color 0.6 4/Contrast 1.0 8;
        Equalize 0.8 -/Equalize 0.6 -
    """,
    AutoAugmentPolicy.CIFAR10: """
        Invert 0.1 -/Contrast 0.2 6; Rotate 0.7 2/TranslateX 0.3 9; Sharpness 0.8 1/Sharpness 0.9 3;
        ShearY 0.5 8/TranslateY 0.7 9; AutoContrast 0.5 -/Equalize 0.9 -; ShearY 0.2 7/Posterize 0.3 7;
        Color 0.4 3/Brightness 0.6 7; Sharpness 0.3 9/Brightness 0.7 9; Equalize 0.6 -/Equalize 0.5 -;
        Contrast 0.6 7/Sharpness 0.6 5; Color 0.7 7/TranslateX 0.5 8; Equalize 0.3 -/AutoContrast 0.4 -;
        TranslateY 0.4 3/Sharpness 0.2 6; Brightness 0.9 6/Color 0.2 8; Solarize 0.5 2/Invert 0.0 -;
        Equalize 0.2 -/AutoContrast 0.6 -; Equalize 0.2 -/Equalize 0.6 -; Color 0.9 9/Equalize 0.6 -;
        AutoContrast 0.8 -/Solarize 0.2 8; Brightness 0.1 3/Color 0.7 0;
        Solarize 0.4 5/AutoContrast 0.9 -; TranslateY 0.9 9/TranslateY 0.7 9;
        AutoContrast 0.9 -/Solarize 0.8 3; Equalize 0.8 -/Invert 0.1 -;
        TranslateY 0.7 9/AutoContrast 0.9 -
    """,
    AutoAugmentPolicy.SVHN: """
        ShearX 0.9 4/Invert 0.2 -; ShearY 0.9 8/Invert 0.7 -; Equalize 0.6 -/Solarize 0.6 6;
        Invert 0.9 -/Equalize 0.6 -; Equalize 0.6 -/Rotate 0.9 3; ShearX 0.9 4/AutoContrast 0.8 -;
        ShearY 0.9 8/Invert 0.4 -; ShearY 0.9 5/Solarize 0.2 6; Invert 0.9 -/AutoContrast 0.8 -;
        Equalize 0.6 -/Rotate 0.9 3; ShearX 0.9 4/Solarize 0.3 3; ShearY 0.8 8/Invert 0.7 -;
        Equalize 0.9 -/TranslateY 0.6 6; Invert 0.9 -/Equalize 0.6 -; Contrast 0.3 3/Rotate 0.8 4;
        Invert 0.8 -/TranslateY 0.0 2; ShearY 0.7 6/Solarize 0.4 8; Invert 0.6 -/Rotate 0.8 4;
        ShearY 0.3 7/TranslateX 0.9 3; ShearX 0.1 6/Invert 0.6 -; Solarize 0.7 2/TranslateY 0.6 7;
        ShearY 0.8 4/Invert 0.8 -; ShearX 0.7 9/TranslateY 0.8 3; ShearY 0.8 5/AutoContrast 0.7 -;
        ShearX 0.7 2/Invert 0.1 -
    """,
}


def policies(policy):
    """[((name, probability, magnitude's place or None), the second such), ...]"""
    if policy not in _POLICIES:
        raise ValueError(f"The provided policy {policy} is not recognized; use an AutoAugmentPolicy. [RG096]")
    pairs = []
    for pair in _POLICIES[policy].split(";"):
        steps = (step.split() for step in pair.split("/"))
        pairs.append(
            tuple((name, float(p), None if place == "-" else int(place)) for name, p, place in steps)
        )
    return pairs


GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")
PLAIN = ("Posterize", "Solarize", "AutoContrast", "Equalize")
RAND = ("Identity", *GEOMETRIC, *COLOURS, *PLAIN)  # RandAugment's and TrivialAugmentWide's, in order
SIGNED = {*GEOMETRIC, *COLOURS}  # may be applied in either direction


def augmix(all_ops):
    """AugMix's operations, in order."""
    return (*GEOMETRIC, *PLAIN, *COLOURS) if all_ops else (*GEOMETRIC, *PLAIN)


def strengths(name, bins, shift, shear=0.3, turn=30.0, colour=0.9, bits=(8, 4), white=1.0):
    """The `bins` magnitudes of an operation, weak to strong; None for one that has no magnitude.

    shift: (right, down), how far images are moved at most. bits: (kept at the weakest, lost at the strongest)
    by posterising. white: the weakest threshold of solarising.
    """
    if name == "Posterize":
        return (bits[0] - retrograd.arange(bins) / ((bins - 1) / bits[1])).round().int()
    if name == "Solarize":
        return retrograd.linspace(white, 0.0, bins)
    most = {"TranslateX": shift[0], "TranslateY": shift[1], "ShearX": shear, "ShearY": shear, "Rotate": turn}
    most |= dict.fromkeys(COLOURS, colour)
    return retrograd.linspace(0.0, most[name], bins) if name in most else None


def apply(functional, image, name, magnitude, interpolation, fill, white=1.0):
    """`image` after one operation; `functional` has the functions of v1 or v2.

    white: the threshold of solarising that `magnitude` 1 stands for.
    """

    def move(x=0.0, y=0.0, shear=(0.0, 0.0), center=None):
        return functional.affine(
            image, angle=0.0, translate=[int(x), int(y)], scale=1.0, shear=list(shear),
            interpolation=interpolation, fill=fill, center=center,
        )  # fmt: skip

    def slant():
        return math.degrees(math.atan(magnitude))

    changes = {
        "Identity": lambda: image,
        "ShearX": lambda: move(shear=(slant(), 0.0), center=[0, 0]),
        "ShearY": lambda: move(shear=(0.0, slant()), center=[0, 0]),
        "TranslateX": lambda: move(x=magnitude),
        "TranslateY": lambda: move(y=magnitude),
        "Rotate": lambda: functional.rotate(image, magnitude, interpolation=interpolation, fill=fill),
        "Brightness": lambda: functional.adjust_brightness(image, 1.0 + magnitude),
        "Color": lambda: functional.adjust_saturation(image, 1.0 + magnitude),
        "Contrast": lambda: functional.adjust_contrast(image, 1.0 + magnitude),
        "Sharpness": lambda: functional.adjust_sharpness(image, 1.0 + magnitude),
        "Posterize": lambda: functional.posterize(image, int(magnitude)),
        "Solarize": lambda: functional.solarize(image, white * magnitude),
        "AutoContrast": lambda: functional.autocontrast(image),
        "Equalize": lambda: functional.equalize(image),
        "Invert": lambda: functional.invert(image),
    }
    return changes[name]()


def white_of(image):
    """The value of white in `image`."""
    return _tensor.max_value(image.dtype) if isinstance(image, Tensor) else 255.0


def check_severity(severity):
    if not 1 <= severity <= 10:
        raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead. [RG096]")


def mixed(image, alpha, width, augment):
    """AugMix (Hendrycks et al. 2019): `image`, a tensor, mixed with `width` results of `augment(batch)`."""
    batch = image.reshape([1] * max(4 - image.ndim, 0) + list(image.shape))
    ones = [batch.shape[0]] + [1] * (batch.ndim - 1)

    def weights(count):
        concentrations = retrograd.full((batch.shape[0], count), alpha, dtype=retrograd.float32)
        return wrap(dirichlet(concentrations._array))

    share = weights(2)
    parts = weights(width) * share[:, 1].reshape(-1, 1)
    mix = share[:, 0].reshape(ones) * batch
    for i in range(width):
        mix = mix + parts[:, i].reshape(ones) * augment(batch)
    return mix.reshape(image.shape).to(image.dtype)
