"""What a Tensor is asked: its sizes and strides, where it lies, what kind of elements it has."""

from .core.device import is_meta
from .core.memory import element_strides, storage_offset
from .ops.arguments import normal_axis

# --- sizes and memory ---------------------------------------------------------------------------------------


def size(self, dim=None):
    """The shape, or the size of one dimension."""
    shape = self.shape
    return shape if dim is None else shape[normal_axis(dim, len(shape))]


def stride(self, dim=None):
    """The steps in memory between neighbours, counted in elements: of all dimensions, or of one."""
    strides = element_strides(self._array)
    return strides if dim is None else strides[normal_axis(dim, len(strides))]


def dim(self):
    """The number of dimensions."""
    return self.ndim


def numel(self):
    """The number of elements."""
    return self._array.size


def element_size(self):
    """The bytes that an element takes."""
    return self._array.itemsize


def offset(self):
    """How many elements lie before the first one in the storage."""
    return storage_offset(self._array)


def data_ptr(self):
    """The address of the first element; 0 for an empty tensor."""
    return self._array.__array_interface__["data"][0] if self._array.size else 0


def is_contiguous(self, memory_format=None):
    """Whether the elements lie in memory in C order, or in the order of `memory_format`."""
    if memory_format is None:
        return self._array.flags.c_contiguous or is_meta(self._array)
    if memory_format.ndim not in (None, self.ndim):
        return False
    return self._array.transpose(memory_format.axes(self.ndim)).flags.c_contiguous


def dim_order(self, ambiguity_check=False):
    """The dimensions from the outermost in memory to the innermost."""
    strides = element_strides(self._array)
    return tuple(sorted(range(self.ndim), key=lambda i: -strides[i]))


# --- kinds of elements --------------------------------------------------------------------------------------


def is_floating_point(self):
    """Whether the dtype is a floating one."""
    return self.dtype.is_floating_point


def is_complex(self):
    """Whether the dtype is a complex one."""
    return self.dtype.is_complex


def is_signed(self):
    """Whether the dtype can hold negative numbers."""
    return self.dtype.is_signed


def is_nonzero(self):
    """Whether the one element of this tensor differs from zero."""
    if self._array.size != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'no values' if not self._array.size else 'more than one value'} "
            "is ambiguous [RG034]"
        )
    return bool(self._array)


def get_device(self):
    """The number of the GPU that holds this tensor; -1 for the CPU."""
    return -1


def _no(self, *args):
    """No: tensors here are dense, on the CPU, in ordinary memory of this process."""
    return False


METHODS = {
    "size": size, "stride": stride, "dim": dim, "ndimension": dim, "numel": numel, "nelement": numel,
    "element_size": element_size, "storage_offset": offset, "data_ptr": data_ptr, "const_data_ptr": data_ptr,
    "is_contiguous": is_contiguous, "dim_order": dim_order, "get_device": get_device,
    "is_floating_point": is_floating_point, "is_complex": is_complex, "is_signed": is_signed,
    "is_nonzero": is_nonzero, "is_same_size": lambda self, other: self.shape == other.shape,
    "is_inference": lambda self: self._inference, "is_cpu": property(lambda self: not is_meta(self._array)),
    "is_meta": property(lambda self: is_meta(self._array)),
    **dict.fromkeys(["is_coalesced", "is_conj", "is_distributed", "is_neg", "is_pinned", "is_shared"], _no),
    **{
        f"is_{kind}": property(_no)
        for kind in (
            "cuda", "ipu", "maia", "mkldnn", "mps", "mtia", "nested", "quantized", "sparse",
            "sparse_csr", "vulkan", "xla", "xpu",
        )
    },
}  # fmt: skip
