"""How normalisations and losses run on whole batches; see `rules`."""

import numpy as np

from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from .rules import hidden, merged, padded_to, part_all, parted, promoted, rank, rule

# --- normalisation ----------------------------------------------------------------------


def _beside(value):
    """(B, N, C, ...) as (N, B * C, ...): the examples' channels beside each other."""
    value = TABLE["permute"](value, (1, 0, *range(2, value.ndim)))
    return TABLE["reshape"](value, (value.shape[0], value.shape[1] * value.shape[2], *value.shape[3:]))


def _apart(value, size):
    """(N, B * C, ...) as (B, N, C, ...)."""
    value = TABLE["reshape"](value, (value.shape[0], size, value.shape[1] // size, *value.shape[2:]))
    return TABLE["permute"](value, (1, 0, *range(2, value.ndim)))


def _per_channel(level, v):
    """One value per channel as one per channel of all examples."""
    return None if v is None else merged(level.whole(v))


@rule("batch_norm")
def _batch_norm(level, op, args):
    x, weight, bias, eps = args
    weight, bias = [_per_channel(level, v) for v in (weight, bias)]
    out, mean, var = op(_beside(level.whole(x)), weight, bias, eps)
    return level.wrap(_apart(out, level.size)), *[level.wrap(parted(m, level.size)) for m in (mean, var)]


@rule("batch_norm_eval")
def _batch_norm_eval(level, op, args):
    x, weight, bias, mean, var, eps = args
    if level.size and not any([level.hides(v) for v in (weight, bias, mean, var)]):
        return part_all(level, op(merged(level.front(x)), *args[1:]))
    values = [_per_channel(level, v) for v in (weight, bias, mean, var)]
    return level.wrap(_apart(op(_beside(level.whole(x)), *values, eps), level.size))


@rule("layer_norm", "rms_norm")
def _last_axes_norm(level, op, args):
    """The row without its affine part, which is then written out where its parameters are batched."""
    x, *affine, kept, eps = args
    if not level.hides(x):
        x = level.wrap(level.whole(x))
    value = level.front(x)
    if not any([level.hides(v) for v in affine]):
        return hidden(level, op(value, *affine, kept, eps))
    out, *moments = hidden(level, op(value, *[None for _ in affine], kept, eps))
    with level.inside():
        for v, join in zip(affine, ("mul", "add"), strict=False):
            out = out if v is None else TABLE[join](out, v)
    return out, *moments


@rule("group_norm")
def _group_norm(level, op, args):
    x, weight, bias, groups, eps = args
    if not level.size:
        return None
    value = merged(level.whole(x))
    if not (level.hides(weight) or level.hides(bias)):
        return part_all(level, op(value, weight, bias, groups, eps))
    out, *moments = part_all(level, op(value, None, None, groups, eps))
    with level.inside():
        shape = (-1, *[1] * (rank(x) - 2))
        for v, join in ((weight, "mul"), (bias, "add")):
            if v is not None:
                v = TABLE["reshape"](v, (v.shape[0], *shape[1:]))
                out = TABLE[join](out, v)
    return out, *moments


# --- losses -----------------------------------------------------------------------------


@rule(
    "mse_loss",
    "huber_loss",
    "smooth_l1_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "soft_margin_loss",
)
def _loss(level, op, args):
    """The elementwise loss, then its sum or mean over each example."""
    *rest, reduction = args
    n = max([rank(a) for a in rest if isinstance(a, Tensor)])
    if op.promote is not None:
        rest = promoted(level, op, tuple(rest))
    values = [padded_to(level.front(a), n + 1) if level.hides(a) else a for a in rest]
    loss = op(*values, "none")
    if reduction == "none":
        return level.wrap(loss)
    return level.wrap(TABLE[reduction](loss, tuple(range(1, loss.ndim)), False))


@rule("nll_loss")
def _nll_loss(level, op, args):
    """One example's loss is that of its items: all examples' items are one batch, and then summed for
    each."""
    x, target, weight, ignore_index, reduction = args
    if level.hides(weight) or not level.size:
        return None
    x, target = level.whole(x), level.whole(target)
    single = x.ndim == 2  # one item per example, without a dimension for items
    losses = op(
        x if single else merged(x), target if single else merged(target), weight, ignore_index, "none"
    )
    losses = losses if single else parted(losses, level.size)
    if reduction == "none":
        return level.wrap(losses)
    axes = tuple(range(1, losses.ndim))
    total = TABLE["sum"](losses, axes, False)
    if reduction == "sum":
        return level.wrap(total)
    return level.wrap(total / TABLE["sum"](_counts(target, weight, ignore_index, x), axes, False))


def _counts(target, weight, ignore_index, x):
    """What each target counts in a weighted mean, in the dtype of `x`."""
    valid = TABLE["ne"](target, ignore_index)
    if weight is None:
        return TABLE["cast"](valid, x._array.dtype)
    safe = TABLE["where"](target, 0, valid)
    chosen = TABLE["index"](weight, (0,), safe)
    return TABLE["where"](chosen, wrap(np.zeros((), x._array.dtype)), valid)


@rule("nll_loss_backward")
def _nll_loss_backward(level, op, args):
    y, target, weight, shape, ignore_index, reduction = args
    if level.hides(weight) or not level.size:
        return None
    y, target = level.whole(y), level.whole(target)
    single = len(shape) == 1
    if reduction != "none":
        if reduction == "mean":
            like = wrap(np.zeros((), y._array.dtype))
            y = y / TABLE["sum"](
                _counts(target, weight, ignore_index, like), tuple(range(1, target.ndim)), False
            )
        y = TABLE["view"](y, (level.size, *[1] * (target.ndim - 1)))
        y = TABLE["broadcast_to"](y, target.shape)
    if single:
        return level.wrap(op(y, target, weight, (level.size, *shape), ignore_index, "none"))
    whole = (level.size * shape[0], *shape[1:])
    return part_all(level, op(merged(y), merged(target), weight, whole, ignore_index, "none"))
