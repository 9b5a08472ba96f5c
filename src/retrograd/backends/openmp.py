"""`torch.backends.openmp`: not used; the kernels have threads of their own."""

from ._absent import is_available  # noqa: F401
