"""Max pooling undone, and max pooling over windows at random places."""

from math import prod

import numpy as np

from ..core.op import LINEAR, Op
from ..core.random import uniform
from ..core.tensor import wrap
from .pooling import greatest, pick_row, place_row
from .sliding import sizes

__all__ = []
METHODS = INPLACE = []


# --- unpooling ----------------------------------------------------------------------------------------


def _unpool(xp, y, indices, size):
    lead, area = y.shape[: y.ndim - len(size)], prod(size)
    if indices.size and not (indices.min() >= 0 and indices.max() < area):
        wrong = indices[(indices < 0) | (indices >= area)].flat[0]
        raise RuntimeError(
            f"Found an invalid max index: {wrong} (output sizes are {' x '.join(map(str, size))}) [RG033]"
        )
    out = xp.zeros((*lead, area), y.dtype)
    count = prod(y.shape[len(lead) :])
    xp.put_along_axis(out, indices.reshape(*lead, count), y.reshape(*lead, count), -1)
    return out.reshape(*lead, *size)


unpool_row = Op(
    "max_unpool", lambda xp, y, indices, size: _unpool(xp, y, indices, size),
    y=lambda g, indices, size: pick_row(g, indices, len(size)), jvp=LINEAR,
)  # fmt: skip


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    name, kernel = f"max_unpool{n}d", sizes(kernel_size, n, "kernel_size")
    stride = kernel if stride in (None, [], ()) else sizes(stride, n, "stride")
    padding = sizes(padding, n, "padding")
    if indices._array.dtype != np.int64 or indices.shape != input.shape:
        raise RuntimeError(
            f"{name}: expected indices of dtype int64 and of the input's shape {list(input.shape)}, but got "
            f"{indices.dtype} and {list(indices.shape)} [RG121]"
        )
    size = [
        (i - 1) * s + k - 2 * p
        for i, s, k, p in zip(input.shape[input.ndim - n :], stride, kernel, padding, strict=True)
    ]
    if output_size is not None:
        wanted = list(output_size)[-n:] if len(output_size) in (n, n + 2) else None
        if wanted is None or any(not d - s < w < d + s for w, d, s in zip(wanted, size, stride, strict=True)):
            raise ValueError(
                f'invalid output_size "{list(output_size)}": expected {n} or {n + 2} numbers, the last {n} '
                f"less than a stride {list(stride)} away from {size} [RG061]"
            )
        size = wanted
    return unpool_row(input, indices, tuple(size))


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with the values of max_pool1d put back to the `indices` that it gave."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with the values of max_pool2d put back to the `indices` that it gave."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with the values of max_pool3d put back to the `indices` that it gave."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


# --- fractional pooling -------------------------------------------------------------------------------


def _starts(xp, sample, size, out, kernel):
    """Where windows begin, pseudo-randomly spaced (Graham, "Fractional max-pooling", 2014): (..., out)."""
    if out == 1:
        return xp.full((*sample.shape, 1), size - kernel)
    alpha = sample.dtype.type((size - kernel) / (out - 1))
    i = xp.arange(out - 1, dtype=sample.dtype)
    inner = ((i + sample[..., None]) * alpha).astype(np.int64) - (sample * alpha).astype(np.int64)[..., None]
    return xp.concatenate([inner, xp.full((*sample.shape, 1), size - kernel)], axis=-1)


def _fractional(xp, x, samples, kernel, out):
    """Max pooling of x (N, C, ...) with windows whose starts `samples` (N, C, n) decides.

    PyTorch takes the samples of images in the order W, H, those of volumes in the order D, H, W.
    """
    n = len(kernel)
    size, lead = x.shape[2:], x.shape[:2]
    order = range(n) if n == 3 else (1, 0)
    starts = [_starts(xp, samples[..., s], size[a], out[a], kernel[a]) for a, s in enumerate(order)]
    flat = x.reshape(*lead, prod(size))

    def place(k):
        total = 0
        for axis, (start, offset) in enumerate(zip(starts, k, strict=True)):
            shape = (*lead, *[out[axis] if i == axis else 1 for i in range(n)])
            total = total * size[axis] + (start + offset).reshape(shape)
        return total.reshape(*lead, prod(out))

    positions = list(np.ndindex(*kernel))
    shape = (*lead, prod(out))
    best, which = greatest(xp, positions, lambda k: xp.take_along_axis(flat, place(k), -1), shape, x.dtype)
    table = xp.stack([xp.broadcast_to(place(k), shape) for k in positions])
    indices = xp.take_along_axis(table, which[None].astype(np.int64), 0)[0]
    return best.reshape(*lead, *out), indices.reshape(*lead, *out)


def _fractional_row(n):
    return Op(
        f"fractional_max_pool{n}d",
        lambda xp, x, samples, kernel, out: _fractional(xp, x, samples, kernel, out),
        outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape: place_row(g_values, indices, x_shape[2:]),
        jvp=lambda t_x, indices, kernel: (pick_row(t_x, indices, len(kernel)), None),
    )  # fmt: skip


_FRACTIONAL = {n: _fractional_row(n) for n in (2, 3)}


def fractional(n, input, kernel_size, output_size, output_ratio, samples):
    """Fractional max pooling over the last `n` axes: (values, indices)."""
    name, kernel = f"fractional_max_pool{n}d", sizes(kernel_size, n, "kernel_size")
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"{name} requires specifying either an output_size or an output_ratio, and not both [RG120]"
        )
    batched = input if input.ndim == n + 2 else input[None]
    size = batched.shape[2:]
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
        output_size = [int(i * r) for i, r in zip(size, ratio, strict=True)]
    out = sizes(output_size, n, "output_size")
    if any(k + o - 1 > i or o < 1 for k, o, i in zip(kernel, out, size, strict=True)):
        raise RuntimeError(
            f"{name}: kernel {list(kernel)} and output {list(out)} are too large for the input "
            f"{list(size)} [RG061]"
        )
    if samples is None:
        samples = wrap(uniform((*batched.shape[:2], n), input._array.dtype))
    images, channels = batched.shape[:2]
    if samples.ndim != 3 or samples.shape[0] < images or tuple(samples.shape[1:]) != (channels, n):
        raise RuntimeError(
            f"{name}: Expect _random_samples of shape {[images, channels, n]}, but got "
            f"{list(samples.shape)} [RG061]"
        )
    samples = samples[:images]
    values, indices = _FRACTIONAL[n](batched, samples, kernel, out)
    return (values, indices) if batched is input else (values[0], indices[0])
