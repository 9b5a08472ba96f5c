"""Functions of neural networks, with PyTorch's names and signatures: what `retrograd.nn`'s layers compute.

Most are the rows' public functions and live in `retrograd.ops`. Those defined here have another signature
than `torch`'s function of that name, or exist here only.
"""

import warnings

from ..core import inplace as core
from ..core import random
from ..core.tensor import wrap
from ..ops import dropouts, embeddings, pool, softmaxes
from ..ops.activation import (  # noqa: F401
    celu,
    celu_,
    elu,
    elu_,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    selu,
    selu_,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
    threshold_,
)  # fmt: skip
from ..ops.attention import scaled_dot_product_attention  # noqa: F401
from ..ops.classification import (  # noqa: F401
    cross_entropy,
    linear_cross_entropy,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,  # fmt: skip
    nll_loss,
)
from ..ops.conv import (  # noqa: F401
    conv1d,
    conv2d,
    conv3d,
    conv_tbc,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)  # fmt: skip
from ..ops.distance import (  # noqa: F401
    cosine_similarity,
    pairwise_distance,
    pdist,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)  # fmt: skip
from ..ops.elementary import log, sigmoid, tanh  # noqa: F401
from ..ops.embeddings import one_hot  # noqa: F401
from ..ops.loss import (  # noqa: F401
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    poisson_nll_loss,
    reduction_of,
    smooth_l1_loss,
    soft_margin_loss,
)  # fmt: skip
from ..ops.normalization import (  # noqa: F401
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)  # fmt: skip
from ..ops.norms import norm
from ..ops.padding import pad  # noqa: F401
from ..ops.picking import scatter
from ..ops.pointwise import absolute, clamp_min, sign
from ..ops.pool import (  # noqa: F401
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,  # fmt: skip
)
from ..ops.product import bilinear, linear  # noqa: F401
from ..ops.reduce import numpy_names
from ..ops.resample import interpolate
from ..ops.shape import reshape
from ..ops.unfolding import (  # noqa: F401
    channel_shuffle,
    fold,
    native_channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)  # fmt: skip


def legacy_reduction(size_average, reduce):
    """The `reduction` that PyTorch's older arguments mean; warns that they are deprecated."""
    return reduction_of("mean", size_average, reduce)


# --- softmax family -----------------------------------------------------------------------------------


def _axis(name, input, dim, stacklevel):
    """`dim`, or PyTorch's old guess with its warning."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


@numpy_names
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) over its sum along `dim`; `dtype`: convert the input to it first."""
    return softmaxes.softmax(input, _axis("softmax", input, dim, _stacklevel + 1), dtype=dtype)


@numpy_names
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input)."""
    return softmaxes.softmax(-input, _axis("softmin", input, dim, _stacklevel + 1), dtype=dtype)


@numpy_names
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(input)) along `dim`, without overflow; `dtype`: convert the input to it first."""
    return softmaxes.log_softmax(input, _axis("log_softmax", input, dim, _stacklevel + 1), dtype=dtype)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + Gumbel noise) / tau); with `hard`, one-hot forward and the soft sample's gradient."""
    noise = -log(wrap(random.exponential(tuple(logits.shape), logits._array.dtype)))
    soft = softmaxes.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    one_hot_sample = scatter(soft.detach() * 0, dim, index, 1.0)
    return one_hot_sample - soft.detach() + soft


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """`input` over its p-norm along `dim`, which counts as at least `eps`."""
    result = input / clamp_min(norm(input, p, dim, keepdim=True), eps)
    return result if out is None else core.copy_from(out, result)


# --- dropout ------------------------------------------------------------------------------------------


def _dropped(function, input, p, training, inplace):
    result = function(input, p, training)
    return core.copy_from(input, result) if inplace and result is not input else result


def dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability `p` and scale the others by 1 / (1 - p); nothing unless `training`."""
    return _dropped(dropouts.dropout, input, p, training, inplace)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean and variance, for nets of SELUs."""
    return _dropped(dropouts.alpha_dropout, input, p, training, inplace)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels of `input` (N, C, ...)."""
    return _dropped(dropouts.feature_alpha_dropout, input, p, training, inplace)


def _whole_channels(input, p, train):
    """feature_dropout of `input` without a batch axis."""
    return reshape(dropouts.feature_dropout(reshape(input, (1, *input.shape)), p, train), input.shape)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, L) or (C, L)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input.")
    function = dropouts.feature_dropout if input.ndim == 3 else _whole_channels
    return _dropped(function, input, p, training, inplace)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, H, W); a 3-D input counts as (N, C, L), with PyTorch's warning."""
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is "
            "desired - input is interpreted as shape (N, C, L), where C is the channel dim.",
            stacklevel=2,
        )
    elif input.ndim != 4:
        _warn_of_rank("dropout2d", input)
    return _dropped(dropouts.feature_dropout, input, p, training, inplace)


def dropout3d(input, p=0.5, training=True, inplace=False):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    if input.ndim not in (4, 5):
        _warn_of_rank("dropout3d", input)
    function = dropouts.feature_dropout if input.ndim == 5 else _whole_channels
    return _dropped(function, input, p, training, inplace)


def _warn_of_rank(name, input):
    warnings.warn(
        f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error "
        "in a "
        "future release. To retain the behavior and silence this warning, please use dropout instead.",
        stacklevel=3,
    )


# --- embedding ----------------------------------------------------------------------------------------


def _row_number(padding_idx, weight):
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"padding_idx must be within the table of {rows} rows, but is {padding_idx}")
    return padding_idx % rows


def embedding(
    input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False
):
    """The rows of `weight` (V, D) that the indices `input` (...) name: shape (..., D).

    The row `padding_idx` gets no gradient. `max_norm` first scales longer rows down, in place. With
    `scale_grad_by_freq`, gradients are divided by how often their index occurs. Both hold in forward mode
    too, unlike in PyTorch. `sparse` is accepted; the gradient is dense nevertheless.
    """
    padding_idx = _row_number(padding_idx, weight)
    if max_norm is not None:
        embeddings.embedding_renorm_(weight, input, max_norm, norm_type)
    return embeddings.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
    sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """Sums, means or maxima (`mode`) of rows of `weight` over bags of the indices `input`.

    `input` is (B, L), a bag per line, or 1-D with `offsets`, where bags begin. Empty bags give zeros, and
    `padding_idx` isn't counted.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, but is {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError(
            "max mode does not support scaling the gradient by the frequency, nor sparse weights"
        )
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError(
            f"per_sample_weights needs mode='sum' and the shape of input, {list(input.shape)}, but mode is "
            f"{mode!r} and "
            f"its shape {list(per_sample_weights.shape)}"
        )
    padding_idx = _row_number(padding_idx, weight)
    if max_norm is not None:
        embeddings.embedding_renorm_(weight, input, max_norm, norm_type)
    return embeddings.embedding_bag(
        weight, input, offsets, scale_grad_by_freq, ("sum", "mean", "max").index(mode), sparse,
        per_sample_weights, include_last_offset, padding_idx,
    )[0]  # fmt: skip


# --- pooling ------------------------------------------------------------------------------------------


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool1d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool2d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool3d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool1d and where the greatest elements are."""
    return pool.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool2d and where the greatest elements are."""
    return pool.adaptive_max_pool2d(input, output_size)


def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool3d and where the greatest elements are."""
    return pool.adaptive_max_pool3d(input, output_size)


def _lp_pool(average, n, input, norm_type, kernel_size, stride, ceil_mode):
    count = 1
    for k in kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * n:
        count *= k
    mean = average(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return (sign(mean) * relu(absolute(mean)) * count) ** (1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


# --- resizing -----------------------------------------------------------------------------------------


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate` under its old name; warns."""
    _warn_of_upsample("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` with mode="nearest" under its old name; warns."""
    _warn_of_upsample("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` with mode="bilinear" and align_corners=True under its old name; warns."""
    _warn_of_upsample("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_of_upsample(name):
    warnings.warn(f"`nn.functional.{name}` is deprecated. Use `interpolate` instead.", stacklevel=3)
