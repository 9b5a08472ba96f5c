"""Shapes and the order of dimensions: views that reshape, permute, expand, squeeze; dtype casts and copies.

The rows take normal forms only (non-negative axes, whole shapes); the public functions below them make those.
"""

import math
import sys
import warnings

import numpy as np

from ..core import arrays
from ..core.op import LINEAR, TABLE, Op
from ..core.size import Size
from ..core.tensor import Tensor
from .arguments import as_sizes, normal_axes, normal_axis

__all__ = [
    "broadcast_tensors", "broadcast_to", "clone", "flatten", "moveaxis", "movedim", "permute", "ravel",
    "reshape", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze",
    "broadcast_shapes",
]  # fmt: skip
METHODS = [
    "broadcast_to", "clone", "expand", "expand_as", "flatten", "moveaxis", "movedim", "permute", "ravel",
    "reshape", "reshape_as", "squeeze", "sum_to_size", "swapaxes", "swapdims", "t", "transpose", "unflatten",
    "unsqueeze", "view", "view_as", "contiguous",
]  # fmt: skip
INPLACE = []
RESTRUCTURE = [
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unsqueeze",
]  # in place they write nothing


def _broadcast(xp, x, shape):
    out = xp.broadcast_to(x, shape)
    if x.flags.writeable:
        out.flags.writeable = True  # a view with no dimension expanded may be written to, as in PyTorch
    return out


def in_order(x):
    """The array itself if it is in C order, as PyTorch's result would be, else a copy that is."""
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


def _copy(xp, x):
    return xp.array(x, order="C" if 0 in x.strides else "K")


def _sum_to(xp, x, shape):
    extra = x.ndim - len(shape)
    axes = [i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1]
    return TABLE["sum"](x, (*range(extra), *axes), False).reshape(shape)


sum_to_row = Op(
    "sum_to", _sum_to,
    x=lambda g, x_shape: broadcast_row(g, x_shape), jvp=LINEAR, node="SumBackward1",
)  # fmt: skip

broadcast_row = Op(
    "broadcast_to", _broadcast,
    x=lambda g, x_shape: sum_to_row(g, x_shape), jvp=LINEAR, view=True, node="ExpandBackward0",
)  # fmt: skip

cast_row = Op(
    "cast", lambda xp, x, kind: (x.real if x.dtype.kind == "c" and kind.kind != "c" else x).astype(kind),
    x=lambda g, x_dtype: cast_row(g, x_dtype), jvp=LINEAR, node="ToCopyBackward0",
)  # fmt: skip

clone_row = Op("clone", _copy, x=lambda g: g, jvp=LINEAR)

# A copy in a given order of memory: C order of the axes as `axes` lists them.
contiguous_row = Op(
    "contiguous", lambda xp, x, axes: xp.array(xp.transpose(x, axes), order="C").transpose(np.argsort(axes)),
    x=lambda g: g, jvp=LINEAR, node="CloneBackward0",
)  # fmt: skip

permute_row = Op(
    "permute", lambda xp, x, axes: x.transpose(axes),
    x=lambda g, axes: permute_row(g, tuple(sorted(range(len(axes)), key=axes.__getitem__))),
    jvp=LINEAR, view=True,
)  # fmt: skip

transpose_row = Op(
    "transpose", lambda xp, x, axis0, axis1: x.swapaxes(axis0, axis1),
    x=lambda g, axis0, axis1: transpose_row(g, axis0, axis1), jvp=LINEAR, view=True,
)  # fmt: skip

t_row = Op("t", lambda xp, x: x.T, x=lambda g: t_row(g), jvp=LINEAR, view=True)


def reshaped(x, shape):
    """`x` in another shape, for formulas: an array isn't copied where a view will do."""
    return reshape_row(x, shape) if isinstance(x, Tensor) else x.reshape(shape)


def view_or_copy(view, copy, t, *args):
    """`view(t, *args)`; `copy(t, *args)` where a tangent lies in memory otherwise than its value does."""
    try:
        return view(t, *args)
    except RuntimeError:
        return copy(t, *args)


view_row = Op(
    "view", lambda xp, x, shape: x.reshape(shape, copy=False),
    x=lambda g, x_shape: reshaped(g, x_shape), view=True,
    jvp=lambda t_x, shape: view_or_copy(view_row, reshape_row, t_x, shape),
)  # fmt: skip

alias_row = Op("alias", lambda xp, x: x[...], x=lambda g: g, jvp=LINEAR, view=True)

