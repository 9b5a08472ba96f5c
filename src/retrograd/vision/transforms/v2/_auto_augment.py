"""The v2 automatic augmentations: AutoAugment, RandAugment, TrivialAugmentWide, AugMix."""

import retrograd
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _augmentations as operations
from retrograd.vision.transforms._augmentations import AutoAugmentPolicy
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import Transform

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


def _below(end):
    return int(retrograd.randint(end, ()))


class _Automatic(Transform):
    """What all share: `interpolation` and `fill` (what stands outside) of operations that move pixels.

    fill: a number, one per channel, or a dict {type of image: such, "others": such}. A sample has one image.
    """

    def __init__(self, *, interpolation="nearest", fill=None):
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def make_params(self, flat_inputs):
        if len(flat_inputs) != 1:
            raise TypeError(
                f"{type(self).__name__}() augments one image, but the sample has {len(flat_inputs)}; "
                "call it for each [RG095]"
            )
        return {}

    def _apply(self, image, name, magnitudes, place):
        """One operation: the magnitude at `place`, and in which direction is drawn."""
        magnitude = 0.0 if magnitudes is None else float(magnitudes[place() if callable(place) else place])
        if name in operations.SIGNED and bool(retrograd.rand(()) <= 0.5):
            magnitude = -magnitude
        fill = self.fill
        if isinstance(fill, dict):
            fill = fill.get(type(image), fill.get("others"))
        white = operations.white_of(image)
        return operations.apply(F, image, name, magnitude, self.interpolation, fill, white)

    def _apply_any(self, image, names, place):
        """One of the operations `names`, drawn at random."""
        name = names[_below(len(names))]
        return self._apply(image, name, self._magnitudes(name, *F.get_size(image)), place)


class AutoAugment(_Automatic):
    """Two operations of a pair drawn from a learnt policy (Cubuk et al. 2018)."""

    def __init__(self, policy=AutoAugmentPolicy.IMAGENET, interpolation="nearest", fill=None):
        super().__init__(interpolation=interpolation, fill=fill)
        self.policy = policy
        self._pairs = operations.policies(policy)

    def transform(self, inpt, params):
        height, width = F.get_size(inpt)
        shift = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        for name, probability, place in self._pairs[_below(len(self._pairs))]:
            if bool(retrograd.rand(()) <= probability):
                inpt = self._apply(inpt, name, operations.strengths(name, 10, shift), place)
        return inpt


class RandAugment(_Automatic):
    """`num_ops` operations drawn at random, all of the strength `magnitude` of `num_magnitude_bins`.

    Cubuk et al. 2019.
    """

    def __init__(
        self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation="nearest", fill=None
    ):  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(f"num_ops should be a non-negative integer, but got {num_ops} instead. [RG096]")
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _magnitudes(self, name, height, width):
        shift = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        return operations.strengths(name, self.num_magnitude_bins, shift)

    def transform(self, inpt, params):
        for _ in range(self.num_ops):
            inpt = self._apply_any(inpt, operations.RAND, self.magnitude)
        return inpt


class TrivialAugmentWide(_Automatic):
    """One operation of one strength, both drawn at random (Müller & Hutter 2021)."""

    def __init__(self, num_magnitude_bins=31, interpolation="nearest", fill=None):
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _magnitudes(self, name, height, width):
        return operations.strengths(
            name, self.num_magnitude_bins, (32.0, 32.0), shear=0.99, turn=135.0, colour=0.99, bits=(8, 6)
        )

    def transform(self, inpt, params):
        return self._apply_any(inpt, operations.RAND, lambda: _below(self.num_magnitude_bins))


class AugMix(_Automatic):
    """An image mixed with chains of operations of itself; see v1's AugMix."""

    def __init__(
        self, severity=3, mixture_width=3, chain_depth=-1, alpha=1.0, all_ops=True, interpolation="bilinear",
        fill=None,
    ):  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        operations.check_severity(severity)
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def _magnitudes(self, name, height, width):
        return operations.strengths(name, 10, (width / 3.0, height / 3.0), bits=(4, 4))

    def _augment(self, batch):
        depth = self.chain_depth if self.chain_depth > 0 else int(retrograd.randint(1, 4, (1,)))
        for _ in range(depth):
            batch = self._apply_any(batch, operations.augmix(self.all_ops), lambda: _below(self.severity))
        return batch

    def transform(self, inpt, params):
        tensor = inpt if isinstance(inpt, Tensor) else F.pil_to_tensor(inpt)
        mix = operations.mixed(tensor, self.alpha, self.mixture_width, self._augment)
        return mix if isinstance(inpt, Tensor) else F.to_pil_image(mix)
