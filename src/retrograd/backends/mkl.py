"""`torch.backends.mkl`: not used."""

from ._absent import is_available  # noqa: F401
