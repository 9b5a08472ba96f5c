"""The rows of normalisation by mean and variance: batch, layer and group norm, and RMS norm.

The rows give the moments as outputs too and their gradients have terms for those, so that gradients of any
order are right. Each gradient is one function of rows; where it runs on arrays it does so as a row of its
own, `..._backward`, for which a kernel can be registered.
"""

from math import prod

import numpy as np

from ..core.op import Op
from ..core.tensor import Tensor
from .reduce import sum_row
from .shape import broadcast_row, reshape_row

# --- on arrays ----------------------------------------------------------------------------------------


def _wide(x):
    """`x` in at least single precision: moments of 16-bit values are taken in float32."""
    return x.astype(np.float32) if x.dtype.kind == "V" or x.dtype == np.float16 else x


def _centred(x, axes):
    """x minus its mean over `axes`, the mean, and the (biased) variance, both with axes of size 1; zeros
    where there is nothing to take them of."""
    if not x.size:
        nothing = x.sum(axis=axes, keepdims=True) / 1  # a floating dtype, as that of a mean
        return x - nothing, nothing, nothing.copy()
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    return centred, mean, (centred * centred).mean(axis=axes, keepdims=True)


def _affine(x, weight, bias, shape):
    """x * weight + bias, in place, with these reshaped to `shape`."""
    if weight is not None:
        x *= weight.reshape(shape)
    if bias is not None:
        x += bias.reshape(shape)
    return x


# --- in formulas --------------------------------------------------------------------------------------


def _mean(x, axes, count):
    return sum_row(x, axes, True) / count


def _sum_leading(x, kept):
    """`x` summed over all axes but the last `kept`."""
    return sum_row(x, tuple(range(x.ndim - kept)), False)


def _standard_gradient(g, centred, var, eps, axes, count, g_mean, g_var):
    """The gradient for x of (x - mean) / sqrt(var + eps), and of mean and variance where these have one."""
    inverse = (var + eps) ** -0.5
    out = None
    if g is not None:
        slope = _mean(g * centred, axes, count) * (inverse * inverse)
        out = (g - _mean(g, axes, count) - centred * slope) * inverse
    if g_mean is not None:
        out = g_mean / count if out is None else out + g_mean / count
    if g_var is not None:
        spread = centred * (g_var * (2 / count))
        out = spread if out is None else out + spread
    return out


def _standard_tangent(t_x, centred, var, eps, axes, count):
    """The tangents of (x - mean) / sqrt(var + eps), of the mean and of the variance."""
    inverse = (var + eps) ** -0.5
    t_mean = _mean(t_x, axes, count)
    t_centred = t_x - t_mean
    t_var = _mean(centred * t_centred, axes, count) * 2
    return t_centred * inverse - centred * (t_var * (inverse * inverse * inverse) / 2), t_mean, t_var


def _affine_tangent(t_normal, normal, weight, t_weight, t_bias, shape):
    """The tangent of normal * weight + bias."""
    out = t_normal if weight is None else t_normal * reshape_row(weight, shape)
    if t_weight is not None:
        out = out + normal * reshape_row(t_weight, shape)
    return out if t_bias is None else out + reshape_row(t_bias, shape)


def _raw(values):
    for v in values:
        if isinstance(v, Tensor):
            return False
    return True


# --- batch norm ---------------------------------------------------------------------------------------


def _channels(ndim):
    """The shape that aligns a value per channel with (N, C, ...), and the axes that a channel spans."""
    return (1, -1, *[1] * (ndim - 2)), (0, *range(2, ndim))


def _batch_norm(xp, x, weight, bias, eps):
    shape, axes = _channels(x.ndim)
    out, mean, var = _centred(_wide(x), axes)
    scale = (var + eps) ** -0.5
    out *= scale if weight is None else scale * weight.reshape(shape)
    return _affine(out, None, bias, shape).astype(x.dtype, copy=False), mean.reshape(-1), var.reshape(-1)


