"""The v2 transforms: torchvision's classes, on samples of images and anything else."""

import warnings
from collections.abc import Sequence

import retrograd
from retrograd import nn
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import _pil
from retrograd.vision.transforms import _random_transforms as v1
from retrograd.vision.transforms._arguments import borders, check_padding, pair
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import ArrayTransform, RandomApplyTransform, Transform

__all__ = [
    "CenterCrop", "Compose", "ConvertImageDtype", "FiveCrop", "Grayscale", "Identity", "Lambda", "Normalize",
    "PILToTensor", "Pad", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomOrder", "RandomResizedCrop", "RandomVerticalFlip", "Resize", "TenCrop",
    "ToDtype",
    "ToImage", "ToPILImage", "ToTensor", "Transform",
]  # fmt: skip


class _Container(Transform):
    """What the containers share: a sequence of transforms, called with the whole sample."""

    def __init__(self, transforms):
        super().__init__()
        if not isinstance(transforms, (Sequence, nn.ModuleList)):
            raise TypeError(
                f"transforms should be a sequence of callables, got {type(transforms).__name__} [RG096]"
            )
        if not len(transforms):
            raise ValueError("Pass at least one transform [RG096]")
        self.transforms = transforms

    def _apply_all(self, transforms, inputs):
        for transform in transforms:
            outputs = transform(*inputs)
            inputs = outputs if len(inputs) > 1 else (outputs,)
        return outputs

    def extra_repr(self):
        return "\n".join(f"    {transform}" for transform in self.transforms)


class Compose(_Container):
    """Applies `transforms` one after the other."""

    def forward(self, *inputs):
        return self._apply_all(self.transforms, inputs)


class RandomApply(_Container):
    """Applies all of `transforms` with probability `p`, else none."""

    def __init__(self, transforms, p=0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"p should be a probability between 0.0 and 1.0, got {p} [RG096]")
        self.p = p

    def forward(self, *inputs):
        if bool(retrograd.rand(1) >= self.p):
            return inputs if len(inputs) > 1 else inputs[0]
        return self._apply_all(self.transforms, inputs)


class RandomChoice(_Container):
    """Applies one of `transforms`, drawn with the weights `p`."""

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        p = [1] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)} [RG096]"
            )
        self.p = [weight / sum(p) for weight in p]

    def forward(self, *inputs):
        chosen = int(retrograd.multinomial(retrograd.tensor(self.p), 1))
        return self.transforms[chosen](*inputs)

    extra_repr = Transform.extra_repr


class RandomOrder(_Container):
    """Applies all of `transforms` in a random order."""

    def forward(self, *inputs):
        order = retrograd.randperm(len(self.transforms)).tolist()
        return self._apply_all([self.transforms[i] for i in order], inputs)

    extra_repr = Transform.extra_repr


class Identity(Transform):
    """Changes nothing."""

    def transform(self, inpt, params):
        return inpt


class Lambda(Transform):
    """Applies the function `lambd` to every leaf of the sample that is of one of `types` (by default any)."""

    def __init__(self, lambd, *types):
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def _choose(self, flat):
        return [isinstance(value, self.types) for value in flat]

    def transform(self, inpt, params):
        return self.lambd(inpt)

    def extra_repr(self):
        name = getattr(self.lambd, "__name__", None)
        types = f"types={[kind.__name__ for kind in self.types]}"
        return f"{name}, {types}" if name else types


class ToImage(ArrayTransform):
    """A PIL image, an array (H, W, C) or a tensor becomes a tensor image (C, H, W); no scaling."""

    def transform(self, inpt, params):
        return F.to_image(inpt)


class PILToTensor(Transform):
    """A PIL image becomes a tensor (C, H, W) of the same type and values."""

    def _transforms_this(self, value):
        return _pil.is_pil_image(value)

    def transform(self, inpt, params):
        return F.pil_to_tensor(inpt)


