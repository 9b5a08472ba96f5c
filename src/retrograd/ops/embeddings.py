"""Look-ups in a table of vectors: embedding, bags of embeddings, one-hot."""

import numpy as np

from ..core.apply import by_example
from ..core.compiled import native
from ..core.op import LINEAR, Op, through_float32
from ..core.tensor import Tensor, wrap
from .pointwise import masked
from .shape import reshape

__all__ = ["embedding", "embedding_bag", "embedding_renorm_"]
METHODS = INPLACE = []


ROUNDS = 8  # rows that occur more often than this are summed one by one

# --- on arrays ----------------------------------------------------------------------------------------


def _checked(indices, rows):
    if indices.size and not (indices.min() >= 0 and indices.max() < rows):
        wrong = indices[(indices < 0) | (indices >= rows)].flat[0]
        raise IndexError(f"index out of range in self: {wrong}, in a table of {rows} rows [RG033]")
    return indices


@through_float32
def sum_by_row(xp, values, rows, count):
    """An array (count, D) with `values` (L, D) summed by their row numbers `rows` (L,)."""
    out = xp.zeros((count, values.shape[1]), values.dtype)
    if native is not None and native.add_rows(out, rows, np.ascontiguousarray(values)):
        return out
    if not rows.size:
        return out
    order = xp.argsort(rows, kind="stable")
    rows = rows[order]
    first = xp.flatnonzero(xp.concatenate([[True], rows[1:] != rows[:-1]]))
    times = xp.diff(xp.append(first, len(rows)))
    rows = rows[first]
    often = times > ROUNDS
    for row, start, n in zip(rows[often], first[often], times[often], strict=True):
        out[row] = values[order[start : start + n]].sum(axis=0)
    rows, first, times = rows[~often], first[~often], times[~often]
    out[rows] = values[order[first]]
    for k in range(1, int(times.max(initial=0))):  # whole arrays of each row's second value, third...
        again = times > k
        out[rows[again]] += values[order[first[again] + k]]
    return out


def _embedding_backward(xp, y, indices, rows, padding_idx, scale_grad_by_freq):
    flat = indices.reshape(-1)
    values = y.reshape(flat.size, y.shape[-1])
    if scale_grad_by_freq:
        values = values / xp.bincount(flat, minlength=rows)[flat].astype(y.dtype)[:, None]
    if padding_idx >= 0:
        kept = flat != padding_idx
        flat, values = flat[kept], values[kept]
    return sum_by_row(xp, values, flat, rows)


# --- the rows -----------------------------------------------------------------------------------------

embedding_row = Op(
    "embedding",
    lambda xp, weight, indices, padding_idx, scale_grad_by_freq: (
        xp.take(weight, _checked(indices, weight.shape[0]), axis=0)
    ),
    weight=lambda g, weight_shape, indices, padding_idx, scale_grad_by_freq: (
        _embedding_backward_row(g, indices, weight_shape[0], padding_idx, scale_grad_by_freq)
    ),
    jvp=lambda t_weight, indices, padding_idx, scale_grad_by_freq: (
        _embedding_again(t_weight, indices, padding_idx, scale_grad_by_freq)
    ),
)  # fmt: skip


def _embedding_again(g, indices, padding_idx, scale_grad_by_freq):
    """The transpose of the embedding's gradient: but zero for padding, divided by counts."""
    out = embedding_row(g, indices, padding_idx, False)
    raw = indices._array if isinstance(indices, Tensor) else indices
    if padding_idx >= 0:
        out = masked(out, np.broadcast_to((raw != padding_idx)[..., None], out.shape))
    if scale_grad_by_freq:
        counts = np.bincount(raw.reshape(-1))[raw]
        out = out / counts[..., None].astype(out._array.dtype if isinstance(out, Tensor) else out.dtype)
    return out


_embedding_backward_row = Op(
    "embedding_backward",
    lambda xp, y, indices, rows, padding_idx, scale_grad_by_freq: (
        _embedding_backward(xp, y, indices, rows, padding_idx, scale_grad_by_freq)
    ),
    y=lambda g, indices, padding_idx, scale_grad_by_freq: (
        _embedding_again(g, indices, padding_idx, scale_grad_by_freq)
    ),
    jvp=LINEAR, node="EmbeddingDenseBackwardBackward0",
)  # fmt: skip

