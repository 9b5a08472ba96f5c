"""torchvision's newer transforms: they take whole samples, such as (image, label), and change the images."""

from retrograd.vision.transforms.functional import InterpolationMode
from retrograd.vision.transforms.v2 import _color, _warp, functional
from retrograd.vision.transforms.v2._classes import *  # noqa: F403
from retrograd.vision.transforms.v2._classes import __all__ as _names
from retrograd.vision.transforms.v2._color import *  # noqa: F403
from retrograd.vision.transforms.v2._warp import *  # noqa: F403

__all__ = [*_names, *_color.__all__, *_warp.__all__, "InterpolationMode", "functional"]
