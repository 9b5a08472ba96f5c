"""Pooling: the greatest or the mean of the elements in each window.

The rows work for any number of spatial axes and take tuples with one number per axis; the axes before those
are all batch. A window's greatest is remembered by its index in the flattened spatial axes, as PyTorch does.
"""

from math import prod

import numpy as np

from ..core.op import LINEAR, Op
from .conv import reached, sizes
from .reduce import mean

__all__ = [
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "max_pool1d", "max_pool1d_with_indices",
    "max_pool2d", "max_pool3d",
]  # fmt: skip
METHODS = INPLACE = []


# --- on arrays ----------------------------------------------------------------------------------------


def pooled_size(size, kernel, stride, padding, dilation, ceil_mode):
    """The spatial sizes of a pooling's output; with `ceil_mode`, windows may end beyond the padding."""
    out = []
    for i, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        span = i + 2 * p - d * (k - 1) - 1
        n = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (n - 1) * s >= i + p:  # the last window must start before the right padding
            n -= 1
        out.append(n)
    return tuple(out)


def _extended(xp, x, n, low, high, value):
    """`x` with `low` and `high` elements of `value` at the ends of its last `n` axes."""
    if not any(low) and not any(high):
        return x
    lead = x.ndim - n
    size = x.shape[lead:]
    shape = (*x.shape[:lead], *[a + i + b for a, i, b in zip(low, size, high, strict=True)])
    out = xp.full(shape, value, x.dtype)
    out[(..., *[slice(a, a + i) for a, i in zip(low, size, strict=True)])] = x
    return out


def _overhang(size, kernel, stride, padding, dilation, out):
    """How far the windows reach beyond the end of the input (never negative)."""
    return tuple(
        max(0, (n - 1) * s + d * (k - 1) + 1 - p - i)
        for i, k, s, p, d, n in zip(size, kernel, stride, padding, dilation, out, strict=True)
    )


def _least(kind):
    if kind.kind in "iu":
        return np.iinfo(kind).min
    return -np.inf


def greatest(xp, positions, part, shape, kind):
    """The greatest of `part(k)` over `positions`, and which has it first (which has the last NaN, if any)."""
    best = xp.full(shape, _least(kind), kind)
    which = xp.zeros(shape, np.int32)
    floating = kind.kind == "f"
    for number, k in enumerate(positions):
        value = part(k)
        wins = value > best
        if floating:
            wins |= value != value
        xp.copyto(best, value, where=wins)
        xp.copyto(which, number, where=wins)
    return best, which


def _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode):
    if x.dtype.kind == "V":
        values, indices = _max_pool(xp, x.astype(np.float32), kernel, stride, padding, dilation, ceil_mode)
        return values.astype(x.dtype), indices
    n, size = len(kernel), x.shape[x.ndim - len(kernel) :]
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    high = _overhang(size, kernel, stride, padding, dilation, out)
    wide = _extended(xp, x, n, padding, high, _least(x.dtype))
    shape = (*x.shape[: x.ndim - n], *out)
    positions = list(np.ndindex(*kernel))
    best, which = greatest(xp, positions, lambda k: wide[reached(k, stride, dilation, out)], shape, x.dtype)
    return best, _flat_indices(xp, which, size, kernel, stride, padding, dilation, out)