sum_bags = Op(
    "sum_bags", lambda xp, x, bags, count: sum_by_row(xp, x, bags, count),
    x=lambda g, bags: embedding_row(g, bags, -1, False), jvp=LINEAR, node="EmbeddingBagBackward0",
)  # fmt: skip

_pick_from_rows = Op(
    "pick_from_rows", lambda xp, x, rows: x[rows, xp.arange(x.shape[1])],
    x=lambda g, rows, x_shape: _place_in_rows(g, rows, x_shape[0]), jvp=LINEAR, node="EmbeddingBagBackward0",
)  # fmt: skip


def _place(xp, y, rows, count):
    out = xp.zeros((count, y.shape[1]), y.dtype)
    xp.add.at(out, (rows, xp.arange(y.shape[1])), y)  # empty bags name row 0, and add zeros to it
    return out


_place_in_rows = Op(
    "place_in_rows", lambda xp, y, rows, count: _place(xp, y, rows, count),
    y=lambda g, rows: _pick_from_rows(g, rows), jvp=LINEAR,
)  # fmt: skip


# --- public -------------------------------------------------------------------------------------------


def _check_indices(name, indices):
    if indices._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
            "but got "
            f"{indices.dtype} instead (while checking arguments for {name}) [RG121]"
        )


def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """The rows of `weight` (V, D) that `indices` (...) name: shape (..., D).

    The row `padding_idx` gets no gradient. With `scale_grad_by_freq`, gradients are divided by how often
    their index occurs. Both hold in forward mode too, unlike in PyTorch. `sparse` is accepted; the gradient
    is dense nevertheless.
    """
    _check_indices("embedding", indices)
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, but its shape is {list(weight.shape)} [RG068]")
    return embedding_row(weight, indices, padding_idx, bool(scale_grad_by_freq))


def embedding_renorm_(weight, indices, max_norm, norm_type):
    """Scale, in place and outside the graph, used rows of `weight` that are longer than `max_norm`."""
    table = weight._array
    used = np.unique(_checked(indices._array, table.shape[0]))
    rows = table[used].astype(np.float64)
    norms = np.linalg.norm(rows, ord=norm_type, axis=1)
    long = norms > max_norm
    table[used[long]] = (rows[long] * (max_norm / (norms[long] + 1e-7))[:, None]).astype(table.dtype)
    weight._versions().bump()
    return weight


@by_example
def embedding_bag(
    weight, indices, offsets=None, scale_grad_by_freq=False, mode=0, sparse=False, per_sample_weights=None,
    include_last_offset=False, padding_idx=-1,
):  # fmt: skip
    """Sums (mode 0), means (1) or maxima (2) of rows of `weight` over bags of `indices`.

    `indices` is (B, L), a bag per line, or 1-D with `offsets`, where bags begin. Empty bags give zeros.
    Returns the bags (B, D), and as in PyTorch three index tensors: the bag of each index, the sizes of the
    bags, and for maxima the chosen indices.
    """
    _check_indices("embedding_bag", indices)
    if weight.ndim != 2:
        raise RuntimeError(
            f"embedding_bag: weight has to be a 2D Tensor, but is {list(weight.shape)} [RG068]"
        )
    bags, count = _bags_of(indices, offsets, include_last_offset)
    flat = indices._array.reshape(-1)
    wrong = flat[(flat < 0) | (flat >= weight.shape[0])]
    if wrong.size:
        raise RuntimeError(
            "embedding_bag: Expected idx >= 0 && idx < num_embeddings but found idx to be "
            f"{wrong[0]} (the table has {weight.shape[0]} rows) [RG033]"
        )
    if per_sample_weights is not None and per_sample_weights.dtype != weight.dtype:
        raise RuntimeError(
            f"embedding_bag: expected 'weight' ({weight.dtype}) to have the same type as "
            f"'per_sample_weights' ({per_sample_weights.dtype}) [RG068]"
        )
    samples = None if per_sample_weights is None else reshape(per_sample_weights, (-1, 1))
    kept = np.flatnonzero(flat != padding_idx)
    if len(kept) != len(flat):
        flat, bags = flat[kept], bags[kept]
        samples = samples if samples is None else embedding_row(samples, kept, -1, False)
    sizes = np.bincount(bags, minlength=count)
    x = embedding_row(weight, wrap(flat), padding_idx, bool(scale_grad_by_freq))
    chosen = np.zeros(0, np.int64)
    if mode == 2:
        if samples is not None:
            raise RuntimeError(
                "embedding_bag: per_sample_weights was not None; it is only supported for mode='sum' [RG068]"
            )
        rows, filled = _greatest(x._array, bags, count)
        out = _pick_all(x, rows, filled, count)
        chosen = np.where(filled[:, None], flat[rows] if flat.size else rows, 0)
    else:
        if samples is not None:
            if mode != 0:
                raise RuntimeError(
                    "embedding_bag: per_sample_weights is only supported for mode='sum' [RG068]"
                )
            x = x * samples
        out = sum_bags(x, bags, count)
        if mode == 1:
            out = out / wrap(np.maximum(sizes, 1)[:, None].astype(weight._array.dtype))
    return out, wrap(bags), wrap(sizes), wrap(chosen)


