"""How a list of examples becomes a batch."""

import collections.abc
import copy

import numpy as np

from ....core.arrays import float64
from ....core.tensor import Tensor
from ....ops.from_data import as_tensor, tensor
from ....ops.join import stack


def default_convert(data):
    """NumPy arrays inside nested containers as Tensors; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray) and data.dtype.kind not in "SUO":
        return as_tensor(data)
    return _rebuild(data, default_convert)


def _rebuild(data, function):
    """A container with `function` applied to what it holds; anything else as it is."""
    if isinstance(data, collections.abc.Mapping):
        made = {k: function(v) for k, v in data.items()}
        if isinstance(data, collections.abc.MutableMapping):
            clone = copy.copy(data)
            clone.update(made)
            return clone
        return made
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[function(v) for v in data])
    if isinstance(data, tuple):
        return [function(v) for v in data]
    if isinstance(data, list):
        return [function(v) for v in data]
    return data


def default_collate(batch):
    """Examples of one structure as a batch of that structure: tensors stacked, numbers as a tensor, texts as
    a list.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        shapes = {tuple(x.shape) for x in batch}
        if len(shapes) > 1:
            raise RuntimeError(
                "stack expects each tensor to be equal size: the examples of this batch have shapes "
                f"{sorted(shapes)}. Crop or pad them, or give the DataLoader a collate_fn."
            )
        return stack(batch, 0)
    if isinstance(first, np.ndarray) and first.dtype.kind not in "SUO":
        return default_collate([as_tensor(x) for x in batch])
    if isinstance(first, np.generic):
        return as_tensor(np.asarray(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, collections.abc.Mapping):
        made = {k: default_collate([x[k] for x in batch]) for k in first}
        if isinstance(first, collections.abc.MutableMapping):
            clone = copy.copy(first)
            clone.update(made)
            return clone
        return made
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*[default_collate(column) for column in zip(*batch, strict=True)])
    if isinstance(first, (tuple, list)):
        if any(len(x) != len(first) for x in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(column) for column in zip(*batch, strict=True)]
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}. Give the "
        "DataLoader a collate_fn."
    )
