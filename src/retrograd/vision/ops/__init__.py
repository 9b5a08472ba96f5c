"""Layers that the models are made of, under torchvision's names."""

from retrograd.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
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
    "Permute", "SqueezeExcitation", "StochasticDepth", "batched_nms", "box_area", "box_convert", "box_iou",
    "clip_boxes_to_image", "drop_block2d", "drop_block3d", "generalized_box_iou", "masks_to_boxes", "nms",
    "remove_small_boxes", "stochastic_depth",
]  # fmt: skip
