"""torchvision's newer transforms: they take whole samples, such as (image, label), and change the images."""

from retrograd.vision.transforms.functional import InterpolationMode
from retrograd.vision.transforms.v2 import (
    _auto_augment,
    _batches,
    _classes,
    _color,
    _sizes,
    _warp,
    functional,
)
from retrograd.vision.transforms.v2._auto_augment import *  # noqa: F403
from retrograd.vision.transforms.v2._batches import *  # noqa: F403
from retrograd.vision.transforms.v2._classes import *  # noqa: F403
from retrograd.vision.transforms.v2._color import *  # noqa: F403
from retrograd.vision.transforms.v2._sizes import *  # noqa: F403
from retrograd.vision.transforms.v2._warp import *  # noqa: F403

__all__ = [
    *_auto_augment.__all__, *_batches.__all__, *_classes.__all__, *_color.__all__, *_sizes.__all__,
    *_warp.__all__, "InterpolationMode", "functional",
]  # fmt: skip