reshape_row = Op(
    "reshape", lambda xp, x, shape: x.reshape(shape, copy=True),
    x=lambda g, x_shape: reshaped(g, x_shape), jvp=LINEAR, node="UnsafeViewBackward0",
)  # fmt: skip

# The three differ in nothing but the name that PyTorch gives their nodes.
squeeze_row, squeeze_dim_row, squeeze_dims_row = [
    Op(
        name, lambda xp, x, axes: x.squeeze(axes),
        x=lambda g, axes: unsqueeze_row(g, axes), jvp=LINEAR, view=True, node=node,
    )
    for name, node in (
        ("squeeze", "SqueezeBackward0"), ("squeeze_dim", "SqueezeBackward1"),
        ("squeeze_dims", "SqueezeBackward2")
    )
]  # fmt: skip


def _unsqueezed(xp, x, axes):
    whole = slice(None)
    key = [None if i in axes else whole for i in range(x.ndim + len(axes))]
    return x[(*key, Ellipsis)]  # with Ellipsis a view, of no dimensions too


unsqueeze_row = Op(
    "unsqueeze", _unsqueezed,
    x=lambda g, axes: squeeze_dims_row(g, axes), jvp=LINEAR, view=True,
)  # fmt: skip


def _reinterpreted(xp, x, kind):
    if kind.itemsize == x.itemsize:
        return x.view(kind)
    if x.ndim and x.shape[-1] != 1 and x.strides[-1] != x.itemsize:
        raise ValueError("to view as a dtype of another size, the last dimension's stride must be 1 [RG046]")
    return x.view(kind)


view_dtype_row = Op("view_dtype", _reinterpreted, view=True, node="ViewBackward1")


# --- the public functions -----------------------------------------------------------------------------------


def clone(input, *, memory_format=None):
    """A copy of the values in new memory; gradients flow through it."""
    if memory_format is None or memory_format.name == "preserve_format":
        return clone_row(input)
    return contiguous_row(input, memory_format.axes(input.ndim))


def contiguous(input, memory_format=None):
    """The tensor itself if its elements lie in memory in order (C order, or `memory_format`'s), else a copy
    that does."""
    if memory_format is None or memory_format.name == "contiguous_format":
        if input._array.flags.c_contiguous:
            return input
        return contiguous_row(input, tuple(range(input.ndim)))
    axes = memory_format.axes(input.ndim)
    if input._array.transpose(axes).flags.c_contiguous:
        return input
    return contiguous_row(input, axes)


def whole_shape(shape, numel):
    """`shape` with its -1, if any, made out from the number of elements."""
    unknown = None
    for i, n in enumerate(shape):
        if n == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred [RG032]")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)} [RG032]")
    known = math.prod(shape) if unknown is None else -math.prod(shape)
    if unknown is None:
        if known == numel:
            return shape
    elif known == 0:
        if numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified "
                "dimension size -1 "
                "can be any value and is ambiguous [RG032]"
            )
    elif numel % known == 0:
        return (*shape[:unknown], numel // known, *shape[unknown + 1 :])
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel} [RG032]")


def _may_view(array, shape):
    if array.flags.c_contiguous:
        return True
    try:
        array.reshape(shape, copy=False)
    except ValueError:
        return False
    return True


def _in_order(tensor):
    """Bring a compiled kernel's channels-last result into C order, in which PyTorch would have it.

    False where it isn't such a result, or where a Tensor that we don't know of may share the memory: that one
    would
    no longer see what is written.
    """
    base = tensor if tensor._view is None else tensor._view.base
    array = base._array
    if array.ndim < 3 or tensor._restructured or base._restructured:
        return False
    if not np.moveaxis(array, 1, -1).flags.c_contiguous:
        return False
    holders = [base]
    twin = base._twin and base._twin()
    if twin is not None and twin._array is array and twin._view is None:
        holders.append(twin)
    # Of a leaf every holder must be known: besides those, this function's and the call's references. (What
    # nodes saved
    # of a result may keep the old memory.)
    if all(t._grad_fn is None for t in holders) and sys.getrefcount(array) > 2 + len(holders):
        return False
    ordered = np.ascontiguousarray(array)
    for t in holders:
        t._array = ordered
    if tensor is not base:
        seen = ordered
        for row, rest in tensor._view.chain:
            seen = row(seen, *rest)
        tensor._array = seen
    return True


