"""The preprocessing that pre-trained models were evaluated with."""

import retrograd
from retrograd import nn
from retrograd.core.tensor import Tensor
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms.functional import InterpolationMode

__all__ = ["ImageClassification"]


class ImageClassification(nn.Module):
    """Shorter side to `resize_size`, centre crop of `crop_size`, float in [0, 1], normalised per channel.

    Takes a PIL image, or a tensor (C, H, W) or (B, C, H, W); gives a float32 tensor.
    """

    def __init__(
        self,
        *,
        crop_size,
        resize_size=256,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation=InterpolationMode.BILINEAR,
        antialias=True,
    ):
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img):
        img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        img = F.convert_image_dtype(img, retrograd.float32)
        return F.normalize(img, mean=self.mean, std=self.std)

    def __repr__(self):
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        lines = "".join(f"\n    {name}={getattr(self, name)}" for name in names)
        return f"{type(self).__name__}({lines}\n)"

    def describe(self):
        """What is done to an image, in words."""
        return (
            "Takes a PIL image or a tensor of shape (C, H, W) or (B, C, H, W). The shorter side is resized "
            f"to {self.resize_size} ({self.interpolation.value}), the centre of {self.crop_size} is kept, "
            f"values are scaled to [0, 1] and normalised with mean={self.mean} and std={self.std}."
        )
