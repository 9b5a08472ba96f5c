"""The kernels of convolution over three axes: those over two, of images that have the channels of all depths
that the kernel sees. These are copied side by side, some images at a time. Results lie channels last. And
that of max pooling: over two axes, then over the third.
"""

from math import prod

import numpy as np

from ..core.op import kernel
from . import native
from .cpu import channels_last, fill, max_pool2d, ready

_conv2d, _conv2d_input, _conv2d_weight = (native.row_kernels[f"conv2d{n}"] for n in ("", "_input", "_weight"))

BYTES = 1 << 22  # of the copies that are made at a time


def _last(x):
    """(N, C, D, H, W) as (N, D, H, W, C)."""
    return x.transpose(0, 2, 3, 4, 1)


def _empty(shape, like):
    """A new array (N, C, D, H, W) whose channels are contiguous, and the same as (N, D, H, W, C)."""
    n, c, *size = shape
    array = native.empty((n, *size, c), like)
    return array.transpose(0, 4, 1, 2, 3), array


def _flat_weight(weight):
    """(O, C, KD, KH, KW) as (O, KD C, KH, KW), whose channels are contiguous."""
    o, c, kd, kh, kw = weight.shape
    flat = native.empty((o, kh, kw, kd, c), weight)
    flat[...] = weight.transpose(0, 3, 4, 2, 1)
    return flat.reshape(o, kh, kw, kd * c).transpose(0, 3, 1, 2)


