"""Losses over classes: negative log likelihood, cross entropy, margins between classes."""

import math

import numpy as np

from ..core.apply import by_example
from ..core.op import LINEAR, Op, through_float32
from ..core.tensor import wrap
from .arguments import normal_axis
from .elementary import logaddexp
from .loss import reduce_loss, reduced, reduction_of
from .pointwise import clamp_min, where
from .product import linear
from .reduce import sum
from .shape import reshape
from .softmaxes import log_softmax

__all__ = []
METHODS = INPLACE = []


# --- negative log likelihood --------------------------------------------------------------------------


def _class_axis(ndim):
    return 1 if ndim > 1 else 0


def _coefficients(xp, target, weight, ignore_index, kind):
    """Class indices that are safe to index with, where they count, and what each counts."""
    valid = target != ignore_index
    safe = xp.where(valid, target, 0).astype(np.int64)
    counts = valid.astype(kind) if weight is None else xp.where(valid, weight[safe], 0).astype(kind)
    return safe, valid, counts


def _check_range(target, valid, classes):
    wrong = valid & ((target < 0) | (target >= classes))
    if wrong.any():
        raise IndexError(
            f"Target {target[wrong].flat[0]} is out of bounds: with {classes} classes, targets are 0 to "
            f"{classes - 1}, or ignore_index [RG053]"
        )


@through_float32
def _nll(xp, x, target, weight, ignore_index, reduction):
    axis = _class_axis(x.ndim)
    safe, valid, counts = _coefficients(xp, target, weight, ignore_index, x.dtype)
    _check_range(target, valid, x.shape[axis])
    picked = xp.take_along_axis(x, xp.expand_dims(safe, axis), axis).squeeze(axis)
    loss = xp.where(valid, -picked * counts, 0).astype(x.dtype, copy=False)
    if reduction != "mean":
        return reduced(xp, loss, reduction)
    return xp.add.reduce(loss, axis=None) / xp.add.reduce(counts, axis=None)


def _nll_spread(xp, g, target, weight, shape, ignore_index, reduction):
    """The transpose of `_nll`, which is linear in x: an array of `shape`."""
    axis = _class_axis(len(shape))
    safe, valid, counts = _coefficients(xp, target, weight, ignore_index, g.dtype)
    if reduction == "mean":
        counts = counts / xp.add.reduce(counts, axis=None)
    out = xp.zeros(shape, g.dtype)
    values = xp.where(valid, -g * counts, 0).astype(g.dtype, copy=False)
    xp.put_along_axis(out, xp.expand_dims(safe, axis), xp.expand_dims(values, axis), axis)
    return out


nll_row = Op(
    "nll_loss", _nll,
    x=lambda g, target, weight, x_shape, ignore_index, reduction: (
        _nll_spread_row(g, target, weight, x_shape, ignore_index, reduction)
    ),
    jvp=LINEAR,
)  # fmt: skip

_nll_spread_row = Op(
    "nll_loss_backward",
    lambda xp, y, target, weight, shape, ignore_index, reduction: (
        _nll_spread(xp, y, target, weight, shape, ignore_index, reduction)
    ),
    y=lambda g, target, weight, ignore_index, reduction: nll_row(g, target, weight, ignore_index, reduction),
    jvp=LINEAR,
)  # fmt: skip


def _check_classes(name, input, target, weight):
    """The errors that PyTorch gives for class indices that don't fit the scores."""
    if target._array.dtype.kind not in "iu" or target._array.dtype not in (np.int64, np.uint8):
        raise RuntimeError(
            f"{name}: expected target dtype to be Long or Byte, but got {target.dtype} [RG063]"
        )
    if input.ndim == 0:
        raise ValueError(f"{name}: Expected 1 or more dimensions (got 0) [RG063]")
    if input.ndim > 1 and (target.ndim == 0 or input.shape[0] != target.shape[0]):
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0] if target.ndim else 'none'}). [RG063]"
        )
    expected = (*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()
    if tuple(target.shape) != expected:
        raise RuntimeError(
            f"{name}: for an input of shape {list(input.shape)} (classes in dimension "
            f"{_class_axis(input.ndim)}), "
            f"expected a target of shape {list(expected)}, but got {list(target.shape)} [RG063]"
        )
    classes = input.shape[_class_axis(input.ndim)]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight "
            f"tensor of shape: {list(weight.shape)} [RG063]"
        )


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """-input[target], of log-probabilities (N, C, ...) or (C,) and class indices (N, ...) or ().

    `weight` is one number per class; "mean" divides by the sum of the targets' weights. Targets equal to
    `ignore_index` count nothing.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    return nll_row(input, target, weight, ignore_index, reduction)


# --- cross entropy ------------------------------------------------------------------------------------


def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
    label_smoothing=0.0,
):  # fmt: skip
    """The negative log likelihood of softmax(input): scores (N, C, ...) or (C,).

    `target` are class indices (N, ...) or (), or probabilities of the input's shape. `label_smoothing` mixes
    the targets with that share of the uniform distribution. For `weight` and `ignore_index` see `nll_loss`;
    with probabilities, "mean" divides by the batch, and nothing is ignored.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing} [RG049]")
    if input.ndim == 0:
        raise ValueError("cross_entropy: Expected 1 or more dimensions (got 0) [RG063]")
    axis = _class_axis(input.ndim)
    if input.shape == target.shape:
        return _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing, axis)
    _check_classes("cross_entropy", input, target, weight)
    logs = log_softmax(input, axis)
    if label_smoothing == 0:
        return nll_row(logs, target, weight, ignore_index, reduction)
    return _smoothed(logs, target, weight, ignore_index, reduction, label_smoothing, axis)


def _over_classes(weight, ndim, axis):
    return reshape(weight, [-1 if i == axis else 1 for i in range(ndim)])


