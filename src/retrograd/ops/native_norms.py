"""Normalisations that give their moments too, under the names of PyTorch's kernels."""

from math import prod

from .norm_rows import batch_norm_row, group_norm_row, layer_norm_row
from .normalization import _update, batch_norm
from .shape import reshape_row

__all__ = ["native_batch_norm", "native_group_norm", "native_layer_norm"]
METHODS = INPLACE = []


def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """(layer_norm's result, the means, 1 / the standard deviations); only the first has a gradient."""
    kept = len(normalized_shape)
    out, mean, var = layer_norm_row(input, weight, bias, kept, eps)
    shape = (*input.shape[: input.ndim - kept], *[1] * kept)
    mean, var = mean.detach(), var.detach()
    return out, reshape_row(mean, shape), reshape_row((var + eps) ** -0.5, shape)


def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """(group_norm's result, the means (N, group), 1 / the standard deviations)."""
    out, mean, var = group_norm_row(reshape_row(input, (N, C, HxW)), weight, bias, group, eps)
    shape = (N, group)
    return reshape_row(out, input.shape), reshape_row(mean, shape), reshape_row((var + eps) ** -0.5, shape)


def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """(batch_norm's result, the means, 1 / the standard deviations); only the first has a gradient.

    The last two are empty if not `training`.
    """
    if not training:
        out = batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        none = reshape_row(out.detach(), (-1,))[:0]
        return out, none, none
    out, mean, var = batch_norm_row(input, weight, bias, eps)
    count = prod(input.shape) // max(input.shape[1], 1)
    if count > 1 and running_mean is not None:
        _update(running_mean, mean, momentum)
    if count > 1 and running_var is not None:
        _update(running_var, var, momentum, count / (count - 1))
    return out, mean.detach(), (var.detach() + eps) ** -0.5
