"""Views of parts: basic indexing, slices, splits, diagonals, windows, any strides.

A part is described by a `key`, NumPy's index of ints, slices and None, always ending in an Ellipsis (NumPy
then gives a view, also of a single element).
"""

from math import prod

import numpy as np

from ..core import arrays, memory
from ..core.op import LINEAR, Op
from ..core.tensor import Tensor
from .arguments import as_int, as_sizes, normal_axis
from .pointwise import conj
from .shape import matrix_transposed, transposed

__all__ = [
    "adjoint", "as_strided", "chunk", "detach", "diagonal", "dsplit", "hsplit", "narrow", "select", "split",
    "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes",
    "vsplit",
]  # fmt: skip
METHODS = [*__all__, "unfold"]
METHODS.remove("detach")  # core.tensor has it
INPLACE = []
RESTRUCTURE = ["as_strided"]
FULL = slice(None)


def _placed(xp, g, shape, key):
    out = xp.zeros(shape, g.dtype)
    out[key] = g
    return out


place_row = Op(
    "place", _placed, g=lambda g, key: slice_row(g, key), jvp=LINEAR, node="SliceBackward0Backward0"
)

# A row for each node name that PyTorch has for basic indexing; of a key with several parts the last names it.
select_row, slice_row, newaxis_row = [
    Op(
        name, lambda xp, x, key: x[key],
        x=lambda g, x_shape, key: place_row(g, x_shape, key), jvp=LINEAR, view=True, node=node,
    )
    for name, node in (
        ("select", "SelectBackward0"), ("slice", "SliceBackward0"), ("newaxis", "UnsqueezeBackward0")
    )
]  # fmt: skip


# --- several parts at once ----------------------------------------------------------------------------------


def _cut(xp, x, axis, sizes):
    lead, start, parts = (FULL,) * axis, 0, []
    for n in sizes:
        parts.append(x[(*lead, slice(start, start + n), Ellipsis)])
        start += n
    return parts


def _uncut(xp, shape, axis, sizes, given, *parts):
    """In the order in memory that the first part has: kernels go on in that order."""
    out = (xp.empty_like if all(given) else xp.zeros_like)(parts[0], shape=shape)
    start, lead, parts = 0, (FULL,) * axis, iter(parts)
    for n, there in zip(sizes, given, strict=True):
        if there:
            out[(*lead, slice(start, start + n))] = next(parts)
        start += n
    return out


def _there(parts, given):
    return [p for p, there in zip(parts, given, strict=True) if there]


# The parts of a tensor put together again; `given` says which there are, the others are zeros.
uncut_row = Op(
    "uncut", _uncut,
    parts=lambda g, axis, sizes, given: _there(cut(g, axis, sizes), given), jvp=LINEAR, node="CatBackward0",
)  # fmt: skip


def _gather_parts(g, shape, axis, sizes):
    whole = _side_by_side(g, shape, axis)
    return uncut_row(shape, axis, sizes, *_given(g)) if whole is None else whole


def _side_by_side(parts, shape, axis):
    """The array of `shape` whose parts along `axis` these raw ones are already, in their order; else None."""
    whole = getattr(parts[0], "base", None)
    if type(whole) is not np.ndarray or whole.dtype != parts[0].dtype or not whole.flags.c_contiguous:
        return None
    if whole.size != prod(shape):
        return None
    whole, start, lead = whole.reshape(shape), 0, (FULL,) * axis
    for part in parts:
        if type(part) is not np.ndarray or part.base is not parts[0].base:
            return None
        there = whole[(*lead, slice(start, start + part.shape[axis]))]
        if _place(part) != _place(there):
            return None
        start += part.shape[axis]
    return whole


def _place(x):
    return x.__array_interface__["data"], x.shape, x.strides


def _given(parts):
    """Which of the parts there are, and those: what `uncut` and `restack` take."""
    return tuple([p is not None for p in parts]), *[p for p in parts if p is not None]


