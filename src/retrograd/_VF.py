"""`torch._VF`: functions of `torch` under the names of PyTorch's compiled ones; prefer the public names."""

import importlib

from .ops.counting import unique


def _unique(input, sorted=True, return_inverse=False):
    """(distinct elements, where each element is among them)."""
    return unique(input, sorted=sorted, return_inverse=True)


def _unique2(input, sorted=True, return_inverse=False, return_counts=False):
    """(distinct elements, where each element is among them, how often each occurs)."""
    return unique(input, sorted=sorted, return_inverse=True, return_counts=True)


def unique_dim(input, dim, sorted=True, return_inverse=False, return_counts=False):
    """`_unique2` of the slices along `dim`."""
    return unique(input, sorted=sorted, return_inverse=True, return_counts=True, dim=dim)


def __getattr__(name):
    return getattr(importlib.import_module("retrograd"), name)
