"""Tensors of one value: `zeros`, `ones`, `full`, `empty`, their `*_like` and `new_*` forms, `eye`."""

import numpy as np

from ..core import arrays
from ..core import device as places
from ..core.apply import in_likeness
from ..core.compiled import native
from ..core.device import resolve
from ..core.graph import modes, untracked
from ..core.memory import contiguous_format, preserve_format
from ..core.meta import meta_array
from ..core.op import write_out
from ..core.tensor import strided, wrap
from .arguments import as_int, as_sizes

__all__ = [
    "empty", "empty_like", "empty_permuted", "empty_strided", "eye", "full", "full_like", "ones", "ones_like",
    "scalar_tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
METHODS = ["new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros"]
INPLACE = []


def finish(array, requires_grad=False, device=None, layout=None, pin_memory=False, out=None):
    """What each creation function ends with: the array as a Tensor, or written into `out`."""
    if (device is not None or places.chosen) and resolve(device).type == "meta":
        array = meta_array(array.shape, array.dtype)
    if layout is not None and layout is not strided:
        raise RuntimeError(f"layout {layout} is not supported: every tensor here is {strided} [RG137]")
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True needs a GPU: memory is pinned to be copied there. Leave it out on the CPU. "
            "[RG036]"
        )
    result = wrap(array)
    if modes.inference:
        result._version_counter = untracked
    if out is not None:
        return write_out(result, out)
    if requires_grad:
        result.requires_grad = True
    return result


def kind_of(dtype):
    """NumPy's dtype for a `dtype=` argument; None is the default floating dtype."""
    return arrays._default_dtype.numpy if dtype is None else arrays.as_dtype(dtype).numpy


def shape_of(args, size=None):
    """The shape from `2, 3`, from a tuple or from `size=`; RuntimeError for a negative size."""
    shape = as_sizes(args if size is None else (size,))
    if shape and min(shape) < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)} [RG049]"
        )
    return shape


# Tensors of one number or (None) anything, of sizes or like another, where nothing else was asked for; or
# None.
_new, _new_like = (lambda *given: None,) * 2 if native is None else (native.new_tensor, native.new_like)


def like_array(make, input, dtype, memory_format):
    """An array of input's shape, made by `np.empty` or its kin; laid out in memory as input is, unless told
    otherwise."""
    array = input._array
    kind = array.dtype if dtype is None else kind_of(dtype)
    if memory_format in (None, preserve_format):
        if array.flags.c_contiguous:
            return make(array.shape, kind)
        axes = memory_order(array)
    else:
        axes = memory_format.axes(array.ndim)
    return make(tuple([array.shape[i] for i in axes]), kind).transpose(np.argsort(axes))


def drawing_order(array):
    """The axes in the order in which random numbers fill `array`: its order in memory, as in PyTorch; images
    with their channels innermost, as convolutions here give them, are filled in the order of their indices,
    as PyTorch's are where nobody asked for channels_last."""
    axes = memory_order(array)
    return tuple(range(array.ndim)) if axes in _CHANNELS_LAST else axes


_CHANNELS_LAST = ((0, 2, 3, 1), (0, 2, 3, 4, 1))


def memory_order(array):
    """The axes from the outermost in memory to the innermost; plain order where an axis is broadcast."""
    if 0 in array.strides:
        return tuple(np.arange(array.ndim))
    return tuple(sorted(np.arange(array.ndim), key=lambda i: -array.strides[i]))


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A 0-d tensor of the default dtype, or of `dtype`."""
    return finish(np.asarray(s).astype(kind_of(dtype)), requires_grad, device, layout, pin_memory)


def empty(
    *args,
    size=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=contiguous_format,
):
    """A tensor of whatever its memory held before."""
    if size is out is layout is device is None and memory_format is contiguous_format and not places.chosen:
        made = _new(args, kind_of(dtype), None)
        if made is not None and not pin_memory and not requires_grad:
            return made
    shape = shape_of(args, size)
    axes = memory_format.axes(len(shape))
    array = np.empty(tuple([shape[i] for i in axes]), kind_of(dtype)).transpose(np.argsort(axes))
    return finish(array, requires_grad, device, layout, pin_memory, out)


def zeros(
    *args, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of zeros."""
    if size is out is layout is device is None and not places.chosen and not pin_memory:
        made = _new(args, kind_of(dtype), 0)
        if made is not None:
            if requires_grad:
                made.requires_grad = True
            return made
    return finish(
        np.zeros(shape_of(args, size), kind_of(dtype)), requires_grad, device, layout, pin_memory, out
    )


def ones(
    *args, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of ones."""
    if size is out is layout is device is None and not places.chosen and not pin_memory:
        made = _new(args, kind_of(dtype), 1)
        if made is not None:
            if requires_grad:
                made.requires_grad = True
            return made
    return finish(
        np.ones(shape_of(args, size), kind_of(dtype)), requires_grad, device, layout, pin_memory, out
    )


def full(
    size, fill_value, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of one value, whose kind of number decides the dtype if none is given."""
    fill_value = number(fill_value)
    kind = arrays.scalar_dtype(fill_value).numpy if dtype is None else kind_of(dtype)
    if out is not None and dtype is None:
        kind = out._array.dtype
    if out is layout is device is None and not (places.chosen or pin_memory or requires_grad):
        made = _new((size,), kind, fill_value)
        if made is not None:
            return made
    return finish(filled(shape_of((size,)), fill_value, kind), requires_grad, device, layout, pin_memory, out)


def number(value):
    """A Python number from a number, a NumPy scalar or a 0-d Tensor."""
    return value.item() if hasattr(value, "item") else value


def filled(shape, value, kind):
    """An array of one value; RuntimeError where the dtype can't hold it."""
    if kind.kind in "iu" and isinstance(value, (int, float)):
        info = np.iinfo(kind)
        if not info.min <= value <= info.max:
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value} [RG042]")
    if isinstance(value, complex) and kind.kind != "c":
        raise RuntimeError(
            f"value cannot be converted to type {kind} without overflow: {value} is complex [RG042]"
        )
    return np.full(shape, value, kind)


