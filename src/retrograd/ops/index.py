"""`x[...]` and `x[...] = value`: basic indexing gives views, indexing by tensors and masks gives copies.

PyTorch's order: ints, slices, None and Ellipsis are applied first; what they leave is indexed by the tensors.
(NumPy counts ints among the index arrays, which puts dimensions elsewhere in `x[0, :, index]`.)
"""

import math
import warnings

import numpy as np

from ..core import inplace
from ..core.apply import apply
from ..core.compiled import compiled
from ..core.graph import modes
from ..core.op import LINEAR, Op
from ..core.tensor import Tensor, wrap
from .picking import add_rows
from .shape import alias, cast_row, reshape
from .view import newaxis_row, select_row, slice_row

__all__ = ["index_put", "index_put_"]
METHODS = ["index_put", "index_put_"]
INPLACE = []
FULL = slice(None)


def _key(places, indices):
    """NumPy's index that applies each of `indices` at the dimension that `places` names."""
    key, dim = [], 0
    for place, i in zip(places, indices, strict=True):
        key += [FULL] * (place - dim)
        key.append(i)
        dim = place + (i.ndim if i.dtype.kind == "b" else 1)
    return tuple(key)


def _indexed(xp, x, places, *indices):
    """x[key], laid out in C order: NumPy puts the dimensions of index arrays outermost in memory."""
    for place, i in zip(places, indices, strict=True):
        if i.dtype.kind != "b" and i.size and not x.shape[place]:
            raise IndexError(f"index is out of bounds for dimension with size 0 (dimension {place}) [RG033]")
    if len(indices) == 1 and indices[0].dtype.kind != "b":
        return xp.take(x, indices[0], places[0])
    return xp.ascontiguousarray(x[_key(places, indices)])


def _put(xp, x, values, accumulate, places, *indices):
    out = xp.array(x)
    put(out, values, accumulate, places, indices)
    return out


def put(out, values, accumulate, places, indices):
    """Write or add `values` at the indexed places of the array `out`."""
    key = _key(places, indices)
    if not accumulate:
        try:
            out[key] = values
        except ValueError as error:  # NumPy's errors for masks don't say it
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast to "
                f"indexing result ({error}) [RG044]"
            ) from None
    elif len(indices) == 1 and indices[0].dtype.kind == "b":
        out[key] += values  # a mask names no place twice
    else:
        _add_at(out, values, places, indices)


def _add_at(out, values, places, indices):
    """out[key] += values, where places that are named several times get all their values."""
    k, shape = len(indices), indices[0].shape
    if (
        list(places) == list(range(k))
        and all([i.dtype == np.int64 and i.shape == shape for i in indices])
        and out.flags.c_contiguous
    ):
        rows = 0
        for i, n in zip(indices, out.shape, strict=False):
            rows = rows * n + (np.where(i < 0, i + n, i) if i.size and i.min() < 0 else i)
        width = math.prod(out.shape[k:])
        values = np.broadcast_to(values, (*shape, *out.shape[k:])).reshape(rows.size, width)
        return add_rows(out.reshape(math.prod(out.shape[:k]), width), rows.reshape(-1), values)
    expanded_places, expanded = [], []
    for place, i in zip(places, indices, strict=True):
        if i.dtype.kind == "b":
            expanded_places += range(place, place + i.ndim)
            expanded += np.nonzero(i)
        else:
            expanded_places.append(place)
            expanded.append(i)
    sizes = [out.shape[p] for p in expanded_places]
    rows = np.zeros(np.broadcast_shapes(*[i.shape for i in expanded]), np.int64)
    for n, i in zip(sizes, expanded, strict=True):
        rows = rows * n + np.where(i < 0, i + n, i)
    rest = [d for d in range(out.ndim) if d not in expanded_places]
    front = out.transpose(*expanded_places, *rest)
    # Where the index arrays stand side by side, NumPy puts their dimensions there, else in front.
    first = expanded_places[0]
    together = expanded_places == list(range(first, first + len(expanded)))
    rest_shape = [out.shape[d] for d in rest]
    at = first if together else 0
    full = (*rest_shape[:at], *rows.shape, *rest_shape[at:])
    values = np.broadcast_to(values, full)
    width = math.prod(rest_shape)
    values = np.moveaxis(values, range(at, at + rows.ndim), range(rows.ndim)).reshape(rows.size, width)
    flat = front.reshape(math.prod(sizes), width)
    add_rows(flat, rows.reshape(-1), values)
    if not np.may_share_memory(flat, out):
        front[...] = flat.reshape(front.shape)


