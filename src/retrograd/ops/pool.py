"""Pooling: the greatest or the mean of the elements in each window."""

from .adaptive import ADAPTIVE_AVG, ADAPTIVE_MAX
from .pooling import MAX_POOL, avg_pool_row, pool_indices, pooled_size
from .reduce import mean
from .sliding import sizes

__all__ = [
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool3d",
]  # fmt: skip
METHODS = INPLACE = []


def _check_pooled(name, n, input, kernel, stride, padding, dilation, ceil_mode):
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got input of size: {list(input.shape)} "
            "[RG058]"
        )
    if min(kernel) <= 0 or min(stride) <= 0 or min(dilation) <= 0:
        raise RuntimeError(
            f"{name}: kernel size, stride and dilation should be greater than zero, but they are "
            f"{list(kernel)}, {list(stride)} and {list(dilation)} [RG060]"
        )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if min(padding) < 0 or any(p > r // 2 for p, r in zip(padding, reach, strict=True)):
        raise RuntimeError(
            f"{name}: pad should be at least zero and at most half of effective kernel size, but got "
            f"pad={list(padding)}, kernel_size={list(kernel)} and dilation={list(dilation)} [RG060]"
        )
    size = tuple(input.shape[input.ndim - n :])
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: Given input size {list(size)}, the output size would be {list(out)}: too small [RG061]"
        )


def _max(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True):
    kernel = sizes(kernel_size, n, "kernel_size")
    stride = sizes(stride, n, "stride") if stride not in (None, [], ()) else kernel
    padding, dilation = sizes(padding, n, "padding"), sizes(dilation, n, "dilation")
    _check_pooled(f"max_pool{n}d", n, input, kernel, stride, padding, dilation, ceil_mode)
    values, which = MAX_POOL[n - 1](input, kernel, stride, padding, dilation, bool(ceil_mode))
    if not return_indices:
        return values
    size = tuple(input.shape[input.ndim - n :])
    return values, pool_indices(which, size, kernel, stride, padding, dilation)


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool1d and where the greatest elements are."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of (N, C, L) or (C, L); with `return_indices`, also where it is."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool2d and where the greatest elements are."""
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest of each window of (N, C, H, W) or (C, H, W); with `return_indices`, also where it is.

    Padding never wins; NaN does. Indices count in the flattened H * W.
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool3d and where the greatest elements are."""
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of (N, C, D, H, W); with `return_indices`, also where it is."""
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _average(n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor):
    name, kernel = f"avg_pool{n}d", sizes(kernel_size, n, "kernel_size")
    stride = sizes(stride, n, "stride") if stride not in (None, [], ()) else kernel
    padding = sizes(padding, n, "padding")
    _check_pooled(name, n, input, kernel, stride, padding, (1,) * n, ceil_mode)
    if divisor == 0:
        raise RuntimeError(f"{name}: divisor must be not zero [RG060]")
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(
            f"{name} is not implemented for {input.dtype}; convert the input with .float() [RG041]"
        )
    return avg_pool_row(input, kernel, stride, padding, bool(ceil_mode), bool(count_include_pad), divisor)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of (N, C, L) or (C, L)."""
    return _average(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of each window of (N, C, H, W) or (C, H, W), or its sum over `divisor_override`."""
    return _average(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W), or its sum over `divisor_override`."""
    return _average(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _adapted(name, n, input, output_size):
    """`output_size` as a tuple; None keeps an axis' size."""
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)} [RG058]"
        )
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(given) != n:
        raise RuntimeError(f"{name}: expected an output size of {n} numbers, but got {output_size!r} [RG060]")
    now = input.shape[input.ndim - n :]
    size = tuple(i if o is None else int(o) for i, o in zip(now, given, strict=True))
    if min(size) < 0:
        raise RuntimeError(f"{name}: output_size must not be negative, but it is {output_size!r} [RG060]")
    return size


def adaptive_avg_pool1d(input, output_size):
    """Means over as many windows as asked for, of sizes that differ by at most one or two."""
    return ADAPTIVE_AVG[0](input, _adapted("adaptive_avg_pool1d", 1, input, output_size))


def adaptive_avg_pool2d(input, output_size):
    """Means over as many windows as asked for: `output_size` is (H, W) or one number; None keeps a size."""
    size = _adapted("adaptive_avg_pool2d", 2, input, output_size)
    return mean(input, (-2, -1), True) if size == (1, 1) else ADAPTIVE_AVG[1](input, size)


def adaptive_avg_pool3d(input, output_size):
    """Means over as many windows as asked for: `output_size` is (D, H, W) or one number; None keeps one."""
    size = _adapted("adaptive_avg_pool3d", 3, input, output_size)
    return mean(input, (-3, -2, -1), True) if size == (1, 1, 1) else ADAPTIVE_AVG[2](input, size)


def adaptive_max_pool1d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is."""
    return ADAPTIVE_MAX[0](input, _adapted("adaptive_max_pool1d", 1, input, output_size))


def adaptive_max_pool2d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is in the flattened H * W."""
    return ADAPTIVE_MAX[1](input, _adapted("adaptive_max_pool2d", 2, input, output_size))


def adaptive_max_pool3d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is in the flattened D * H * W."""
    return ADAPTIVE_MAX[2](input, _adapted("adaptive_max_pool3d", 3, input, output_size))