split_row, split_sizes_row = [
    Op(
        name, _cut,
        x=lambda g, x_shape, axis, sizes: _gather_parts(g, x_shape, axis, sizes),
        jvp=LINEAR, view=True, outputs="parts", node=node,
    )
    for name, node in (("split", "SplitBackward0"), ("split_with_sizes", "SplitWithSizesBackward0"))
]  # fmt: skip


def cut(x, axis, sizes):
    return split_sizes_row(x, axis, sizes)


def _unstacked(xp, x, axis):
    lead = (FULL,) * axis
    return [x[(*lead, i, Ellipsis)] for i in range(x.shape[axis])]


def _restacked(xp, shape, axis, given, *parts):
    out = xp.zeros(shape, parts[0].dtype)
    lead, parts = (FULL,) * axis, iter(parts)
    for i, there in enumerate(given):
        if there:
            out[(*lead, i)] = next(parts)
    return out


restack_row = Op(
    "restack", _restacked,
    parts=lambda g, axis, given: _there(unbind_row(g, axis), given), jvp=LINEAR, node="StackBackward0",
)  # fmt: skip

unbind_row = Op(
    "unbind", _unstacked,
    x=lambda g, x_shape, axis: restack_row(x_shape, axis, *_given(g)),
    jvp=LINEAR, view=True, outputs="parts",
)  # fmt: skip


# --- diagonals, windows, strides ----------------------------------------------------------------------------


def _diagonal(xp, x, offset, axis0, axis1):
    out = xp.diagonal(x, offset, axis0, axis1)
    if x.flags.writeable:
        out.flags.writeable = True
    return out


def _on_diagonal(xp, g, shape, offset, axis0, axis1):
    out = xp.zeros(shape, g.dtype)
    _diagonal(xp, out, offset, axis0, axis1)[...] = g
    return out


diagonal_row = Op(
    "diagonal", _diagonal,
    x=lambda g, x_shape, offset, axis0, axis1: on_diagonal_row(g, x_shape, offset, axis0, axis1), jvp=LINEAR,
    view=True,
)  # fmt: skip

# Zeros of `shape` with g on a diagonal.
on_diagonal_row = Op(
    "on_diagonal", _on_diagonal,
    g=lambda g, offset, axis0, axis1: diagonal_row(g, offset, axis0, axis1), jvp=LINEAR,
    node="DiagEmbedBackward0",
)  # fmt: skip


def _windows(xp, x, axis, size, step):
    if not x.ndim:
        return xp.lib.stride_tricks.as_strided(x, (size,), (x.itemsize,))
    n = (x.shape[axis] - size) // step + 1
    shape = (*x.shape[:axis], n, *x.shape[axis + 1 :], size)
    strides = (*x.strides[:axis], x.strides[axis] * step, *x.strides[axis + 1 :], x.strides[axis])
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


def _overlapped(xp, g, shape, axis, size, step):
    """The sum of windows, each in its place; the inverse in kind of `_windows`."""
    out = xp.zeros(shape, g.dtype)
    if not shape:
        return out + g.sum()
    lead = (FULL,) * axis
    n = g.shape[axis]
    for i in range(size):  # a window's elements never fall together, windows do
        out[(*lead, slice(i, i + (n - 1) * step + 1, step))] += g[..., i]
    return out


unfold_row = Op(
    "unfold", _windows,
    x=lambda g, x_shape, axis, size, step: overlap_row(g, x_shape, axis, size, step), jvp=LINEAR, view=True,
)  # fmt: skip

overlap_row = Op(
    "overlap", _overlapped,
    g=lambda g, axis, size, step: unfold_row(g, axis, size, step), jvp=LINEAR,
    node="UnfoldBackward0Backward0",
)  # fmt: skip


