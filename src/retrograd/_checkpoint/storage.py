"""Storages, the flat bytes under tensors, and where `map_location` sends them."""

import math

import numpy as np

from ..core import arrays
from ..core.device import device
from .errors import CheckpointError, quote

# PyTorch's names of typed storages. Newer dtypes come as an UntypedStorage and a dtype.
_TYPED = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
    "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
}  # fmt: skip
STORAGE_NAMES = {arrays.DTYPES[dtype].numpy: name for name, dtype in _TYPED.items()}


class StorageType:
    """What a checkpoint calls `torch.FloatStorage`: a name and its dtype."""

    def __init__(self, name, dtype):
        self.name = name
        self.dtype = dtype

    def __repr__(self):
        return f"torch.{self.name}"


STORAGE_TYPES = {name: StorageType(name, arrays.DTYPES[dtype]) for name, dtype in _TYPED.items()}
UNTYPED = StorageType("UntypedStorage", arrays.uint8)


class Storage:
    """Flat bytes, which tensors view: what a callable `map_location` receives and returns."""

    def __init__(self, data, dtype, foreign_order=False):
        self.data = data  # a one-dimensional uint8 array
        self.dtype = dtype
        self.foreign_order = foreign_order  # untyped bytes of a machine with the other byte order
        self.device = device("cpu")
        self._is_bool = None
        self._others = {}

    def nbytes(self):
        """The number of bytes."""
        return self.data.size

    def size(self):
        """The number of elements of `dtype`."""
        return self.data.size // self.dtype.itemsize

    __len__ = size

    def cpu(self):
        """This storage, which already lies in host memory."""
        return self

    def cuda(self, index=None):
        """Refused: checkpoints are loaded into host memory."""
        raise RuntimeError(
            "a storage was to be moved to a CUDA device while a checkpoint is loaded; load it with "
            "map_location='cpu' and move the tensors afterwards [RG075]"
        )

    def __repr__(self):
        return f"<storage of {self.nbytes()} bytes, {self.dtype}>"

    def seen_as(self, dtype):
        """The same bytes as a storage of another dtype."""
        if dtype is self.dtype:
            return self
        if dtype not in self._others:
            self._others[dtype] = Storage(self.data, dtype)
        return self._others[dtype]

    def part(self, offset, count):
        """`count` elements from element `offset` on, as a storage of its own on the same memory."""
        itemsize = self.dtype.itemsize
        if not (is_size(offset) and is_size(count)) or (offset + count) * itemsize > self.nbytes():
            raise CheckpointError(f"a part of a storage reaches outside it: it has {self.size()} elements")
        return Storage(self.data[offset * itemsize : (offset + count) * itemsize], self.dtype)

    def view(self, dtype, offset, shape, strides):
        """An array on this memory; offset and strides count elements. What reaches outside is refused."""
        check_geometry(offset, shape, strides)
        itemsize = dtype.itemsize
        if 0 in shape:
            return _empty(shape, dtype)
        end = offset + 1 + sum((n - 1) * stride for n, stride in zip(shape, strides))
        if end * itemsize > self.nbytes():
            raise CheckpointError(
                f"a tensor of shape {_cut(shape)}, strides {_cut(strides)}, offset {quote(offset)} and "
                f"{dtype} needs {quote(end * itemsize)} bytes, its storage has {self.nbytes()}"
            )
        if dtype is arrays.bool_ and not self._holds_bools():
            raise CheckpointError("a bool tensor's storage holds bytes other than 0 and 1")
        try:
            return np.ndarray(
                tuple(shape), dtype.numpy, self.data, offset * itemsize, tuple(s * itemsize for s in strides)
            )
        except (ValueError, OverflowError) as error:
            raise CheckpointError(f"a tensor of shape {_cut(shape)} can't be made: {error}") from None

    def _holds_bools(self):
        if self._is_bool is None:
            self._is_bool = bool((self.data <= 1).all())
        return self._is_bool


def is_size(n):
    """Whether `n` is a plain, non-negative int."""
    return type(n) is int and n >= 0


