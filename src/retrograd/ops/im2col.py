"""Convolution of arrays and its gradients: the windows as a matrix, a block at a time, and BLAS."""

from math import prod

import numpy as np

from ..core.op import through_float32
from .product import blas_ready
from .sliding import inner, output_size, padded, reached, windows

BLOCK = 1 << 20  # elements of the matrix of windows that are made at a time: 4 MB of float32


def _blocks(images, size, row):
    """(first image, end, first row, end) of the blocks to work in; a row of output costs `row` elements."""
    rows = size[0]
    if rows * row > BLOCK:
        step = max(1, BLOCK // max(row, 1))
        for i in range(images):
            for r in range(0, rows, step):
                yield i, i + 1, r, min(rows, r + step)
    else:
        step = max(1, BLOCK // max(rows * row, 1))
        for i in range(0, images, step):
            yield i, min(images, i + step), 0, rows


def _columns(xp, x, block, kernel, stride, dilation, size, groups):
    """The windows of a block as a matrix per group: (groups, C / groups * prod(kernel), outputs)."""
    first, end, r0, r1 = block
    x = x[first:end, :, r0 * stride[0] :]
    view = windows(xp, x, kernel, stride, dilation, (r1 - r0, *size[1:]))
    n = len(kernel)
    view = view.transpose(1, *range(2, 2 + n), 0, *range(2 + n, 2 + 2 * n))
    outputs = (end - first) * (r1 - r0) * prod(size[1:])
    return view.reshape(groups, x.shape[1] // groups * prod(kernel), outputs)


def _rows_of(g, block, groups):
    """A block of the output's gradient as a matrix per group: (groups, O / groups, outputs)."""
    first, end, r0, r1 = block
    g = g[first:end, :, r0:r1].swapaxes(0, 1)
    return g.reshape(groups, g.shape[0] // groups, -1)


@through_float32
def convolve(xp, x, weight, stride, padding, dilation, groups):
    kernel, channels = weight.shape[2:], weight.shape[0]
    size = output_size(x.shape[2:], kernel, stride, padding, dilation)
    x = padded(xp, x, padding)
    if prod(kernel) == 1 and groups == 1:
        x = x[reached((0,) * len(kernel), stride, dilation, size)].reshape(*x.shape[:2], -1)
        matrix = blas_ready(xp, weight.reshape(weight.shape[:2]))
        return xp.matmul(matrix, x).reshape(x.shape[0], channels, *size)
    if weight.shape[1] == 1:
        return _convolve_each(xp, x, weight, stride, dilation, size)
    out = xp.empty((x.shape[0], channels, *size), x.dtype)
    matrix = weight.reshape(groups, channels // groups, -1)
    for block in _blocks(x.shape[0], size, weight.shape[1] * groups * prod(kernel) * prod(size[1:])):
        columns = _columns(xp, x, block, kernel, stride, dilation, size, groups)
        first, end, r0, r1 = block
        if end - first == 1 and r1 - r0 == size[0]:
            xp.matmul(matrix, columns, out=out[first].reshape(groups, channels // groups, -1))
        else:
            result = xp.matmul(matrix, columns).reshape(channels, end - first, r1 - r0, *size[1:])
            out[first:end, :, r0:r1] = result.swapaxes(0, 1)
    return out


def _convolve_each(xp, x, weight, stride, dilation, size):
    """A depthwise convolution: each channel alone, a pass over the output per position of the kernel."""
    images, channels = x.shape[:2]
    several = weight.shape[0] // channels
    out = xp.zeros((images, channels, several, *size), x.dtype)
    term = xp.empty_like(out)
    taps = weight.reshape(channels, several, *weight.shape[2:])
    for k in np.ndindex(*weight.shape[2:]):
        tap = taps[(..., *k)].reshape(channels, several, *[1] * len(size))
        xp.multiply(x[reached(k, stride, dilation, size)][:, :, None], tap, out=term)
        out += term
    return out.reshape(images, channels * several, *size)


@through_float32
def input_gradient(xp, g, weight, size, stride, padding, dilation, groups):
    kernel, images, inputs = weight.shape[2:], g.shape[0], weight.shape[1] * groups
    if prod(kernel) == 1 and groups == 1 and not any(padding) and set(stride) == {1}:
        matrix = blas_ready(xp, weight.reshape(weight.shape[:2]).T)
        return xp.matmul(matrix, g.reshape(*g.shape[:2], -1)).reshape(images, inputs, *size)
    full = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    out = xp.zeros((images, inputs, *full), g.dtype)
    outputs = g.shape[2:]
    if weight.shape[1] == 1:
        _spread_each(xp, out, g, weight, stride, dilation)
    else:
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)
        for block in _blocks(images, outputs, inputs * prod(kernel) * prod(outputs[1:])):
            first, end, r0, r1 = block
            columns = xp.matmul(matrix, _rows_of(g, block, groups))
            columns = columns.reshape(inputs, *kernel, end - first, r1 - r0, *outputs[1:])
            part = out[first:end, :, r0 * stride[0] :]
            for k in np.ndindex(*kernel):
                met = reached(k, stride, dilation, (r1 - r0, *outputs[1:]))
                part[met] += columns[(slice(None), *k)].swapaxes(0, 1)
    return out if full == tuple(size) else xp.ascontiguousarray(out[inner(padding, size)])


def _spread_each(xp, out, g, weight, stride, dilation):
    """The gradient for the input of a depthwise convolution, added to `out`."""
    channels, size = out.shape[1], g.shape[2:]
    several = weight.shape[0] // channels
    taps = weight.reshape(channels, several, *weight.shape[2:])
    for m in range(several):
        gm = g.reshape(g.shape[0], channels, several, *size)[:, :, m]
        for k in np.ndindex(*weight.shape[2:]):
            tap = taps[(slice(None), m, *k)].reshape(channels, *[1] * len(size))
            out[reached(k, stride, dilation, size)] += gm * tap


@through_float32
def weight_gradient(xp, g, x, kernel, stride, padding, dilation, groups):
    size, channels, each = g.shape[2:], g.shape[1], x.shape[1] // groups
    x = padded(xp, x, padding)
    if each == 1:
        return _taps_each(xp, g, x, kernel, stride, dilation)
    total = xp.zeros((groups, channels // groups, each * prod(kernel)), g.dtype)
    for block in _blocks(x.shape[0], size, x.shape[1] * prod(kernel) * prod(size[1:])):
        columns = _columns(xp, x, block, kernel, stride, dilation, size, groups)
        total += xp.matmul(_rows_of(g, block, groups), columns.swapaxes(1, 2))
    return total.reshape(channels, each, *kernel)


def _taps_each(xp, g, x, kernel, stride, dilation):
    """The gradient for the weight of a depthwise convolution."""
    images, channels = x.shape[:2]
    several, size = g.shape[1] // channels, g.shape[2:]
    g = g.reshape(images, channels, several, *size)
    axes = (0, *range(3, g.ndim))
    out = xp.empty((channels, several, *kernel), g.dtype)
    for k in np.ndindex(*kernel):
        out[(..., *k)] = (g * x[reached(k, stride, dilation, size)][:, :, None]).sum(axis=axes)
    return out.reshape(channels * several, 1, *kernel)
