"""Storages: the memory that a tensor and its views look into."""

import os

import numpy as np

from .core import arrays
from .core.device import cpu
from .core.memory import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    lowest_address,
    owner,
    preserve_format,
    storage_bytes,
)
from .core.modes import modes
from .core.tensor import Tensor, wrap
from .ops.arguments import as_sizes


class UntypedStorage:
    """A tensor's memory as bytes."""

    def __init__(self, array):
        self._bytes = storage_bytes(array)
        self._owner = owner(array)

    device = cpu
    is_cuda = False

    def data_ptr(self):
        """The address of the first byte."""
        return lowest_address(self._owner) if self._owner.size else 0

    def nbytes(self):
        """How many bytes there are."""
        return self._bytes.size

    size = nbytes

    def __len__(self):
        return self._bytes.size

    def tolist(self):
        """The bytes as ints."""
        return self._bytes.tolist()

    @classmethod
    def from_file(cls, filename, shared=False, nbytes=0):
        """The first `nbytes` bytes of a file, mapped into memory: read when they are first needed.

        shared: writes go to the file, which is made as long as that; else they stay in memory, and a file
        that is shorter is an error.
        """
        if shared:
            with open(filename, "ab") as file:
                if file.tell() < nbytes:
                    file.truncate(nbytes)
        length = os.path.getsize(filename)
        if length < nbytes:
            raise RuntimeError(
                f"from_file: {filename!r} has {length} bytes and {nbytes} were asked for; a longer file is "
                "needed, or shared=True, which extends it [RG043]"
            )
        if not nbytes:
            return cls(np.empty(0, np.uint8))
        return cls(np.asarray(np.memmap(filename, np.uint8, "r+" if shared else "c", 0, (nbytes,))))

    def __getitem__(self, i):
        if isinstance(i, slice):
            part = object.__new__(type(self))
            part._bytes, part._owner = self._bytes[i], self._owner
            return part
        return int(self._bytes[i])

    def __setitem__(self, i, value):
        self._bytes[i] = value

    def __array__(self, dtype=None, copy=None):
        return np.array(self._bytes, dtype, copy=copy) if dtype is not None or copy else self._bytes

    def untyped(self):
        """The storage itself."""
        return self

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self._owner is other._owner

    def __hash__(self):
        return id(self._owner)

    def __repr__(self):
        lines = "\n".join([f" {b}" for b in self._bytes.tolist()])
        return f"{lines}\n[torch.storage.UntypedStorage(device={self.device}) of size {self.nbytes()}]"


class TypedStorage:
    """A tensor's memory as a row of elements of its dtype."""

    def __init__(self, array):
        self._untyped = UntypedStorage(array)
        self._array = self._untyped._bytes[
            : self._untyped._bytes.size // array.itemsize * array.itemsize
        ].view(array.dtype)
        self.dtype = arrays._FROM_NUMPY[array.dtype]

    device = cpu

    def untyped(self):
        """The same memory as bytes."""
        return self._untyped

    def data_ptr(self):
        """The address of the first element."""
        return self._untyped.data_ptr()

    def nbytes(self):
        """How many bytes there are."""
        return self._untyped.nbytes()

    def size(self):
        """How many elements there are."""
        return self._array.size

    __len__ = size

    def element_size(self):
        """The bytes that an element takes."""
        return self._array.itemsize

    def tolist(self):
        """The elements as Python numbers."""
        return wrap(self._array).tolist()

    def __getitem__(self, i):
        return wrap(np.asarray(self._array[i])).tolist()

    def __setitem__(self, i, value):
        self._array[i] = value

    def __repr__(self):
        lines = "\n".join([f" {x}" for x in self.tolist()])
        kind = f"torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
        return f"{lines}\n[{kind} of size {len(self)}]"


def untyped_storage(self):
    """The memory that this tensor and its views look into, as bytes."""
    return UntypedStorage(self._array)


def storage(self):
    """The memory that this tensor and its views look into, as elements of its dtype."""
    return TypedStorage(self._array)


def resize_(self, *sizes, memory_format=None):
    """Give this tensor another shape in place, on its own storage or, where that is too small, a larger one.

    Elements beyond those of the old storage are whatever the memory held before. Views of the old storage
    keep it.
    """
    shape = as_sizes(sizes)
    if self.requires_grad and modes.grad:
        raise RuntimeError("cannot resize variables that require grad [RG015]")
    old = self._array
    if old.shape == shape:
        return self
    count = int(np.prod(shape))
    flat = TypedStorage(old)._array[self.storage_offset() :]
    if flat.size < count:
        flat = np.concatenate([flat, np.empty(count - flat.size, old.dtype)])
    axes = contiguous_format.axes(len(shape)) if memory_format is None else memory_format.axes(len(shape))
    self._array = flat[:count].reshape([shape[i] for i in axes]).transpose(np.argsort(axes))
    self._view = None
    self._versions().bump()
    return self


def resize_as_(self, the_template, memory_format=None):
    """`resize_` to the shape of another tensor; `preserve_format` also to its layout in memory."""
    if memory_format is preserve_format:
        formats = [f for f in (channels_last, channels_last_3d) if f.ndim == the_template.ndim]
        memory_format = next((f for f in formats if the_template.is_contiguous(memory_format=f)), None)
    return resize_(self, *the_template.shape, memory_format=memory_format)


def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """Let this tensor look into another's memory: a Tensor, or a storage with offset, size and strides."""
    if source is None:
        self._array = np.empty(0, self._array.dtype)
    elif isinstance(source, Tensor):
        if source._array.dtype != self._array.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {source.dtype} to a tensor of type {self.dtype} [RG040]"
            )
        self._array = source._array
    else:
        flat = (source if isinstance(source, UntypedStorage) else source.untyped())._bytes.view(
            self._array.dtype
        )
        size = (flat.size - storage_offset,) if size is None else tuple(size)
        if stride is None:
            stride = tuple(np.cumprod([1, *size[:0:-1]])[::-1].tolist()) if size else ()
        steps = [s * flat.itemsize for s in stride]
        last = storage_offset + sum([s * (n - 1) for s, n in zip(stride, size, strict=True)])
        if 0 not in size and last >= flat.size:
            raise RuntimeError(
                f"set_: size {list(size)} at offset {storage_offset} is out of bounds for a storage of "
                f"{flat.size} [RG046]"
            )
        self._array = np.lib.stride_tricks.as_strided(flat[storage_offset:], size, steps)
    self._view = self._version_counter = self._accumulator = None
    return self


def is_set_to(self, tensor):
    """Whether both tensors look at the same memory with the same shape and strides."""
    a, b = self._array, tensor._array
    return (
        a.shape == b.shape
        and self.stride() == tensor.stride()
        and self.data_ptr() == tensor.data_ptr()
        and owner(a) is owner(b)
    )


METHODS = {
    "untyped_storage": untyped_storage, "storage": storage, "resize_": resize_, "resize_as_": resize_as_,
    "set_": set_, "is_set_to": is_set_to,
}  # fmt: skip