def check_geometry(offset, shape, strides):
    """Refuse an offset, a shape or strides that no tensor has."""
    if not isinstance(shape, tuple) or not isinstance(strides, tuple) or len(shape) != len(strides):
        raise CheckpointError("a tensor's shape and strides must be two tuples of one length")
    if len(shape) > 64:
        raise CheckpointError(f"a tensor of {len(shape)} dimensions; at most 64 are supported")
    if not is_size(offset) or not all(is_size(n) for n in shape) or not all(is_size(n) for n in strides):
        raise CheckpointError(
            f"a tensor's offset ({quote(offset)}), shape {_cut(shape)} and strides {_cut(strides)} must be "
            "non-negative integers"
        )


def _empty(shape, dtype):
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise CheckpointError(f"an empty tensor of shape {_cut(shape)} is too large to be described")
    return np.empty(tuple(shape), dtype.numpy)


def _cut(numbers):
    return "(" + ", ".join(quote(n) for n in numbers[:8]) + (", ..." if len(numbers) > 8 else "") + ")"


def as_ascii(text):
    """`text` as str where it is text, else None: Python 2 wrote PyTorch's own words as bytes.

    Values of a file are never compared before their type is known: arrays and tensors compare elementwise.
    """
    if type(text) is bytes:
        return text.decode("ascii", "replace")
    return text if type(text) is str else None


def storage_id(pid, fields):
    """The checked fields of a storage's persistent id: type, key, location, number of elements, and more."""
    if len(pid) != fields + 1:
        raise CheckpointError(f"a storage reference has {len(pid)} fields, expected {fields + 1}")
    kind, key, location, count, *rest = pid[1:]
    key, location = as_ascii(key), as_ascii(location)
    if not isinstance(kind, type(UNTYPED)) or key is None or location is None:
        raise CheckpointError("a storage reference must be a storage type, a key and a location")
    if not is_size(count) or count > 2**62:
        raise CheckpointError(f"a storage of {quote(count)} elements")
    if len(key) > 200 or len(location) > 200:
        raise CheckpointError("a storage's key or location is longer than 200 characters")
    return kind, key, location, count, *rest


def swap_bytes(data, dtype):
    """Change the byte order of a storage's bytes, in place."""
    part = dtype.to_real().itemsize
    data[: data.size // part * part].view(f"u{part}").byteswap(inplace=True)


# --- map_location -------------------------------------------------------------------------------------------


def restorer(map_location):
    """The function that puts a storage where `map_location` says: `restore(storage, location) -> storage`."""
    if map_location is None:
        return _default_restore
    if isinstance(map_location, dict):
        return lambda storage, location: _default_restore(storage, map_location.get(location, location))
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, device)):
        target = str(map_location)
        return lambda storage, location: _default_restore(storage, target, asked=True)
    if callable(map_location):
        return lambda storage, location: _by_callable(map_location, storage, location)
    raise TypeError(
        "map_location must be a device such as 'cpu', a dict from one to another, or a function of "
        f"(storage, location), got {map_location!r} [RG075]"
    )


def _by_callable(function, storage, location):
    result = function(storage, location)
    if result is None:
        return _default_restore(storage, location)
    if not isinstance(result, Storage):
        raise TypeError(
            "a map_location function must return the storage (moved) or None, it returned "
            f"{type(result).__name__} [RG075]"
        )
    return result


def _default_restore(storage, location, asked=False):
    try:
        place = device(location)
    except (RuntimeError, TypeError) as error:
        raise RuntimeError(
            f"don't know how to restore a tensor saved on {quote(location)} ({error}): load it with "
            "map_location='cpu' [RG075]"
        ) from None
    if place.type == "cpu":
        return storage
    if asked:
        raise RuntimeError(
            f"map_location={location!r} asks for a device that checkpoints can't be loaded to: load with "
            "map_location='cpu' and move the tensors afterwards [RG075]"
        )
    raise RuntimeError(
        f"Attempting to deserialize an object on device '{place}', which is not available: its tensors were "
        "saved from there. Load it into host memory with map_location='cpu' [RG075]"
    )
