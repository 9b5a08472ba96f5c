"""Rows that pick and place elements by an index tensor along one dimension."""

import numpy as np

from ..core.compiled import native
from ..core.op import LINEAR, Op, as_tensor, zeros_like
from ..core.tensor import Tensor, wrap
from .along import added, picked
from .arguments import deliver, normal_axis
from .pointwise import masked, where_row
from .shape import cast_row, clone, expand, reshape
from .view import FULL, slice_row

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_reduce", "index_select", "scatter",
    "scatter_add", "scatter_reduce", "take_along_dim",
]  # fmt: skip
METHODS = list(__all__)
INPLACE = [
    "index_add", "index_copy", "index_fill", "index_reduce", "scatter", "scatter_add", "scatter_reduce",
]  # fmt: skip

_CHUNK = 1 << 18  # elements that are added at a time: the list of their places stays in the cache


def add_rows(out, rows, values):
    """out[rows[i]] += values[i] for each i, in order; `out` and `values` are matrices, `rows` may repeat
    itself."""
    width = out.shape[1]
    if native is not None and native.add_rows(out, rows, np.ascontiguousarray(values)):
        return
    if out.dtype.kind == "V" or out.dtype == np.float16:  # many small sums: in float32
        wide = out.astype(np.float32)
        add_rows(wide, rows, values.astype(np.float32))
        out[...] = wide
        return
    flat = out.reshape(-1)
    if width == 1:
        np.add.at(flat, rows, values.reshape(-1))
        return
    columns = np.arange(width)
    step = max(1, _CHUNK // max(width, 1))
    for start in range(0, len(rows), step):
        places = rows[start : start + step, None] * width + columns
        np.add.at(flat, places.reshape(-1), values[start : start + step].reshape(-1))
    if not np.may_share_memory(flat, out):
        out[...] = flat.reshape(out.shape)


# --- along one axis -----------------------------------------------------------------------------------------


def _along(index, axis, shape):
    """`index` as it is repeated along all axes but one; `shape` is that of the array that it is for."""
    column = index.reshape(-1, *[1] * (len(shape) - 1 - axis))
    return np.broadcast_to(column, (*shape[:axis], index.size, *shape[axis + 1 :]))


def _select(xp, x, axis, index):
    out = picked(x, _along(index, axis, x.shape), axis) if x.ndim else None
    return xp.take(x, index, axis) if out is None else out


def _unselect(xp, g, shape, axis, index):
    out = xp.zeros(shape, g.dtype)
    add_along_axis(out, axis, index, g)
    return out


def add_along_axis(out, axis, index, values):
    """out[..., index[i], ...] += values[..., i, ...] along `axis`."""
    if out.ndim and added(out, _along(index, axis, out.shape), values, axis):
        return
    front = np.moveaxis(out, axis, 0)
    width = front[:1].size if len(front) else 0
    rows = front.reshape(len(front), width)
    add_rows(rows, index, np.moveaxis(values, axis, 0).reshape(index.size, width))
    if not np.may_share_memory(rows, out):
        front[...] = rows.reshape(front.shape)


index_select_row = Op(
    "index_select", _select,
    x=lambda g, x_shape, axis, index: unselect_row(g, x_shape, axis, index), jvp=LINEAR,
)  # fmt: skip

unselect_row = Op(
    "index_select_backward", _unselect,
    g=lambda g, axis, index: index_select_row(g, axis, index), jvp=LINEAR, node="IndexAddBackward0",
)  # fmt: skip


def flat_places(shape, axis, index):
    """Where the elements that `index` names along `axis` lie in a flat array of this shape.

    The other axes are walked together with those of `index`, which may be shorter.
    """
    if not shape:
        return index
    places, step = index, 1
    for d in range(len(shape) - 1, -1, -1):
        if d == axis:
            if step != 1:
                places = places * step
            break
        step *= shape[d]
    step = 1
    for d in range(len(shape) - 1, -1, -1):
        if d != axis and index.shape[d] > 1:
            steps = np.arange(index.shape[d]) * step
            places = places + steps.reshape(-1, *[1] * (len(shape) - 1 - d))
        step *= shape[d]
    return places


def _gather(xp, x, axis, index):
    out = picked(x, index, axis)
    return x.reshape(-1).take(flat_places(x.shape, axis, index)) if out is None else out


def _scatter_add(xp, x, src, axis, index):
    return _added_along(xp.array(x, order="C"), src, axis, index)


def _added_along(out, src, axis, index):
    src = np.broadcast_to(src, index.shape)
    if not added(out, index, src, axis):
        places = flat_places(out.shape, axis, index)
        add_rows(out.reshape(-1, 1), places.reshape(-1), src.reshape(-1, 1))
    return out


def _scatter(xp, x, src, axis, index):
    out = xp.array(x, order="C")
    out.reshape(-1)[flat_places(x.shape, axis, index)] = src
    return out


gather_row = Op(
    "gather", _gather,
    x=lambda g, x_shape, axis, index: ungather_row(g, x_shape, axis, index), jvp=LINEAR,
)  # fmt: skip

ungather_row = Op(
    "gather_backward",
    lambda xp, g, shape, axis, index: _added_along(xp.zeros(shape, g.dtype), g, axis, index),
    g=lambda g, axis, index: gather_row(g, axis, index), jvp=LINEAR, node="ScatterAddBackward0",
)  # fmt: skip

scatter_add_row = Op(
    "scatter_add", _scatter_add,
    x=lambda g: g, src=lambda g, axis, index: gather_row(g, axis, index), jvp=LINEAR,
)  # fmt: skip

scatter_row = Op(
    "scatter", _scatter,
    x=lambda g, axis, index: scatter_row(g, np.zeros((), bool), axis, index),
    src=lambda g, axis, index: gather_row(g, axis, index), jvp=LINEAR,
)  # fmt: skip


def _reduced(xp, x, src, axis, index, kind, include_self):
    out = xp.array(x, order="C")
    flat, places = out.reshape(-1), flat_places(x.shape, axis, index)
    if not include_self:
        flat[places] = _identity(kind, out.dtype)
    if kind == "mean":
        count = xp.full(flat.shape, int(include_self), np.int64)
        np.add.at(flat, places, src)
        np.add.at(count, places, 1)
        count = xp.maximum(count, 1)
        flat[...] = flat // count if out.dtype.kind in "iu" else flat / count.astype(out.dtype)
    else:
        _UFUNCS[kind].at(flat, places, src)
    return out


_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def _identity(kind, dtype):
    if kind in ("prod", "mean"):
        return int(kind == "prod")
    if dtype.kind == "b":
        return kind == "amin"
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if kind == "amax" else np.iinfo(dtype).max
    return dtype.type(-np.inf if kind == "amax" else np.inf)


def _scatter_reduce_back(g, needs, x, src, out, axis, index, kind, include_self):
    """Gradients of a scattered mean, product or extreme: of x and of src."""
    outside = lambda t: t if include_self else scatter_row(t, np.zeros((), bool), axis, index)
    if kind == "mean":
        count = scatter_add_row(_full_like(g, int(include_self)), _full_like(src, 1), axis, index)
        share = g / where_row(count, 1, count > 0)
        return outside(share), gather_row(share, axis, index)
    if kind == "prod":
        return _prod_back(g, x, src, out, axis, index, include_self, outside)
    chosen = gather_row(out, axis, index)
    mine, its = x == out, src == chosen
    one = _full_like(src, 1)
    count = scatter_add_row(outside(masked(_full_like(g, 1), mine)), masked(one, its), axis, index)
    share = g / where_row(count, 1, count > 0)
    return outside(masked(share, mine)), masked(gather_row(share, axis, index), its)


def _prod_back(g, x, src, out, axis, index, include_self, outside):
    """Each factor's gradient is the product of the others; zeros among them are left out and counted."""
    filled = where_row(1, x, x == 0)
    gx = g * scatter_reduce_row(filled, src, axis, index, "prod", include_self) / filled
    zero = src == 0
    zeros = scatter_add_row(_full_like(g, 0), masked(_full_like(src, 1), zero), axis, index)
    alone = zero & (gather_row(zeros, axis, index) == 1)
    rest = scatter_reduce_row(x, where_row(1, src, alone), axis, index, "prod", include_self)
    gs = where_row(
        gather_row(g * rest, axis, index), gather_row(g * out, axis, index) / where_row(1, src, zero), alone
    )
    if isinstance(src, Tensor) and np.any(zeros._array > 1):
        gs = _once_row(gs)
    return outside(gx), gs


def _refuse():
    raise RuntimeError(
        "Double backward is unsupported for a 'prod' that is scattered or reduced by index when more than "
        "one zero in src "
        "goes to the same position [RG027]"
    )


_once_row = Op(
    "once_differentiable", lambda xp, x: xp.array(x), x=lambda g: _refuse(), jvp=LINEAR, node="Error"
)


def _full_like(g, value):
    return zeros_like(g) + value


scatter_reduce_row = Op(
    "scatter_reduce", _reduced, joint=("x src", _scatter_reduce_back),
)  # fmt: skip

index_add_row = Op(
    "index_add", lambda xp, x, source, axis, index: _index_added(xp, x, source, axis, index),
    x=lambda g: g, source=lambda g, axis, index: index_select_row(g, axis, index), jvp=LINEAR,
)  # fmt: skip


def _index_added(xp, x, source, axis, index):
    out = xp.array(x, order="C")
    if not out.ndim:
        return out + source.sum()
    add_along_axis(out, axis, index.reshape(-1), source)
    return out


def _index_copied(xp, x, source, axis, index):
    out = xp.array(x, order="C")
    target = out if out.ndim else out.reshape(1)
    target[(*(FULL,) * axis, index.reshape(-1))] = source
    return out


index_copy_row = Op(
    "index_copy", _index_copied,
    x=lambda g, axis, index: index_copy_row(g, np.zeros((), bool), axis, index),
    source=lambda g, axis, index: index_select_row(g, axis, index), jvp=LINEAR,
)  # fmt: skip

# Where all places get one value, its gradient is the sum over them: the engine sums to the value's shape.
index_fill_row = Op(
    "index_fill", lambda xp, x, value, axis, index: _index_copied(xp, x, value, axis, index),
    x=lambda g, axis, index: index_copy_row(g, np.zeros((), bool), axis, index),
    value=lambda g, axis, index: index_select_row(g, axis, distinct_row(index)), jvp=LINEAR,
)  # fmt: skip
distinct_row = Op("distinct", lambda xp, index: xp.unique(index))


# --- the public functions -----------------------------------------------------------------------------------


class IndexOutOfRange(IndexError, RuntimeError):
    """An index that is too large or negative: PyTorch raises the one or the other, by function and shape."""


def _all_below(a, n):
    inside = None if native is None else native.indices_below(a, n)
    if inside is None:
        return int(a.view(f"u{a.itemsize}").max()) < n  # what is negative is largest without its sign
    return inside


def checked_index(name, index, n, axis=0):
    """An index tensor whose numbers all lie in [0, n); IndexOutOfRange names one that doesn't."""
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__} [RG121]")
    a = index._whole._array
    if not a.size and a.dtype.kind in "iu":
        return cast_row(index, np.dtype(np.int64))
    if a.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            f"{name}(): Expected dtype int64 for index, but got {index.dtype}; convert it with .long() "
            "[RG121]"
        )
    if a.size and not _all_below(a, n):
        wrong = a[(a < 0) | (a >= n)].flat[0]
        raise IndexOutOfRange(
            f"{name}(): index {wrong} is out of bounds for dimension {axis} with size {n} [RG033]"
        )
    return index


