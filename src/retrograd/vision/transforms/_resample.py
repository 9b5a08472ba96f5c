"""Resizing images held in arrays: every output pixel is a weighted sum of a few input pixels per axis.

The weights are PyTorch's (ATen's UpSample kernels), axes are done one after the other, width first. One
difference is deliberate: antialiasing, PyTorch does not interpolate along results that are one pixel wide.
"""

from functools import lru_cache

import numpy as np

from retrograd.core.op import LINEAR, Op


def _triangle(x):
    return np.maximum(1 - np.abs(x), 0)


def _cubic(x, a):
    """Keys' cubic convolution kernel with the free parameter `a`."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x):
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


# mode: (number of input pixels that one output pixel depends on when enlarging, kernel)
_ANTIALIASED = {
    "bilinear": (2, _triangle),
    "bicubic": (4, lambda x: _cubic(x, -0.5)),
    "lanczos": (6, _lanczos),
}


@lru_cache(maxsize=64)
def taps(size, out_size, mode, antialias, dtype):
    """(index, weight), each (out_size, taps): output i sums weight[i, k] * input[index[i, k]] over k.

    Weights are computed in `dtype` (NumPy's float32 or float64), as PyTorch computes them in the image's.
    """
    scale = dtype(size) / dtype(out_size)
    if antialias:
        centre = (np.arange(out_size, dtype=dtype) + dtype(0.5)) * scale
        return _antialiased_taps(size, centre, scale, mode, dtype)
    # One rounding, as with a fused multiply-add: the fractions below magnify a second one.
    position = (np.float64(scale) * (np.arange(out_size) + 0.5) - 0.5).astype(dtype)
    if mode == "bilinear":
        position = np.maximum(position, dtype(0))
        offsets = np.arange(2)
    else:
        offsets = np.arange(-1, 3)
    first = np.floor(position)
    fraction = np.clip(position - first, dtype(0), dtype(1))[:, None]
    kernel = _triangle if mode == "bilinear" else lambda x: _cubic(x, -0.75)
    weight = kernel(fraction - offsets.astype(dtype)).astype(dtype)
    return _merge_border(np.clip(first.astype(np.int64)[:, None] + offsets, 0, size - 1), weight, size)


def _merge_border(index, weight, size):
    """The same taps with no input pixel named twice: weights beyond the border go to the edge pixel."""
    rows, count = np.arange(len(index))[:, None], min(index.shape[1], size)
    start = np.minimum(index[:, :1], size - count)
    merged = np.zeros((len(index), count), weight.dtype)
    np.add.at(merged, (rows, index - start), weight)
    return start + np.arange(count), merged


def _antialiased_taps(size, centre, scale, mode, dtype):
    """The kernel stretched by `scale` where that shrinks the image, cut at the borders, of sum 1."""
    count, kernel = _ANTIALIASED[mode]
    stretch = max(scale, dtype(1))
    support = dtype(count / 2) * stretch
    start = np.maximum((centre - support + dtype(0.5)).astype(np.int64), 0)
    stop = np.minimum((centre + support + dtype(0.5)).astype(np.int64), size)
    index = start[:, None] + np.arange((stop - start).max())
    inside = index < stop[:, None]
    distance = (index.astype(dtype) - centre[:, None] + dtype(0.5)) * (dtype(1) / stretch)
    weight = np.where(inside, kernel(distance), 0).astype(dtype)
    return np.minimum(index, size - 1), weight / weight.sum(axis=1, keepdims=True, dtype=dtype)


def nearest_index(size, out_size, exact, dtype):
    """The input pixel that each output pixel copies; `exact` measures from pixel centres, as Pillow does."""
    position = (np.arange(out_size, dtype=dtype) + dtype(0.5 if exact else 0)) * (
        dtype(size) / dtype(out_size)
    )
    return np.minimum(position.astype(np.int64), size - 1)


def _resample(array, size, mode, antialias):
    for axis in (-1, -2):
        if array.shape[axis] != size[axis]:
            index, weight = taps(array.shape[axis], size[axis], mode, antialias, array.dtype.type)
            array = _weighted_sum(array, axis, index, weight)
    return array


def _weighted_sum(array, axis, index, weight):
    # With the axis in front, picking pixels copies whole rows.
    array = np.ascontiguousarray(np.moveaxis(array, axis, 0))
    weight = weight.reshape(weight.shape + (1,) * (array.ndim - 1))
    out = array[index[:, 0]]
    out *= weight[:, 0]
    for k in range(1, index.shape[1]):
        row = array[index[:, k]]
        row *= weight[:, k]
        out += row
    return np.moveaxis(out, 0, axis)


def _spread(array, size, mode, antialias):
    """The transpose of `_resample` from `size` to `array`'s size: what outputs got goes back to inputs."""
    for axis in (-2, -1):
        if array.shape[axis] != size[axis]:
            index, weight = taps(size[axis], array.shape[axis], mode, antialias, array.dtype.type)
            matrix = np.zeros((array.shape[axis], size[axis]), array.dtype)
            np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
            array = matrix.T @ array if axis == -2 else array @ matrix
    return array


# Images (..., H, W) of float32 or float64 resized to `size`, (height, width), and the way back.
resample = Op(
    "resample_image",
    lambda xp, x, size, mode, antialias: _resample(x, size, mode, antialias),
    x=lambda g, x_shape, mode, antialias: _resample_back(g, x_shape[-2:], mode, antialias),
    jvp=LINEAR,
)

_resample_back = Op(
    "resample_back",
    lambda xp, x, size, mode, antialias: _spread(x, size, mode, antialias),
    x=lambda g, x_shape, mode, antialias: resample(g, x_shape[-2:], mode, antialias),
    jvp=LINEAR,
)


def resample_uint8(array, size, mode, antialias):
    """`array` (..., H, W) of uint8 resized in whole numbers, rounding after each axis, as PyTorch does."""
    for axis in (-1, -2):
        if array.shape[axis] != size[axis]:
            index, weight = taps(array.shape[axis], size[axis], mode, antialias, np.float64)
            weight, bits = _fixed_point(weight)
            total = _weighted_sum(array.astype(np.int32), axis, index, weight)
            array = np.clip((total + (1 << (bits - 1))) >> bits, 0, 255).astype(np.uint8)
    return array


def _fixed_point(weight):
    """(weight * 2**bits rounded to integers, bits), with as many bits as fit the largest into int16."""
    bits = 0
    while bits < 22 and int(weight.max() * (1 << (bits + 1)) + 0.5) < 1 << 15:
        bits += 1
    scaled = weight * (1 << bits)
    return np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int32), bits
