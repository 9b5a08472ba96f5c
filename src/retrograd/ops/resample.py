"""Images of another size: nearest, linear, bicubic and area interpolation, with and without antialiasing.

Interpolation works along one axis after another. Along each, an output is a weighted sum of a few inputs, its
taps: `indices` and `weights`, both (outputs, taps).
"""

import math

import numpy as np

from ..core.arrays import uint8
from ..core.op import LINEAR, Op, through_float32
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = []
METHODS = INPLACE = []


# --- the rows -----------------------------------------------------------------------------------------


def _broadcast(values, ndim, axis):
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _in_layout(xp, x, indices, weights, axis, size):
    """`_resample` with the result's axes in the order in memory that those of `x` have."""
    if x.flags.c_contiguous:
        return _resample(xp, x, indices, weights, axis, size)
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    out = _resample(xp, x.transpose(order), indices, weights, order.index(axis), size)
    return out.transpose([order.index(i) for i in range(x.ndim)])


@through_float32
def _resample(xp, x, indices, weights, axis, size):
    if indices.shape[1] == 1 and (weights == 1).all():
        return xp.take(x, indices[:, 0], axis)
    if x.dtype == xp.uint8:
        return _resample_bytes(xp, x, indices, weights, axis)
    out = None
    for tap in range(indices.shape[1]):
        term = xp.take(x, indices[:, tap], axis)
        term *= _broadcast(weights[:, tap].astype(x.dtype), x.ndim, axis)
        out = term if out is None else xp.add(out, term, out=out)
    return out


def _resample_bytes(xp, x, indices, weights, axis):
    """In whole numbers, as PyTorch and Pillow do: weights of 15 bits, each axis rounded to bytes again."""
    largest = float(abs(weights).max())
    bits = 0
    while bits < 22 and int(0.5 + largest * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    weights = xp.trunc(weights * (1 << bits) + xp.copysign(0.5, weights)).astype(xp.int32)
    out = 1 << (bits - 1)
    for tap in range(indices.shape[1]):
        term = xp.take(x, indices[:, tap], axis).astype(xp.int32)
        out = out + term * _broadcast(weights[:, tap], x.ndim, axis)
    return xp.clip(out >> bits, 0, 255).astype(xp.uint8)


@through_float32
def _resample_back(xp, y, indices, weights, axis, size):
    matrix = xp.zeros((indices.shape[0], size), y.dtype)
    xp.add.at(matrix, (xp.arange(indices.shape[0])[:, None], indices), weights.astype(y.dtype))
    return xp.ascontiguousarray(xp.moveaxis(xp.matmul(xp.moveaxis(y, axis, -1), matrix), -1, axis))


resample_row = Op(
    "resample", lambda xp, x, indices, weights, axis, size: _in_layout(xp, x, indices, weights, axis, size),
    x=lambda g, indices, weights, axis, size: resample_back_row(g, indices, weights, axis, size), jvp=LINEAR,
    node="UpsampleBackward0", doc="x along `axis`, of `size` elements, as sums of taps.",
)  # fmt: skip

resample_back_row = Op(
    "resample_backward",
    lambda xp, y, indices, weights, axis, size: _resample_back(xp, y, indices, weights, axis, size),
    y=lambda g, indices, weights, axis, size: resample_row(g, indices, weights, axis, size), jvp=LINEAR,
)  # fmt: skip


# --- taps ---------------------------------------------------------------------------------------------


def _centres(size, out, scale, align_corners):
    """Where in the input, in elements, the centres of the outputs lie."""
    at = np.arange(out, dtype=np.float64)
    if align_corners:
        return at * ((size - 1) / (out - 1) if out > 1 else 0)
    return (at + 0.5) * (1 / scale if scale else size / out) - 0.5


def _nearest(size, out, scale, exact):
    at = np.arange(out, dtype=np.float32) + (0.5 if exact else 0)  # PyTorch computes this in float32
    step = np.float32(1 / scale if scale else size / out)
    return np.minimum(np.floor(at * step).astype(np.int64), size - 1)[:, None], np.ones((out, 1))


def _linear(size, out, scale, align_corners):
    at = np.maximum(_centres(size, out, scale, align_corners), 0)
    low = np.minimum(np.floor(at).astype(np.int64), size - 1)
    share = np.clip(at - low, 0, 1)
    return np.stack([low, np.minimum(low + 1, size - 1)], 1), np.stack([1 - share, share], 1)


def _cubic_kernel(d, a):
    """Keys' cubic convolution kernel, with free parameter `a`."""
    d = np.abs(d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((d - 5) * d + 8) * d * a - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _cubic(size, out, scale, align_corners):
    at = _centres(size, out, scale, align_corners)
    places = np.floor(at).astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(places, 0, size - 1), _cubic_kernel(at[:, None] - places, -0.75)


def _antialiased(size, out, scale, align_corners, cubic):
    """Taps of a kernel that is widened by the factor of a reduction, as Pillow's resampling does."""
    if align_corners:
        step = (size - 1) / (out - 1) if out > 1 else 0
    else:
        step = 1 / scale if scale else size / out
    widening = max(step, 1.0)
    reach = (2 if cubic else 1) * widening
    centres = step * (np.arange(out) + 0.5)
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int64), size)
    places = first[:, None] + np.arange(max(int((last - first).max()), 1))
    d = (places - centres[:, None] + 0.5) / widening
    weights = _cubic_kernel(d, -0.5) if cubic else np.maximum(1 - np.abs(d), 0)
    weights = np.where(places < last[:, None], weights, 0)
    return np.minimum(places, size - 1), weights / weights.sum(axis=1, keepdims=True)


