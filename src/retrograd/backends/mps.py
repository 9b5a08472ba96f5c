"""`torch.backends.mps`: not there."""

from ._absent import is_available, is_built  # noqa: F401


def is_macos13_or_newer(minor=0):
    return False


def is_macos_or_newer(major, minor):
    return False
