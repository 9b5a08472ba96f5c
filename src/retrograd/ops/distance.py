"""Distances between vectors, and the losses made of them."""

import numpy as np

from ..core.op import as_tensor
from .loss import reduce_loss, reduction_of
from .norms import norm
from .picking import index_select
from .pointwise import clamp_min, minimum
from .reduce import sum
from .shape import broadcast_tensors, reshape

__all__ = ["cdist", "cosine_similarity", "pairwise_distance", "pdist"]
METHODS = INPLACE = []


def _at_least(value, eps):
    """`value`, or `eps` where it is smaller; the gradient passes everywhere, as PyTorch's does here."""
    return value + clamp_min(eps - value.detach(), 0)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between vectors along `dim`, whose lengths count as at least `eps`."""
    x1, x2 = broadcast_tensors(x1, x2)
    n1, n2 = norm(x1, 2, dim, keepdim=True), norm(x2, 2, dim, keepdim=True)
    return sum((x1 / _at_least(n1, eps)) * (x2 / _at_least(n2, eps)), dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm along the last axis of x1 - x2 + eps."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cdist(x1, x2, p=2.0, compute_mode=None):
    """All p-norm distances between rows: (..., P, M) and (..., R, M) give (..., P, R).

    `compute_mode` is accepted and ignored: distances are always computed from differences, the accurate way.
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"cdist: expected tensors (..., P, M) and (..., R, M), but got {list(x1.shape)} and "
            f"{list(x2.shape)} [RG044]"
        )
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, but got {p} [RG049]")
    left = reshape(x1, (*x1.shape[:-1], 1, x1.shape[-1]))
    right = reshape(x2, (*x2.shape[:-2], 1, *x2.shape[-2:]))
    return norm(left - right, p, -1)


def pdist(input, p=2.0):
    """The p-norm distances between all pairs of rows of (N, M), in the order (0, 1), (0, 2) ... (1, 2) ..."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D [RG038]")
    first, second = (as_tensor(i) for i in np.triu_indices(input.shape[0], 1))
    return norm(index_select(input, 0, first) - index_select(input, 0, second), p, -1)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, size_average=None, reduce=None,
    reduction="mean",
):  # fmt: skip
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), with p-norm distances along the last axis.

    With `swap`, the negative's distance to the positive counts where that is smaller.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin, swap=swap, reduction=reduction,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_loss with any distance, that of pairwise_distance by default."""
    reduction = reduction_of(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin} [RG049]")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            "but "
            f"got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs "
            "[RG038]"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduce_loss(clamp_min(margin + near - far, 0), reduction)
