"""Activation functions."""

from ..core.op import ELEMENTWISE, Op
from .pointwise import masked

__all__ = ["relu"]
METHODS = __all__
INPLACE = __all__

relu = Op(
    "relu", lambda xp, x: xp.maximum(x, 0), x=lambda g, out: masked(g, out != 0), jvp=ELEMENTWISE, doc="max(x, 0)."
)
