"""The rows of pooling: the greatest or the mean of the elements in each window.

The rows work for any number of spatial axes and take tuples with one number per axis; the axes before those
are all batch. A window's greatest is remembered by its number in the window: a byte, where PyTorch keeps its
index into the flattened spatial axes, which is worked out for who asks.
"""

from math import prod

import numpy as np

from ..core.op import LINEAR, Op, through_float32
from .sliding import reached

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


def greatest(xp, positions, part, shape, kind, first=np.zeros((), int)):
    """The greatest of `part(k)` over `positions`, and which has it first (which has the last NaN, if any).

    Where nothing is greater than minus infinity, that is `first`.
    """
    best = xp.full(shape, _least(kind), kind)
    which = xp.zeros(shape, np.uint8 if len(positions) <= 256 else np.int32)
    which += first.astype(which.dtype)
    floating = kind.kind == "f"
    for number, k in enumerate(positions):
        value = part(k)
        wins = value > best
        if floating:
            wins |= value != value
        xp.maximum(best, value, out=best)
        wins = wins.view(np.uint8)  # by arithmetic, as a branch per element would be mispredicted
        which *= 1 - wins
        if number:
            which += wins * which.dtype.type(number)
    return best, which


@through_float32
def _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode):
    n, size = len(kernel), x.shape[x.ndim - len(kernel) :]
    out = pooled_size(size, kernel, stride, padding, dilation, ceil_mode)
    high = _overhang(size, kernel, stride, padding, dilation, out)
    wide = _extended(xp, x, n, padding, high, _least(x.dtype))
    shape = (*x.shape[: x.ndim - n], *out)
    positions = list(np.ndindex(*kernel))
    first = _first_inside(xp, kernel, stride, padding, dilation, out)
    return greatest(xp, positions, lambda k: wide[reached(k, stride, dilation, out)], shape, x.dtype, first)


def _first_inside(xp, kernel, stride, padding, dilation, out):
    """The number of the first position of each window that is not in the padding: (*out)."""
    number = xp.zeros((), int)
    for k, s, p, d, n in zip(kernel, stride, padding, dilation, out, strict=True):
        before = xp.maximum(p - xp.arange(n) * s, 0)
        number = number[..., None] * k + -(-before // d)
    return number


def _flat_indices(xp, which, size, kernel, stride, padding, dilation):
    """From numbers of kernel positions to indices into the flattened spatial axes."""
    out = which.shape[which.ndim - len(size) :]
    corner, offset = xp.zeros((), np.int64), xp.zeros((), np.int64)
    for i, k, s, p, d, n in zip(size, kernel, stride, padding, dilation, out, strict=True):
        corner = corner[..., None] * i + (xp.arange(n) * s - p)
        offset = offset[..., None] * i + xp.arange(k) * d
    return xp.take(offset.reshape(-1), which) + corner


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


@through_float32
def _avg_pool(xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    n, ones = len(kernel), (1,) * len(kernel)
    size = x.shape[x.ndim - n :]
    out = pooled_size(size, kernel, stride, padding, ones, ceil_mode)
    wide = _extended(xp, x, n, padding, _overhang(size, kernel, stride, padding, ones, out), 0)
    total = xp.zeros((*x.shape[: x.ndim - n], *out), x.dtype)
    for k in np.ndindex(*kernel):
        total += wide[reached(k, stride, ones, out)]
    return _scaled(xp, total, size, kernel, stride, padding, out, count_include_pad, divisor)


@through_float32
def _avg_pool_input(xp, y, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    n, ones = len(kernel), (1,) * len(kernel)
    out = y.shape[y.ndim - n :]
    y = _scaled(xp, y, size, kernel, stride, padding, out, count_include_pad, divisor)
    high = _overhang(size, kernel, stride, padding, ones, out)
    full = [p + i + h for p, i, h in zip(padding, size, high, strict=True)]
    wide = xp.zeros((*y.shape[: y.ndim - n], *full), y.dtype)
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


@through_float32
def _place(xp, y, indices, size):
    """Zeros with spatial sizes `size`, and the elements of `y` added at `indices` into them, flattened."""
    lead, area = y.shape[: y.ndim - len(size)], prod(size)
    out = xp.zeros(prod(lead) * area, y.dtype)
    start = xp.arange(0, prod(lead) * area, max(area, 1)).reshape(-1, 1)
    flat = indices.reshape(prod(lead), prod(y.shape[len(lead) :])) + start
    xp.add.at(out, flat.reshape(-1), y.reshape(-1))
    return out.reshape(*lead, *size)


def spatial(shape, n):
    return shape[len(shape) - n :]


pick_row = Op(
    "pool_pick", lambda xp, x, indices, n: _pick(xp, x, indices, n),
    x=lambda g, indices, x_shape, n: place_row(g, indices, spatial(x_shape, n)), jvp=LINEAR,
)  # fmt: skip

place_row = Op(
    "pool_place", lambda xp, y, indices, size: _place(xp, y, indices, size),
    y=lambda g, indices, size: pick_row(g, indices, len(size)), jvp=LINEAR,
)  # fmt: skip


pool_indices = Op(
    "pool_indices", lambda xp, which, size, kernel, stride, padding, dilation: (
        _flat_indices(xp, which, size, kernel, stride, padding, dilation)
    ),
    doc="Where in the flattened spatial axes, of `size`, the elements numbered `which` in their windows are.",
)  # fmt: skip

max_pool_input = Op(
    "max_pool_input", lambda xp, y, which, size, kernel, stride, padding, dilation: (
        _place(xp, y, _flat_indices(xp, which, size, kernel, stride, padding, dilation), size)
    ),
    y=lambda g, which, size, kernel, stride, padding, dilation: (
        pick_row(g, pool_indices(which, size, kernel, stride, padding, dilation), len(size))
    ), jvp=LINEAR, node="MaxPool2DWithIndicesBackwardBackward0",
)  # fmt: skip


def _max_pool_row(n):
    """The row of max pooling over the last `n` axes."""
    return Op(
        f"max_pool{n}d",
        lambda xp, x, kernel, stride, padding, dilation, ceil_mode: (
            _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode)
        ),
        outputs="values which", nondiff=(1,),
        x=lambda g_values, which, x_shape, kernel, stride, padding, dilation: max_pool_input(
            g_values, which, spatial(x_shape, n), kernel, stride, padding, dilation
        ),
        jvp=lambda t_x, which, kernel, stride, padding, dilation: (
            pick_row(t_x, pool_indices(which, spatial(t_x.shape, n), kernel, stride, padding, dilation), n),
            None,
        ),
        node=f"MaxPool{n}DWithIndicesBackward0",
    )  # fmt: skip


MAX_POOL = [_max_pool_row(n) for n in (1, 2, 3)]


# --- mean pooling -------------------------------------------------------------------------------------

avg_pool_row = Op(
    "avg_pool",
    lambda xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor: (
        _avg_pool(xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor)
    ),
    x=lambda g, x_shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor: avg_pool_input(
        g, spatial(x_shape, len(kernel)), kernel, stride, padding, ceil_mode, count_include_pad, divisor
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
