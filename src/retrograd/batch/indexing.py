"""How rows that pick and place by index run on whole batches; see `rules`.

An index that differs from example to example gets company: the numbers of the examples, as the index of their
dimension.
"""

import numpy as np

from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from .rules import along, padded_to, rank, rule


def _is_mask(i):
    return (i._array if isinstance(i, Tensor) else i).dtype.kind == "b"


def _together(places, indices):
    """Whether index arrays stand side by side, so that the result has their dimensions there, and not in
    front."""
    expected = places[0]
    for place, i in zip(places, indices, strict=True):
        if place != expected:
            return False
        expected = place + (rank(i) if _is_mask(i) else 1)
    return True


def _with_numbers(level, indices):
    """Index arrays for whole batches: the examples' numbers, and the indices aligned with them."""
    n = max([rank(i) for i in indices])
    numbers = wrap(np.arange(level.size).reshape(level.size, *[1] * n))
    return [numbers, *[padded_to(level.front(i), n + 1) if level.hides(i) else i for i in indices]], n


def _refuse_masks(level, indices):
    for i in indices:
        if level.hides(i) and _is_mask(i):
            raise RuntimeError(
                "vmap: We do not support batching operators that can support dynamic shape. Attempting to "
                "batch over indexing "
                "with a boolean mask. Use torch.where with the mask [RG101]"
            )


@rule("index")
def _index(level, op, args):
    x, places, *indices = args
    _refuse_masks(level, indices)
    if not any([level.hides(i) for i in indices]):
        together = _together(places, indices)
        out = op(level.front(x), tuple([p + 1 for p in places]), *indices)
        n = max([1 if _is_mask(i) else rank(i) for i in indices])
        return level.wrap(out, 0 if together else n)
    if any([_is_mask(i) for i in indices]):
        return None
    whole, n = _with_numbers(level, indices)
    out = op(level.whole(x), (0, *[p + 1 for p in places]), *whole)
    first = places[0]
    if first and _together(
        places, indices
    ):  # from (batch, index, rest) to the place of the index in an example
        out = TABLE["permute"](out, _moved_in(out.ndim, n, first))
    return level.wrap(out)


def _moved_in(ndim, n, first):
    """The axes of (batch, n of the index, others) with the index's after `first` of the others."""
    others = list(range(1 + n, ndim))
    return (0, *others[:first], *range(1, 1 + n), *others[first:])


@rule("index_put")
def _index_put(level, op, args):
    x, values, accumulate, places, *indices = args
    return _put(level, x, values, accumulate, places, indices)


@rule("index_backward")
def _index_backward(level, op, args):
    g, shape, places, *indices = args
    zeros = wrap(np.zeros(shape, g._array.dtype if isinstance(g, Tensor) else g.dtype))
    return _put(level, zeros, g, True, places, indices)


def _put(level, x, values, accumulate, places, indices):
    """index_put on whole batches: values, which broadcast, are laid out as (batch, index, others)."""
    if len(indices) == 1 and level.hides(indices[0]) and _is_mask(indices[0]) and rank(values) == 0:
        return _put_under_mask(level, x, values, accumulate, places[0], indices[0])
    _refuse_masks(level, indices)
    row, first = TABLE["index_put"], places[0]
    if any([_is_mask(i) for i in indices]):
        if not _together(places, indices):
            return None
        whole = level.whole(x)
        n = (
            whole.ndim
            - sum([rank(i) for i in indices if _is_mask(i)])
            + sum([1 for i in indices if _is_mask(i)])
        )
        values = padded_to(level.front(values), n) if level.hides(values) else values
        return level.wrap(row(whole, values, accumulate, tuple([p + 1 for p in places]), *indices))
    whole, n = _with_numbers(level, indices)
    x = level.whole(x)
    size = x.ndim - len(indices) + n  # dimensions of an example's values, and the batch's
    values = level.whole(values) if level.hides(values) or not isinstance(values, np.ndarray) else values
    if first and _together(places, indices) and rank(values):
        values = padded_to(values, size) if isinstance(values, Tensor) else values
        others = values.ndim - 1 - n
        if isinstance(values, Tensor):
            axes = (
                0,
                *range(1 + first, 1 + first + n),
                *range(1, 1 + first),
                *range(1 + first + n, 1 + n + others),
            )
            values = TABLE["permute"](values, axes)
    elif isinstance(values, Tensor):
        values = padded_to(values, size)
    return level.wrap(row(x, values, accumulate, (0, *[p + 1 for p in places]), *whole))