def _unindexed(xp, g, shape, places, *indices):
    out = xp.zeros(shape, g.dtype)
    put(out, g, True, places, indices)
    return out


index_row = Op(
    "index", _indexed,
    x=lambda g, x_shape, places, indices: unindex_row(g, x_shape, places, *indices), jvp=LINEAR,
)  # fmt: skip

unindex_row = Op(
    "index_backward", _unindexed,
    g=lambda g, places, indices: index_row(g, places, *indices), jvp=LINEAR, node="IndexPutBackward0",
)  # fmt: skip

index_put_row = Op(
    "index_put", _put,
    x=lambda g, accumulate, places, indices: g if accumulate else index_put_row(
        g, np.zeros((), bool), False, places, *indices),
    values=lambda g, places, indices: index_row(g, places, *indices), jvp=LINEAR,
)  # fmt: skip


# --- from Python's key to rows ------------------------------------------------------------------------------


def _as_index(i):
    """An index tensor or array from what a user may write: a Tensor, array, list, range or nested lists."""
    if isinstance(i, Tensor):
        kind = i._array.dtype.kind
    else:
        if not isinstance(i, np.ndarray):
            i = _from_sequence(i)
        kind = i.dtype.kind
        i = wrap(i)
    if kind not in "biu" or i._array.dtype.itemsize == 2 or i._array.dtype == np.int8:
        raise IndexError(
            f"tensors used as indices must be long, int, byte or bool tensors, but got {i.dtype} [RG121]"
        )
    if i._array.dtype != np.uint8:
        return i
    warnings.warn(
        "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
        stacklevel=2,
    )
    return cast_row(i, np.dtype(bool))


def _from_sequence(i):
    if not isinstance(i, (list, tuple, range)):
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
            "indices "
            f"(got {type(i).__name__}) [RG121]"
        )
    array = np.asarray([x.numpy() if isinstance(x, Tensor) else x for x in i])
    return array.astype(np.int64) if array.size == 0 else array


def _parse(shape, key):
    """(basic, tensors): the basic index with all its parts normal, and {dimension of its result: index
    tensor}."""
    if type(key) is not tuple:
        key = tuple(key) if _stands_for_tuple(key) else (key,)
    wanted = 0
    for k in key:
        if isinstance(k, (Tensor, np.ndarray)):
            wanted += k.ndim if k.dtype in _MASKS else 1
        elif isinstance(k, list):
            wanted += _mask_dims(k)
        elif k is not None and k is not Ellipsis and not isinstance(k, (bool, np.bool_)):
            wanted += 1
    if wanted > len(shape):
        if not shape:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
                "to convert a "
                "0-dim tensor to a number [RG121]"
            )
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}: {wanted} were given [RG121]"
        )
    basic, tensors, dim, out_dim = [], {}, 0, 0
    for k in key:
        if type(k) is int or (hasattr(k, "__index__") and _is_number(k)):
            basic.append(_int(k, dim, shape))
            dim += 1
        elif isinstance(k, slice):
            basic.append(_slice(k, shape[dim]))
            dim, out_dim = dim + 1, out_dim + 1
        elif k is None:
            basic.append(None)
            out_dim += 1
        elif k is Ellipsis:
            skipped = len(shape) - wanted
            basic += [slice(0, n, 1) for n in shape[dim : dim + skipped]]
            dim, out_dim, wanted = dim + skipped, out_dim + skipped, len(shape)
        elif isinstance(k, (bool, np.bool_)) or _is_switch(k):
            basic.append(None)
            tensors[out_dim] = wrap(np.zeros(int(bool(k)), np.int64))
            out_dim += 1
        else:
            i = _as_index(k)
            n = i.ndim if i._array.dtype.kind == "b" else 1
            if i._array.dtype.kind == "b" and i._array.shape != tuple(shape[dim : dim + n]):
                at = next(d for d in range(n) if i.shape[d] != shape[dim + d])
                raise IndexError(
                    f"The shape of the mask {list(i.shape)} at index {at} does not match the shape of the "
                    "indexed tensor "
                    f"{list(shape)} at index {dim + at} [RG122]"
                )
            tensors[out_dim] = i
            basic += [slice(0, m, 1) for m in shape[dim : dim + n]]
            dim, out_dim = dim + n, out_dim + n
    return basic, tensors


