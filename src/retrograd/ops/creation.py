"""Tensors from data and from nothing: `tensor`, `zeros`, `arange`, `eye`... and their `*_like` and `new_*`
forms."""

import math
import warnings

import numpy as np

from ..core import arrays
from ..core.device import resolve
from ..core.graph import modes
from ..core.memory import contiguous_format, preserve_format
from ..core.op import write_out
from ..core.tensor import Tensor, strided, wrap
from .arguments import as_int, as_sizes
from .data import as_array
from .shape import cast_row, clone

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "empty_permuted", "empty_strided", "eye",
    "from_numpy", "frombuffer", "full", "full_like", "linspace", "logspace", "ones", "ones_like", "range",
    "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like",
]  # fmt: skip
METHODS = ["new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros"]
INPLACE = []


def finish(array, requires_grad=False, device=None, layout=None, pin_memory=False, out=None):
    """What each creation function ends with: the array as a Tensor, or written into `out`."""
    resolve(device)
    if layout not in (None, strided):
        raise RuntimeError(f"layout {layout} is not supported: every tensor here is {strided}")
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True needs a GPU: memory is pinned to be copied there. Leave it out on the CPU."
        )
    result = wrap(array)
    if modes.inference:
        result._inference = True
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
    if any([n < 0 for n in shape]):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


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


def memory_order(array):
    """The axes from the outermost in memory to the innermost; plain order where an axis is broadcast."""
    if 0 in array.strides:
        return tuple(np.arange(array.ndim))
    return tuple(sorted(np.arange(array.ndim), key=lambda i: -array.strides[i]))


# --- from data ----------------------------------------------------------------------------------------------


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


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    """`obj` as a tensor: a Tensor, an array, anything with DLPack or a buffer, a number or nested lists.

    copy: None shares memory where possible, True never, False always (ValueError where that can't be).
    """
    kind = None if dtype is None else kind_of(dtype)
    if isinstance(obj, Tensor):
        result = obj if requires_grad else obj.detach()
        if kind is not None and kind != obj._array.dtype:
            if copy is False:
                raise ValueError(f"can't alias a tensor of {obj.dtype} as {dtype}: pass copy=None or True")
            result = cast_row(result, kind)
        elif copy:
            result = clone(result)
        if requires_grad and result.is_leaf:
            result.requires_grad = True
        return result
    if not isinstance(obj, np.ndarray) and hasattr(obj, "__dlpack__"):
        obj = np.from_dlpack(obj)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        obj = np.frombuffer(obj, kind_of(None) if kind is None else kind)
    array = as_array(obj, kind, copy=bool(copy))
    if copy is False and not (isinstance(obj, np.ndarray) and np.may_share_memory(array, obj)):
        raise ValueError(f"can't alias arbitrary {type(obj).__name__} into a tensor: pass copy=None or True")
    return finish(array, requires_grad, device)


def from_numpy(ndarray):
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    arrays.from_numpy_dtype(ndarray.dtype)
    if ndarray.dtype not in arrays._FROM_NUMPY:
        raise ValueError(
            "given numpy array has byte order different from the native byte order: convert it with "
            "array.astype(array.dtype.newbyteorder('='))"
        )
    if any([s < 0 for s in ndarray.strides]):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are "
            "not currently "
            "supported. (You can probably work around this by making a copy of your array with array.copy().)"
        )
    return wrap(ndarray)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor that shares the memory of `buffer`: `count` elements (-1: all) from the byte `offset`
    on."""
    kind = kind_of(dtype)
    size = memoryview(buffer).nbytes
    if not size or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) "
            "- 1"
        )
    if count < 0 and (size - offset) % kind.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of "
            "element size "
            f"({kind.itemsize})"
        )
    if count > 0 and offset + count * kind.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} bytes) must "
            "not be greater "
            f"than actual buffer length ({size} bytes)"
        )
    return finish(np.frombuffer(buffer, kind, count, offset), requires_grad)


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A 0-d tensor of the default dtype, or of `dtype`."""
    return finish(np.asarray(s).astype(kind_of(dtype)), requires_grad, device, layout, pin_memory)


