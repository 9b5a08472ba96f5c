"""Copies and pickles of Tensors: `copy.copy`, `copy.deepcopy`, `pickle`."""

import copy

import numpy as np

from .core.device import is_meta
from .core.memory import owner, storage_bytes, storage_offset
from .core.meta import meta_array


def _deepcopy(self, memo):
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the "
            "moment. "
            f"This one was made by {self.grad_fn.name()}; use .detach().clone(), or .clone() to stay in the "
            "graph [RG013]"
        )
    if id(self) in memo:
        return memo[id(self)]
    new = _rebuild(type(self), copied_storage(self._array, memo), self._requires)
    memo[id(self)] = new
    for name, value in self.__dict__.items():
        if name not in _OWN:
            new.__dict__[name] = copy.deepcopy(value, memo)
    if self._grad is not None:
        new._grad = copy.deepcopy(self.grad, memo)
    return new


def copied_storage(array, memo):
    """`array` on a copy of its storage; arrays that share one, and the `memo` of a deepcopy, share the copy
    too."""
    if is_meta(array):
        return meta_array(array.shape, array.dtype)
    root = owner(array)
    key = ("storage", id(root))
    if key not in memo:
        memo[key] = storage_bytes(root).copy(), root  # the root stays alive, and its id its own
    whole, _ = memo[key]
    if not array.size:
        return np.empty(array.shape, array.dtype)
    start = storage_offset(array) * array.itemsize
    return np.ndarray(array.shape, array.dtype, whole, start, array.strides)


_OWN = {
    "_array", "_pending", "_requires", "_grad", "_grad_fn", "_output_nr", "_version_counter", "_view",
    "_hooks",
    "_post_hooks", "_accumulator", "_retains", "_leaf_error",
}  # fmt: skip


def _rebuild(cls, array, requires_grad, attributes=None):
    """A tensor of the class `cls` around an array: how copies and pickles are made again."""
    new = object.__new__(cls)
    new._array = array
    if requires_grad:
        new._requires = True
    if attributes:
        new.__dict__.update(attributes)
    return new


def _reduce(self, protocol):
    attributes = {name: value for name, value in self.__dict__.items() if name not in _OWN}
    return _rebuild, (type(self), self._array, self.requires_grad, attributes or None)


def _copy(self):
    new = _rebuild(type(self), self._array, self.requires_grad)
    new._version_counter = self._versions()
    return new


METHODS = {"__copy__": _copy, "__deepcopy__": _deepcopy, "__reduce_ex__": _reduce}