def _stands_for_tuple(key):
    """Whether a list is the old spelling of a tuple of indices: it holds more than numbers, as NumPy once
    allowed."""
    return (
        isinstance(key, list)
        and len(key) < 32
        and any([k is None or k is Ellipsis or isinstance(k, (Tensor, list, tuple, slice)) for k in key])
    )


def _mask_dims(k):
    """How many dimensions a list indexes: those of a mask, else one."""
    depth, inner = 0, k
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    return depth if isinstance(inner, bool) else 1


def _is_number(k):
    """Whether an object with `__index__` is one integer; 0-d tensors of bool and uint8 are masks."""
    if isinstance(k, (Tensor, np.ndarray)):
        return k.ndim == 0 and k.dtype not in _MASKS and _kind(k) in "iu" and not _is_batched(k)
    return not isinstance(k, (bool, np.bool_))


def _is_batched(k):
    """Whether an index stands for a batch of them, inside vmap."""
    return isinstance(k, Tensor) and k._whole is not k


def _is_switch(k):
    """Whether a 0-d tensor keeps or drops everything, as True and False do."""
    return isinstance(k, (Tensor, np.ndarray)) and k.ndim == 0 and not _is_batched(k)


def _kind(k):
    return (k._array if isinstance(k, Tensor) else k).dtype.kind


class _Masks:
    def __contains__(self, d):
        return getattr(d, "numpy", d) in (np.bool_, np.uint8)


_MASKS = _Masks()


def _int(k, dim, shape):
    n, i = shape[dim], k.__index__()
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {n} [RG033]")
    return i % n


def _slice(k, n):
    if k.step is not None and k.step.__index__() <= 0:
        why = "slice step cannot be zero" if k.step == 0 else "step must be greater than zero"
        raise ValueError(f"{why} [RG049]")
    start, stop, step = k.indices(n)
    return slice(start, max(start, stop), step)


def _basic_view(x, basic):
    """The view that a normal basic index gives, by the row that names it as PyTorch does."""
    row, dim, shape = None, 0, x.shape
    for k in basic:
        if k is None:
            row = newaxis_row
            continue
        if type(k) is int:
            row = select_row
        elif k != slice(0, shape[dim], 1):
            row = slice_row
        dim += 1
    return alias(x) if row is None else row(x, (*basic, Ellipsis))


def _plain(shape, key):
    """(row, key) for an int, a slice or a tuple of them, which most indices are; None for what takes more
    care."""
    if type(key) is not tuple:
        key = (key,)
    if len(key) > len(shape):
        return None
    row, normal = None, []
    for k, n in zip(key, shape):
        if type(k) is int:
            if not -n <= k < n:
                return None
            normal.append(k % n)
            row = select_row
        elif type(k) is slice:
            if k.start is None and k.stop is None and k.step is None:
                normal.append(slice(0, n, 1))
            else:
                normal.append(_slice(k, n))
                row = slice_row
        else:
            return None
    return row and (row, (*normal, Ellipsis))


def getitem(x, key):
    """`x[key]`: a view for ints, slices, None and Ellipsis, a copy for index tensors, lists and masks."""
    plain = _plain(x._array.shape, key)
    if plain is not None:
        return apply(plain[0], (x, plain[1]))
    basic, tensors = _parse(x.shape, key)
    if not tensors:
        return slice_row(x, (*basic, Ellipsis)) if type(key) is slice else _basic_view(x, basic)
    if not _is_whole(x.shape, basic):
        x = _basic_view(x, basic)
    return index_row(x, tuple(tensors), *tensors.values())