def _bags_of(indices, offsets, include_last_offset):
    """The bag that each index is in, and how many bags there are."""
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
                "bags [RG068]"
            )
        return np.repeat(np.arange(indices.shape[0]), indices.shape[1]), indices.shape[0]
    if indices.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {indices.ndim} [RG068]"
        )
    if offsets is None or offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor where input is 1D [RG068]")
    starts, total = offsets._array, indices.shape[0]
    if starts.size and (starts[0] != 0 or starts[-1] > total or (starts[1:] < starts[:-1]).any()):
        raise ValueError(
            f"offsets has to begin with 0, never fall, and not exceed the input's length {total}, but got "
            f"{starts} [RG068]"
        )
    bounds = np.append(starts[:-1] if include_last_offset else starts, total)
    count = len(bounds) - 1
    return np.repeat(np.arange(count), np.diff(bounds)), count


def _greatest(values, bags, count):
    """For each bag and column, the row of `values` that is greatest; and which bags have rows at all."""
    order = np.zeros((count, values.shape[1]), np.int64)
    filled = np.zeros(count, bool)
    values = values.astype(np.float32) if values.dtype.kind == "V" else values
    if not bags.size:
        return order, filled
    first = np.flatnonzero(np.append(True, bags[1:] != bags[:-1]))
    for start, end in zip(first, [*first[1:], len(bags)], strict=True):
        order[bags[start]] = start + values[start:end].argmax(axis=0)
        filled[bags[start]] = True
    return order, filled


def _pick_all(x, rows, filled, count):
    if not x.shape[0]:
        return sum_bags(x, np.zeros(0, np.int64), count)
    return masked(_pick_from_rows(x, rows), np.broadcast_to(filled[:, None], rows.shape))


@by_example
def one_hot(tensor, num_classes=-1):
    """Class indices (...) as int64 vectors (..., num_classes) of zeros and a one; -1 means just enough."""
    index = tensor._array
    if index.dtype != np.int64:
        raise RuntimeError(
            f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype} [RG121]"
        )
    if not index.size and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor. [RG123]")
    if index.size and index.min() < 0:
        raise RuntimeError(f"Class values must be non-negative, but one is {index.min()} [RG053]")
    if num_classes == -1:
        num_classes = int(index.max()) + 1
    elif num_classes < 1 or (index.size and index.max() >= num_classes):
        raise RuntimeError(
            f"Class values must be smaller than num_classes, but {index.max()} is not smaller than "
            f"{num_classes} [RG053]"
        )
    out = np.zeros((*index.shape, num_classes), np.int64)
    out.reshape(-1)[np.arange(index.size) * num_classes + index.reshape(-1)] = 1
    return wrap(out)