def _checked_along(name, input, dim, index):
    """(axis, index) for gather and scatter: `index` has input's dimensions and is longer only along `dim`."""
    axis = normal_axis(dim, input.ndim)
    shape = input.shape
    if max(index.ndim, 1) != max(len(shape), 1) and index.numel():
        raise RuntimeError(
            f"{name}(): Index tensor must have the same number of dimensions as input tensor, but got shapes "
            f"{list(index.shape)} and {list(shape)} [RG121]"
        )
    if index.numel():
        for d, (n, m) in enumerate(zip(index.shape, shape, strict=False)):
            if d != axis and n > m:
                raise RuntimeError(
                    f"{name}(): Size does not match at dimension {d}: expected index {list(index.shape)} to "
                    "be no larger than "
                    f"self {list(shape)} apart from dimension {axis} [RG121]"
                )
    return axis, checked_index(name, index, shape[axis] if shape else 1, axis)


def gather(input, dim, index, *, sparse_grad=False, out=None):
    """The elements of `input` whose place along `dim` the tensor `index` names; its shape is the result's."""
    axis, index = _checked_along("gather", input, dim, index)
    return deliver(gather_row(input, axis, index), out)


def _source(name, input, src, index):
    """`src` in input's dtype, cut to the shape of `index`."""
    if src._array.dtype != input._array.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, but got {input.dtype} and "
            f"{src.dtype} [RG040]"
        )
    if not index.ndim and src.ndim <= 1:
        return reshape(src, ()) if src.numel() == 1 else src
    if src.ndim != index.ndim or any([m < n for n, m in zip(index.shape, src.shape, strict=True)]):
        raise RuntimeError(
            f"{name}(): Expected index {list(index.shape)} to be no larger than src {list(src.shape)}, and "
            "of as many dimensions [RG121]"
        )
    return (
        src
        if src.shape == index.shape
        else slice_row(src, (*[slice(0, n, 1) for n in index.shape], Ellipsis))
    )