def _flat_indices(xp, which, size, kernel, stride, padding, dilation, out):
    """From numbers of kernel positions to indices into the flattened spatial axes."""
    total, rest = 0, which
    for axis in reversed(range(len(kernel))):
        k, s, p, d = kernel[axis], stride[axis], padding[axis], dilation[axis]
        start = (xp.arange(out[axis]) * s - p).reshape(-1, *[1] * (len(out) - 1 - axis))
        at = start + (rest % k) * d
        if p:  # a window of nothing but -inf has no winner: PyTorch names its first element inside the input
            at += np.maximum((d - 1 - at) // d, 0) * d
        total = total + at * prod(size[axis + 1 :])
        rest = rest // k
    return total


def _divisors(xp, size, kernel, stride, padding, out, count_include_pad):
    """How many elements each window counts: an array of the output's sizes, or a number if all are equal."""
    counts = []
    for i, k, s, p, n in zip(size, kernel, stride, padding, out, strict=True):
        start = xp.arange(n) * s - p
        end = xp.minimum(start + k, i + p)
        if not count_include_pad:
            start, end = xp.maximum(start, 0), xp.minimum(end, i)
        counts.append(end - start)
    if all((c == c[0]).all() for c in counts if c.size):
        return prod(int(c[0]) if c.size else 1 for c in counts)
    total = counts[0]
    for c in counts[1:]:
        total = total[..., None] * c
    return total


def _scaled(xp, x, size, kernel, stride, padding, out, count_include_pad, divisor):
    """The windows' sums (or their gradients) divided by what each window counts."""
    if divisor is None:
        divisor = _divisors(xp, size, kernel, stride, padding, out, count_include_pad)
    return x / (divisor if isinstance(divisor, int) else divisor.astype(x.dtype))


def _avg_pool(xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    kind = x.dtype
    if kind.kind == "V" or kind == np.float16:
        rest = (kernel, stride, padding, ceil_mode, count_include_pad, divisor)
        return _avg_pool(xp, x.astype(np.float32), *rest).astype(kind)
    n, ones = len(kernel), (1,) * len(kernel)
    size = x.shape[x.ndim - n :]
    out = pooled_size(size, kernel, stride, padding, ones, ceil_mode)
    wide = _extended(xp, x, n, padding, _overhang(size, kernel, stride, padding, ones, out), 0)
    total = xp.zeros((*x.shape[: x.ndim - n], *out), kind)
    for k in np.ndindex(*kernel):
        total += wide[reached(k, stride, ones, out)]
    return _scaled(xp, total, size, kernel, stride, padding, out, count_include_pad, divisor)


def _avg_pool_input(xp, y, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    kind = y.dtype
    if kind.kind == "V" or kind == np.float16:
        rest = (size, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
        return _avg_pool_input(xp, y.astype(np.float32), *rest).astype(kind)
    n, ones = len(kernel), (1,) * len(kernel)
    out = y.shape[y.ndim - n :]
    y = _scaled(xp, y, size, kernel, stride, padding, out, count_include_pad, divisor)
    high = _overhang(size, kernel, stride, padding, ones, out)
    full = [p + i + h for p, i, h in zip(padding, size, high, strict=True)]
    wide = xp.zeros((*y.shape[: y.ndim - n], *full), kind)
    for k in np.ndindex(*kernel):
        wide[reached(k, stride, ones, out)] += y
    return xp.ascontiguousarray(wide[(..., *[slice(p, p + i) for p, i in zip(padding, size, strict=True)])])


# --- max pooling --------------------------------------------------------------------------------------


def _pick(xp, x, indices, n):
    """The elements of `x` at `indices` into its flattened last `n` axes."""
    lead = x.shape[: x.ndim - n]
    area, count = prod(x.shape[x.ndim - n :]), prod(indices.shape[x.ndim - n :])
    found = xp.take_along_axis(x.reshape(*lead, area), indices.reshape(*lead, count), -1)
    return found.reshape(indices.shape)


def _place(xp, y, indices, size):
    """Zeros with spatial sizes `size`, and the elements of `y` added at `indices` into them, flattened."""
    kind = y.dtype
    if kind.kind == "V" or kind == np.float16:
        return _place(xp, y.astype(np.float32), indices, size).astype(kind)
    lead, area = y.shape[: y.ndim - len(size)], prod(size)
    out = xp.zeros(prod(lead) * area, kind)
    start = xp.arange(0, prod(lead) * area, max(area, 1)).reshape(-1, 1)
    flat = indices.reshape(prod(lead), prod(y.shape[len(lead) :])) + start
    xp.add.at(out, flat.reshape(-1), y.reshape(-1))
    return out.reshape(*lead, *size)


def _spatial(shape, n):
    return shape[len(shape) - n :]


pick_row = Op(
    "pool_pick", lambda xp, x, indices, n: _pick(xp, x, indices, n),
    x=lambda g, indices, x_shape, n: place_row(g, indices, _spatial(x_shape, n)), jvp=LINEAR,
)  # fmt: skip

place_row = Op(
    "pool_place", lambda xp, y, indices, size: _place(xp, y, indices, size),
    y=lambda g, indices, size: pick_row(g, indices, len(size)), jvp=LINEAR,
)  # fmt: skip


def _max_pool_row(n):
    """The row of max pooling over the last `n` axes."""
    return Op(
        f"max_pool{n}d",
        lambda xp, x, kernel, stride, padding, dilation, ceil_mode: (
            _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode)
        ),
        outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape: place_row(g_values, indices, _spatial(x_shape, n)),
        jvp=lambda t_x, indices, kernel: (pick_row(t_x, indices, len(kernel)), None),
        node=f"MaxPool{n}DWithIndicesBackward0",
    )  # fmt: skip


_MAX_POOL = [_max_pool_row(n) for n in (1, 2, 3)]


# --- mean pooling -------------------------------------------------------------------------------------

avg_pool_row = Op(
    "avg_pool",
    lambda xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor: (
        _avg_pool(xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    ),
    x=lambda g, x_shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor: avg_pool_input(
        g, _spatial(x_shape, len(kernel)), kernel, stride, padding, ceil_mode, count_include_pad, divisor
    ),
    jvp=LINEAR, node="AvgPool2DBackward0",
)  # fmt: skip

avg_pool_input = Op(
    "avg_pool_input",
    lambda xp, y, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor: (
        _avg_pool_input(xp, y, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    ),
    y=lambda g, kernel, stride, padding, ceil_mode, count_include_pad, divisor: (
        avg_pool_row(g, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    ),
    jvp=LINEAR,
)  # fmt: skip


# --- adaptive pooling: window i of n spans floor(i * size / n) to ceil((i + 1) * size / n) -----------


def _spans(xp, size, n):
    """The first index and the length of each of `n` adaptive windows over `size` elements."""
    i = xp.arange(n)
    start = i * size // n
    return start, -(-((i + 1) * size) // n) - start


def _averaging(xp, size, n, kind):
    """The matrix (n, size) that averages over adaptive windows."""
    start, length = _spans(xp, size, n)
    at = xp.arange(size) - start[:, None]
    return ((at >= 0) & (at < length[:, None])).astype(kind) / length[:, None].astype(kind)


def _adaptive_avg(xp, x, size):
    kind = x.dtype
    if kind.kind == "V" or kind == np.float16:
        return _adaptive_avg(xp, x.astype(np.float32), size).astype(kind)
    lead = x.ndim - len(size)
    if all(n == 1 for n in size):
        return x.mean(axis=tuple(range(lead, x.ndim)), keepdims=True, dtype=kind)
    for axis, n in enumerate(size, lead):
        if x.shape[axis] != n:
            x = _along(xp, _averaging(xp, x.shape[axis], n, kind), x, axis)
    return xp.array(x)


def _adaptive_avg_input(xp, y, size):
    kind = y.dtype
    if kind.kind == "V" or kind == np.float16:
        return _adaptive_avg_input(xp, y.astype(np.float32), size).astype(kind)
    lead = y.ndim - len(size)
    if all(n == 1 for n in y.shape[lead:]):
        return xp.array(xp.broadcast_to(y / kind.type(prod(size)), (*y.shape[:lead], *size)))
    for axis, n in enumerate(size, lead):
        if y.shape[axis] != n:
            y = _along(xp, _averaging(xp, n, y.shape[axis], kind).T, y, axis)
    return xp.array(y)


def _along(xp, matrix, x, axis):
    """`matrix` applied to the vectors along `axis`."""
    return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), matrix.T), -1, axis)


def _adaptive_avg_row(n):
    return Op(
        f"adaptive_avg_pool{n}d", lambda xp, x, size: _adaptive_avg(xp, x, size),
        x=lambda g, x_shape, size: adaptive_avg_input(g, _spatial(x_shape, len(size))), jvp=LINEAR,
    )  # fmt: skip


_ADAPTIVE_AVG = [_adaptive_avg_row(n) for n in (1, 2, 3)]

adaptive_avg_input = Op(
    "adaptive_avg_pool_input", lambda xp, y, size: _adaptive_avg_input(xp, y, size),
    y=lambda g, y_shape, size: _ADAPTIVE_AVG[len(size) - 1](g, _spatial(y_shape, len(size))), jvp=LINEAR,
)  # fmt: skip


def _adaptive_max(xp, x, size):
    if x.dtype.kind == "V":
        values, indices = _adaptive_max(xp, x.astype(np.float32), size)
        return values.astype(x.dtype), indices
    lead = x.ndim - len(size)
    spans = [_spans(xp, i, n) for i, n in zip(x.shape[lead:], size, strict=True)]

    def at(k):
        """Along each axis, the index that position `k` of each window meets; past its end, the last again."""
        return [s + xp.minimum(i, length - 1) for i, (s, length) in zip(k, spans, strict=True)]

    def part(k):
        return x[(..., *xp.ix_(*at(k)))]

    positions = list(np.ndindex(*[int(length.max()) if length.size else 0 for _, length in spans]))
    shape = (*x.shape[:lead], *size)
    best, which = greatest(xp, positions, part, shape, x.dtype)
    table = xp.empty((len(positions), *size), np.int64)
    for number, k in enumerate(positions):
        flat = 0
        for axis, index in enumerate(at(k)):
            index = index.reshape(-1, *[1] * (len(size) - 1 - axis))
            flat = flat + index * prod(x.shape[lead + axis + 1 :])
        table[number] = flat
    places = xp.indices(size, sparse=True)
    return best, table[(which, *places)]


def _adaptive_max_row(n):
    return Op(
        f"adaptive_max_pool{n}d", lambda xp, x, size: _adaptive_max(xp, x, size),
        outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape: place_row(g_values, indices, _spatial(x_shape, n)),
        jvp=lambda t_x, indices, size: (pick_row(t_x, indices, len(size)), None),
    )  # fmt: skip


_ADAPTIVE_MAX = [_adaptive_max_row(n) for n in (1, 2, 3)]


# --- public -------------------------------------------------------------------------------------------


def _check_pooled(name, n, input, kernel, stride, padding, dilation, ceil_mode):
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got input of size: {list(input.shape)}"
        )
    if min(kernel) <= 0 or min(stride) <= 0 or min(dilation) <= 0:
        raise RuntimeError(
            f"{name}: kernel size, stride and dilation should be greater than zero, but they are "
            f"{list(kernel)}, {list(stride)} and {list(dilation)}"
        )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if min(padding) < 0 or any(p > r // 2 for p, r in zip(padding, reach, strict=True)):
        raise RuntimeError(
            f"{name}: pad should be at least zero and at most half of effective kernel size, but got "
            f"pad={list(padding)}, kernel_size={list(kernel)} and dilation={list(dilation)}"
        )
    size = tuple(input.shape[input.ndim - n :])
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: Given input size {list(size)}, the output size would be {list(out)}: too small"
        )


def _max(n, input, kernel_size, stride, padding, dilation, ceil_mode):
    kernel = sizes(kernel_size, n, "kernel_size")
    stride = sizes(stride, n, "stride") if stride not in (None, [], ()) else kernel
    padding, dilation = sizes(padding, n, "padding"), sizes(dilation, n, "dilation")
    _check_pooled(f"max_pool{n}d", n, input, kernel, stride, padding, dilation, ceil_mode)
    return _MAX_POOL[n - 1](input, kernel, stride, padding, dilation, bool(ceil_mode))


def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool1d and where the greatest elements are."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of (N, C, L) or (C, L); with `return_indices`, also where it is."""
    result = _max(1, input, kernel_size, stride, padding, dilation, ceil_mode)
    return result if return_indices else result[0]


def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool2d and where the greatest elements are."""
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest of each window of (N, C, H, W) or (C, H, W); with `return_indices`, also where it is.

    Padding never wins; NaN does. Indices count in the flattened H * W.
    """
    result = _max(2, input, kernel_size, stride, padding, dilation, ceil_mode)
    return result if return_indices else result[0]


def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool3d and where the greatest elements are."""
    return _max(3, input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The greatest element of each window of (N, C, D, H, W); with `return_indices`, also where it is."""
    result = _max(3, input, kernel_size, stride, padding, dilation, ceil_mode)
    return result if return_indices else result[0]


def _average(n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor):
    name, kernel = f"avg_pool{n}d", sizes(kernel_size, n, "kernel_size")
    stride = sizes(stride, n, "stride") if stride not in (None, [], ()) else kernel
    padding = sizes(padding, n, "padding")
    _check_pooled(name, n, input, kernel, stride, padding, (1,) * n, ceil_mode)
    if divisor == 0:
        raise RuntimeError(f"{name}: divisor must be not zero")
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(f"{name} is not implemented for {input.dtype}; convert the input with .float()")
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
        raise RuntimeError(f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}")
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(given) != n:
        raise RuntimeError(f"{name}: expected an output size of {n} numbers, but got {output_size!r}")
    now = input.shape[input.ndim - n :]
    size = tuple(i if o is None else int(o) for i, o in zip(now, given, strict=True))
    if min(size) < 0:
        raise RuntimeError(f"{name}: output_size must not be negative, but it is {output_size!r}")
    return size


def adaptive_avg_pool1d(input, output_size):
    """Means over as many windows as asked for, of sizes that differ by at most one or two."""
    return _ADAPTIVE_AVG[0](input, _adapted("adaptive_avg_pool1d", 1, input, output_size))


def adaptive_avg_pool2d(input, output_size):
    """Means over as many windows as asked for: `output_size` is (H, W) or one number; None keeps a size."""
    size = _adapted("adaptive_avg_pool2d", 2, input, output_size)
    return mean(input, (-2, -1), True) if size == (1, 1) else _ADAPTIVE_AVG[1](input, size)


def adaptive_avg_pool3d(input, output_size):
    """Means over as many windows as asked for: `output_size` is (D, H, W) or one number; None keeps one."""
    size = _adapted("adaptive_avg_pool3d", 3, input, output_size)
    return mean(input, (-3, -2, -1), True) if size == (1, 1, 1) else _ADAPTIVE_AVG[2](input, size)


def adaptive_max_pool1d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is."""
    return _ADAPTIVE_MAX[0](input, _adapted("adaptive_max_pool1d", 1, input, output_size))


def adaptive_max_pool2d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is in the flattened H * W."""
    return _ADAPTIVE_MAX[1](input, _adapted("adaptive_max_pool2d", 2, input, output_size))


def adaptive_max_pool3d(input, output_size):
    """The greatest element of as many windows as asked for, and where it is in the flattened D * H * W."""
    return _ADAPTIVE_MAX[2](input, _adapted("adaptive_max_pool3d", 3, input, output_size))
