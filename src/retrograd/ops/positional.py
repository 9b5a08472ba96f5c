"""Functions that `torch` has with other parameters than `torch.nn.functional`: running statistics later, and
reductions as numbers, 0 for "none", 1 for "mean", 2 for "sum"."""

from . import distance, loss, normalization

__all__ = [
    "batch_norm", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "hinge_embedding_loss",
    "instance_norm", "kl_div", "margin_ranking_loss", "poisson_nll_loss", "triplet_margin_loss",
]  # fmt: skip
METHODS = INPLACE = []

_REDUCTIONS = ("none", "mean", "sum")
_MEAN = 1


def _named(reduction):
    if reduction not in (0, 1, 2):
        raise ValueError(f"reduction must be 0 (none), 1 (mean) or 2 (sum), got {reduction!r} [RG048]")
    return _REDUCTIONS[reduction]


def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    """`nn.functional.batch_norm`, with its parameters in another order."""
    return normalization.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
):
    """`nn.functional.instance_norm`, with its parameters in another order."""
    return normalization.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=_MEAN):
    """`nn.functional.binary_cross_entropy_with_logits`, with the reduction as a number."""
    return loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_named(reduction), pos_weight=pos_weight
    )


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=_MEAN):
    """`nn.functional.cosine_embedding_loss`, with the reduction as a number."""
    return loss.cosine_embedding_loss(input1, input2, target, margin, reduction=_named(reduction))


def hinge_embedding_loss(input, target, margin=1.0, reduction=_MEAN):
    """`nn.functional.hinge_embedding_loss`, with the reduction as a number."""
    return loss.hinge_embedding_loss(input, target, margin, reduction=_named(reduction))


def kl_div(input, target, reduction=_MEAN, *, log_target=False):
    """`nn.functional.kl_div`, with the reduction as a number, and no warning."""
    return loss.reduce_loss(loss.divergence(input, target, log_target), _named(reduction))


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=_MEAN):
    """`nn.functional.margin_ranking_loss`, with the reduction as a number."""
    return loss.margin_ranking_loss(input1, input2, target, margin, reduction=_named(reduction))


def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """`nn.functional.poisson_nll_loss`, with the reduction as a number."""
    return loss.poisson_nll_loss(input, target, log_input, full, None, eps, None, _named(reduction))


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction=_MEAN):
    """`nn.functional.triplet_margin_loss`, with the reduction as a number."""
    return distance.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_named(reduction)
    )
