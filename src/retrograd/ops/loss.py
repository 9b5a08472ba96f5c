"""Losses between numbers: squared, absolute, Huber; binary cross entropy; divergence; margins.

A row takes how to reduce, "none", "mean" or "sum", as its last parameter. Losses over classes are in
`classification`.
"""

import math
import warnings

import numpy as np

from ..core.compiled import fused
from ..core.op import ELEMENTWISE, PAIR, Op, through_float32
from ..core.tensor import Tensor
from .elementary import exp, log, log1p, logaddexp, sigmoid, xlogy
from .pointwise import absolute, clamp_min, masked, maximum, where
from .power import sqrt
from .reduce import mean, mean_row, sum, sum_row
from .shape import broadcast_tensors, reshape

__all__ = []
METHODS = INPLACE = []


# --- reduction ----------------------------------------------------------------------------------------


def reduced(xp, loss, reduction):
    """A row's elementwise loss, reduced."""
    if reduction == "none":
        return loss
    return (sum_row if reduction == "sum" else mean_row)(loss, tuple(range(loss.ndim)), False)


def shared(g, x, reduction):
    """What of the loss's gradient each element of `x` gets."""
    return g / max(math.prod(x.shape), 1) if reduction == "mean" else g


def reduce_loss(loss, reduction):
    """An elementwise loss made of other rows, reduced."""
    if reduction == "none":
        return loss
    return mean(loss) if reduction == "mean" else sum(loss)


def reduction_of(reduction, size_average=None, reduce=None):
    """`reduction`, checked; the older arguments `size_average` and `reduce` outrank it."""
    if size_average is not None or reduce is not None:
        averages = size_average is None or size_average
        reduction = "none" if reduce is False else "mean" if averages else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{reduction} is not a valid value for reduction; expected 'none', 'mean' or 'sum' [RG048]"
        )
    return reduction


def legacy_reduction(size_average, reduce):
    """The `reduction` that PyTorch's older arguments mean; warns that they are deprecated."""
    return reduction_of("mean", size_average, reduce)


def matched(input, target):
    """Both broadcast to one shape, with PyTorch's warning where they had different ones."""
    if input.shape == target.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). "
        "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same "
        "size.",
        stacklevel=3,
    )
    return broadcast_tensors(input, target)


def _check_floating(name, *tensors):
    for t in tensors:
        if isinstance(t, Tensor) and t._array.dtype.kind not in "fcV":
            raise NotImplementedError(
                f"{name} is not implemented for {t.dtype}; convert it with .float() [RG041]"
            )


# --- squared, absolute, and between -------------------------------------------------------------------


@fused
def _squares(x, y):
    difference = x - y
    return difference * difference


@fused
def _times_difference(g, x, y):
    return g * (x - y)


@through_float32
def _mse(xp, x, y, reduction):
    return reduced(xp, _squares(x, y), reduction)


def _mse_tangent(t_x, t_y, x, y, reduction):
    return reduce_loss((t_x - t_y) * (x - y) * 2, reduction)


mse_row = Op(
    "mse_loss", _mse,
    x=lambda g, x, y, reduction: _times_difference(shared(2 * g, x, reduction), x, y),
    y=lambda g, x, y, reduction: _times_difference(shared(2 * g, x, reduction), y, x),
    jvp=_mse_tangent, promote=PAIR,
)  # fmt: skip


@fused
def _huber_parts(x, y, delta, scale):
    size = np.abs(x - y)
    return np.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta)) * scale


@fused
def _huber_slope(g, x, y, delta, scale):
    return g * (bounded(x - y, delta) * scale)


@through_float32
def _huber(xp, x, y, delta, scale, reduction):
    return reduced(xp, _huber_parts(x, y, delta, scale), reduction)


bounded = Op(
    "bounded", lambda xp, x, bound: xp.clip(x, -bound, bound),
    x=lambda g, x, bound: masked(g, (x < bound) & (x > -bound)), jvp=ELEMENTWISE,
)  # fmt: skip


def _huber_row(name):
    """The row of scale * (d^2 / 2 where |d| < delta, else delta * (|d| - delta / 2)), where d = x - y."""
    return Op(
        name, _huber,
        x=lambda g, x, y, delta, scale, reduction: _huber_slope(
            shared(g, x, reduction), x, y, delta, scale
        ),
        y=lambda g, x, y, delta, scale, reduction: _huber_slope(
            shared(g, x, reduction), y, x, delta, scale
        ),
        jvp=lambda t_x, t_y, x, y, delta, scale, reduction: (
            reduce_loss((t_x - t_y) * (bounded(x - y, delta) * scale), reduction)
        ),
        promote=PAIR,
    )  # fmt: skip


_huber_loss = _huber_row("huber_loss")
_smooth_l1 = _huber_row("smooth_l1_loss")


