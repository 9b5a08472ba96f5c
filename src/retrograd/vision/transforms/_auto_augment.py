"""Automatic augmentation as objects, for pipelines: AutoAugment, RandAugment, TrivialAugmentWide, AugMix."""

import retrograd
from retrograd import nn
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _augmentations as operations
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms._arguments import InterpolationMode
from retrograd.vision.transforms._augmentations import AutoAugmentPolicy
from retrograd.vision.transforms._random_transforms import below

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

_COMMON = ("interpolation", "fill")


class _Automatic(nn.Module):
    """What all share: `interpolation` and `fill` (what stands outside) of operations that move pixels."""

    def __init__(self, interpolation, fill):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _apply(self, image, name, magnitudes, place, negative):
        """One operation: the magnitude at `place`, in the other direction if `negative()`."""
        magnitude = 0.0 if magnitudes is None else float(magnitudes[place() if callable(place) else place])
        if name in operations.SIGNED and negative():
            magnitude = -magnitude
        return operations.apply(F, image, name, magnitude, self.interpolation, self.fill)

    def _apply_any(self, image, names, place):
        """One of the operations `names`, drawn at random."""
        name = names[below(len(names))]
        _, height, width = F.get_dimensions(image)
        magnitudes = self._magnitudes(name, height, width)
        return self._apply(image, name, magnitudes, place, lambda: bool(below(2)))

    def __repr__(self):
        own = [name for name in vars(self) if name[0] != "_" and name not in ("training", *_COMMON)]
        values = ", ".join(f"{name}={getattr(self, name)}" for name in (*own, *_COMMON))
        return f"{type(self).__name__}({values})"


class AutoAugment(_Automatic):
    """Two operations of a pair drawn from a learnt policy (Cubuk et al. 2018)."""

    def __init__(
        self, policy=AutoAugmentPolicy.IMAGENET, interpolation=InterpolationMode.NEAREST, fill=None
    ):  # fmt: skip
        super().__init__(interpolation, fill)
        self.policy = policy
        self._pairs = operations.policies(policy)

    @staticmethod
    def get_params(transform_num):
        """(place of the policy, two probabilities, two signs)"""
        return below(transform_num), retrograd.rand((2,)), retrograd.randint(2, (2,))

    def forward(self, img):
        chosen, chances, signs = self.get_params(len(self._pairs))
        _, height, width = F.get_dimensions(img)
        shift = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        for i, (name, probability, place) in enumerate(self._pairs[chosen]):
            if chances[i] <= probability:
                magnitudes = None
                if place is not None:
                    magnitudes = operations.strengths(name, 10, shift, white=255.0)
                img = self._apply(img, name, magnitudes, place, lambda i=i: bool(signs[i] == 0))
        return img

    def __repr__(self):
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Automatic):
    """`num_ops` operations drawn at random, all of the strength `magnitude` of `num_magnitude_bins`.

    Cubuk et al. 2019.
    """

    def __init__(
        self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST,
        fill=None,
    ):  # fmt: skip
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _magnitudes(self, name, height, width):
        shift = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        return operations.strengths(name, self.num_magnitude_bins, shift, white=255.0)

    def forward(self, img):
        for _ in range(self.num_ops):
            img = self._apply_any(img, operations.RAND, self.magnitude)
        return img


class TrivialAugmentWide(_Automatic):
    """One operation of one strength, both drawn at random (Müller & Hutter 2021)."""

    def __init__(self, num_magnitude_bins=31, interpolation=InterpolationMode.NEAREST, fill=None):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _magnitudes(self, name, height, width):
        return operations.strengths(
            name, self.num_magnitude_bins, (32.0, 32.0), shear=0.99, turn=135.0,
            colour=0.99, bits=(8, 6), white=255.0,
        )  # fmt: skip

    def forward(self, img):
        return self._apply_any(img, operations.RAND, lambda: below(self.num_magnitude_bins))


class AugMix(_Automatic):
    """An image mixed with `mixture_width` chains of operations of itself (Hendrycks et al. 2019).

    severity: 1 to 10, the strongest operation. chain_depth: operations in a chain, 1 to 3 at random if not
    positive. alpha: of the distributions of the weights. all_ops: whether colours are changed too.
    """

    def __init__(
        self, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True,
        interpolation=InterpolationMode.BILINEAR, fill=None,
    ):  # fmt: skip
        super().__init__(interpolation, fill)
        operations.check_severity(severity)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _magnitudes(self, name, height, width):
        shift = width / 3.0, height / 3.0
        return operations.strengths(name, 10, shift, bits=(4, 4), white=255.0)

    def _augment(self, batch):
        depth = self.chain_depth if self.chain_depth > 0 else 1 + below(3)
        for _ in range(depth):
            batch = self._apply_any(batch, operations.augmix(self.all_ops), lambda: below(self.severity))
        return batch

    def forward(self, img):
        tensor = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        mix = operations.mixed(tensor, self.alpha, self.mixture_width, self._augment)
        return mix if isinstance(img, Tensor) else F.to_pil_image(mix)
