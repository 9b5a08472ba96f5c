"""Rows that join tensors and make copies of them: cat, stack, repeat, flip, roll."""

import itertools
import warnings

import numpy as np

from ..core import arrays
from ..core.apply import by_example
from ..core.op import LINEAR, Op
from ..core.tensor import Tensor, wrap
from .arguments import as_int, as_sizes, check_tensors, deliver, normal_axes, normal_axis
from .index import index_row
from .picking import index_select_row
from .reduce import sum_row
from .shape import cast_row, expand, flatten, in_order, permute, reshape, reshape_row, transpose, unsqueeze
from .view import FULL, place_row, slice_row, unbind_row

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cartesian_prod", "cat", "column_stack",
    "combinations", "concat", "concatenate", "dstack", "flip", "fliplr", "flipud", "hstack", "meshgrid",
    "repeat_interleave", "roll", "rot90", "row_stack", "stack", "tile", "vstack",
]  # fmt: skip
METHODS = ["flip", "fliplr", "flipud", "repeat", "repeat_interleave", "roll", "rot90", "tile"]
INPLACE = []


def _bands(g, axis, sizes):
    """The parts of g along `axis`, one for each of `sizes`."""
    parts, start, lead = [], 0, (FULL,) * axis
    for n in sizes:
        parts.append(slice_row(g, (*lead, slice(start, start + n, 1), Ellipsis)))
        start += n
    return parts


def _joined(xp, axis, sizes, *xs):
    """In C order, or in that of channels last if all of `xs` are: NumPy's own would follow theirs."""
    if all([x.flags.c_contiguous for x in xs]):
        return xp.concatenate(xs, axis)
    ndim = xs[0].ndim
    order = (0, *range(2, ndim), 1) if ndim in (4, 5) else range(ndim)
    if not all([x.transpose(order).flags.c_contiguous for x in xs]):
        order = range(ndim)
    shape = [sum(sizes) if i == axis else n for i, n in enumerate(xs[0].shape)]
    out = xp.empty([shape[i] for i in order], xs[0].dtype).transpose(np.argsort(order))
    return xp.concatenate(xs, axis, out=out)


cat_row = Op(
    "cat", _joined,
    xs=lambda g, axis, sizes: _bands(g, axis, sizes), jvp=LINEAR,
)  # fmt: skip

stack_row = Op(
    "stack", lambda xp, axis, *xs: in_order(xp.stack(xs, axis)),
    xs=lambda g, axis: unbind_row(g, axis), jvp=LINEAR,
)  # fmt: skip


def _tiled_back(g, shape, repeats):
    """The sum over the copies: each dimension split into (copies, size)."""
    extra = len(repeats) - len(shape)
    split = list(repeats[:extra])
    for r, n in zip(repeats[extra:], shape, strict=True):
        split += [r, n]
    copies = (*range(extra), *range(extra, len(split), 2))
    return sum_row(reshape_row(g, tuple(split)), copies, False) if copies else g


repeat_row = Op(
    "repeat", lambda xp, x, repeats: xp.tile(x, repeats),
    x=lambda g, x_shape, repeats: _tiled_back(g, x_shape, repeats), jvp=LINEAR,
)  # fmt: skip

flip_row = Op(
    "flip", lambda xp, x, axes: xp.flip(x, axes).copy("C" if 0 in x.strides else "K"),
    x=lambda g, axes: flip_row(g, axes), jvp=LINEAR,
)  # fmt: skip

roll_row = Op(
    "roll", lambda xp, x, shifts, axes: in_order(xp.roll(x, shifts, axes)),
    x=lambda g, shifts, axes: roll_row(g, tuple([-s for s in shifts]), axes), jvp=LINEAR,
)  # fmt: skip


# --- cat and stack ------------------------------------------------------------------------------------------


def _common_dtype(tensors):
    """The tensors in the dtype that they have in common."""
    first = tensors[0]._array.dtype
    if all([t._array.dtype is first or t._array.dtype == first for t in tensors]):
        return tensors
    kind = arrays.result_dtype([t._array for t in tensors]).numpy
    return [t if t._array.dtype == kind else cast_row(t, kind) for t in tensors]


def cat(tensors, dim=0, *, out=None, axis=None):
    """The tensors joined along `dim`; their other sizes must agree. Empty 1-d tensors are passed over."""
    tensors = check_tensors(tensors, "cat")
    dim = dim if axis is None else axis
    shapes = [t._array.shape for t in tensors]
    for i, shape in enumerate(shapes):
        if not shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated [RG038]")
    tensors = _common_dtype(tensors)
    parts = tensors
    if (0,) in shapes:
        parts = [t for t in tensors if t._array.shape != (0,)]
        if not parts:
            parts, dim = tensors, 0
        shapes = [t._array.shape for t in parts]
    shape = shapes[0]
    axis = normal_axis(dim, len(shape))
    for i, other in enumerate(shapes):
        if other == shape:
            continue
        if len(other) != len(shape):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(shape)} and {len(other)} [RG038]"
            )
        for d, (n, m) in enumerate(zip(shape, other, strict=True)):
            if d != axis and n != m:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {axis}. Expected size {n} but got size "
                    f"{m} "
                    f"for tensor number {i} in the list (dimension {d}; shapes {list(shape)} and "
                    f"{list(other)}). [RG044]"
                )
    return deliver(cat_row(axis, tuple([s[axis] for s in shapes]), *parts), out)