class _Depths:
    """Which depths of the input each depth of the output sees, through each of the kernel's."""

    def __init__(self, size, outputs, kernel, stride, padding, dilation):
        self.taps = []
        for k in range(kernel):
            offset = k * dilation - padding
            first = max(0, -(offset // stride))
            last = min(outputs, (size - 1 - offset) // stride + 1)
            first, last = (first, last) if last > first else (0, 0)
            self.taps.append((first, last, first * stride + offset, stride))

    def of(self, k, first, last):
        """The outputs in [first, last) that see something through tap k, from `first` on, and the inputs."""
        a, b, at, stride = self.taps[k]
        low, high = max(a, first), max(min(b, last), max(a, first))
        start = at + (low - a) * stride
        return slice(low - first, high - first), slice(start, start + (high - low) * stride, stride)


def _pieces(images, depths, bytes_each):
    """(images, first depth, end) of pieces to work at: some depths of one image, or some images."""
    some = max(1, min(depths, BYTES // max(bytes_each, 1)))
    together = max(1, BYTES // max(bytes_each * depths, 1)) if some == depths else 1
    for n in range(0, images, together):
        for d in range(0, depths, some):
            yield slice(n, min(images, n + together)), d, min(depths, d + some)


def _seen(volumes, depths, kernel, first, last):
    """What output depths [first, last) see of (N, D, H, W, C), as images (N depths, KD C, H, W)."""
    n, _, h, w, c = volumes.shape
    wide = native.empty((n, last - first, h, w, kernel, c), volumes)
    for k in range(kernel):
        to, at = depths.of(k, first, last)
        wide[:, : to.start, ..., k, :] = 0
        fill(wide[:, to, ..., k, :], volumes[:, at])
        wide[:, to.stop :, ..., k, :] = 0
    return wide.reshape(n * (last - first), h, w, kernel * c).transpose(0, 3, 1, 2)


def _images(volumes):
    """(N, D, H, W, C) as (N D, C, H, W)."""
    n, d, h, w, c = volumes.shape
    return volumes.reshape(n * d, h, w, c).transpose(0, 3, 1, 2)


def _bytes(depth, channels, x):
    return depth * channels * x.shape[3] * x.shape[4] * x.itemsize


def _fits(x, y, groups):
    return ready(x, y) and x.ndim == y.ndim == 5 and groups == 1 and x.size > 0 and y.size > 0


def _outputs(size, kernel, stride, padding, dilation):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _conv3d_ready(x, weight, bias, stride, padding, dilation, groups):
    return (
        _fits(x, weight, groups)
        and ready(x, bias)
        and x.shape[1] == weight.shape[1]
        and (bias is None or bias.shape == weight.shape[:1])
        and min(stride) > 0 and min(dilation) > 0 and min(padding) >= 0
        and min(_outputs(x.shape[2:], weight.shape[2:], stride, padding, dilation)) > 0
    )  # fmt: skip


@kernel("conv3d", when=_conv3d_ready)
def conv3d(x, weight, bias, stride, padding, dilation, groups):
    o, c, kd, *_ = weight.shape
    size = _outputs(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    depths = _Depths(x.shape[2], size[0], kd, stride[0], padding[0], dilation[0])
    flat, volumes = _flat_weight(weight), _last(x)
    out, lines = _empty((x.shape[0], o, *size), x)
    how = stride[1:], padding[1:], dilation[1:], 1
    for n, first, last in _pieces(x.shape[0], size[0], _bytes(kd, c, x)):
        made = _conv2d(_seen(volumes[n], depths, kd, first, last), flat, bias, *how)
        lines[n, first:last] = made.transpose(0, 2, 3, 1).reshape(lines[n, first:last].shape)
    return out


@kernel("conv3d_input", when=lambda y, weight, size, stride, padding, dilation, groups: (
    _fits(y, weight, groups) and y.shape[1] == weight.shape[0]
    and y.shape[2:] == _outputs(size, weight.shape[2:], stride, padding, dilation)
))  # fmt: skip
def conv3d_input(y, weight, size, stride, padding, dilation, groups):
    _, c, kd, *_ = weight.shape
    depths = _Depths(size[0], y.shape[2], kd, stride[0], padding[0], dilation[0])
    flat, given = _flat_weight(weight), _last(y)
    out, volumes = _empty((y.shape[0], c, *size), y)
    volumes[...] = 0
    how = tuple(size[1:]), stride[1:], padding[1:], dilation[1:], 1
    for n, first, last in _pieces(y.shape[0], y.shape[2], kd * c * size[1] * size[2] * y.itemsize):
        wide = _conv2d_input(_images(given[n, first:last]), flat, *how)
        wide = wide.transpose(0, 2, 3, 1).reshape(-1, last - first, *size[1:], kd, c)
        for k in range(kd):
            of, at = depths.of(k, first, last)
            volumes[n, at] += wide[:, of, ..., k, :]
    return out


@kernel("conv3d_weight", when=lambda y, x, size, stride, padding, dilation, groups: (
    _fits(y, x, groups) and y.shape[0] == x.shape[0]
    and y.shape[2:] == _outputs(x.shape[2:], size, stride, padding, dilation)
))  # fmt: skip
def conv3d_weight(y, x, size, stride, padding, dilation, groups):
    o, c, (kd, *plane) = y.shape[1], x.shape[1], size
    depths = _Depths(x.shape[2], y.shape[2], kd, stride[0], padding[0], dilation[0])
    given, volumes, total = _last(y), _last(x), None
    how = tuple(plane), stride[1:], padding[1:], dilation[1:], 1
    for n, first, last in _pieces(x.shape[0], y.shape[2], _bytes(kd, c, x)):
        seen = _seen(volumes[n], depths, kd, first, last)
        part = _conv2d_weight(_images(given[n, first:last]), seen, *how)
        total = part if total is None else np.add(total, part, out=total)
    gw = total.transpose(0, 2, 3, 1).reshape(o, *plane, kd, c)
    return np.ascontiguousarray(gw.transpose(0, 4, 3, 1, 2))


# --- pooling -------------------------------------------------------------------------------------


def _max_pool_ready(x, window, stride, padding, dilation, ceil_mode):
    return (
        ready(x) and x.ndim == 5 and x.size > 0 and prod(window) <= 256
        and padding[0] == 0 and not ceil_mode
        and min(_outputs(x.shape[2:], window, stride, padding, dilation)) > 0
    )  # fmt: skip


@kernel("max_pool3d", when=_max_pool_ready)
def max_pool3d(x, window, stride, padding, dilation, ceil_mode):
    n, c, depth, *_ = x.shape
    d, h, w = _outputs(x.shape[2:], window, stride, padding, dilation)
    lying = channels_last(x.shape, x)
    fill(lying, x)
    images = _images(_last(lying))
    flat, in_flat = max_pool2d(images, window[1:], stride[1:], padding[1:], dilation[1:], False)
    flat, in_flat = (a.transpose(0, 2, 3, 1).reshape(n, depth, h * w, c) for a in (flat, in_flat))
    out, which = max_pool2d(
        flat.transpose(0, 3, 1, 2), (window[0], 1), (stride[0], 1), (0, 0), (dilation[0], 1), False
    )
    place = which.transpose(0, 2, 3, 1)  # first which depth, then which element of the window
    found, size = np.zeros_like(place), window[1] * window[2]
    for k in range(window[0]):
        first = k * dilation[0]
        there = in_flat[:, first : first + (d - 1) * stride[0] + 1 : stride[0]]
        found += (there + np.uint8(k * size)) * (place == k)  # a choice for each element would be slower
    shape = n, d, h, w, c
    return tuple(
        a.reshape(shape).transpose(0, 4, 1, 2, 3) for a in (out.transpose(0, 2, 3, 1), found)
    )
