"""The v2 transforms that change an image's size at random, and LinearTransformation."""

from collections.abc import Sequence

import retrograd
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil
from retrograd.vision.transforms import transforms as v1
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import RandomApplyTransform, Transform

__all__ = [
    "LinearTransformation", "RandomResize", "RandomShortestSize", "RandomZoomOut", "ScaleJitter",
    "ToPureTensor",
]  # fmt: skip


class _Resizing(Transform):
    """The base: a size is drawn, an image is resized to it."""

    def __init__(self, interpolation, antialias):
        super().__init__()
        self.interpolation = interpolation
        self.antialias = antialias

    def transform(self, inpt, params):
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)

    def extra_repr(self):
        own = [name for name in vars(self) if name[0] != "_" and name not in ("training", *_COMMON)]
        return ", ".join(f"{name}={getattr(self, name)}" for name in (*own, *_COMMON))


_COMMON = ("interpolation", "antialias")


class RandomResize(_Resizing):
    """The shorter side becomes a random length from `min_size` up to, but not including, `max_size`."""

    def __init__(self, min_size, max_size, interpolation="bilinear", antialias=True):
        super().__init__(interpolation, antialias)
        self.min_size = min_size
        self.max_size = max_size

    def make_params(self, flat_inputs):
        return {"size": [int(retrograd.randint(self.min_size, self.max_size, ()))]}


class RandomShortestSize(_Resizing):
    """The shorter side becomes one of `min_size` (a list), unless the longer one exceeds `max_size` then."""

    def __init__(self, min_size, max_size=None, interpolation="bilinear", antialias=True):
        super().__init__(interpolation, antialias)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size

    def make_params(self, flat_inputs):
        height, width = F.get_size(flat_inputs[0])
        chosen = self.min_size[int(retrograd.randint(len(self.min_size), ()))]
        factor = chosen / min(height, width)
        if self.max_size is not None:
            factor = min(factor, self.max_size / max(height, width))
        return {"size": (int(height * factor), int(width * factor))}


class ScaleJitter(_Resizing):
    """An image is fitted into `target_size`, then scaled by a random factor from `scale_range`."""

    def __init__(self, target_size, scale_range=(0.1, 2.0), interpolation="bilinear", antialias=True):
        super().__init__(interpolation, antialias)
        self.target_size = target_size
        self.scale_range = scale_range

    def make_params(self, flat_inputs):
        height, width = F.get_size(flat_inputs[0])
        low, high = self.scale_range
        factor = low + retrograd.rand(1) * (high - low)
        factor = min(self.target_size[1] / height, self.target_size[0] / width) * factor
        return {"size": (int(height * factor), int(width * factor))}


class RandomZoomOut(RandomApplyTransform):
    """Puts an image at a random place of a larger canvas of colour `fill`, with probability `p`.

    side_range: how many times larger its sides are.
    """

    def __init__(self, fill=0, side_range=(1.0, 4.0), p=0.5):
        super().__init__(p=p)
        if not isinstance(side_range, Sequence) or len(side_range) != 2:
            raise ValueError(f"side_range should be two numbers, got {side_range!r} [RG096]")
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}. [RG096]")
        self.fill = fill
        self.side_range = side_range

    def make_params(self, flat_inputs):
        height, width = F.get_size(flat_inputs[0])
        low, high = self.side_range
        factor = low + retrograd.rand(1) * (high - low)
        more_width, more_height = int(width * factor) - width, int(height * factor) - height
        place = retrograd.rand(2)
        left, top = int(more_width * place[0]), int(more_height * place[1])
        return {"padding": [left, top, more_width - left, more_height - top]}

    def transform(self, inpt, params):
        return F.pad(inpt, params["padding"], self.fill)


class LinearTransformation(Transform):
    """Tensor images, flattened, minus a vector, times a matrix; see v1's."""

    def __init__(self, transformation_matrix, mean_vector):
        super().__init__()
        v1.check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs):
        if any(map(_pil.is_pil_image, flat_inputs)):
            raise TypeError(
                f"{type(self).__name__}() does not support PIL images; use ToImage before it [RG095]"
            )

    def transform(self, inpt, params):
        return v1.LinearTransformation(self.transformation_matrix, self.mean_vector)(inpt)


class ToPureTensor(Transform):
    """Changes nothing: images are Tensors here, where torchvision has subclasses of Tensor for them."""

    def _transforms_this(self, value):
        return isinstance(value, Tensor)

    def transform(self, inpt, params):
        return inpt
