"""Normalisation by mean and variance: batch, layer, group, instance norm; RMS norm; local response norm."""

from math import prod

from ml_dtypes import finfo

from ..core import inplace
from ..core.compiled import native
from ..core.graph import modes, no_grad
from .norm_rows import batch_norm_eval, batch_norm_row, group_norm_row, layer_norm_row, rms_norm_row
from .pooling import avg_pool_row
from .reduce import mean_row
from .shape import clone, reshape_row

__all__ = ["group_norm", "layer_norm", "rms_norm"]
METHODS = INPLACE = []


def _update(running, value, momentum, scale=1):
    """running = (1 - momentum) * running + momentum * scale * value, outside the graph."""
    if modes.interpreters:
        with no_grad():
            value = value.detach() * (momentum * scale)
            inplace.copy_from(running, running * (1 - momentum) + value, "batch_norm")
        return
    array, keep, share = running._array, 1 - momentum, momentum * scale
    if native is None or not native.follow(array, value._array, keep, share):
        array *= keep
        array += value._array * share
    running._versions().bump()


def count_batch(tracked):
    """Add 1 to a layer's number of batches, outside the graph."""
    if modes.interpreters:
        tracked.add_(1)
        return
    if native is None or native.advance(tracked._array) is None:
        tracked._array += 1
    tracked._versions().bump()


def _by_running_statistics(input, weight, bias, mean, var, eps):
    """batch_norm_eval of copies where a graph is recorded: they may be updated before its backward."""
    if modes.grad:
        mean, var = clone(mean), clone(var)
    return batch_norm_eval(input, weight, bias, mean, var, eps)


def _check_sizes(name, features, running_mean=None, running_var=None, weight=None, bias=None):
    size = (features,)
    for i, t in enumerate((running_mean, running_var, weight, bias)):
        if t is not None and t._array.shape != size:
            which = ("running_mean", "running_var", "weight", "bias")[i]
            raise RuntimeError(
                f"{name}: {which} should contain {features} elements, but its shape is {list(t.shape)} "
                "[RG059]"
            )


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5,
    cudnn_enabled=True,
):  # fmt: skip
    """Normalise each channel of `input` (N, C, ...), in training by its own moments, else by the running.

    In training, the running statistics are updated in place, the variance with Bessel's correction.
    """
    if input.ndim < 2:
        if not input.numel():
            return input * 1
        raise RuntimeError(
            f"batch_norm: expected an input (N, C, ...), but its shape is {list(input.shape)} [RG058]"
        )
    shape = input._array.shape
    channels = shape[1]
    _check_sizes("batch_norm", channels, running_mean, running_var, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "batch_norm: running_mean and running_var must be defined in evaluation mode [RG143]"
            )
        return _by_running_statistics(input, weight, bias, running_mean, running_var, eps)
    count = prod(shape) // max(channels, 1)
    if count == 1:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"{list(input.shape)} [RG052]"
        )
    out, mean, var = batch_norm_row(input, weight, bias, eps)
    if count and running_mean is not None:
        _update(running_mean, mean, momentum)
    if count and running_var is not None:
        _update(running_var, var, momentum, count / (count - 1))
    return out


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
    eps=1e-5, cudnn_enabled=True,
):  # fmt: skip
    """Normalise each channel of each item of `input` (N, C, ...) alone.

    With `use_input_stats`, running statistics that are given are updated in place; without, they are used.
    """
    channels, count = input.shape[1], prod(input.shape[2:])
    _check_sizes("instance_norm", channels, running_mean, running_var, weight, bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "instance_norm: use_input_stats=False needs running_mean and running_var [RG143]"
            )
        return _by_running_statistics(input, weight, bias, running_mean, running_var, eps)
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {list(input.shape)} [RG052]"
        )
    out, mean, var = group_norm_row(input, weight, bias, channels, eps)
    if count and running_mean is not None:
        _update(running_mean, mean_row(mean.detach(), (0, 2), False), momentum)
    if count and running_var is not None:
        _update(running_var, mean_row(var.detach(), (0, 2), False), momentum, count / (count - 1))
    return out


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """Normalise `input` (N, C, ...) in `num_groups` groups of neighbouring channels; weight, bias: (C,)."""
    if input.ndim < 2:
        raise RuntimeError(
            f"group_norm: expected an input (N, C, ...), but its shape is {list(input.shape)} [RG058]"
        )
    channels = input.shape[1]
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(
            "group_norm: Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {list(input.shape)} and num_groups={num_groups} [RG060]"
        )
    if prod(input.shape) == input.shape[0] * num_groups == num_groups:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(input.shape)} "
            "[RG052]"
        )
    _check_sizes("group_norm", channels, weight=weight, bias=bias)
    return group_norm_row(input, weight, bias, num_groups, eps)[0]


def _kept(name, input, normalized_shape, **tensors):
    """How many of the input's last axes `normalized_shape` names; checked to be there."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise RuntimeError(f"{name}: Expected normalized_shape to be at least 1-dimensional [RG058]")
    if len(shape) > input.ndim or tuple(input.shape[input.ndim - len(shape) :]) != shape:
        raise RuntimeError(
            f"{name}: Given normalized_shape={list(shape)}, expected input with shape "
            f"[*{''.join(f', {n}' for n in shape)}], but got input of size{list(input.shape)} [RG059]"
        )
    for which, t in tensors.items():
        if t is not None and tuple(t.shape) != shape:
            raise RuntimeError(
                f"{name}: Expected {which} to be of same shape as normalized_shape, but got {which} of shape "
                f"{list(t.shape)} and normalized_shape = {list(shape)} [RG059]"
            )
    return len(shape)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    """Normalise over the last axes, whose sizes are `normalized_shape`, as are those of weight and bias."""
    kept = _kept("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    return layer_norm_row(input, weight, bias, kept, eps)[0]


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divide by the root of the mean square over the last axes; `eps` defaults to the dtype's own."""
    kept = _kept("rms_norm", input, normalized_shape, weight=weight)
    if eps is None:
        eps = float(finfo(input._array.dtype).eps)
    return rms_norm_row(input, weight, kept, eps)[0]


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide each element by (k + alpha * mean of squares over `size` neighbouring channels) ** beta."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions) [RG058]")
    n, channels = input.shape[:2]
    square = reshape_row(input * input, (n, 1, channels, prod(input.shape[2:])))
    half = size // 2  # an even window reaches further back than forward: its last output is dropped
    mean = avg_pool_row(square, (size, 1), (1, 1), (half, 0), False, True, None)
    if size % 2 == 0:
        mean = mean[:, :, :channels]
    return input / (reshape_row(mean, input.shape) * alpha + k) ** beta
