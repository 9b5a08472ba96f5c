"""torchvision as the reference, imported without its compiled operators, which these tests don't need."""

import functools

import torch

_library = None


@functools.cache
def torchvision():
    """The torchvision module."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        _library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
    import torchvision.transforms.v2

    return torchvision