def _of_probabilities(input, target, weight, ignore_index, reduction, label_smoothing, axis):
    if target._array.dtype.kind not in "fV":
        raise RuntimeError(
            "cross_entropy: Expected floating point type for target with class probabilities, got "
            f"{target.dtype}; "
            f"class indices would have the shape of the input without dimension {axis} [RG063]"
        )
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target [RG063]")
    classes = input.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined for all {classes} classes or none [RG063]"
        )
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / max(classes, 1)
    terms = log_softmax(input, axis) * target
    if weight is not None:
        terms = terms * _over_classes(weight, input.ndim, axis)
    if reduction == "none":
        return -sum(terms, axis)
    total = -sum(terms)
    return total / (math.prod(input.shape) / max(classes, 1)) if reduction == "mean" else total


@by_example
def _smoothed(logs, target, weight, ignore_index, reduction, smoothing, axis):
    """(1 - smoothing) of the loss at the target, and the rest shared by all classes."""
    at_target = nll_row(logs, target, weight, ignore_index, reduction)
    everywhere = -sum(logs if weight is None else logs * _over_classes(weight, logs.ndim, axis), axis)
    kept = wrap(np.asarray(target._array != ignore_index))
    everywhere = where(kept, everywhere, 0)
    if reduction != "none":
        total = sum(everywhere)
        if reduction == "mean":
            if weight is None:
                total = total / int(kept._array.sum()) if kept._array.any() else total * math.nan
            else:
                safe = np.where(kept._array, target._array, 0)
                total = total / float(np.where(kept._array, weight._array[safe], 0).sum())
        everywhere = total
    return at_target * (1 - smoothing) + everywhere * (smoothing / logs.shape[axis])


def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
    label_smoothing=0.0, options=None,
):  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), ...); the scores are computed whole.

    `linear_weight` is (C, in) or (C, d_1, ..., d_K, in), with a target (N, d_1, ..., d_K).
    """
    rows = reshape(linear_weight, (-1, linear_weight.shape[-1])) if linear_weight.ndim > 2 else linear_weight
    scores = linear(input, rows, None if linear_bias is None else reshape(linear_bias, (-1,)))
    if linear_weight.ndim > 2:
        scores = reshape(scores, (*scores.shape[:-1], *linear_weight.shape[:-1]))
    ignore_index = -100 if ignore_index is None else ignore_index
    return cross_entropy(scores, target, weight, None, ignore_index, None, reduction, label_smoothing)


# --- margins between classes --------------------------------------------------------------------------


def _as_batch(name, input, target, per_class):
    """Scores as (N, C), targets as (N,) or (N, C), and whether N was missing; one number is one class."""
    input = input if input.ndim else reshape(input, (1,))
    expected = input.shape if per_class else input.shape[: input.ndim - 1]
    if input.ndim not in (1, 2) or (tuple(target.shape) != tuple(expected) and math.prod(target.shape) != 1):
        raise RuntimeError(
            f"{name}: for input {list(input.shape)}, expected a target of shape {list(expected)}, "
            f"but got {list(target.shape)} [RG063]"
        )
    if target._array.dtype != np.int64:
        raise RuntimeError(f"{name}: expected a target of dtype int64, but got {target.dtype} [RG063]")
    if input.ndim == 2:
        return input, target._array.reshape(expected), False
    return reshape(input, (1, -1)), target._array.reshape(1, *expected), True


@by_example
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over the other classes of max(0, margin - input[target] + input[class]) ** p, p = 1 or 2."""
    reduction = reduction_of(reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, but got {p} [RG049]")
    x, index, single = _as_batch("multi_margin_loss", input, target, False)
    n, classes = x.shape
    _check_range(index, index == index, classes)
    at_target = np.arange(classes) == index[:, None]
    picked = reshape(sum(where(wrap(at_target), x, 0), 1), (n, 1))
    loss = clamp_min(margin - picked + x, 0)
    loss = loss * loss if p == 2 else loss
    if weight is not None:
        loss = loss * wrap(weight._array[index][:, None])
    loss = sum(where(wrap(~at_target), loss, 0), 1) / classes
    return _given_back(loss, single, reduction)


def _given_back(loss, single, reduction):
    return reshape(loss, ()) if single and reduction == "none" else reduce_loss(loss, reduction)


@by_example
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The sum over target classes j and other classes i of max(0, 1 - input[j] + input[i]), over C.

    `target` (N, C) lists class indices; the first -1 ends the list.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    x, index, single = _as_batch("multilabel_margin_loss", input, target, True)
    n, classes = x.shape
    listed = np.logical_and.accumulate(index >= 0, axis=1)
    _check_range(index, listed, classes)
    is_target = np.zeros((n, classes + 1), bool)
    np.put_along_axis(is_target, np.where(listed, index, classes), True, axis=1)
    is_target = is_target[:, :classes]
    times = np.zeros((n, classes))  # a class that is listed twice counts twice
    np.add.at(times, (np.nonzero(listed)[0], index[listed]), 1)
    margins = clamp_min(1 - reshape(x, (n, classes, 1)) + reshape(x, (n, 1, classes)), 0)
    counted = times[:, :, None] * ~is_target[:, None, :]
    loss = sum(margins * wrap(counted.astype(x._array.dtype)), (1, 2)) / classes
    return _given_back(loss, single, reduction)


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes of binary cross entropy with logits."""
    reduction = reduction_of(reduction, size_average, reduce)
    loss = target * logaddexp(-input, input * 0) + (1 - target) * logaddexp(input, input * 0)
    if weight is not None:
        loss = loss * weight
    axis = normal_axis(-1, input.ndim)
    return reduce_loss(sum(loss, axis) / input.shape[axis], reduction)
