"""Layers that pad."""

from .. import functional as F
from .module import Module


class _PadNd(Module):
    dimensions: int
    mode: str

    def __init__(self, padding):
        super().__init__()
        n = 2 * self.dimensions
        self.padding = (padding,) * n if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != n:
            raise ValueError(
                f"padding takes an int or {n} of them (before and after, the last dimension first), got "
                f"{padding} [RG060]"
            )

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    mode = "constant"

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with a value."""

    dimensions = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two dimensions with a value."""

    dimensions = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three dimensions with a value."""

    dimensions = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """Pads the last dimension with zeros."""

    dimensions = 1


class ZeroPad2d(_ZeroPadNd):
    """Pads the last two dimensions with zeros."""

    dimensions = 2


class ZeroPad3d(_ZeroPadNd):
    """Pads the last three dimensions with zeros."""

    dimensions = 3


class _ReflectionPadNd(_PadNd):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPadNd):
    """Pads the last dimension with its mirror image, the edge not repeated."""

    dimensions = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Pads the last two dimensions with their mirror image."""

    dimensions = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pads the last three dimensions with their mirror image."""

    dimensions = 3


class _ReplicationPadNd(_PadNd):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPadNd):
    """Pads the last dimension with its edge."""

    dimensions = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Pads the last two dimensions with their edges."""

    dimensions = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pads the last three dimensions with their edges."""

    dimensions = 3


class _CircularPadNd(_PadNd):
    mode = "circular"


class CircularPad1d(_CircularPadNd):
    """Pads the last dimension as if it were a circle."""

    dimensions = 1


class CircularPad2d(_CircularPadNd):
    """Pads the last two dimensions as if they were circles."""

    dimensions = 2


class CircularPad3d(_CircularPadNd):
    """Pads the last three dimensions as if they were circles."""

    dimensions = 3
