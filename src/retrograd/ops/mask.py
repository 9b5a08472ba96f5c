"""Rows that pick and place elements by masks and by flat indices; views written out of place."""

import numpy as np

from ..core import memory
from ..core.apply import by_example
from ..core.inplace import copy_slices, look, written
from ..core.op import ELEMENTWISE, LINEAR, Op
from ..core.tensor import Tensor, wrap
from .arguments import as_int, deliver, normal_axis
from .picking import add_rows
from .pointwise import choose, masked, where_row
from .shape import broadcast_shapes, broadcast_tensors, cast_row, expand, reshape_row
from .view import FULL, as_strided_row, diagonal_row, select_row, slice_row

__all__ = [
    "argwhere", "as_strided_scatter", "diagonal_scatter", "masked_fill", "masked_scatter", "masked_select",
    "nonzero", "nonzero_static", "put", "select_scatter", "slice_scatter", "take",
]  # fmt: skip
METHODS = list(__all__)
INPLACE = ["masked_fill", "masked_scatter", "put"]

# --- masks --------------------------------------------------------------------------------------------------


def _filling(name, forward):
    return Op(
        name, forward,
        x=lambda g, mask: masked(g, ~mask),
        value=lambda g, mask: masked(g, mask), jvp=ELEMENTWISE, node="MaskedFillBackward0",
    )  # fmt: skip


masked_fill_row = _filling("masked_fill", lambda xp, x, value, mask: choose(xp, mask, value, x))

# For an input in another order: the result is in C order as PyTorch's.
_masked_fill_ordered = _filling(
    "masked_fill_ordered", lambda xp, x, value, mask: xp.ascontiguousarray(choose(xp, mask, value, x))
)


def _unselected(xp, g, mask):
    out = xp.zeros(mask.shape, g.dtype)
    out[mask] = g
    return out


masked_select_row = Op(
    "masked_select", lambda xp, x, mask: x[mask], x=lambda g, mask: unmask_row(g, mask), jvp=LINEAR
)

unmask_row = Op(
    "masked_select_backward", _unselected,
    g=lambda g, mask: masked_select_row(g, mask), jvp=LINEAR, node="MaskedScatterBackward0",
)  # fmt: skip


def _mask_scattered(xp, x, source, mask):
    out = xp.array(x, order="C")
    count = int(np.count_nonzero(mask))
    if source.size < count:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and source to have at least "
            f"{count} elements, as "
            f"many as the mask has True, but it has {source.size} [RG122]"
        )
    out[mask] = source.reshape(-1)[:count]
    return out


def _front(xp, x, mask, shape):
    """Zeros of `shape`, whose first elements are those of x under the mask."""
    out = xp.zeros(shape, x.dtype)
    chosen = x[mask]
    out.reshape(-1)[: chosen.size] = chosen
    return out


masked_scatter_row = Op(
    "masked_scatter", _mask_scattered,
    x=lambda g, mask: masked(g, ~mask),
    source=lambda g, mask, source_shape: front_row(g, mask, source_shape), jvp=LINEAR,
)  # fmt: skip

front_row = Op(
    "masked_scatter_backward", _front,
    x=lambda g, x_dtype, mask: masked_scatter_row(np.zeros(mask.shape, x_dtype), g, mask), jvp=LINEAR,
)  # fmt: skip


def _as_mask(name, mask):
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            f"{name} only supports boolean masks (expected BoolTensor for mask), but got mask with dtype "
            f"{mask.dtype}; use mask.bool() or a comparison, such as mask != 0 [RG122]"
        )
    return mask


def masked_fill(input, mask, value):
    """A copy with one value (a number or a 0-d tensor) where `mask`, which broadcasts, is True."""
    mask = _as_mask("masked_fill", mask)
    kind = input._array.dtype
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"masked_fill only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
                "dimension(s). [RG122]"
            )
        value = cast_row(value, kind)
    elif isinstance(value, complex) and kind.kind != "c":
        raise RuntimeError(
            f"value cannot be converted to type {input.dtype} without overflow: {value} is complex [RG040]"
        )
    elif type(value) is not float or kind.char not in "fd":
        value = np.asarray(value).astype(kind)
    ordered = type(input._array) is np.ndarray and not input._array.flags.c_contiguous
    return (_masked_fill_ordered if ordered else masked_fill_row)(input, value, mask)


def masked_select(input, mask, *, out=None):
    """The elements where `mask` is True, in a vector; the two broadcast."""
    mask = _as_mask("masked_select", mask)
    if input.shape != mask.shape:
        input, mask = broadcast_tensors(input, mask)
    return deliver(masked_select_row(input, mask), out)


def masked_scatter(input, mask, source):
    """A copy with the elements of `source`, one after the other, where `mask`, which broadcasts, is True."""
    mask = _as_mask("masked_scatter", mask)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and "
            f"{source.dtype} [RG122]"
        )
    shape = broadcast_shapes(input.shape, mask.shape)
    return masked_scatter_row(expand(input, shape), source, expand(mask, shape))


def nonzero(input, *, out=None, as_tuple=False):
    """The indices of the elements that are not zero: a row for each, or a tuple of vectors, one per
    dimension."""
    array = input._array
    if as_tuple:
        if out is not None:
            raise RuntimeError(
                "nonzero(): as_tuple=True gives a tuple, which can't be written to out= [RG120]"
            )
        return tuple([wrap(np.ascontiguousarray(i)) for i in np.nonzero(np.atleast_1d(array))])
    places = np.argwhere(array).astype(np.int64)
    return deliver(wrap(places), out, exact=True)


