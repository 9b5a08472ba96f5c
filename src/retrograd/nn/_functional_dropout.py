"""The dropout family, in the forms that layers call."""

import warnings

from ..core import inplace as core
from ..ops import dropouts
from ..ops.shape import reshape


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
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. [RG058]")
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
