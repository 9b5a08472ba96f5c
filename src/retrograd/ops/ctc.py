"""Connectionist temporal classification loss.

Graves et al., "Connectionist temporal classification" (2006), with sums over paths in logarithms.
"""

import numpy as np

from ..core.apply import by_example
from ..core.op import Op, through_float32, zeros_like
from ..core.tensor import Tensor, wrap
from .loss import reduce_loss, reduction_of
from .reduce import sum_row
from .shape import reshape

__all__ = ["ctc_loss"]
METHODS = INPLACE = []


def _states(xp, targets, blank):
    """The labels with blanks around them (N, 2 L + 1), and where the blank before a label may be skipped."""
    n, length = targets.shape
    labels = xp.full((n, 2 * length + 1), blank)
    labels[:, 1::2] = targets
    skips = xp.zeros(labels.shape, bool)
    skips[:, 3::2] = targets[:, 1:] != targets[:, :-1]
    return labels, skips


def _logsumexp(xp, terms):
    top = xp.maximum.reduce(terms)
    shift = xp.where(xp.isfinite(top), top, 0)
    return xp.log(sum(xp.exp(t - shift) for t in terms)) + shift


def _shifted(xp, x, by):
    """`x` (N, S) moved right (left where negative) by some states, with -inf coming in."""
    out = xp.full_like(x, -xp.inf)
    if by > 0:
        out[:, by:] = x[:, :-by]
    else:
        out[:, :by] = x[:, -by:]
    return out


def _alphas(xp, log_probs, labels, skips):
    """The log-probability of all paths to each state: (T, N, S)."""
    steps, n, _ = log_probs.shape
    here = xp.take_along_axis(log_probs, xp.broadcast_to(labels, (steps, *labels.shape)), 2)
    alpha = xp.full(here.shape, -xp.inf, here.dtype)
    alpha[0, :, :2] = here[0, :, :2]
    barred = xp.where(skips, 0, -xp.inf).astype(here.dtype)
    for t in range(1, steps):
        before = alpha[t - 1]
        terms = [before, _shifted(xp, before, 1), _shifted(xp, before, 2) + barred]
        alpha[t] = _logsumexp(xp, terms) + here[t]
    return alpha, here


def _last_states(xp, alpha, input_lengths, target_lengths):
    """The log-probabilities of ending in the last label and in the blank after it, for each item."""
    items = xp.arange(alpha.shape[1])
    at_end = alpha[xp.maximum(input_lengths - 1, 0), items]
    blank = at_end[items, 2 * target_lengths]
    label = xp.where(target_lengths > 0, at_end[items, xp.maximum(2 * target_lengths - 1, 0)], -xp.inf)
    return blank, label