@by_example
def argwhere(input):
    """`nonzero`."""
    return nonzero(input)


@by_example
def nonzero_static(input, *, size, fill_value=-1, out=None):
    """`nonzero` with exactly `size` rows: cut off, or filled up with `fill_value`."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size} [RG049]")
    places = np.argwhere(input._array).astype(np.int64)[:size]
    filled = np.full((size, places.shape[1]), fill_value, np.int64)
    filled[: len(places)] = places
    return deliver(wrap(filled), out)


# --- flat indices -------------------------------------------------------------------------------------------


def _untaken(xp, g, shape, index):
    out = xp.zeros(shape, g.dtype)
    add_rows(out.reshape(-1, 1), index.reshape(-1), g.reshape(-1, 1))
    return out


take_row = Op(
    "take", lambda xp, x, index: x.reshape(-1)[index],
    x=lambda g, x_shape, index: untake_row(g, x_shape, index), jvp=LINEAR,
)  # fmt: skip

untake_row = Op(
    "take_backward", _untaken, g=lambda g, index: take_row(g, index), jvp=LINEAR, node="PutBackward0",
)  # fmt: skip


def _put_flat(xp, x, source, index, accumulate):
    out = xp.array(x, order="C")
    flat = out.reshape(-1)
    if accumulate:
        values = xp.broadcast_to(source.reshape(-1), (index.size,))
        add_rows(flat.reshape(-1, 1), index.reshape(-1), values.reshape(-1, 1))
    else:
        flat[index.reshape(-1)] = source.reshape(-1)
    return out


put_row = Op(
    "put", _put_flat,
    x=lambda g, index, accumulate: g if accumulate else put_row(g, np.zeros(1, bool), index, False),
    source=lambda g, index, source_shape: reshape_row(take_row(g, index), source_shape), jvp=LINEAR,
)  # fmt: skip


def _flat_index(name, input, index):
    """Indices into the flattened input, none of them negative."""
    n, a = input.numel(), index._whole._array
    if a.dtype != np.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype} [RG121]")
    if a.size and (a.min() < -n or a.max() >= n):
        wrong = a[(a < -n) | (a >= n)].flat[0]
        raise IndexError(
            f"{name}(): out of range: tried to access index {wrong} on a tensor of {n} elements. [RG033]"
        )
    return where_row(index + n, index, index < 0) if a.size and a.min() < 0 else index


def take(input, index, *, out=None):
    """The elements at `index`, counted as if the tensor were flat; the result has the shape of `index`."""
    return deliver(take_row(input, _flat_index("take", input, index)), out)


def put(input, index, source, accumulate=False):
    """A copy with the elements of `source` put (or added) at `index`, counted as if the tensor were flat."""
    if source.numel() != index.numel():
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() "
            f"= {source.numel()}, "
            f"index.numel() = {index.numel()} [RG044]"
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got {input.dtype} and "
            f"{source.dtype} [RG040]"
        )
    return put_row(input, source, _flat_index("put_", input, index), accumulate)


# --- views, written to out of place -------------------------------------------------------------------------


select_scatter_row, slice_scatter_row, diagonal_scatter_row, as_strided_scatter_row = [
    Op(
        name, lambda xp, x, src, chain: written(x, src, chain),
        x=lambda g, src_shape, chain: copy_slices(g, np.zeros(src_shape, bool), chain),
        src=lambda g, chain: look(g, chain), jvp=LINEAR,
    )
    for name in ("select_scatter", "slice_scatter", "diagonal_scatter", "as_strided_scatter")
]  # fmt: skip


def _scattered(row, input, src, step):
    """`input` with `src` written where the view row of `step` leads."""
    part = step[0].run(np.broadcast_to(np.zeros((), bool), input.shape), *step[1])
    if tuple(src.shape) != part.shape:
        raise RuntimeError(
            f"{row.name}: expected src to have a size equal to the part of self that it replaces: "
            f"{list(part.shape)}, but got "
            f"{list(src.shape)} [RG044]"
        )
    return row(input, src, (step,))


def select_scatter(input, src, dim, index):
    """A copy with `src` in place of the slice at `index` along `dim`."""
    axis = normal_axis(dim, input.ndim)
    n, i = input.shape[axis], as_int(index, "index")
    if not -n <= i < n:
        raise IndexError(
            f"select_scatter(): index {i} out of range for tensor of size {list(input.shape)} at dimension "
            f"{axis} [RG033]"
        )
    return _scattered(select_scatter_row, input, src, (select_row, ((*(FULL,) * axis, i % n, Ellipsis),)))


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy with `src` in place of the elements `start` to `end` along `dim`, `step` apart."""
    axis = normal_axis(dim, input.ndim)
    begin, stop, step = slice(start, end, step).indices(input.shape[axis])
    key = (*(FULL,) * axis, slice(begin, max(begin, stop), step), Ellipsis)
    return _scattered(slice_scatter_row, input, src, (slice_row, (key,)))


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy with `src` in place of a diagonal."""
    axes = normal_axis(dim1, input.ndim), normal_axis(dim2, input.ndim)
    return _scattered(diagonal_scatter_row, input, src, (diagonal_row, (offset, *axes)))


def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy with `src` written where `as_strided` would look."""
    array = input._array
    own = memory.storage_offset(array)
    offset = own if storage_offset is None else storage_offset
    step = (as_strided_row, (tuple(size), tuple(stride), offset, memory.element_strides(array), own))
    return as_strided_scatter_row(input, src, (step,))