# --- public -------------------------------------------------------------------------------------------

_SPATIAL = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
_MODES = ("nearest", "nearest-exact", "area", *_SPATIAL)


def _output_sizes(input, size, scale_factor, recompute):
    """The output's sizes, and per axis the scale to compute with (None: the ratio of the sizes)."""
    n = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined, and one must be [RG120]")
    given = size if size is not None else scale_factor
    given = list(given) if isinstance(given, (tuple, list)) else [given] * n
    if len(given) != n:
        name = "size" if size is not None else "scale_factor"
        raise ValueError(
            f"Input and {name} must have the same number of spatial dimensions, but got input with spatial "
            "dimensions "
            f"of {list(input.shape[2:])} and {name} {given} [RG058]"
        )
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size. [RG120]")
        if any(isinstance(s, float) for s in given):
            raise TypeError(f"expected size to be whole numbers, but got {given} [RG047]")
        return [int(s) for s in given], [None] * n
    sizes = [int(math.floor(float(i * s))) for i, s in zip(input.shape[2:], given, strict=True)]
    return sizes, [None] * n if recompute else [float(s) for s in given]


def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
    antialias=False,
):  # fmt: skip
    """Resize the spatial axes of `input` (N, C, ...) to `size`, or by `scale_factor`.

    mode: nearest, nearest-exact, area, linear (3-D input), bilinear, bicubic (4-D) or trilinear (5-D).
    `align_corners` puts the centres of the corner elements onto each other. `antialias` (bilinear, bicubic)
    widens the kernel where the image shrinks. uint8 is rounded, and cut to 0...255, after each axis.
    """
    if mode not in _MODES:
        raise NotImplementedError(
            f"unknown interpolation mode {mode!r}; expected one of {', '.join(_MODES)} [RG048]"
        )
    n = input.ndim - 2
    if not 1 <= n <= 3 or _SPATIAL.get(mode, n) != n:
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {_SPATIAL.get(mode, 1) + 2}D input (N, C, "
            "spatial...) [RG058]"
        )
    if align_corners is not None and mode not in _SPATIAL:
        raise ValueError(
            f"align_corners can only be set with the interpolating modes, {', '.join(_SPATIAL)} [RG120]"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as "
            "input [RG120]"
        )
    out, scales = _output_sizes(input, size, scale_factor, recompute_scale_factor)
    if min(*out, *input.shape[2:]) < 1:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape[2:])} and "
            f"output {out} [RG061]"
        )
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[n - 1](input, out)
    if not input.is_floating_point() and input.dtype is not uint8:
        raise RuntimeError(
            f"interpolate with mode={mode!r} is not implemented for {input.dtype}, only for floating point "
            "numbers and uint8; convert the input with .float() [RG041]"
        )
    axes = list(enumerate(zip(out, scales, strict=True), 2))
    for axis, (o, scale) in reversed(axes) if input.dtype is uint8 else axes:
        i = input.shape[axis]
        if mode.startswith("nearest"):
            taps = _nearest(i, o, scale, mode == "nearest-exact")
        elif antialias:
            taps = _antialiased(i, o, scale, align_corners, mode == "bicubic")
        elif i == o and not scale:
            continue
        else:
            taps = (_cubic if mode == "bicubic" else _linear)(i, o, scale, align_corners)
        input = resample_row(input, *taps, axis, i)
    return input