def concat(tensors, dim=0, *, out=None, axis=None):
    """`cat`."""
    return cat(tensors, dim, out=out, axis=axis)


def concatenate(tensors, dim=0, *, out=None, axis=None):
    """`cat`."""
    return cat(tensors, dim, out=out, axis=axis)


def stack(tensors, dim=0, *, out=None):
    """Tensors of one shape, joined along a new dimension `dim`."""
    tensors = _common_dtype(check_tensors(tensors, "stack"))
    shape = tensors[0]._array.shape
    for i, x in enumerate(tensors):
        if x._array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i} [RG044]"
            )
    return deliver(stack_row(normal_axis(dim, len(shape) + 1), *tensors), out)


def _at_least(n, name, pad):
    def at_least(*tensors):
        if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
            return tuple([pad(t) for t in check_tensors(tensors[0], name)])
        return pad(tensors[0]) if len(tensors) == 1 else tuple([pad(t) for t in tensors])

    at_least.__name__ = at_least.__qualname__ = name
    at_least.__doc__ = (
        f"The tensor, or a tuple of the tensors, with at least {n} dimensions: views, where some are missing."
    )
    return at_least


def _two(x):
    return reshape(x, 1, 1) if x.ndim == 0 else unsqueeze(x, 0) if x.ndim == 1 else x


def _three(x):
    if x.ndim == 2:
        return unsqueeze(x, -1)
    return reshape(x, 1, 1, 1) if x.ndim == 0 else unsqueeze(unsqueeze(x, 0), -1) if x.ndim == 1 else x


atleast_1d = _at_least(1, "atleast_1d", lambda x: x if x.ndim else reshape(x, 1))
atleast_2d = _at_least(2, "atleast_2d", _two)
atleast_3d = _at_least(3, "atleast_3d", _three)


def hstack(tensors, *, out=None):
    """The tensors joined side by side: along dimension 1, or 0 of vectors."""
    tensors = atleast_1d(check_tensors(tensors, "hstack"))
    return cat(tensors, 1 if tensors[0].ndim > 1 else 0, out=out)


def vstack(tensors, *, out=None):
    """The tensors joined row by row: along dimension 0, a vector being a row."""
    return cat(atleast_2d(check_tensors(tensors, "vstack")), 0, out=out)


def row_stack(tensors, *, out=None):
    """`vstack`."""
    return vstack(tensors, out=out)


def dstack(tensors, *, out=None):
    """The tensors joined along dimension 2."""
    return cat(atleast_3d(check_tensors(tensors, "dstack")), 2, out=out)


def column_stack(tensors, *, out=None):
    """The tensors joined along dimension 1, a vector being a column."""
    columns = [reshape(t, -1, 1) if t.ndim < 2 else t for t in check_tensors(tensors, "column_stack")]
    return cat(columns, 1, out=out)


def block_diag(*tensors):
    """A matrix with the tensors (of at most 2 dimensions) along its diagonal, zeros elsewhere."""
    for i, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim} "
                "dimensions [RG038]"
            )
    if not tensors:
        return wrap(np.empty((1, 0), arrays.get_default_dtype().numpy))
    blocks = _common_dtype([_two(t) for t in tensors])
    width, rows, start = sum([b.shape[1] for b in blocks]), [], 0
    for b in blocks:
        end = start + b.shape[1]
        rows.append(place_row(b, (b.shape[0], width), (FULL, slice(start, end, 1), Ellipsis)))
        start = end
    return cat(rows, 0)


# --- grids --------------------------------------------------------------------------------------------------


