"""Tensors from data: numbers, nested lists, arrays, buffers and files."""

import os
import warnings

import numpy as np

from ..core import arrays
from ..core.device import resolve
from ..core.tensor import Tensor, wrap
from .creation import finish, kind_of
from .data import as_array
from .shape import cast_row, clone

__all__ = ["as_tensor", "asarray", "from_file", "from_numpy", "frombuffer", "tensor"]
METHODS = ["new_tensor"]
INPLACE = []


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with a copy of `data`: a number, nested lists, an array, a Tensor.

    Without `dtype`, Python floats get the default dtype, ints int64, complex numbers the default's complex
    dtype; arrays keep theirs. ValueError for ragged lists, with the place where the lengths differ.
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=2,
        )
    array = as_array(data, None if dtype is None else kind_of(dtype), copy=True)
    return finish(array, requires_grad, device, pin_memory=pin_memory)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing the memory of an array or Tensor where the dtype stays the same."""
    if isinstance(data, Tensor):
        resolve(device)
        kind = data._array.dtype if dtype is None else kind_of(dtype)
        return data if data._array.dtype == kind else cast_row(data, kind)
    return finish(as_array(data, None if dtype is None else kind_of(dtype), copy=False), device=device)


class Capsule:
    """A bare DLPack capsule, for NumPy, which takes objects that make one."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return 1, 0  # the CPU: the one place that capsules can come from here


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """`obj` as a tensor: a Tensor, an array, anything with DLPack or a buffer, a number or nested lists.

    copy: None shares memory where possible, True never, False always (ValueError where that can't be).
    """
    kind = None if dtype is None else kind_of(dtype)
    if isinstance(obj, Tensor):
        result = obj if requires_grad else obj.detach()
        if kind is not None and kind != obj._array.dtype:
            if copy is False:
                raise ValueError(
                    f"can't alias tensor with dtype '{obj.dtype}' into dtype '{dtype}': pass copy=None or "
                    "True [RG043]"
                )
            result = cast_row(result, kind)
        elif copy:
            result = clone(result)
        if requires_grad and result.is_leaf:
            result.requires_grad = True
        return result
    if not isinstance(obj, np.ndarray) and hasattr(obj, "__dlpack__"):
        obj = np.from_dlpack(obj)
    elif type(obj).__name__ == "PyCapsule":
        obj = np.from_dlpack(Capsule(obj))
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        obj = np.frombuffer(obj, kind_of(None) if kind is None else kind)
    array = as_array(obj, kind, copy=bool(copy))
    if copy is False and isinstance(obj, np.generic):
        raise RuntimeError(
            "can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. [RG043]"
        )
    if copy is False and not (isinstance(obj, np.ndarray) and np.may_share_memory(array, obj)):
        raise ValueError(
            f"can't alias arbitrary {type(obj).__name__} into a tensor: pass copy=None or True [RG043]"
        )
    return finish(array, requires_grad, device)


def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array.

    Of a read-only array it is a tensor that refuses to be written to (PyTorch warns, and writes).
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__}) [RG043]")
    arrays.from_numpy_dtype(ndarray.dtype)
    if ndarray.dtype not in arrays._FROM_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order: convert it with "
            "array.astype(array.dtype.newbyteorder('=')) [RG043]"
        )
    if any([s < 0 for s in ndarray.strides]):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are "
            "not currently "
            "supported. (You can probably work around this by making a copy of your array with "
            "array.copy().) [RG043]"
        )
    return wrap(ndarray)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor that shares the memory of `buffer`: `count` elements (-1: all) from the byte `offset`
    on."""
    kind = kind_of(dtype)
    try:
        seen = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol. [RG043]") from None
    if seen.readonly:
        warnings.warn(
            "The given buffer is not writable. The tensor refuses to be written to in place: clone() it "
            "first.",
            stacklevel=2,
        )
    size = seen.nbytes
    if not size or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0 [RG043]")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) "
            "- 1 [RG043]"
        )
    if count < 0 and (size - offset) % kind.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            "element size "
            f"({kind.itemsize}) [RG043]"
        )
    if count > 0 and offset + count * kind.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} bytes) must "
            "not be greater "
            f"than actual buffer length ({size} bytes) [RG043]"
        )
    return finish(np.frombuffer(buffer, kind, count, offset), requires_grad)


def from_file(
    filename,
    shared=None,
    size=0,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """A 1-d tensor of `size` elements on a file's memory map; writes reach the file if it is `shared`."""
    mode = "c" if not shared else "r+" if os.path.exists(filename) else "w+"
    kind = kind_of(dtype)
    needed = size * kind.itemsize
    if mode != "w+" and os.path.getsize(filename) < needed:
        raise RuntimeError(f"{filename} is too short: {size} elements take {needed} bytes [RG043]")
    array = np.memmap(filename, kind, mode, shape=(size,)) if size else np.empty(0, kind)
    return finish(np.asarray(array), requires_grad, device, layout, pin_memory)


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A copy of `data` in this tensor's dtype."""
    array = as_array(data, self._array.dtype if dtype is None else kind_of(dtype), copy=True)
    return finish(array, requires_grad, device, layout, pin_memory)