def _batch_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, eps):
    (_, channels, *_), n = x.shape, x.ndim
    shape, axes = (1, channels, *[1] * (n - 2)), (0, *range(2, n))
    count = max(prod(x.shape) // max(channels, 1), 1)
    centred = x - reshape_row(mean, shape)
    inverse = (var + eps) ** -0.5
    gx = gw = gb = slope = shift = None
    if g is not None:
        gb = sum_row(g, axes, False)
        along = sum_row(g * centred, axes, False) * inverse
        gw = along if needs[1] else None
        if needs[0]:
            scale = inverse if weight is None else inverse * weight
            gx = g * reshape_row(scale, shape)
            slope, shift = scale * inverse * along / -count, scale * gb / -count
    if g_mean is not None:
        shift = g_mean / count if shift is None else shift + g_mean / count
    if g_var is not None:
        slope = g_var * (2 / count) if slope is None else slope + g_var * (2 / count)
    if needs[0]:
        if slope is not None:
            term = centred * reshape_row(slope, shape)
            gx = term if gx is None else gx + term
        if shift is not None:
            term = reshape_row(shift, shape)
            gx = broadcast_row(term, x.shape) if gx is None else gx + term
    return gx, gw, gb


def _batch_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, eps):
    shape, axes = (1, x.shape[1], *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    centred, wide = x - reshape_row(mean, shape), reshape_row(var, shape)
    count = max(prod(x.shape) // max(x.shape[1], 1), 1)
    t_normal, t_mean, t_var = _standard_tangent(t_x, centred, wide, eps, axes, count)
    out = _affine_tangent(t_normal, centred * (wide + eps) ** -0.5, weight, t_weight, t_bias, shape)
    return out, reshape_row(t_mean, mean.shape), reshape_row(t_var, var.shape)


batch_norm_backward = Op(
    "batch_norm_backward",
    lambda xp, g, g_mean, g_var, needs, x, weight, mean, var, eps: (
        _batch_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, eps)
    ),
    outputs="x weight bias",
)  # fmt: skip

batch_norm_row = Op(
    "batch_norm", _batch_norm, outputs="out mean var",
    joint=("x weight bias", lambda g_out, g_mean, g_var, needs, x, weight, mean, var, eps: (
        (batch_norm_backward if _raw((x, g_out, g_mean, g_var)) else _batch_norm_gradient)(
            g_out, g_mean, g_var, needs, x, weight, mean, var, eps
        )
    )),
    jvp=lambda t_x, t_weight, t_bias, x, weight, mean, var, eps: (
        _batch_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, eps)
    ),
    node="NativeBatchNormBackward0",
)  # fmt: skip


def _batch_norm_eval(xp, x, weight, bias, mean, var, eps):
    shape, _ = _channels(x.ndim)
    scale = (_wide(var) + eps) ** -0.5
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (x * scale.reshape(shape) + shift.reshape(shape)).astype(x.dtype, copy=False)


def _per_channel(value, x):
    return reshape_row(value, (1, value.shape[0], *[1] * (x.ndim - 2)))


def _eval_tangent(t_x, t_weight, t_bias, centred, weight, inverse):
    return _affine_tangent(t_x * inverse, centred * inverse, weight, t_weight, t_bias, inverse.shape)


batch_norm_eval = Op(
    "batch_norm_eval", _batch_norm_eval,
    x=lambda g, weight, var, eps: (
        g * _per_channel((var + eps) ** -0.5 if weight is None else (var + eps) ** -0.5 * weight, g)
    ),
    weight=lambda g, x, mean, var, eps: (
        sum_row(g * (x - _per_channel(mean, x)), (0, *range(2, g.ndim)), False) * (var + eps) ** -0.5
    ),
    bias=lambda g: sum_row(g, (0, *range(2, g.ndim)), False),
    jvp=lambda t_x, t_weight, t_bias, x, weight, mean, var, eps: _eval_tangent(
        t_x, t_weight, t_bias, x - _per_channel(mean, x), weight, _per_channel((var + eps) ** -0.5, x)
    ),
    node="NativeBatchNormBackward0",
)  # fmt: skip


# --- layer norm ---------------------------------------------------------------------------------------


def _last(x, kept):
    """The last `kept` axes, and how many elements they span."""
    return tuple(range(x.ndim - kept, x.ndim)), prod(x.shape[x.ndim - kept :])


def _layer_norm(xp, x, weight, bias, kept, eps):
    out, mean, var = _centred(_wide(x), _last(x, kept)[0])
    out *= (var + eps) ** -0.5
    return _affine(out, weight, bias, x.shape[x.ndim - kept :]).astype(x.dtype, copy=False), mean, var


def _layer_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, kept, eps):
    axes, count = _last(x, kept)
    centred = x - mean
    gw = gb = None
    if g is not None:
        gw = _sum_leading(g * centred * (var + eps) ** -0.5, kept) if needs[1] else None
        gb = _sum_leading(g, kept) if needs[2] else None
        g = g if weight is None else g * weight
    gx = _standard_gradient(g, centred, var, eps, axes, count, g_mean, g_var) if needs[0] else None
    return gx, gw, gb


def _layer_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, kept, eps):
    axes, count = _last(x, kept)
    t_normal, t_mean, t_var = _standard_tangent(t_x, x - mean, var, eps, axes, count)
    shape = tuple(x.shape[x.ndim - kept :])
    out = _affine_tangent(t_normal, (x - mean) * (var + eps) ** -0.5, weight, t_weight, t_bias, shape)
    return out, t_mean, t_var


layer_norm_backward = Op(
    "layer_norm_backward",
    lambda xp, g, g_mean, g_var, needs, x, weight, mean, var, kept, eps: (
        _layer_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, kept, eps)
    ),
    outputs="x weight bias",
)  # fmt: skip

layer_norm_row = Op(
    "layer_norm", _layer_norm, outputs="out mean var",
    joint=("x weight bias", lambda g_out, g_mean, g_var, needs, x, weight, mean, var, kept, eps: (
        (layer_norm_backward if _raw((x, g_out, g_mean, g_var)) else _layer_norm_gradient)(
            g_out, g_mean, g_var, needs, x, weight, mean, var, kept, eps
        )
    )),
    jvp=lambda t_x, t_weight, t_bias, x, weight, mean, var, kept, eps: (
        _layer_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, kept, eps)
    ),
    node="NativeLayerNormBackward0",
)  # fmt: skip


