"""Pooling in forms that are made of others, or that give the indices only when asked."""

from ..ops import pool, unpool
from ..ops.activation import relu
from ..ops.pointwise import absolute, sign
from ..ops.pool import avg_pool1d, avg_pool2d, avg_pool3d


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool1d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool2d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The greatest element of as many windows as asked for; with `return_indices`, also where it is."""
    result = pool.adaptive_max_pool3d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool1d and where the greatest elements are."""
    return pool.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool2d and where the greatest elements are."""
    return pool.adaptive_max_pool2d(input, output_size)


def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool3d and where the greatest elements are."""
    return pool.adaptive_max_pool3d(input, output_size)


def fractional_max_pool2d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """fractional_max_pool2d and where the greatest elements are."""
    return unpool.fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """The greatest element of windows (KH, KW) that begin at random, evenly spaced places."""
    result = unpool.fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def fractional_max_pool3d_with_indices(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """fractional_max_pool3d and where the greatest elements are."""
    return unpool.fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d(
    input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """The greatest element of windows (KD, KH, KW) that begin at random, evenly spaced places."""
    result = unpool.fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return result if return_indices else result[0]


def _lp_pool(average, n, input, norm_type, kernel_size, stride, ceil_mode):
    count = 1
    for k in kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * n:
        count *= k
    mean = average(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return (sign(mean) * relu(absolute(mean)) * count) ** (1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of input ** norm_type over each window) ** (1 / norm_type)."""
    return _lp_pool(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)
