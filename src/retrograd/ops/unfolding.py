"""Windows as columns and back (unfold, fold), and channels traded for space (pixel shuffle)."""

from math import prod

import numpy as np

from ..core.op import LINEAR, Op
from .shape import permute, reshape
from .sliding import inner, output_size, padded, reached, sizes, windows

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]
METHODS = INPLACE = []


def _unfold(xp, x, kernel, dilation, padding, stride):
    size = output_size(x.shape[2:], kernel, stride, padding, dilation)
    view = windows(xp, padded(xp, x, padding), kernel, stride, dilation, size)
    return view.reshape(x.shape[0], x.shape[1] * prod(kernel), prod(size))


def _fold(xp, y, size, kernel, dilation, padding, stride):
    outputs = output_size(size, kernel, stride, padding, dilation)
    y = y.reshape(y.shape[0], y.shape[1] // prod(kernel), *kernel, *outputs)
    out = xp.zeros((*y.shape[:2], *[n + 2 * p for n, p in zip(size, padding, strict=True)]), y.dtype)
    for k in np.ndindex(*kernel):
        out[reached(k, stride, dilation, outputs)] += y[(slice(None), slice(None), *k)]
    return xp.ascontiguousarray(out[inner(padding, size)])


_unfold_row = Op(
    "unfold_windows",
    lambda xp, x, kernel, dilation, padding, stride: _unfold(xp, x, kernel, dilation, padding, stride),
    x=lambda g, x_shape, kernel, dilation, padding, stride: (
        _fold_row(g, x_shape[2:], kernel, dilation, padding, stride)
    ),
    jvp=LINEAR, node="Im2ColBackward0",
)  # fmt: skip

_fold_row = Op(
    "fold_windows",
    lambda xp, y, size, kernel, dilation, padding, stride: _fold(xp, y, size, kernel, dilation, padding,
    stride), y=lambda g, kernel, dilation, padding, stride: _unfold_row(g, kernel, dilation, padding, stride),
    jvp=LINEAR, node="Col2ImBackward0",
)  # fmt: skip


def _pairs(kernel_size, dilation, padding, stride):
    named = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    return [sizes(value, 2, name) for name, value in named.items()]


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of (N, C, H, W) or (C, H, W) as columns: (N, C * KH * KW, number of windows)."""
    how = _pairs(kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4):
        raise RuntimeError(
            f"unfold: Expected 3D or 4D (batch mode) tensor for input, but got shape {list(input.shape)} "
            "[RG058]"
        )
    x = input if input.ndim == 4 else reshape(input, (1, *input.shape))
    size = output_size(x.shape[2:], how[0], how[3], how[2], how[1])
    if min(size) < 1:
        raise RuntimeError(
            f"unfold: input {list(input.shape)} with kernel {how[0]} leaves no windows: {list(size)} [RG061]"
        )
    out = _unfold_row(x, *how)
    return out if input.ndim == 4 else reshape(out, out.shape[1:])


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transpose of unfold: windows (N, C * KH * KW, L) added up to images (N, C, *output_size)."""
    size = sizes(output_size, 2, "output_size")
    how = _pairs(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"fold: Expected 2D or 3D (batch mode) tensor for input, but got shape {list(input.shape)} "
            "[RG058]"
        )
    y = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    count = _count(size, *how)
    if y.shape[1] % prod(how[0]) or y.shape[2] != count:
        raise RuntimeError(
            f"fold: for output_size={list(size)}, kernel_size={list(how[0])}, dilation={list(how[1])}, "
            f"padding={list(how[2])} and stride={list(how[3])}, expected input of shape "
            f"[N, a multiple of {prod(how[0])}, {count}], but got {list(y.shape)} [RG045]"
        )
    out = _fold_row(y, size, *how)
    return out if input.ndim == 3 else reshape(out, out.shape[1:])


def _count(size, kernel, dilation, padding, stride):
    return prod(output_size(size, kernel, stride, padding, dilation))


def pixel_shuffle(input, upscale_factor):
    """(..., C * r ** 2, H, W) as (..., C, H * r, W * r)."""
    r = upscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-3] % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            "upscale_factor, "
            f"but the input is {list(input.shape)} and upscale_factor={r} [RG045]"
        )
    *lead, c, h, w = input.shape
    x = reshape(input, (*lead, c // (r * r), r, r, h, w))
    n = len(lead)
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(x, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input, downscale_factor):
    """(..., C, H * r, W * r) as (..., C * r ** 2, H, W)."""
    r = downscale_factor
    if input.ndim < 3 or r < 1 or input.shape[-1] % r or input.shape[-2] % r:
        raise RuntimeError(
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but the input is "
            f"{list(input.shape)} and downscale_factor={r} [RG045]"
        )
    *lead, c, h, w = input.shape
    x = reshape(input, (*lead, c, h // r, r, w // r, r))
    n = len(lead)
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(x, (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input, groups):
    """Interleave the `groups` groups of channels of `input` (N, C, ...)."""
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle expects (N, C, ...) with C divisible by groups, got {list(input.shape)}, "
            f"groups={groups} [RG045]"
        )
    n, c, *rest = input.shape
    x = reshape(input, (n, groups, c // groups, *rest))
    return reshape(permute(x, (0, 2, 1, *range(3, x.ndim))), input.shape)


native_channel_shuffle = channel_shuffle