def meshgrid(*tensors, indexing=None):
    """Views of vectors, expanded to the grid that they span; `indexing` "xy" exchanges the first two
    dimensions, "ij" doesn't. Left out it means "ij", with PyTorch's warning that this may change."""
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.",
            stacklevel=2,
        )
        indexing = "ij"
    if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
        tensors = tensors[0]
    tensors = check_tensors(list(tensors), "meshgrid")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing} [RG048]'
        )
    for x in tensors:
        if x.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape "
                f"{list(x.shape)} [RG038]"
            )
    if any([t._array.dtype != tensors[0]._array.dtype for t in tensors]):
        raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype [RG040]")
    swapped = indexing == "xy" and len(tensors) > 1
    if swapped:
        tensors[:2] = tensors[1::-1]
    shape = [t.numel() for t in tensors]
    grids = []
    for i, x in enumerate(tensors):
        place = [1] * len(shape)
        place[i] = shape[i]
        grids.append(expand(reshape(x, place), shape))
    if swapped:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors):
    """All combinations of the vectors' elements, one a row; of a single vector, the vector."""
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)} [RG038]")
    if len(tensors) == 1:
        return tensors[0]
    return stack([flatten(grid) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input, r=2, with_replacement=False):
    """All combinations of `r` elements of a vector, one a row, in the order of itertools."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)} [RG038]")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r} [RG049]")
    if r == 0:
        return wrap(np.empty(0, input._array.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return index_row(input, (0,), places)


# --- copies in another order --------------------------------------------------------------------------------


def repeat(input, *args, repeats=None):
    """The tensor laid out `repeats` times along each dimension, as a copy."""
    if not args and repeats is None:
        raise TypeError("repeat() missing 1 required positional arguments: 'repeats' [RG134]")
    repeats = as_sizes(args if repeats is None else (repeats,))
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: "
            f"repeat {list(repeats)}, shape {list(input.shape)} [RG038]"
        )
    if any(n < 0 for n in repeats):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension: repeats are {list(repeats)} [RG049]"
        )
    return repeat_row(input, repeats)


def tile(input, *args, dims=None):
    """`repeat`, with ones put before `dims` where there are fewer than the tensor has dimensions."""
    dims = as_sizes(args if dims is None else (dims,))
    return repeat(input, (1,) * (input.ndim - len(dims)) + dims)


@by_example
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element (or each slice along `dim`) `repeats` times in a row; `repeats` an int or one for each.

    Of `repeats` alone, a tensor: the index i, repeats[i] times.
    """
    if repeats is None:
        counts = input._array
        if counts.ndim != 1:
            raise RuntimeError(
                f"repeat_interleave only accept 1D vector as repeat, got {counts.ndim}D [RG121]"
            )
        if counts.dtype.kind not in "iu":
            raise RuntimeError("repeats has to be Long or Int tensor [RG121]")
        if (counts < 0).any():
            raise RuntimeError("repeats can not be negative [RG049]")
        return wrap(np.repeat(np.arange(counts.size), counts))
    if dim is None:
        input, dim = flatten(input), 0
    axis = normal_axis(dim, input.ndim)
    if not input.ndim:
        input = reshape(input, 1)
    n = input.shape[axis]
    counts = repeats._array if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.dtype.kind not in "iu":
        raise RuntimeError("repeats has to be Long or Int tensor [RG121]")
    if counts.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor [RG121]")
    if counts.size not in (1, n):
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} "
            "and "
            f"input.size({axis}) = {n} [RG044]"
        )
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative [RG049]")
    places = np.repeat(np.arange(n), counts.reshape(-1) if counts.size == n else counts.reshape(()))
    if output_size is not None and output_size != places.size:
        raise RuntimeError(
            f"allocated size does not match required size: output_size={output_size}, needed "
            f"{places.size} [RG044]"
        )
    return index_select_row(input, axis, places)


def flip(input, *args, dims=None):
    """A copy with the order of the elements reversed along `dims`."""
    if dims is None and not args:
        raise TypeError("flip() is missing the dimensions to reverse: flip(0), flip(0, 1) or dims=() [RG134]")
    dims = as_sizes(args if dims is None else (dims,))
    axes = normal_axes(dims, input.ndim) if dims else ()
    return flip_row(input, axes if input.ndim else ())


def fliplr(input):
    """A copy with the order of the columns (dimension 1) reversed."""
    if input.ndim < 2:
        raise RuntimeError(f"Input must be >= 2-d, but got shape {list(input.shape)} [RG038]")
    return flip_row(input, (1,))


def flipud(input):
    """A copy with the order of the rows (dimension 0) reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d, but got a 0-d tensor [RG038]")
    return flip_row(input, (0,))


def roll(input, shifts, dims=None):
    """A copy with the elements moved on by `shifts` along `dims`: what leaves at the end enters at the start.

    Without `dims`, the elements move as in one flat row.
    """
    shifts = (shifts,) if isinstance(shifts, int) else as_sizes((shifts,))
    if dims is None or dims == () or dims == []:
        if len(shifts) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims: 0 [RG044]")
        return reshape(roll_row(flatten(input), shifts, (0,)), input.shape)
    dims = (dims,) if isinstance(dims, int) else as_sizes((dims,))
    if len(shifts) != len(dims):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims: {len(dims)} [RG044]"
        )
    return roll_row(input, shifts, tuple([normal_axis(d, input.ndim) for d in dims]))


def rot90(input, k=1, dims=(0, 1)):
    """A copy turned by `k` times 90 degrees in the plane of `dims`, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)} [RG039]")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim} [RG038]")
    a, b = [normal_axis(d, input.ndim) for d in dims]
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]} [RG039]"
        )
    k = as_int(k, "k") % 4
    if k == 1:
        return transpose(flip_row(input, (b,)), a, b)
    if k == 2:
        return flip_row(input, (a, b))
    if k == 3:
        return transpose(flip_row(input, (a,)), a, b)
    return permute(input, *range(input.ndim)).clone()