def _put_under_mask(level, x, values, accumulate, place, mask):
    """One value wherever a mask that differs from example to example is True."""
    with level.inside():
        mask = TABLE["reshape"](mask, (*mask.shape, *[1] * (rank(x) - place - rank(mask))))
        if accumulate:
            return x + TABLE["where"](values, 0, mask)
        return TABLE["where"](
            TABLE["cast"](values, x._array.dtype) if isinstance(values, Tensor) else values, x, mask
        )


# --- along one axis ---------------------------------------------------------------------


@rule("index_select", "index_select_backward")
def _index_select(level, op, args):
    x, *shape, axis, index = args
    if rank(x) == 0:
        return None
    if level.hides(index):
        with level.inside():
            if shape:
                return TABLE["index_backward"](x, *shape, (axis,), index)
            return TABLE["index"](x, (axis,), index)
    shape = [(level.size, *s) for s in shape]
    return level.wrap(op(level.front(x), *shape, axis + 1, index))


@rule("index_add", "index_copy")
def _index_write(level, op, args):
    x, source, axis, index = args
    if rank(x) == 0:
        return None
    if level.hides(index):
        with level.inside():
            return TABLE["index_put"](x, source, op.name == "index_add", (axis,), index)
    source = level.whole(source) if rank(source) else source
    return level.wrap(op(level.whole(x), source, axis + 1, index))


@rule("index_fill")
def _index_fill(level, op, args):
    x, value, axis, index = args
    if rank(x) == 0:
        return None
    if not level.hides(index):
        value = padded_to(level.front(value), rank(x) + 1) if level.hides(value) else value
        return level.wrap(op(level.whole(x), value, axis + 1, index))
    with level.inside():  # a mask names no place twice, as the gradient of the value wants
        no, yes = wrap(np.zeros(x.shape[axis], bool)), wrap(np.ones((), bool))
        mask = TABLE["index_put"](no, yes, False, (0,), index)
        return TABLE["where"](value, x, TABLE["reshape"](mask, (x.shape[axis], *[1] * (rank(x) - axis - 1))))


@rule("gather", "gather_backward", "scatter_add")
def _gather(level, op, args):
    n = len(args[1]) if op.name == "gather_backward" else rank(args[0])
    if rank(args[-1]) != n:
        return None  # an index without elements may have any number of dimensions
    return along(level, op, args)


@rule("scatter")
def _scatter(level, op, args):
    x, src, axis, index = args
    if rank(x) == 0 or rank(index) == 0 or (level.hides(src) and rank(src) == 0):
        return None
    if rank(src) == 0:
        return level.wrap(op(level.whole(x), src, axis + 1, level.whole(index)))
    return along(level, op, args)


@rule("take")
def _take(level, op, args):
    x, index = args
    with level.inside():
        flat = TABLE["reshape"](x, (x._array.size,)) if isinstance(x, Tensor) else x.reshape(-1)
        return TABLE["index"](flat, (0,), index)


@rule("take_backward")
def _take_backward(level, op, args):
    g, shape, index = args
    size = int(np.prod(shape, dtype=np.int64))
    with level.inside():
        return TABLE["reshape"](TABLE["index_backward"](g, (size,), (0,), index), tuple(shape))


@rule("embedding")
def _embedding(level, op, args):
    weight, indices, padding_idx, by_frequency = args
    if not level.hides(weight):
        if by_frequency:  # counted in each example
            return None
        return level.wrap(op(weight, level.front(indices), padding_idx, False))
    if by_frequency:
        return None
    with level.inside():
        out = TABLE["index"](weight, (0,), indices)
        if padding_idx < 0:
            return out
        padding = TABLE["unsqueeze"](TABLE["eq"](indices, padding_idx), (rank(indices),))
        return TABLE["where"](out.detach(), out, padding)


@rule("embedding_backward")
def _embedding_backward(level, op, args):
    y, indices, rows, padding_idx, by_frequency = args
    if by_frequency:
        return None
    with level.inside():
        if padding_idx >= 0:
            kept = TABLE["ne"](indices, padding_idx)
            y = TABLE["masked"](y, TABLE["unsqueeze"](kept, (rank(indices),)))
        return TABLE["index_backward"](y, (rows, y.shape[-1]), (0,), indices)


@rule("masked_select")
def _masked_select(level, op, args):
    x, mask = args
    if level.hides(mask):
        _refuse_masks(level, [mask])
    return None