class ToTensor(ArrayTransform):
    """A PIL image or array becomes a float tensor; deprecated for ToImage followed by ToDtype(scale=True)."""

    def __init__(self):
        warnings.warn(
            "v2.ToTensor() is deprecated; use v2.Compose([v2.ToImage(), "
            "v2.ToDtype(torch.float32, scale=True)])",
            stacklevel=2,
        )
        super().__init__()

    def _transforms_this(self, value):
        return not isinstance(value, Tensor) and super()._transforms_this(value)

    def transform(self, inpt, params):
        return F.to_tensor(inpt)


class ToPILImage(ArrayTransform):
    """A tensor (C, H, W) or array (H, W, C) becomes a PIL image of `mode`."""

    def __init__(self, mode=None):
        super().__init__()
        self.mode = mode

    def _transforms_this(self, value):
        return not _pil.is_pil_image(value) and super()._transforms_this(value)

    def transform(self, inpt, params):
        return F.to_pil_image(inpt, mode=self.mode)


class ToDtype(Transform):
    """A tensor image becomes `dtype`; `scale` maps the old type's range of values to the new one's.

    dtype may be a dict {type: dtype or None, "others": dtype or None}, as in torchvision; None changes
    nothing.
    """

    def __init__(self, dtype, scale=False):
        super().__init__()
        if not isinstance(dtype, (dict, retrograd.dtype)):
            raise ValueError(f"dtype must be a torch.dtype or a dict, got {type(dtype).__name__} [RG096]")
        self.dtype = dtype
        self.scale = scale

    def _transforms_this(self, value):
        return isinstance(value, Tensor)

    def transform(self, inpt, params):
        dtype = self.dtype
        if isinstance(dtype, dict):
            if type(inpt) not in dtype and "others" not in dtype:
                raise ValueError(
                    f'dtype has no entry for {type(inpt).__name__}; add one, or the key "others" [RG096]'
                )
            dtype = dtype[type(inpt)] if type(inpt) in dtype else dtype["others"]
        return inpt if dtype is None else F.to_dtype(inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """A tensor image becomes `dtype`, its values scaled; ToDtype(dtype, scale=True) does the same."""

    def __init__(self, dtype=None):
        super().__init__()
        self.dtype = retrograd.float32 if dtype is None else dtype

    def _transforms_this(self, value):
        return isinstance(value, Tensor)

    def transform(self, inpt, params):
        return F.to_dtype(inpt, dtype=self.dtype, scale=True)


class Normalize(Transform):
    """(image - mean) / std per channel, for a float tensor image."""

    def __init__(self, mean, std, inplace=False):
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs):
        if any(map(_pil.is_pil_image, flat_inputs)):
            raise TypeError(
                f"{type(self).__name__}() does not support PIL images; use ToImage and ToDtype before it "
                "[RG095]"
            )

    def transform(self, inpt, params):
        return F.normalize(inpt, self.mean, self.std, self.inplace)


class Resize(Transform):
    """Resizes an image: `size` is (height, width), the shorter side's length, or None with `max_size`."""

    def __init__(self, size, interpolation="bilinear", max_size=None, antialias=True):
        super().__init__()
        if size is None:
            if not isinstance(max_size, int):
                raise ValueError(f"max_size must be an int where size is None, got {max_size!r} [RG096]")
        elif isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        else:
            raise ValueError(
                f"size should be an int, a sequence of 1 or 2 ints, or None; got {size!r} [RG096]"
            )
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt, params):
        return F.resize(inpt, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of an image, `size` being (height, width) or a square's; smaller images are zero-padded."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size)

    def transform(self, inpt, params):
        return F.center_crop(inpt, self.size)


class FiveCrop(Transform):
    """(top left, top right, bottom left, bottom right, centre) crops of `size`."""

    def __init__(self, size):
        super().__init__()
        self.size = pair(size)

    def transform(self, inpt, params):
        return F.five_crop(inpt, self.size)


class TenCrop(Transform):
    """`FiveCrop` of an image and of its mirror image."""

    def __init__(self, size, vertical_flip=False):
        super().__init__()
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt, params):
        return F.ten_crop(inpt, self.size, self.vertical_flip)


