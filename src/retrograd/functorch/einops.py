"""`rearrange`, where functorch had it; see `func.rearrange`."""

from ..func import rearrange

__all__ = ["rearrange"]