def view(input, *shape, dtype=None, size=None):
    """The same memory under another shape (one size may be -1), or, given a dtype, read as that dtype.

    RuntimeError where the elements' order in memory doesn't allow the shape without a copy: see `reshape`.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], (arrays.dtype, type))):
        return view_dtype(input, shape[0] if dtype is None else dtype)
    shape = whole_shape(as_sizes(shape if size is None else (size,)), input.numel())
    if not _may_view(input._array, shape) and not (_in_order(input) and _may_view(input._array, shape)):
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans "
            "across two "
            f"contiguous subspaces): shape {list(input.shape)} with strides {list(input.stride())} can't be "
            "viewed as "
            f"{list(shape)}. Use .reshape(...) instead. [RG046]"
        )
    return view_row(input, shape)


def reshape(input, *args, shape=None):
    """The same elements under another shape, of which one size may be -1: a view where possible, else a
    copy."""
    shape = whole_shape(as_sizes(args if shape is None else (shape,)), input.numel())
    return (view_row if _may_view(input._array, shape) else reshape_row)(input, shape)


def view_dtype(input, dtype):
    """The same bytes read as elements of `dtype`; the last dimension changes with the element's size.

    Gradients don't flow through it.
    """
    kind, old = arrays.as_dtype(dtype).numpy, input._array.dtype
    if kind.itemsize != old.itemsize:
        if not input.ndim:
            raise RuntimeError(
                f"self.dim() cannot be 0 to view {input.dtype} as {arrays.as_dtype(dtype)} (different "
                "element sizes) [RG046]"
            )
        ratio = kind.itemsize // old.itemsize
        if ratio > 1 and input.shape[-1] % ratio:
            raise RuntimeError(
                f"self.size(-1) must be divisible by {ratio} to view {input.dtype} as "
                f"{arrays.as_dtype(dtype)} (different "
                f"element sizes), but got {input.shape[-1]} [RG046]"
            )
    return view_dtype_row(input, kind)


def view_as(input, other):
    """`input.view(other.shape)`."""
    return view(input, other.shape)


def reshape_as(input, other):
    """`input.reshape(other.shape)`."""
    return reshape(input, other.shape)


def flatten(input, start_dim=0, end_dim=-1):
    """The dimensions `start_dim` to `end_dim` joined into one: a view where possible, else a copy."""
    if input.ndim == 0:
        return reshape(input, 1)
    start, end = normal_axis(start_dim, input.ndim), normal_axis(end_dim, input.ndim)
    if start > end:
        raise RuntimeError(
            f"flatten() has invalid args: start_dim cannot come after end_dim (got {start_dim}, "
            f"{end_dim}) [RG039]"
        )
    if start == end:
        return input
    shape = input.shape
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input):
    """The elements in one dimension: a view where possible, else a copy."""
    return reshape(contiguous(input), -1)


def unflatten(input, dim, sizes):
    """The dimension `dim` split into several of `sizes`, of which one may be -1: a view where possible."""
    axis = normal_axis(dim, input.ndim)
    shape = input.shape
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty [RG045]")
    try:
        sizes = whole_shape(as_sizes((sizes,)), shape[axis])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {axis} "
            f"({shape[axis]}) in the input tensor [RG045]"
        ) from None
    return reshape(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))


def permute(input, *args, dims=None):
    """A view with its dimensions in the order `dims`."""
    dims = as_sizes(args if dims is None else (dims,))
    if len(dims) != input.ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the "
            "desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = "
            f"{len(dims)} [RG039]"
        )
    return permute_row(input, normal_axes(dims, input.ndim) if dims else ())


def transpose(input, dim0, dim1):
    """A view with the dimensions `dim0` and `dim1` exchanged."""
    return (
        transpose_row(input, normal_axis(dim0, input.ndim), normal_axis(dim1, input.ndim))
        if input.ndim
        else alias(input)
    )


def swapaxes(input, axis0, axis1):
    """`transpose`, under NumPy's name."""
    return transpose(input, axis0, axis1)


def swapdims(input, dim0, dim1):
    """`transpose`."""
    return transpose(input, dim0, dim1)


def t(input):
    """A matrix transposed; tensors of fewer dimensions as they are. A view."""
    if input.ndim > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D; use .mT or permute "
            "[RG038]"
        )
    return t_row(input)


def alias(input):
    """A view of everything."""
    return alias_row(input)