@through_float32
def _ctc(xp, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    labels, skips = _states(xp, targets, blank)
    alpha, _ = _alphas(xp, log_probs, labels, skips)
    loss = -_logsumexp(xp, list(_last_states(xp, alpha, input_lengths, target_lengths)))
    empty = input_lengths == 0
    loss = xp.where(empty, xp.where(target_lengths == 0, 0, xp.inf), loss)
    return xp.where(zero_infinity & xp.isinf(loss), 0, loss).astype(log_probs.dtype)


@through_float32
def _ctc_backward(xp, g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """softmax minus the share of paths through each class: what PyTorch gives, exact before a log_softmax."""
    labels, skips = _states(xp, targets, blank)
    alpha, here = _alphas(xp, log_probs, labels, skips)
    steps, n, _ = log_probs.shape
    items = xp.arange(n)
    beta = xp.full(here.shape, -xp.inf, here.dtype)
    skipped = xp.zeros(skips.shape, bool)  # the state two further on may be reached past the blank between
    skipped[:, :-2] = skips[:, 2:]
    barred = xp.where(skipped, 0, -xp.inf).astype(here.dtype)
    for t in reversed(range(steps)):
        if t + 1 < steps:
            after = beta[t + 1]
            terms = [after, _shifted(xp, after, -1), _shifted(xp, after, -2) + barred]
            beta[t] = _logsumexp(xp, terms) + here[t]
        ends = input_lengths == t + 1
        beta[t, ends] = -xp.inf
        i = items[ends]
        beta[t, i, 2 * target_lengths[i]] = here[t, i, 2 * target_lengths[i]]
        i = items[ends & (target_lengths > 0)]
        beta[t, i, 2 * target_lengths[i] - 1] = here[t, i, 2 * target_lengths[i] - 1]
    loss = -_logsumexp(xp, list(_last_states(xp, alpha, input_lengths, target_lengths)))
    through = xp.exp(alpha + beta - here + loss[None, :, None])
    shares = xp.zeros(log_probs.shape, here.dtype)
    places = xp.arange(steps)[:, None, None], items[:, None], labels
    xp.add.at(shares, places, xp.nan_to_num(through, nan=0.0))
    out = (xp.exp(log_probs) - shares) * g[None, :, None]
    out = xp.where((xp.arange(steps)[:, None] < input_lengths)[:, :, None], out, 0)
    impossible = xp.isinf(loss)
    out = xp.where(impossible[None, :, None], 0 if zero_infinity else xp.nan, out)
    return xp.where((xp.arange(steps)[:, None] < input_lengths)[:, :, None], out, 0).astype(log_probs.dtype)


def _no_second_derivative():
    raise NotImplementedError("ctc_loss has no second derivative, as in PyTorch [RG027]")


# Stands before the gradient's row: an error there, and only if a second derivative really passes this way.
once_row = Op("ctc_loss_once", lambda xp, x: x, x=lambda g: _no_second_derivative())


ctc_row = Op(
    "ctc_loss",
    lambda xp, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: (
        _ctc(xp, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    ),
    log_probs=lambda g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: (
        _ctc_backward_row(
            g, once_row(log_probs), targets, input_lengths, target_lengths, blank, zero_infinity
        )
    ),
    jvp=lambda t_log_probs, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: _along(
        t_log_probs, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity
    ),
)  # fmt: skip


def _along(direction, log_probs, *how):
    """The derivative of each item's loss in a direction."""
    ones = np.ones(log_probs.shape[1], getattr(log_probs, "_array", log_probs).dtype)
    return sum_row(direction * _ctc_backward_row(ones, once_row(log_probs), *how), (0, 2), False)


_ctc_backward_row = Op(
    "ctc_loss_backward",
    lambda xp, y, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: (
        _ctc_backward(xp, y, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    ),
    y=lambda g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity: _along(
        g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity
    ),
    log_probs=lambda log_probs: zeros_like(log_probs),
)  # fmt: skip


def _as_lengths(lengths, name, count, most):
    array = lengths._array if isinstance(lengths, Tensor) else np.asarray(lengths)
    array = np.atleast_1d(array).astype(np.int64)
    if array.shape != (count,):
        raise RuntimeError(
            f"ctc_loss: expected {count} {name}, one for each item, but got shape {list(array.shape)} [RG063]"
        )
    if array.size and (array.min() < 0 or array.max() > most):
        raise RuntimeError(f"ctc_loss: expected {name} from 0 to {most}, but got {array.tolist()} [RG063]")
    return array


@by_example
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False
):
    """The negative log-probability that `log_probs` (T, N, C) or (T, C) spell `targets`.

    `targets` are class indices (N, L), or one after the other in a vector; the lengths say how much of each
    counts. "mean" divides by the targets' lengths and then averages. Where no path is long enough the loss is
    infinite, or 0 with `zero_infinity`. There is no second derivative.
    """
    reduction = reduction_of(("none", "mean", "sum")[reduction] if isinstance(reduction, int) else reduction)
    single = log_probs.ndim == 2
    if single:
        log_probs = reshape(log_probs, (log_probs.shape[0], 1, log_probs.shape[1]))
    steps, n, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be a class, 0 to {classes - 1}, but is {blank} [RG063]")
    table = targets._array.astype(np.int64)
    if single and table.ndim == 1:
        table = table[None]
    longest = table.shape[-1] if table.ndim == 2 else table.size
    input_lengths = _as_lengths(input_lengths, "input_lengths", n, steps)
    target_lengths = _as_lengths(target_lengths, "target_lengths", n, longest)
    if table.ndim == 1:
        if target_lengths.sum() != table.size:
            raise RuntimeError(
                f"ctc_loss: target_lengths sum to {target_lengths.sum()}, but there are {table.size} "
                "targets [RG063]"
            )
        rows = np.full((n, int(target_lengths.max(initial=0))), blank)
        rows[np.arange(rows.shape[1]) < target_lengths[:, None]] = table
        table = rows
    else:
        table = table[:, : int(target_lengths.max(initial=0))]
    used = np.arange(table.shape[1]) < target_lengths[:, None]
    if ((table < 0) | (table >= classes))[used].any():
        raise RuntimeError(f"ctc_loss: targets must be classes, 0 to {classes - 1} [RG063]")
    table = np.where(used, table, blank)
    loss = ctc_row(log_probs, table, input_lengths, target_lengths, blank, bool(zero_infinity))
    if reduction == "mean":
        loss = loss / wrap(np.maximum(target_lengths, 1).astype(log_probs._array.dtype))
    return reshape(loss, ()) if single and reduction == "none" else reduce_loss(loss, reduction)