def _matched(name, input, src, index):
    """(`_source`, index); where the index is empty, of whatever shape, both are empty."""
    if index.numel():
        return _source(name, input, src, index), index
    nothing = slice_row(src, (*[slice(0, 0, 1)] * src.ndim, Ellipsis))
    return nothing, reshape(index, nothing.shape) if src.ndim else index


def scatter(input, dim, index, src=None, value=None, *, reduce=None, out=None):
    """A copy with elements of `src` (or one number) put where `index` says along `dim`; the last one stays.

    reduce: "add" or "multiply" combines with what is there instead.
    """
    axis, index = _checked_along("scatter", input, dim, index)
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"reduce argument must be either add or multiply, got {reduce!r}. [RG048]")
    if not isinstance(src, Tensor):
        kind = input._array.dtype
        src = wrap(np.full(index.shape if reduce else (), src).astype(kind))
        if not index.numel():
            return deliver(clone(input), out)
        if not reduce:
            return deliver(scatter_row(input, src, axis, index), out)
    src, index = _matched("scatter", input, src, index)
    if reduce == "add":
        return deliver(scatter_add_row(input, src, axis, index), out)
    if reduce == "multiply":
        return deliver(scatter_reduce_row(input, src, axis, index, "prod", True), out)
    return deliver(scatter_row(input, src, axis, index), out)