def _weighted(loss, weight, input, reduction):
    """An elementwise loss with a weight per element; the mean is that of the weights."""
    if weight.shape != input.shape:
        raise ValueError(
            "Weights and input must have the same size, but they are "
            f"{list(weight.shape)} and {list(input.shape)} [RG063]"
        )
    loss = loss * weight
    return sum(loss) / sum(weight) if reduction == "mean" else reduce_loss(loss, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target) ** 2; with `weight`, the mean is weighted too."""
    reduction = reduction_of(reduction, size_average, reduce)
    x, y = matched(input, target)
    if weight is not None:
        return _weighted(mse_row(x, y, "none"), weight, input, reduction)
    _check_floating("mse_loss", x)
    return mse_row(x, y, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|; with `weight`, the mean is weighted too."""
    reduction = reduction_of(reduction, size_average, reduce)
    x, y = matched(input, target)
    loss = absolute(x - y)
    return reduce_loss(loss, reduction) if weight is None else _weighted(loss, weight, input, reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """d ** 2 / (2 beta) where |d| < beta, else |d| - beta / 2, of d = input - target."""
    reduction = reduction_of(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(
            f"smooth_l1_loss does not support negative values for beta, but got {beta} [RG049]"
        )
    x, y = matched(input, target)
    if beta == 0:
        return reduce_loss(absolute(x - y), reduction)
    _check_floating("smooth_l1_loss", x)
    return _smooth_l1(x, y, beta, 1 / beta, reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d ** 2 / 2 where |d| < delta, else delta * (|d| - delta / 2), of d = input - target."""
    reduction = reduction_of(reduction)
    if delta <= 0:
        raise RuntimeError(
            f"huber_loss does not support non-positive values for delta, but got {delta} [RG049]"
        )
    x, y = matched(input, target)
    _check_floating("huber_loss", x)
    if weight is None:
        return _huber_loss(x, y, delta, 1, reduction)
    loss = _weighted(_huber_loss(x, y, delta, 1, "none"), weight, input, "none")
    return reduce_loss(loss, reduction)  # the plain mean, unlike that of mse_loss and l1_loss


# --- binary cross entropy -----------------------------------------------------------------------------


@through_float32
def _bce(xp, x, y, weight, reduction):
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError(
            "all elements of input should be between 0 and 1; use the form with logits? [RG049]"
        )
    loss = (y - 1) * xp.maximum(xp.log1p(-x), -100) - y * xp.maximum(xp.log(x), -100)
    return reduced(xp, loss if weight is None else loss * weight, reduction)


def _times(g, weight):
    return g if weight is None else g * weight


_bce_row = Op(
    "binary_cross_entropy", _bce,
    x=lambda g, x, y, weight, reduction: (
        _times(shared(g, x, reduction), weight) * ((x - y) / maximum(x * (1 - x), 1e-12))
    ),
    y=lambda g, x, weight, reduction: _times(shared(g, x, reduction), weight) * (log1p(-x) - log(x)),
    jvp=lambda t_x, t_y, x, y, weight, reduction: reduce_loss(
        _times(t_x * ((x - y) / maximum(x * (1 - x), 1e-12)) + t_y * (log1p(-x) - log(x)), weight), reduction
    ),
)  # fmt: skip


def _softplus_of_negative(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(-x, 0)  # without overflow


@fused
def _logit_losses(x, y):
    return _softplus_of_negative(x) + (1 - y) * x


@through_float32
def _bce_logits(xp, x, y, weight, pos_weight, reduction):
    # the weight of positives multiplies the part of y alone
    if pos_weight is None:
        loss = _logit_losses(x, y)
    else:
        loss = _softplus_of_negative(x) * ((pos_weight - 1) * y + 1) + (1 - y) * x
    return reduced(xp, loss if weight is None else loss * weight, reduction)


@fused
def _sigmoid_difference(x, y):
    return sigmoid(x) - y


def _logits_slope(x, y, pos_weight):
    if pos_weight is None:
        return _sigmoid_difference(x, y)
    positive = y * pos_weight
    return (positive + (1 - y)) * sigmoid(x) - positive


def _target_slope(x, pos_weight):
    return -x if pos_weight is None else pos_weight * logaddexp(-x, 0.0) - logaddexp(x, 0.0)


_bce_logits_row = Op(
    "binary_cross_entropy_with_logits", _bce_logits,
    x=lambda g, x, y, weight, pos_weight, reduction: (
        _times(shared(g, x, reduction), weight) * _logits_slope(x, y, pos_weight)
    ),
    y=lambda g, x, weight, pos_weight, reduction: (
        _times(shared(g, x, reduction), weight) * _target_slope(x, pos_weight)
    ),
    jvp=lambda t_x, t_y, x, y, weight, pos_weight, reduction: reduce_loss(
        _times(t_x * _logits_slope(x, y, pos_weight) + t_y * _target_slope(x, pos_weight), weight), reduction
    ),
    promote=PAIR,
)  # fmt: skip


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(target * log(input) + (1 - target) * log(1 - input)), with logarithms of at least -100.

    `input` are probabilities of the shape of `target`; `weight` broadcasts.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) "
            "is deprecated. Please ensure they have the same size. [RG063]"
        )
    if input.dtype != target.dtype:
        raise RuntimeError(f"binary_cross_entropy: input is {input.dtype} but target {target.dtype} [RG040]")
    return _bce_row(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """Binary cross entropy of sigmoid(input), without overflow; `pos_weight` multiplies positives' loss."""
    reduction = reduction_of(reduction, size_average, reduce)
    if input.shape != target.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape}) [RG063]"
        )
    return _bce_logits_row(input, target, weight, pos_weight, reduction)


