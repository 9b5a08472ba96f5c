"""Layers that pad."""

from .. import functional as F
from .module import Module


class _Pad(Module):
    dimensions: int
    mode: str

    def __init__(self, padding):
        super().__init__()
        n = 2 * self.dimensions
        self.padding = (padding,) * n if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != n:
            raise ValueError(
                f"padding takes an int or {n} of them (before and after, the last dimension first), got "
                f"{padding}"
            )

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads the last dimension with a value."""

    dimensions = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two dimensions with a value."""

    dimensions = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three dimensions with a value."""

    dimensions = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Pads the last dimension with zeros."""

    dimensions = 1


class ZeroPad2d(_ZeroPad):
    """Pads the last two dimensions with zeros."""

    dimensions = 2


class ZeroPad3d(_ZeroPad):
    """Pads the last three dimensions with zeros."""

    dimensions = 3


class ReflectionPad1d(_Pad):
    """Pads the last dimension with its mirror image, the edge not repeated."""

    dimensions, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Pads the last two dimensions with their mirror image."""

    dimensions, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Pads the last three dimensions with their mirror image."""

    dimensions, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Pads the last dimension with its edge."""

    dimensions, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Pads the last two dimensions with their edges."""

    dimensions, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Pads the last three dimensions with their edges."""

    dimensions, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Pads the last dimension as if it were a circle."""

    dimensions, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Pads the last two dimensions as if they were circles."""

    dimensions, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Pads the last three dimensions as if they were circles."""

    dimensions, mode = 3, "circular"