def scatter_add(input, dim, index, src, *, out=None):
    """A copy with the elements of `src` added where `index` says along `dim`."""
    axis, index = _checked_along("scatter_add", input, dim, index)
    src, index = _matched("scatter_add", input, src, index)
    return deliver(scatter_add_row(input, src, axis, index), out)


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True, out=None):
    """A copy where elements of `src` that `index` sends to one place along `dim` are reduced to one.

    reduce: "sum", "prod", "mean", "amax" or "amin"; `include_self`: what was there takes part.
    """
    axis, index = _checked_along("scatter_reduce", input, dim, index)
    src, index = _matched("scatter_reduce", input, src, index)
    return deliver(_scatter_reduced(input, axis, index, src, reduce, include_self), out)


def _scatter_reduced(input, axis, index, src, reduce, include_self):
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}. [RG048]"
        )
    if reduce == "sum":
        if not include_self:
            input = scatter_row(input, np.zeros((), bool), axis, index)
        return scatter_add_row(input, src, axis, index)
    return scatter_reduce_row(input, src, axis, index, reduce, include_self)


def index_select(input, dim, index, *, out=None):
    """The slices along `dim` that the vector `index` names, in that order: a copy."""
    if index.ndim > 1:
        raise IndexError(
            f"index_select(): Index is supposed to be a vector, but got {index.ndim} dimensions [RG121]"
        )
    axis = normal_axis(dim, input.ndim)
    index = checked_index("index_select", index, input.shape[axis] if input.ndim else 1, axis)
    if not input.ndim:
        if index.numel() != 1:
            raise IndexOutOfRange(
                f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s) [RG121]"
            )
        return deliver(clone(input), out)
    return deliver(index_select_row(input, axis, reshape(index, -1)), out)