# --- divergences and likelihoods ----------------------------------------------------------------------


def divergence(input, target, log_target):
    """The terms of the Kullback-Leibler divergence."""
    return exp(target) * (target - input) if log_target else xlogy(target, target) - target * input


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log(target) - input), where `input` holds logarithms, and `target` too with `log_target`.

    "batchmean" divides the sum by the first size, as the mathematical definition does; "mean" by all of them.
    """
    per_item = reduction == "batchmean"
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    reduction = reduction_of("sum" if per_item else reduction, size_average, reduce)
    loss = reduce_loss(divergence(input, target, log_target), reduction)
    return loss / input.shape[0] if per_item and input.ndim else loss


def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """input - target * log(input), or with `log_input`, exp(input) - target * input.

    `full` adds Stirling's approximation of log(target!).
    """
    reduction = reduction_of(reduction, size_average, reduce)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        stirling = target * log(target) - target + 0.5 * log(2 * math.pi * target)
        loss = loss + where(target > 1, stirling, 0)
    return reduce_loss(loss, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log(var) + (input - target) ** 2 / var) / 2, with `var` at least `eps`; `full` adds log(2 pi) / 2.

    `var` is a number or has the shape of `input`, or 1 in one size, or lacks the last.
    """
    reduction = reduction_of(reduction)
    if not isinstance(var, Tensor):
        var = input * 0 + var
    elif tuple(var.shape) != tuple(input.shape):
        if tuple(var.shape) == tuple(input.shape[:-1]):
            var = reshape(var, (*var.shape, 1))
        elif var.ndim != input.ndim or [y for x, y in zip(input.shape, var.shape) if x != y] != [1]:
            raise ValueError(
                f"var is of incorrect size: {list(var.shape)} for input {list(input.shape)} [RG063]"
            )
    if (var._whole._array < 0).any():
        raise ValueError("var has negative entry/entries [RG049]")
    var = var + clamp_min(eps - var.detach(), 0)  # as PyTorch: below eps the gradient still passes
    loss = (log(var) + (input - target) ** 2 / var) * 0.5
    return reduce_loss(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


# --- margins ------------------------------------------------------------------------------------------


@through_float32
def _soft_margin(xp, x, y, reduction):
    return reduced(xp, xp.log1p(xp.exp(-y * x)), reduction)


_soft_margin_row = Op(
    "soft_margin_loss", _soft_margin,
    x=lambda g, x, y, reduction: shared(g, x, reduction) * (-y * sigmoid(-y * x)),
    jvp=lambda t_x, x, y, reduction: reduce_loss(t_x * (-y * sigmoid(-y * x)), reduction), promote=PAIR,
)  # fmt: skip


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * input)), for targets 1 and -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    return _soft_margin_row(*broadcast_tensors(input, target), reduction)


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """`input` where the target is 1, max(0, margin - input) where it is -1 (both where it is neither)."""
    reduction = reduction_of(reduction, size_average, reduce)
    loss = where(target != 1, clamp_min(margin - input, 0), 0) + where(target != -1, input, 0)
    return reduce_loss(loss, reduction)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, margin - target * (input1 - input2)): the first should be larger where the target is 1."""
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {list(input1.shape)}, input2: {list(input2.shape)}, target: {list(target.shape)} "
            "[RG063]"
        )
    return reduce_loss(clamp_min(margin - target * (input1 - input2), 0), reduction)


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    The inputs are (N, D) and the target (N,), or all without N.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if target.ndim not in (0, 1) or input1.ndim != target.ndim + 1 or input2.ndim != input1.ndim:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) and target (N,), or inputs (D,) and a 0-d target, "
            f"but got {list(input1.shape)}, {list(input2.shape)} and {list(target.shape)} [RG063]"
        )
    tiny = 1e-12
    squares = (sum(input1 * input1, -1) + tiny) * (sum(input2 * input2, -1) + tiny)
    cosine = sum(input1 * input2, -1) / sqrt(squares)
    loss = where(target == 1, 1 - cosine, 0) + where(target == -1, clamp_min(cosine - margin, 0), 0)
    return reduce_loss(loss, reduction)
