"""How a tensor lies in memory: memory formats, strides in elements, and the storage that views share."""

import numpy as np

from .device import is_meta


class memory_format:
    """The order of a tensor's dimensions in memory, such as `channels_last`."""

    __slots__ = ("name", "ndim")

    def __init__(self, name, ndim=None):
        self.name = name
        self.ndim = ndim

    def axes(self, ndim):
        """The axes of a tensor of `ndim` dimensions from the outermost to the innermost in memory."""
        if self.ndim is None:
            return tuple(range(ndim))
        if ndim != self.ndim:
            raise RuntimeError(
                f"required rank {self.ndim} tensor to use {self.name} format, got one of {ndim} "
                "dimensions [RG038]"
            )
        return (0, *range(2, ndim), 1)

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return self.name


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", 4)
channels_last_3d = memory_format("channels_last_3d", 5)


def element_strides(array):
    """The strides in elements, as PyTorch counts them.

    NumPy leaves the strides of empty arrays and of dimensions of size 1 to chance, as nothing is reached by
    them; here they are what they would be in a contiguous tensor, as are those of tensors without memory.
    """
    shape, itemsize = array.shape, array.itemsize
    strides = [s // itemsize for s in array.strides]
    if 0 in shape or is_meta(array):
        run = 1
        for i in range(len(shape) - 1, -1, -1):
            strides[i] = run
            run *= max(shape[i], 1)
    else:
        for i in range(len(shape) - 1, -1, -1):
            if shape[i] == 1 and strides[i] == 0:
                strides[i] = shape[i + 1] * strides[i + 1] if i + 1 < len(shape) else 1
    return tuple(strides)


def owner(array):
    """The array whose memory `array` looks into."""
    while True:
        base = array.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)  # as_strided puts a helper in between
        if not isinstance(base, np.ndarray):
            return array
        array = base


def storage_offset(array):
    """How many elements lie before the first one in the memory that the array looks into."""
    root = owner(array)
    if root is array or not array.size:
        return 0
    return (_pointer(array) - lowest_address(root)) // array.itemsize


def _pointer(array):
    return array.__array_interface__["data"][0]


def lowest_address(array):
    """The lowest address that the array reaches (strides may be negative)."""
    return _pointer(array) + sum(
        [s * (n - 1) for s, n in zip(array.strides, array.shape, strict=True) if s < 0 and n]
    )


def storage_bytes(array):
    """The array's whole memory as one array of bytes, writeable where it is; shares that memory."""
    root = owner(array)
    if root.flags.c_contiguous:
        return root.reshape(-1).view(np.uint8)
    if root.flags.f_contiguous:
        return root.T.reshape(-1).view(np.uint8)
    nbytes = (
        root.itemsize + sum([abs(s) * (n - 1) for s, n in zip(root.strides, root.shape, strict=True)])
        if root.size
        else 0
    )
    holder = _Bytes(root, lowest_address(root), nbytes)
    return np.asarray(holder)


class _Bytes:
    """Memory as NumPy takes it from foreign objects; keeps its owner alive."""

    def __init__(self, root, start, nbytes):
        self.root = root
        self.__array_interface__ = {
            "shape": (nbytes,), "typestr": "|u1", "data": (start, not root.flags.writeable), "version": 3,
        }  # fmt: skip


def strided_view(array, shape, strides, offset):
    """The storage of `array` seen with this shape, strides and offset, all counted in elements."""
    whole = storage_bytes(array)
    itemsize = array.itemsize
    last = offset + sum([s * (n - 1) for s, n in zip(strides, shape, strict=True)])
    if 0 not in shape and (last + 1) * itemsize > whole.size:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {offset}, and "
            f"itemsize {itemsize} requiring a "
            f"storage size of {(last + 1) * itemsize} are out of bounds for storage of size {whole.size} "
            "[RG046]"
        )
    flat = whole[offset * itemsize :][: (whole.size - offset * itemsize) // itemsize * itemsize].view(
        array.dtype
    )
    return np.lib.stride_tricks.as_strided(flat, shape, [s * itemsize for s in strides])