def movedim(input, source, destination):
    """A view with the dimensions `source` moved to the places `destination`; the others keep their order."""
    n = input.ndim
    source, destination = [
        tuple([normal_axis(d, n) for d in (dims if isinstance(dims, (tuple, list)) else (dims,))])
        for dims in (source, destination)
    ]
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the "
            "same number of "
            f"dims as destination ({list(destination)} dims) [RG039]"
        )
    for name, dims in (("source", source), ("destination", destination)):
        if len(set(dims)) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(dims)}) [RG039]")
    if n == 0:
        return alias(input)
    rest = iter([i for i in range(n) if i not in source])
    placed = dict(zip(destination, source, strict=True))
    return permute_row(input, tuple([placed[i] if i in placed else next(rest) for i in range(n)]))


def moveaxis(input, source, destination):
    """`movedim`, under NumPy's name."""
    return movedim(input, source, destination)


def squeeze(input, *args, dim=None):
    """A view without its dimensions of size 1: all of them, or those among `dim` (an int or several)."""
    shape = input.shape
    if args:
        dim = args[0] if len(args) == 1 else args
    if dim is None:
        return squeeze_row(input, tuple([i for i, n in enumerate(shape) if n == 1]))
    several = isinstance(dim, (tuple, list))
    axes = normal_axes(dim, len(shape)) if dim != () and dim != [] else ()
    axes = tuple([i for i in axes if shape and shape[i] == 1])
    return (squeeze_dims_row if several else squeeze_dim_row)(input, axes)


def unsqueeze(input, dim):
    """A view with a new dimension of size 1 at `dim`."""
    return unsqueeze_row(input, (normal_axis(dim, input.ndim + 1),))


def expand(input, *args, size=None, implicit=False):
    """A view in which dimensions of size 1 are repeated to `size`, without copying; -1 keeps a size."""
    sizes = as_sizes(args if size is None else (size,))
    shape = input.shape
    extra = len(sizes) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand({list(shape)}, size={list(sizes)}): the number of sizes provided ({len(sizes)}) must be "
            "greater or equal "
            f"to the number of dimensions in the tensor ({len(shape)}) [RG030]"
        )
    full = []
    for i, n in enumerate(sizes):
        had = shape[i - extra] if i >= extra else None
        if n == -1:
            if had is None:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing "
                    f"dimension {i} [RG030]"
                )
            n = had
        elif n < 0 or (had is not None and had not in (1, n)):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({had}) at "
                f"non-singleton dimension {i}. "
                f"Target sizes: {list(sizes)}. Tensor sizes: {list(shape)} [RG030]"
            )
        full.append(n)
    return broadcast_row(input, tuple(full))


def expand_as(input, other):
    """`input.expand(other.shape)`."""
    return expand(input, other.shape)


def broadcast_to(input, *args, size=None):
    """`input.expand(size)`."""
    return expand(input, *args, size=size)


def broadcast_shapes(*shapes):
    """The shape that tensors of these shapes broadcast to."""
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    try:
        return Size(np.broadcast_shapes(*shapes))
    except ValueError:
        raise RuntimeError(
            "Shape mismatch: objects cannot be broadcast to a single shape: "
            + ", ".join(str(list(s)) for s in shapes)
            + " [RG030]"
        ) from None


def broadcast_tensors(*tensors):
    """Views of the tensors, expanded to the shape that they broadcast to."""
    if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
        tensors = tensors[0]
    shape = broadcast_shapes(*[x.shape for x in tensors])
    return tuple([expand(x, shape) for x in tensors])


def sum_to_size(input, *size):
    """The sum over the dimensions that broadcasting from `size` would have expanded."""
    size = as_sizes(size)
    shape = input.shape
    extra = len(shape) - len(size)
    if extra < 0 or any(n not in (1, m) for n, m in zip(size, shape[extra:], strict=True)):
        raise RuntimeError(
            f"size {{{list(shape)}}} is not expandable to size {{{list(size)}}}: {list(size)} doesn't "
            f"broadcast to it [RG030]"
        )
    return sum_to_row(input, size)


# --- properties ---------------------------------------------------------------------------------------------


def transposed(x):
    """`x.T`: the dimensions in reversed order."""
    if x.ndim not in (0, 2):
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and "
            "it will throw "
            "an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange("
            "x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            stacklevel=2,
        )
    return permute_row(x, tuple(range(x.ndim))[::-1])


def matrix_transposed(x):
    """`x.mT`: the last two dimensions exchanged."""
    if x.ndim < 2:
        raise RuntimeError(
            f"tensor.mT is only supported on matrices or batches of matrices. Got {x.ndim}-D tensor. [RG038]"
        )
    return transpose_row(x, x.ndim - 2, x.ndim - 1)


OPERATORS = {"T": property(transposed), "mT": property(matrix_transposed)}