def _scattered_strides(xp, g, x_shape, x_strides, shape, strides, offset):
    """The gradient of a strided view: summed over the storage, then read at the input's places.

    Places of the input that share memory share the gradient of that memory evenly.
    """
    reach = [(s, n) for s, n in (*zip(x_strides, x_shape, strict=True), *zip(strides, shape, strict=True))]
    size = 1 + max(offset, 0) + sum([s * (n - 1) for s, n in reach if n > 1])
    places = np.arange(size)
    seen = np.lib.stride_tricks.as_strided(places[offset:], shape, [s * 8 for s in strides])
    read = np.lib.stride_tricks.as_strided(places, x_shape, [s * 8 for s in x_strides])
    storage = np.zeros(size, g.dtype)
    np.add.at(storage, seen.ravel(), g.ravel())
    if any(s == 0 and n > 1 for s, n in zip(x_strides, x_shape, strict=True)):
        storage = storage / np.maximum(np.bincount(read.ravel(), minlength=size), 1).astype(g.dtype)
    return storage[read]


def _strided(xp, x, shape, strides, offset, x_strides, x_offset):
    return memory.strided_view(x, shape, strides, offset + _moved(x, x_offset))


def _moved(x, x_offset):
    """How much further into its storage `x` begins than the tensor that the offset was given for."""
    return memory.storage_offset(x) - x_offset


as_strided_row = Op(
    "as_strided", _strided,
    x=lambda g, x_shape, shape, strides, offset, x_strides, x_offset: unstrided_row(
        g, x_shape, x_strides, shape, strides, offset - x_offset),
    jvp=lambda t_x, x_shape, shape, strides, offset, x_strides, x_offset: restrided_row(
        t_x, x_shape, x_strides, shape, strides, offset - x_offset),
    view=True,
)  # fmt: skip

unstrided_row = Op(
    "as_strided_backward", _scattered_strides,
    g=lambda g, x_shape, x_strides, shape, strides, offset: restrided_row(
        g, x_shape, x_strides, shape, strides, offset),
    jvp=LINEAR,
)  # fmt: skip


def _restrided(xp, x, x_shape, x_strides, shape, strides, offset):
    size = (
        1
        + max(offset, 0)
        + sum([s * (n - 1) for s, n in (*zip(x_strides, x_shape), *zip(strides, shape)) if n > 1])
    )
    storage = np.zeros(size, x.dtype)
    np.lib.stride_tricks.as_strided(storage, x_shape, [s * x.itemsize for s in x_strides])[...] = x
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, [s * x.itemsize for s in strides]).copy()


restrided_row = Op(
    "as_strided_copy", _restrided,
    x=lambda g, x_shape, x_strides, shape, strides, offset: unstrided_row(
        g, x_shape, x_strides, shape, strides, offset),
    jvp=LINEAR,
)  # fmt: skip


# --- the public functions -----------------------------------------------------------------------------------


def detach(input):
    """The same values, outside the graph."""
    return input.detach()


def adjoint(input):
    """The conjugate transpose of matrices: `mT` conjugated."""
    return conj(matrix_transposed(input))


def conjugate_transposed(x):
    """`x.H`: the conjugate transpose of a matrix."""
    if x.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {x.ndim}-D tensor. For batches use "
            ".mH [RG038]"
        )
    return conj(transposed(x))


OPERATORS = {"H": property(conjugate_transposed), "mH": property(adjoint)}


def select(input, dim, index):
    """A view of the slice at `index` along `dim`, which is removed."""
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor. [RG038]")
    axis = normal_axis(dim, input.ndim)
    n, i = input.shape[axis], as_int(index, "index")
    if not -n <= i < n:
        raise IndexError(
            f"select(): index {i} out of range for tensor of size {list(input.shape)} at dimension {axis} "
            "[RG033]"
        )
    return select_row(input, (*(FULL,) * axis, i % n, Ellipsis))