def _is_whole(shape, basic):
    """Whether a normal basic index leaves everything as it is."""
    return all([type(k) is slice and k.start == 0 and k.step == 1 for k in basic]) and [
        k.stop for k in basic
    ] == list(shape[: len(basic)])


@compiled
def setitem(x, key, value):
    """`x[key] = value`: writes into x's memory; gradients flow into the value and out of what was
    overwritten."""
    _check_value(value, x)
    plain = _plain(x.shape, key)
    if plain is not None:
        target = apply(plain[0], (x, plain[1]))
        inplace.copy_from(target, _fitted(value, target))
        return
    basic, tensors = _parse(x.shape, key)
    target = _basic_view(x, basic) if basic else alias(x)
    if not tensors:
        inplace.copy_from(target, _fitted(value, target))
        return
    write_at(target, _as_value(value, target), False, tuple(tensors), list(tensors.values()))


def _check_value(value, x):
    if not isinstance(value, (Tensor, int, float, complex, np.generic)):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a {x.dtype} tensor: assign a number or a Tensor, for "
            "instance "
            "torch.tensor(value) [RG043]"
        )
    if isinstance(value, complex) and x._array.dtype.kind != "c":
        raise RuntimeError(
            f"value cannot be converted to type {x.dtype} without overflow: {value} is complex [RG042]"
        )


def _as_value(value, target):
    if isinstance(value, Tensor):
        if value._array.dtype != target._array.dtype and value.ndim:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{target.dtype} for the destination and {value.dtype} for the source. [RG040]"
            )
        return value
    return wrap(np.asarray(value).astype(target._array.dtype))


def _fitted(value, x):
    """The value of an assignment to x, less leading dimensions of size 1 that x doesn't have."""
    if not isinstance(value, Tensor):
        return wrap(np.asarray(value).astype(x._array.dtype))
    shape = value.shape
    extra = len(shape) - x.ndim
    if extra > 0 and all([n == 1 for n in shape[:extra]]):
        return reshape(value, shape[extra:])
    return value


def write_at(x, values, accumulate, places, indices, name="index_put_"):
    """Write (or add) values at indexed places of `x`, in place."""
    if values._array.dtype != x._array.dtype:
        values = values.to(x.dtype)
    if not modes.interpreters and (not modes.grad or not (x.requires_grad or values.requires_grad)):
        inplace.prepare(x, name)
        inplace.check_writeable(x, name)
        put(x._array, values._array, accumulate, places, [i._array for i in indices])
        x._versions().bump()
        return x
    old = inplace.prepare(x, name)
    return inplace.write(x, index_put_row(old, values, accumulate, places, *indices), name)


def _public_indices(input, indices):
    """(places, index tensors) from the tuple of index tensors that `index_put` takes; None skips a
    dimension."""
    if not any([i is not None for i in indices]):
        raise RuntimeError("index_put needs at least one index tensor: indices=(index,) [RG121]")
    dim, places, tensors = 0, [], []
    for i in indices:
        if i is None:
            dim += 1
            continue
        i = _as_index(i)
        places.append(dim)
        tensors.append(i)
        dim += i.ndim if i._array.dtype.kind == "b" else 1
    if dim > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim} (got {dim}) [RG121]")
    return tuple(places), tensors


def index_put(input, indices, values, accumulate=False):
    """A copy with `values` written to (or, accumulating, added at) the places that the tuple of index tensors
    names."""
    places, tensors = _public_indices(input, indices)
    return index_put_row(input, _as_value(values, input), accumulate, places, *tensors)


def index_put_(input, indices, values, accumulate=False):
    """In-place version of `index_put`."""
    places, tensors = _public_indices(input, indices)
    return write_at(input, _as_value(values, input), accumulate, places, tensors)


def delete_item(x, key):
    """Nothing can be deleted from a tensor: TypeError."""
    raise TypeError(
        "Tensor does not support deleting items; index what is to stay: x[x != 0], or x[1:] [RG121]"
    )


def iterate(x):
    """An iterator over the slices along the first dimension."""
    if not x.ndim:
        raise TypeError("iteration over a 0-d tensor [RG121]")
    return iter(x.unbind(0))


OPERATORS = {"__getitem__": getitem, "__setitem__": setitem, "__delitem__": delete_item, "__iter__": iterate}