# --- of one value -------------------------------------------------------------------------------------------


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
    shape = shape_of(args, size)
    axes = memory_format.axes(len(shape))
    array = np.empty(tuple([shape[i] for i in axes]), kind_of(dtype)).transpose(np.argsort(axes))
    return finish(array, requires_grad, device, layout, pin_memory, out)


def zeros(
    *args, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of zeros."""
    return finish(
        np.zeros(shape_of(args, size), kind_of(dtype)), requires_grad, device, layout, pin_memory, out
    )


def ones(
    *args, size=None, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of ones."""
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
    return finish(filled(shape_of((size,)), fill_value, kind), requires_grad, device, layout, pin_memory, out)


def number(value):
    """A Python number from a number, a NumPy scalar or a 0-d Tensor."""
    return value.item() if hasattr(value, "item") else value


def filled(shape, value, kind):
    """An array of one value; RuntimeError where the dtype can't hold it."""
    if kind.kind in "iu" and isinstance(value, (int, float)):
        info = np.iinfo(kind)
        if not info.min <= value <= info.max:
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value}")
    if isinstance(value, complex) and kind.kind != "c":
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value} is complex")
    return np.full(shape, value, kind)


def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """A tensor of whatever its memory held before, with these strides, counted in elements."""
    size, stride = shape_of((size,)), as_sizes((stride,))
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
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
            f"physical_layout must be a permutation of the dimensions of {list(size)}, but got {list(axes)}"
        )
    array = np.empty([size[i] for i in axes], kind_of(dtype)).transpose(np.argsort(axes))
    return finish(array, requires_grad, device, layout, pin_memory)


def empty_like(
    input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None, pin_memory=False
):
    """`empty` of input's shape and dtype."""
    array = like_array(np.empty, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory)


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
    array = like_array(np.zeros, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory, out)


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
    array = like_array(np.ones, input, dtype, memory_format)
    return finish(array, requires_grad, device, layout, pin_memory, out)


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
    array = like_array(
        lambda shape, kind: filled(shape, number(fill_value), kind), input, dtype, memory_format
    )
    return finish(array, requires_grad, device, layout, pin_memory)


def new_empty(self, *args, size=None, dtype=None, **options):
    """`empty` of this tensor's dtype."""
    return empty(*args, size=size, dtype=dtype or self.dtype, **options)


def new_zeros(self, *args, size=None, dtype=None, **options):
    """`zeros` of this tensor's dtype."""
    return zeros(*args, size=size, dtype=dtype or self.dtype, **options)


def new_ones(self, *args, size=None, dtype=None, **options):
    """`ones` of this tensor's dtype."""
    return ones(*args, size=size, dtype=dtype or self.dtype, **options)


def new_full(self, size, fill_value, *, dtype=None, **options):
    """`full` of this tensor's dtype."""
    return full(size, fill_value, dtype=dtype or self.dtype, **options)


def new_empty_strided(self, size, stride, *, dtype=None, **options):
    """`empty_strided` of this tensor's dtype."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, **options)


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False):
    """A copy of `data` in this tensor's dtype."""
    array = as_array(data, self._array.dtype if dtype is None else kind_of(dtype), copy=True)
    return finish(array, requires_grad, device, layout, pin_memory)


# --- sequences ----------------------------------------------------------------------------------------------


