"""Questions about dtypes: `finfo`, `iinfo`, `result_type`, `can_cast`."""

import math

import ml_dtypes
import numpy as np

from .core import arrays
from .core.tensor import Tensor
from .storage import TypedStorage, UntypedStorage

__all__ = [
    "can_cast", "finfo", "get_device", "iinfo", "is_complex", "is_distributed", "is_floating_point",
    "is_inference", "is_nonzero", "is_same_size", "is_signed", "is_storage", "is_tensor", "numel",
    "result_type", "typename",
]  # fmt: skip


class finfo:
    """The limits of a floating dtype: min, max, eps (1 + eps is the next number after 1), tiny, resolution,
    bits."""

    def __init__(self, type=None):
        d = arrays.get_default_dtype() if type is None else arrays.as_dtype(type)
        d = d.to_real()
        if not d.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type, not {d}. Use torch.iinfo to handle "
                "whole numbers [RG041]"
            )
        info = ml_dtypes.finfo(d.numpy)
        self.dtype, self.bits = d.name, info.bits
        self.min, self.max, self.eps = float(info.min), float(info.max), float(info.eps)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = 10.0 ** -math.floor(info.nmant * math.log10(2))  # by the digits that survive

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other):
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)


class iinfo:
    """The limits of an integer dtype: min, max, bits."""

    def __init__(self, type):
        d = arrays.as_dtype(type)
        if d.category != arrays.INT:
            raise TypeError(
                f"torch.iinfo() requires an integer input type, not {d}. Use torch.finfo for floating "
                "dtypes [RG041]"
            )
        info = np.iinfo(d.numpy)
        self.dtype, self.bits, self.min, self.max = d.name, info.bits, int(info.min), int(info.max)

    def __repr__(self):
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other):
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self):
        return hash(self.dtype)


def result_type(tensor1, tensor2):
    """The dtype that arithmetic on two tensors or numbers gives."""
    return arrays.result_dtype([x._array if isinstance(x, Tensor) else x for x in (tensor1, tensor2)])


def can_cast(from_, to):
    """Whether PyTorch's rules let results of dtype `from_` be written to dtype `to`: never to a lower
    category."""
    return arrays.as_dtype(from_).category <= arrays.as_dtype(to).category


def is_tensor(obj):
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj):
    """Whether `obj` is a storage."""
    return isinstance(obj, (TypedStorage, UntypedStorage))


def typename(obj):
    """The name of an object's type, with its module; of a tensor "torch.FloatTensor" and the like."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("", "builtins", "__builtin__") else f"{module}.{kind.__qualname__}"


def numel(input):
    """The number of elements."""
    return input.numel()


def is_floating_point(input):
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


def is_complex(input):
    """Whether the dtype is a complex one."""
    return input.is_complex()


def is_signed(input):
    """Whether the dtype can hold negative numbers."""
    return input.is_signed()


def is_nonzero(input):
    """Whether the one element of this tensor differs from zero."""
    return input.is_nonzero()


def is_inference(input):
    """Whether this tensor was made in inference mode."""
    return input.is_inference()


def is_distributed(input):
    """Whether the tensor is spread over several processes: it isn't."""
    return False


def get_device(input):
    """The number of the GPU that holds this tensor; -1 for the CPU."""
    return input.get_device()


def is_same_size(input, other):
    """Whether two tensors have the same shape."""
    return input.shape == other.shape