# --- group norm ---------------------------------------------------------------------------------------


def _grouped(x, groups):
    """`x` (N, C, ...) as (N, groups, everything else of the group)."""
    return reshape_row(x, (x.shape[0], groups, prod(x.shape[1:]) // groups))


def _group_norm(xp, x, weight, bias, groups, eps):
    out, mean, var = _centred(_wide(x).reshape(x.shape[0], groups, prod(x.shape[1:]) // groups), 2)
    out *= (var + eps) ** -0.5
    out = _affine(out.reshape(x.shape), weight, bias, _channels(x.ndim)[0])
    return out.astype(x.dtype, copy=False), mean, var


def _group_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, groups, eps):
    shape, axes = (1, x.shape[1], *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    count = prod(x.shape[1:]) // groups
    centred = _grouped(x, groups) - mean
    gx = gw = gb = None
    if g is not None:
        gb = sum_row(g, axes, False) if needs[2] else None
        if needs[1]:
            gw = sum_row(g * reshape_row(centred * (var + eps) ** -0.5, x.shape), axes, False)
        g = _grouped(g if weight is None else g * reshape_row(weight, shape), groups)
    if needs[0]:
        gx = reshape_row(_standard_gradient(g, centred, var, eps, (2,), count, g_mean, g_var), x.shape)
    return gx, gw, gb


def _group_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, groups, eps):
    centred, count = _grouped(x, groups) - mean, prod(x.shape[1:]) // groups
    t_normal, t_mean, t_var = _standard_tangent(_grouped(t_x, groups), centred, var, eps, (2,), count)
    normal = reshape_row(centred * (var + eps) ** -0.5, x.shape)
    shape = (1, x.shape[1], *[1] * (x.ndim - 2))
    t_normal = reshape_row(t_normal, x.shape)
    return _affine_tangent(t_normal, normal, weight, t_weight, t_bias, shape), t_mean, t_var


group_norm_backward = Op(
    "group_norm_backward",
    lambda xp, g, g_mean, g_var, needs, x, weight, mean, var, groups, eps: (
        _group_norm_gradient(g, g_mean, g_var, needs, x, weight, mean, var, groups, eps)
    ),
    outputs="x weight bias",
)  # fmt: skip

group_norm_row = Op(
    "group_norm", _group_norm, outputs="out mean var",
    joint=("x weight bias", lambda g_out, g_mean, g_var, needs, x, weight, mean, var, groups, eps: (
        (group_norm_backward if _raw((x, g_out, g_mean, g_var)) else _group_norm_gradient)(
            g_out, g_mean, g_var, needs, x, weight, mean, var, groups, eps
        )
    )),
    jvp=lambda t_x, t_weight, t_bias, x, weight, mean, var, groups, eps: (
        _group_norm_tangent(t_x, t_weight, t_bias, x, weight, mean, var, groups, eps)
    ),
    node="NativeGroupNormBackward0",
)  # fmt: skip


# --- RMS norm -----------------------------------------------------------------------------------------


def _rms_norm(xp, x, weight, kept, eps):
    wide = _wide(x)
    power = (wide * wide).mean(axis=_last(x, kept)[0], keepdims=True)
    out = _affine(wide * (power + eps) ** -0.5, weight, None, x.shape[x.ndim - kept :])
    return out.astype(x.dtype, copy=False), power


def _rms_norm_gradient(g, g_power, needs, x, weight, power, kept, eps):
    axes, count = _last(x, kept)
    inverse = (power + eps) ** -0.5
    gx = gw = None
    if g is not None:
        gw = _sum_leading(g * x * inverse, kept) if needs[1] else None
        g = g if weight is None else g * weight
        gx = (g - x * (_mean(g * x, axes, count) * (inverse * inverse))) * inverse
    if g_power is not None:
        term = x * (g_power * (2 / count))
        gx = term if gx is None else gx + term
    return gx, gw


def _rms_norm_tangent(t_x, t_weight, x, weight, power, kept, eps):
    axes, count = _last(x, kept)
    inverse = (power + eps) ** -0.5
    t_power = _mean(x * t_x, axes, count) * 2
    t_normal = t_x * inverse - x * (t_power * (inverse * inverse * inverse) / 2)
    shape = tuple(x.shape[x.ndim - kept :])
    return _affine_tangent(t_normal, x * inverse, weight, t_weight, None, shape), t_power


rms_norm_row = Op(
    "rms_norm", _rms_norm, outputs="out power",
    joint=("x weight", lambda g_out, g_power, needs, x, weight, power, kept, eps: (
        _rms_norm_gradient(g_out, g_power, needs, x, weight, power, kept, eps)
    )),
    jvp=lambda t_x, t_weight, x, weight, power, kept, eps: (
        _rms_norm_tangent(t_x, t_weight, x, weight, power, kept, eps)
    ),
)  # fmt: skip