def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of whatever its memory held before, with these strides, counted in elements."""
    size, stride = shape_of((size,)), as_sizes((stride,))
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)}) "
            "[RG044]"
        )
    kind = kind_of(dtype)
    count = 0 if 0 in size else 1 + sum([s * (n - 1) for s, n in zip(stride, size, strict=True)])
    array = np.lib.stride_tricks.as_strided(np.empty(count, kind), size, [s * kind.itemsize for s in stride])
    return finish(array, requires_grad, device, layout, pin_memory)


def empty_permuted(
    size, physical_layout, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of whatever its memory held before, whose dimensions lie in memory in the order given."""
    size, axes = shape_of((size,)), as_sizes((physical_layout,))
    if sorted(axes) != list(np.arange(len(size))):
        raise RuntimeError(
            f"physical_layout must be a permutation of the dimensions of {list(size)}, but got "
            f"{list(axes)} [RG044]"
        )
    array = np.empty([size[i] for i in axes], kind_of(dtype)).transpose(np.argsort(axes))
    return finish(array, requires_grad, device, layout, pin_memory)


@in_likeness
def empty_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):
    """`empty` of input's shape and dtype."""
    if dtype is layout is device is memory_format is None and not (pin_memory or requires_grad):
        made = None if places.chosen else _new_like(input, None)
        if made is not None:
            return made
    array = like_array(np.empty, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory)


@in_likeness
def zeros_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
    out=None,
):
    """Zeros of input's shape and dtype."""
    if dtype is layout is device is memory_format is out is None and not (pin_memory or requires_grad):
        made = None if places.chosen else _new_like(input, 0)
        if made is not None:
            return made
    array = like_array(np.zeros, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory, out)


@in_likeness
def ones_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
    out=None,
):
    """Ones of input's shape and dtype."""
    if dtype is layout is device is memory_format is out is None and not (pin_memory or requires_grad):
        made = None if places.chosen else _new_like(input, 1)
        if made is not None:
            return made
    array = like_array(np.ones, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory, out)


@in_likeness
def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """One value, in input's shape and dtype."""
    if dtype is layout is device is memory_format is None and not (pin_memory or requires_grad):
        made = None if places.chosen else _new_like(input, number(fill_value))
        if made is not None:
            return made
    array = like_array(
        lambda shape, kind: filled(shape, number(fill_value), kind), input, dtype, memory_format
    )
    return finish(array, requires_grad, device, layout, pin_memory)


@in_likeness
def new_empty(self, *args, size=None, dtype=None, **options):
    """`empty` of this tensor's dtype."""
    return empty(*args, size=size, dtype=dtype or self.dtype, **options)


@in_likeness
def new_zeros(self, *args, size=None, dtype=None, **options):
    """`zeros` of this tensor's dtype."""
    return zeros(*args, size=size, dtype=dtype or self.dtype, **options)


@in_likeness
def new_ones(self, *args, size=None, dtype=None, **options):
    """`ones` of this tensor's dtype."""
    return ones(*args, size=size, dtype=dtype or self.dtype, **options)


@in_likeness
def new_full(self, size, fill_value, *, dtype=None, **options):
    """`full` of this tensor's dtype."""
    return full(size, fill_value, dtype=dtype or self.dtype, **options)


@in_likeness
def new_empty_strided(self, size, stride, *, dtype=None, **options):
    """`empty_strided` of this tensor's dtype."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, **options)


def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A matrix of n rows and m (n) columns with ones on the diagonal, zeros elsewhere."""
    n = as_int(n, "n")
    m = n if m is None else as_int(m, "m")
    if n < 0 or m < 0:
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m} [RG049]")
    kind = out._array.dtype if out is not None and dtype is None else kind_of(dtype)
    return finish(np.eye(n, m).astype(kind), requires_grad, device, layout, pin_memory, out)


def tril_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False):
    """The indices (a row of row numbers, a row of column numbers) of the lower triangle of a row x col
    matrix."""
    return _triangle(np.tril_indices(row, offset, col), dtype, device, layout, pin_memory)


def triu_indices(row, col, offset=0, *, dtype=None, device=None, layout=None, pin_memory=False):
    """The indices (a row of row numbers, a row of column numbers) of the upper triangle of a row x col
    matrix."""
    return _triangle(np.triu_indices(row, offset, col), dtype, device, layout, pin_memory)


def _triangle(indices, dtype, device, layout, pin_memory):
    kind = np.dtype(np.int64) if dtype is None else kind_of(dtype)
    return finish(np.stack(indices).astype(kind), False, device, layout, pin_memory)
