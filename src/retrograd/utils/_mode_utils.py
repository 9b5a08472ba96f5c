"""`torch.utils._mode_utils`: a context without TorchDispatchModes."""

from ..dispatch import without_modes as no_dispatch

__all__ = ["no_dispatch"]