def arange(
    *args,
    start=0,
    end=None,
    step=1,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The numbers from `start` (0) up to but not including `end`, `step` (1) apart.

    int64 if all three are whole, else the default dtype.
    """
    if len(args) == 1:
        start, end = (start, args[0]) if end is None else (args[0], end)
    elif args:
        start, end, step = (*args, step)[:3] if len(args) == 2 else args
    if end is None:
        raise TypeError("arange() is missing its 'end'")
    start, end, step = number(start), number(end), number(step)
    kind = _sequence_kind(dtype, out, start, end, step)
    count = _count("arange", start, end, step, kind)
    return finish(_steps(start, step, count, kind), requires_grad, device, layout, pin_memory, out)


def range(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`arange` with `end` included; of the default dtype. Deprecated in PyTorch, as Python's range
    differs."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = number(start), number(end), number(step)
    kind = kind_of(dtype) if out is None or dtype is not None else out._array.dtype
    _check_steps("range", start, end, step)
    count = int((end - start) / step) + 1
    return finish(_steps(start, step, count, kind), requires_grad, device, layout, pin_memory, out)


def _sequence_kind(dtype, out, *numbers):
    if dtype is not None:
        return kind_of(dtype)
    if out is not None:
        return out._array.dtype
    return np.dtype(np.int64) if all([isinstance(n, int) for n in numbers]) else kind_of(None)


def _check_steps(name, start, end, step):
    for n in (start, end, step):
        if isinstance(n, complex):
            raise RuntimeError(f"{name}() takes real numbers, but got {n}")
        if not math.isfinite(n):
            raise RuntimeError(f"unsupported range: {start} -> {end} in steps of {step}")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start} to {end} in steps of {step}"
        )


def _count(name, start, end, step, kind):
    _check_steps(name, start, end, step)
    if kind.kind in "iu":
        start, end, step = int(start), int(end), int(step)
        return -((start - end) // step) if step else 0
    return math.ceil((end - start) / step)


def _steps(start, step, count, kind):
    """start, start + step...: computed in int64 or float64, then rounded to `kind`."""
    if kind.kind in "iu":
        return (int(start) + int(step) * np.arange(count)).astype(kind)
    values = np.arange(count, dtype=np.float64)
    values *= step
    values += start
    return values.astype(kind)


def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    values = _spaced("linspace", start, end, steps, dtype, out)
    return finish(values, requires_grad, device, layout, pin_memory, out)


def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`steps` numbers from base ** start to base ** end, evenly spaced in their logarithms."""
    kind = _spaced_kind(start, end, dtype, out)
    wide = np.dtype(np.complex128 if kind.kind == "c" else np.float64)
    exponents = _spaced("logspace", start, end, steps, wide, None)
    return finish((base**exponents).astype(kind), requires_grad, device, layout, pin_memory, out)


def _spaced_kind(start, end, dtype, out):
    if dtype is not None:
        return kind_of(dtype)
    if out is not None:
        return out._array.dtype
    is_complex = isinstance(number(start), complex) or isinstance(number(end), complex)
    return arrays._default_dtype.to_complex().numpy if is_complex else kind_of(None)


def _spaced(name, start, end, steps, dtype, out):
    """From both ends towards the middle, as PyTorch does: the two halves are mirror images."""
    start, end, steps = number(start), number(end), as_int(steps, "steps")
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps}")
    kind = dtype if isinstance(dtype, np.dtype) else _spaced_kind(start, end, dtype, out)
    if steps == 1:
        return np.array([start]).astype(kind)
    whole = kind.kind in "iu"
    work = np.dtype(np.float64) if whole or kind.kind == "V" or kind == np.float16 else kind
    first, last = np.asarray(start, work), np.asarray(end, work)
    step = (last - first) / work.type(max(steps - 1, 1))
    index = np.arange(steps).astype(work)
    low = first + step * index
    high = last - step * index[::-1]
    return np.where(np.arange(steps) < steps // 2, low, high).astype(kind)


def eye(n, m=None, *, out=None, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False):
    """A matrix of n rows and m (n) columns with ones on the diagonal, zeros elsewhere."""
    n = as_int(n, "n")
    m = n if m is None else as_int(m, "m")
    if n < 0 or m < 0:
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m}")
    return finish(np.eye(n, m).astype(kind_of(dtype)), requires_grad, device, layout, pin_memory, out)


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