def narrow(input, dim, start, length):
    """A view of `length` elements along `dim`, from `start` on."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor. [RG038]")
    axis = normal_axis(dim, input.ndim)
    if isinstance(start, Tensor) and (start.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError(
            f"narrow(): start must be an 0-dim integral Tensor, got {start.dtype} of shape "
            f"{list(start.shape)} [RG121]"
        )
    n, begin, length = input.shape[axis], as_int(start, "start"), as_int(length, "length")
    if length < 0:
        raise RuntimeError(f"narrow(): length must be non-negative, got {length} [RG049]")
    if not -n <= begin <= n:
        raise IndexError(
            f"start out of range (expected to be in range of [{-n}, {n}], but got {begin}) [RG033]"
        )
    begin += n if begin < 0 else 0
    if begin + length > n:
        raise RuntimeError(f"start ({begin}) + length ({length}) exceeds dimension size ({n}). [RG033]")
    return slice_row(input, (*(FULL,) * axis, slice(begin, begin + length, 1), Ellipsis))


def slice_(input, dim=0, start=None, end=None, step=1):
    """A view of the elements `start` to `end` along `dim`, `step` apart."""
    axis = normal_axis(dim, input.ndim)
    begin, stop, step = slice(start, end, step).indices(input.shape[axis])
    return slice_row(input, (*(FULL,) * axis, slice(begin, max(begin, stop), step), Ellipsis))


def unbind(input, dim=0):
    """A tuple of views: the slices along `dim`."""
    if not input.ndim:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions [RG038]")
    axis = normal_axis(dim, input.ndim)
    return unbind_row(input, axis) if input.shape[axis] else ()


def split(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """A tuple of views along `dim`: parts of one size (the last may be smaller) or of the sizes listed."""
    if split_size is not None:
        split_size_or_sections = split_size
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    if not tensor.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor [RG038]")
    axis = normal_axis(dim, tensor.ndim)
    n, size = tensor.shape[axis], as_int(split_size_or_sections, "split_size")
    if size < 0 or (size == 0 and n):
        raise RuntimeError(
            "split expects split_size be non-negative (and 0 only for a dimension of size 0), but got "
            f"split_size={size} [RG049]"
        )
    sizes = [size] * (n // size) + [n % size] * (n % size > 0) if n else [0]
    return split_row(tensor, axis, tuple(sizes))


def split_with_sizes(input, split_sizes, dim=0):
    """A tuple of views along `dim`, of the sizes listed."""
    if not input.ndim:
        raise RuntimeError("split_with_sizes expects at least a 1-dimensional tensor [RG038]")
    axis = normal_axis(dim, input.ndim)
    sizes = as_sizes((split_sizes,))
    if any(n < 0 for n in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got {list(sizes)} "
            "[RG049]"
        )
    if sum(sizes) != input.shape[axis]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[axis]} (input tensor's "
            "size at dimension "
            f"{axis}), but got split_sizes={list(sizes)} [RG045]"
        )
    return split_sizes_row(input, axis, sizes) if sizes else ()


def chunk(input, chunks, dim=0):
    """A tuple of at most `chunks` views along `dim`, equally large but for the last."""
    if not input.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor [RG038]")
    if as_int(chunks, "chunks") <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks} [RG049]")
    n = input.shape[normal_axis(dim, input.ndim)]
    size = -(-n // chunks)
    if not n:
        return split_with_sizes(input, [0] * chunks, dim)
    return split(input, size, dim)


def tensor_split(input, indices_or_sections=None, dim=0, *, indices=None, sections=None):
    """A tuple of views along `dim`: `sections` of nearly equal size, or cut before each of the indices."""
    given = next((v for v in (indices, sections, indices_or_sections) if v is not None), None)
    if given is None:
        raise TypeError("tensor_split() is missing the number of sections, or the indices to cut at [RG134]")
    if not input.ndim:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims [RG038]"
        )
    axis = normal_axis(dim, input.ndim)
    n = input.shape[axis]
    if isinstance(given, Tensor):
        if given._array.dtype != np.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to have dtype of long, but got "
                f"{arrays.scalar_name(given.dtype)} [RG121]"
            )
        if given.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                f"one-dimensional tensor, but got a tensor with {given.ndim} dims [RG121]"
            )
        given = given.tolist()
    if isinstance(given, (tuple, list)):
        ends = [*[as_int(i, "each index") for i in given], n]
    else:
        if given <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {given} [RG049]")
        small, larger = divmod(n, given)
        sizes = [small + 1] * larger + [small] * (given - larger)
        ends = np.cumsum(sizes).tolist()
    lead = (FULL,) * axis
    parts, start = [], 0
    for end in ends:
        begin, stop, _ = slice(start, end).indices(n)
        parts.append(slice_row(input, (*lead, slice(begin, max(begin, stop), 1), Ellipsis)))
        start = end
    return tuple(parts)


def _named_split(input, given, dim, name, need):
    if input.ndim < need:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {need} dimension, but got a tensor with "
            f"{input.ndim} dimensions! [RG038]"
        )
    if isinstance(given, int) and given and input.shape[dim] % given:
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not "
            f"divisible by the split_size {given}! [RG045]"
        )
    return tensor_split(input, given, dim)


def hsplit(input, *args, indices=None, sections=None):
    """`tensor_split` into columns: along dimension 1, or 0 of a vector."""
    return _named_split(
        input, _where_to_cut(args, indices, sections), 1 if input.ndim > 1 else 0, "hsplit", 1
    )


def vsplit(input, *args, indices=None, sections=None):
    """`tensor_split` into rows: along dimension 0."""
    return _named_split(input, _where_to_cut(args, indices, sections), 0, "vsplit", 2)


def dsplit(input, *args, indices=None, sections=None):
    """`tensor_split` along dimension 2."""
    return _named_split(input, _where_to_cut(args, indices, sections), 2, "dsplit", 3)


def _where_to_cut(args, indices, sections):
    args = args or tuple([v for v in (indices, sections) if v is not None])
    return args[0] if len(args) == 1 else args


def _unsafe(function):
    def unsafe(*args, **kwargs):
        parts = function(*args, **kwargs)
        for p in parts:
            p._view = p._version_counter = None
        return parts

    unsafe.__name__ = unsafe.__qualname__ = "unsafe_" + function.__name__
    unsafe.__doc__ = (
        f"`{function.__name__}` into parts that may be written to one by one, while nobody uses the whole."
    )
    return unsafe


unsafe_split, unsafe_chunk, unsafe_split_with_sizes = (
    _unsafe(split),
    _unsafe(chunk),
    _unsafe(split_with_sizes),
)


def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of the diagonal of `dim1` and `dim2`, as the last dimension; `offset` > 0 lies above the main
    one."""
    axis1, axis2 = normal_axis(dim1, input.ndim), normal_axis(dim2, input.ndim)
    if axis1 == axis2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2} [RG039]")
    return diagonal_row(input, offset, axis1, axis2)


def unfold(input, dimension, size, step):
    """A view of all windows of `size` elements along `dimension`, `step` apart; the windows' elements come
    last."""
    axis = normal_axis(dimension, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0 [RG049]")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {axis} is {n} but size is {size} [RG033]")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0 [RG049]")
    return unfold_row(input, axis, size, step)


def as_strided(input, size, stride, storage_offset=None):
    """A view of the tensor's storage with any shape, strides and offset, counted in elements."""
    size, stride = as_sizes((size,)), as_sizes((stride,))
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: {list(stride)} and {list(size)} [RG046]"
        )
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)} "
            "[RG046]"
        )
    array = input._array
    own = memory.storage_offset(array)
    offset = own if storage_offset is None else storage_offset
    return as_strided_row(input, size, stride, offset, memory.element_strides(array), own)
