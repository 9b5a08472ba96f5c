"""Dropout layers: in training they zero at random, in evaluation they pass through."""

from .. import functional as F
from .module import Module


class _DropoutNd(Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p} [RG049]")
        self.p = p
        self.inplace = inplace

    def forward(self, input):
        return self.drop(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zeroes each element with probability p and scales the others by 1 / (1 - p) (Hinton et al. 2012)."""

    drop = staticmethod(lambda *args: F.dropout(*args))


class Dropout1d(_DropoutNd):
    """Zeroes whole channels of (N, C, L) or (C, L)."""

    drop = staticmethod(lambda *args: F.dropout1d(*args))


class Dropout2d(_DropoutNd):
    """Zeroes whole channels of (N, C, H, W)."""

    drop = staticmethod(lambda *args: F.dropout2d(*args))


class Dropout3d(_DropoutNd):
    """Zeroes whole channels of (N, C, D, H, W)."""

    drop = staticmethod(lambda *args: F.dropout3d(*args))


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance for SELU networks (Klambauer et al. 2017)."""

    drop = staticmethod(lambda input, p, training, inplace: F.alpha_dropout(input, p, training))


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels."""

    drop = staticmethod(lambda input, p, training, inplace: F.feature_alpha_dropout(input, p, training))