class Pad(Transform):
    """Pads an image on all sides; see `transforms.functional.pad`."""

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        check_padding(padding, fill, padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt, params):
        return F.pad(inpt, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A crop of `size` at a random place, after padding; `pad_if_needed` pads images smaller than `size`."""

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size = pair(size)
        check_padding(0 if padding is None else padding, fill, padding_mode)
        if padding:
            left, top, right, bottom = borders(padding)
            padding = [left, right, top, bottom]  # torchvision's order, which the repr shows
        self.padding = padding or None
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs):
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        height, width = F.get_size(flat_inputs[0])
        crop_height, crop_width = self.size
        if self.pad_if_needed:
            lack = max(crop_height - (height + top + bottom), 0), max(crop_width - (width + left + right), 0)
            top, bottom, left, right = top + lack[0], bottom + lack[0], left + lack[1], right + lack[1]
        spare_height, spare_width = height + top + bottom - crop_height, width + left + right - crop_width
        if spare_height < 0 or spare_width < 0:
            padded = (height + top + bottom, width + left + right)
            raise ValueError(
                f"Required crop size {tuple(self.size)} is larger than the (padded) image size {padded} "
                "[RG095]"
            )
        places = [v1.below(spare + 1) if spare else 0 for spare in (spare_height, spare_width)]
        return {"borders": [left, top, right, bottom], "place": (*places, crop_height, crop_width)}

    def transform(self, inpt, params):
        if any(params["borders"]):
            inpt = F.pad(inpt, params["borders"], self.fill, self.padding_mode)
        return F.crop(inpt, *params["place"])


class RandomResizedCrop(Transform):
    """A random part of an image resized to `size`; see v1's RandomResizedCrop for `scale` and `ratio`."""

    def __init__(
        self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0), interpolation="bilinear", antialias=True
    ):
        super().__init__()
        v1.check_ranges(scale, ratio)
        self.size = pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    get_params = staticmethod(v1.RandomResizedCrop.get_params)

    def make_params(self, flat_inputs):
        return {"place": self.get_params(flat_inputs[0], self.scale, self.ratio)}

    def transform(self, inpt, params):
        return F.resized_crop(inpt, *params["place"], self.size, self.interpolation, self.antialias)


class RandomHorizontalFlip(RandomApplyTransform):
    """Mirrors an image left to right with probability `p`."""

    def transform(self, inpt, params):
        return F.horizontal_flip(inpt)


class RandomVerticalFlip(RandomApplyTransform):
    """Mirrors an image top to bottom with probability `p`."""

    def transform(self, inpt, params):
        return F.vertical_flip(inpt)


class Grayscale(Transform):
    """An image in grey, with 1 or 3 equal channels."""

    def __init__(self, num_output_channels=1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt, params):
        return F.rgb_to_grayscale(inpt, self.num_output_channels)


class RandomGrayscale(RandomApplyTransform):
    """An image in grey with probability `p`; it keeps its number of channels."""

    def __init__(self, p=0.1):
        super().__init__(p=p)

    def transform(self, inpt, params):
        return F.rgb_to_grayscale(inpt, F.get_num_channels(inpt))


class RandomErasing(RandomApplyTransform):
    """Overwrites a random rectangle of a tensor image with probability `p`; see v1's RandomErasing."""

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0.0, inplace=False):
        super().__init__(p=p)
        self.scale = scale
        self.ratio = ratio
        self.value = v1.RandomErasing(p, scale, ratio, value, inplace).values()
        self.inplace = inplace

    get_params = staticmethod(v1.RandomErasing.get_params)

    def transform(self, inpt, params):
        return F.erase(inpt, *self.get_params(inpt, self.scale, self.ratio, self.value), self.inplace)
