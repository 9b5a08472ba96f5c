"""How a list of examples becomes a batch."""

import collections.abc
import copy
import re

import numpy as np

from ....core.arrays import float64
from ....core.tensor import Tensor
from ....ops.from_data import as_tensor, tensor
from ....ops.join import stack

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # the types of arrays that no tensor can hold


def default_convert(data):
    """NumPy arrays inside nested containers as Tensors; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)) and not (
        np_str_obj_array_pattern.search(data.dtype.str)
    ):
        return as_tensor(np.asarray(data))
    if isinstance(data, collections.abc.Mapping):
        return _like_mapping(data, {k: default_convert(v) for k, v in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*[default_convert(v) for v in data])
    if isinstance(data, tuple):
        return [default_convert(v) for v in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(v) for v in data])
    return data


def _like_mapping(mapping, content):
    """`content` as a mapping of the type of `mapping`; a dict where that can't be made."""
    if isinstance(mapping, collections.abc.MutableMapping):
        clone = copy.copy(mapping)  # keeps what the type has besides its content
        clone.update(content)
        return clone
    try:
        return type(mapping)(content)
    except TypeError:
        return content


def _like_sequence(sequence, content):
    """`content` as a sequence of the type of `sequence`; a list where that can't be made."""
    try:
        if isinstance(sequence, collections.abc.MutableSequence):
            clone = copy.copy(sequence)
            for i, value in enumerate(content):
                clone[i] = value
            return clone
        return type(sequence)(content)
    except TypeError:
        return content


def collate(batch, *, collate_fn_map=None):
    """Examples of one structure as a batch of that structure.

    collate_fn_map: for types (or tuples of types) of the innermost parts a function
    `f(batch, collate_fn_map=...)` that makes their batch. Dicts, tuples and lists are taken apart.
    """
    functions = collate_fn_map or {}
    first = batch[0]
    function = functions.get(type(first))
    if function is None:
        function = next((f for kind, f in functions.items() if isinstance(first, kind)), None)
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, collections.abc.Mapping):
        content = {k: collate([x[k] for x in batch], collate_fn_map=collate_fn_map) for k in first}
        return _like_mapping(first, content)
    if isinstance(first, collections.abc.Sequence) and not isinstance(first, (str, bytes)):
        sizes = {len(x) for x in batch}
        if len(sizes) > 1:
            raise RuntimeError(
                "each element in list of batch should be of equal size, but the sizes are "
                f"{sorted(sizes)} [RG057]"
            )
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return type(first)(*columns) if hasattr(first, "_fields") else columns
        return _like_sequence(first, columns)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}. Give the DataLoader a collate_fn. [RG092]"
    )


def collate_tensor_fn(batch, *, collate_fn_map=None):
    """Tensors of one shape, stacked."""
    shapes = {tuple(x.shape) for x in batch}
    if len(shapes) > 1:
        raise RuntimeError(
            "stack expects each tensor to be equal size: the examples of this batch have shapes "
            f"{sorted(shapes)}. Crop or pad them, or give the DataLoader a collate_fn. [RG057]"
        )
    return stack(list(batch), 0)


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    """Arrays as Tensors, stacked."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(
            "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found an "
            f"array of {batch[0].dtype}. Give the DataLoader a collate_fn. [RG092]"
        )
    return collate([as_tensor(x) for x in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    """NumPy's numbers as a Tensor of their dtype."""
    return as_tensor(np.asarray(batch))


def collate_float_fn(batch, *, collate_fn_map=None):
    """Python's floats as a float64 Tensor."""
    return tensor(batch, dtype=float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    """Whole numbers (or bools) as a Tensor."""
    return tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    """Texts as the list that they are."""
    return batch


default_collate_fn_map = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch):
    """Examples of one structure as a batch of that structure: tensors stacked, numbers as a tensor, texts as
    a list.

    For types of your own add a function to `default_collate_fn_map` (see `collate`).
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
