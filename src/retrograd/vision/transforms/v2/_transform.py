"""Transform: the base of the v2 transforms, which find the images in any nesting of samples."""

import enum

import numpy as np

import retrograd
from retrograd import nn
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil


class Transform(nn.Module):
    """A transform of the images in a sample; the rest of the sample passes through.

    A sample is any nesting of lists, tuples and dicts. Its images are its PIL images; where it has none, its
    first tensor. Write your own by overriding `transform(inpt, params)`, which is called for every image, and
    `make_params(flat_inputs)`, which draws what is random once per sample.
    """

    def check_inputs(self, flat_inputs):
        """Override to raise an error for inputs that cannot be transformed."""

    def make_params(self, flat_inputs):
        """The dict that `transform` gets as `params`; `flat_inputs` are the images."""
        return {}

    def transform(self, inpt, params):
        """`inpt`, an image, transformed."""
        raise NotImplementedError(f"{type(self).__name__} does not override transform(inpt, params) [RG144]")

    def _transforms_this(self, value):
        return isinstance(value, Tensor) or _pil.is_pil_image(value)

    def forward(self, *inputs):
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = list(leaves(sample))
        self.check_inputs(flat)
        chosen = self._choose(flat)
        params = self.make_params([value for value, is_image in zip(flat, chosen, strict=True) if is_image])
        results = iter(
            [
                self.transform(value, params) if is_image else value
                for value, is_image in zip(flat, chosen, strict=True)
            ]
        )
        return rebuild(sample, results)

    def _choose(self, flat):
        """For each value of a sample, whether it is transformed."""
        tensors_pass = any(map(_pil.is_pil_image, flat))
        chosen = []
        for value in flat:
            wanted = self._transforms_this(value)
            if wanted and isinstance(value, Tensor):
                wanted, tensors_pass = not tensors_pass, True
            chosen.append(wanted)
        return chosen

    def extra_repr(self):
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        values = {name: value for name, value in vars(self).items() if name[0] != "_" and name != "training"}
        return ", ".join(f"{name}={value}" for name, value in values.items() if isinstance(value, shown))


class RandomApplyTransform(Transform):
    """A transform that is applied with probability `p`."""

    def __init__(self, p=0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"p should be a probability between 0.0 and 1.0, got {p} [RG096]")
        super().__init__()
        self.p = p

    def forward(self, *inputs):
        self.check_inputs(list(leaves(inputs)))
        if bool(retrograd.rand(1) >= self.p):
            return inputs if len(inputs) > 1 else inputs[0]
        return super().forward(*inputs)


class ArrayTransform(Transform):
    """A transform that takes NumPy arrays for images too."""

    def _transforms_this(self, value):
        return isinstance(value, np.ndarray) or super()._transforms_this(value)


def leaves(sample):
    """The parts of a sample that are no lists, tuples or dicts, in order."""
    if isinstance(sample, dict):
        sample = sample.values()
    elif not isinstance(sample, (list, tuple)):
        yield sample
        return
    for part in sample:
        yield from leaves(part)


def rebuild(sample, leaves):
    """`sample` with other leaves, taken from an iterator."""
    if isinstance(sample, dict):
        return type(sample)((key, rebuild(part, leaves)) for key, part in sample.items())
    if isinstance(sample, (list, tuple)):
        parts = [rebuild(part, leaves) for part in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)
    return next(leaves)
