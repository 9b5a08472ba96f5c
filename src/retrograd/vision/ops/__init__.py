"""Layers that the models are made of, under torchvision's names."""

from retrograd.vision.ops.drop_block import DropBlock2d, DropBlock3d, drop_block2d, drop_block3d
from retrograd.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from retrograd.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth

__all__ = [
    "Conv2dNormActivation", "Conv3dNormActivation", "DropBlock2d", "DropBlock3d", "FrozenBatchNorm2d", "MLP",
    "Permute", "SqueezeExcitation", "StochasticDepth", "drop_block2d", "drop_block3d", "stochastic_depth",
]  # fmt: skip