def _vector_index(name, input, dim, index, source=None):
    axis = normal_axis(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got {index.ndim} dimensions [RG121]"
        )
    index = checked_index(name, index, input.shape[axis] if input.ndim else 1, axis)
    if source is not None:
        if source._array.dtype != input._array.dtype:
            raise RuntimeError(
                f"{name}(): self ({input.dtype}) and source ({source.dtype}) must have the same dtype [RG040]"
            )
        expected = (
            (*input.shape[:axis], index.numel(), *input.shape[axis + 1 :]) if input.ndim else source.shape
        )
        if tuple(source.shape) != tuple(expected):
            raise RuntimeError(
                f"{name}(): source has shape {list(source.shape)}, but self {list(input.shape)} with "
                f"{index.numel()} indices along "
                f"dimension {axis} wants {list(expected)} [RG044]"
            )
    return axis, reshape(index, -1)


def index_add(input, dim, index, source, *, alpha=1, out=None):
    """A copy with alpha times the slices of `source` added to the slices along `dim` that `index` names."""
    axis, index = _vector_index("index_add", input, dim, index, source)
    if alpha != 1:
        source = source * alpha
    return deliver(index_add_row(input, source, axis, index), out)


def index_copy(input, dim, index, source, *, out=None):
    """A copy with the slices of `source` in place of the slices along `dim` that `index` names."""
    if not source.ndim and input.ndim == 1:
        source = reshape(source, 1)
    axis, index = _vector_index("index_copy", input, dim, index, source)
    return deliver(index_copy_row(input, source, axis, index), out)


def index_fill(input, dim, index, value):
    """A copy with one value (a number or a 0-d tensor) in the slices along `dim` that `index` names."""
    axis, index = _vector_index("index_fill", input, dim, index)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                f"Only supports 0-dimension value tensor, but got tensor with {value.ndim} dimensions [RG034]"
            )
        value = cast_row(value, input._array.dtype)
    elif isinstance(value, complex) and not input.is_complex():
        raise RuntimeError(
            "index_fill_(): Converting complex Scalar to non-complex type is not supported [RG042]"
        )
    else:
        value = as_tensor(np.asarray(value).astype(input._array.dtype))
    return index_fill_row(input, value, axis, index)


def index_reduce(input, dim, index, source, reduce, *, include_self=True, out=None):
    """`scatter_reduce` ("prod", "mean", "amax" or "amin") of the slices along `dim` that the vector `index`
    names."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either prod, mean, amax or amin, got {reduce}. [RG048]")
    axis, index = _vector_index("index_reduce", input, dim, index, source)
    if input.ndim:
        shape = [1] * input.ndim
        shape[axis] = index.numel()
        index = expand(reshape(index, shape), source.shape)
    return deliver(_scatter_reduced(input, axis, index, source, reduce, include_self), out)


def take_along_dim(input, indices, dim=None, *, out=None):
    """The elements that `indices` names along `dim`, the other dimensions broadcast; flat if `dim` is
    None."""
    if indices._array.dtype != np.int64:
        raise RuntimeError(
            f"take_along_dim(): dtype of indices should be Long but got {indices.dtype} [RG121]"
        )
    if dim is None:
        return deliver(gather(reshape(input, -1), 0, reshape(indices, -1)), out)
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} "
            f"dimensions for input, and {indices.ndim} dimensions for indices [RG121]"
        )
    axis = normal_axis(dim, input.ndim)
    shape = np.broadcast_shapes(*[(*t.shape[:axis], 1, *t.shape[axis + 1 :]) for t in (input, indices)])
    wide = lambda t: expand(t, (*shape[:axis], t.shape[axis], *shape[axis + 1 :]))
    index = wide(indices)
    n = input.shape[axis]
    index = where_row(index + n, index, index < 0) if (index._whole._array < 0).any() else index
    return deliver(gather(wide(input), axis, index), out)
