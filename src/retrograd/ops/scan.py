"""Running sums, products and extremes along a dimension."""

import numpy as np

from ..core import arrays
from ..core.op import LINEAR, Op, through_float32
from . import return_types
from .along import add_along, take_along
from .arguments import deliver, normal_axis
from .elementary import exp, logaddexp
from .pointwise import conj, masked
from .shape import cast_row, in_order

__all__ = ["cummax", "cummin", "cumprod", "cumsum", "logcumsumexp"]
METHODS = __all__
INPLACE = ["cumprod", "cumsum"]


def _backwards(x, axis, reverse):
    """A view of x from the other end, if `reverse`."""
    return np.flip(x, axis) if reverse else x


def _accumulate(name):
    ufunc = getattr(np, name)

    @through_float32
    def forward(xp, x, axis, reverse):
        if x.ndim == 0:
            return x.astype(np.int64) if x.dtype.kind in "iub" else x.copy()
        kind = np.dtype(np.int64) if x.dtype.kind in "iub" else x.dtype
        if x.strides[axis] < 32 * x.itemsize:
            sums = ufunc.accumulate(_backwards(x, axis, reverse), axis=axis, dtype=kind)
            return in_order(_backwards(sums, axis, reverse))
        out = xp.empty(x.shape, kind)  # wide lanes: one addition for all of them is faster than accumulate
        to, source = [np.moveaxis(_backwards(v, axis, reverse), axis, 0) for v in (out, x)]
        for i in range(len(to)):
            if i:
                ufunc(to[i - 1], source[i], out=to[i])
            else:
                to[0] = source[0]
        return out

    return forward


cumsum_row = Op(
    "cumsum", _accumulate("add"), x=lambda g, axis, reverse: cumsum_row(g, axis, not reverse), jvp=LINEAR
)


def _shift(xp, x, axis, reverse, fill):
    if x.ndim == 0:
        return xp.full_like(x, fill)
    out = xp.empty_like(x)
    to, source = _backwards(out, axis, reverse), _backwards(x, axis, reverse)
    lane = (slice(None),) * axis
    to[(*lane, slice(1, None))] = source[(*lane, slice(None, -1))]
    to[(*lane, slice(None, 1))] = fill
    return out


shift_row = Op(
    "shift", _shift, x=lambda g, axis, reverse: shift_row(g, axis, not reverse, 0),
    jvp=lambda t_x, axis, reverse: shift_row(t_x, axis, reverse, 0),
    doc="Each element moved one place on along `axis` (back, if `reverse`); `fill` moves in.",
)  # fmt: skip


def _recur(xp, x, a, axis, reverse):
    if x.ndim == 0:
        return x.copy()
    out = xp.empty(x.shape, xp.result_type(x, a))
    h, b, c = [np.moveaxis(_backwards(v, axis, reverse), axis, 0) for v in (out, x, a)]
    for i in range(len(h)):
        h[i] = b[i] + c[i] * h[i - 1] if i else b[i]
    return out


recurrence = Op(
    "recurrence", _recur,
    x=lambda g, a, axis, reverse: _adjoint(g, a, axis, reverse),
    a=lambda g, a, axis, reverse, out: _adjoint(g, a, axis, reverse) * conj(shift_row(out, axis, reverse, 0)),
    jvp=lambda t_x, t_a, a, axis, reverse, out: recurrence(
        t_x + t_a * shift_row(out, axis, reverse, 0), a, axis, reverse
    ),
    doc="""h with h[i] = x[i] + a[i] * h[i - 1] along `axis`, from the other end if `reverse`.

    The gradients of running products are such sums, which no zero among the factors disturbs.""",
)  # fmt: skip


def _adjoint(g, a, axis, reverse):
    """The recurrence run backwards: u[i] = g[i] + a[i + 1] * u[i + 1]."""
    return recurrence(g, conj(shift_row(a, axis, not reverse, 0)), axis, not reverse)


cumprod_row = Op(
    "cumprod", _accumulate("multiply"),
    x=lambda g, x, axis, reverse: _adjoint(g, x, axis, reverse) * conj(before(x, axis, reverse)),
    jvp=lambda t_x, x, axis, reverse: recurrence(t_x * before(x, axis, reverse), x, axis, reverse),
)  # fmt: skip


def before(x, axis, reverse):
    """The product of all elements before each one along `axis`."""
    return cumprod_row(shift_row(x, axis, reverse, 1), axis, reverse)


def others(x, axis):
    """The product of all other elements along `axis`."""
    return before(x, axis, False) * before(x, axis, True)


@through_float32
def _logcumsumexp(xp, x, axis, reverse):
    if x.ndim == 0:
        return x.copy()
    if x.dtype.kind == "c":
        out = in_order(x).copy()
        lanes = np.moveaxis(_backwards(out, axis, reverse), axis, 0)
        for i in range(1, len(lanes)):
            lanes[i] = logaddexp(lanes[i - 1], lanes[i])
        return out
    sums = xp.logaddexp.accumulate(_backwards(x, axis, reverse), axis=axis)
    return in_order(_backwards(sums, axis, reverse))


def _log_decay(out, axis, reverse):
    """exp(out[i - 1] - out[i]): how much of a running sum of exponentials the sum before it was."""
    previous = shift_row(out, axis, reverse, -np.inf)
    return exp(masked(previous - out, previous != -np.inf)) * (previous != -np.inf)


logcumsumexp_row = Op(
    "logcumsumexp", _logcumsumexp,
    x=lambda g, x, axis, reverse, out: _share(x, out)
    * _adjoint(g, _log_decay(out, axis, reverse), axis, reverse),
    jvp=lambda t_x, x, axis, reverse, out: recurrence(
        t_x * _share(x, out), _log_decay(out, axis, reverse), axis, reverse
    ),
)  # fmt: skip


def _share(x, out):
    """exp(x - out), 0 where x is minus infinity."""
    return exp(masked(x - out, x != -np.inf)) * (x != -np.inf)


def _running_extreme(name, better):
    """The row of cummax or cummin: of equal elements the last one counts, NaN is more extreme than all."""
    ufunc = getattr(np, name)

    def forward(xp, x, axis):
        if x.ndim == 0:
            return x.copy(), xp.zeros((), np.int64)
        values = ufunc.accumulate(x, axis=axis)
        places = xp.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        indices = xp.where(better(x, values) | (x != x), places, 0)
        return in_order(values), in_order(xp.maximum.accumulate(indices, axis=axis))

    return forward


def _extreme_row(name, ufunc, better):
    return Op(
        name, _running_extreme(ufunc, better), outputs="values indices", nondiff=(1,),
        x=lambda g_values, indices, x_shape, axis: add_along(g_values, indices, axis, x_shape),
        jvp=lambda t_x, indices, axis: (take_along(t_x, indices, axis), None),
    )  # fmt: skip


_cummax_row = _extreme_row("cummax", "maximum", lambda x, y: x >= y)
_cummin_row = _extreme_row("cummin", "minimum", lambda x, y: x <= y)


def _prepare(input, dim, dtype=None):
    if dtype is not None and input.dtype is not dtype:
        input = cast_row(input, arrays.as_dtype(dtype).numpy)
    return input, normal_axis(dim, input._array.ndim)


def cumsum(input, dim, *, dtype=None, out=None):
    """The sums of the elements up to each one along `dim`; whole numbers and bools give int64."""
    return deliver(_in_dtype(cumsum_row(*_prepare(input, dim, dtype), False), dtype), out)


def cumprod(input, dim, *, dtype=None, out=None):
    """The products of the elements up to each one along `dim`; whole numbers and bools give int64."""
    return deliver(_in_dtype(cumprod_row(*_prepare(input, dim, dtype), False), dtype), out)


def _in_dtype(result, dtype):
    return (
        result if dtype is None or result.dtype is dtype else cast_row(result, arrays.as_dtype(dtype).numpy)
    )


def logcumsumexp(input, dim, *, out=None):
    """log(cumsum(exp(input))) along `dim`, without overflow."""
    return deliver(logcumsumexp_row(*_prepare(input, dim), False), out)


def cummax(input, dim, *, out=None):
    """(values, indices) of the largest element up to each one along `dim`; of equal ones, the last."""
    return deliver(return_types.cummax(_cummax_row(*_prepare(input, dim))), out, exact=True)


def cummin(input, dim, *, out=None):
    """(values, indices) of the smallest element up to each one along `dim`; of equal ones, the last."""
    return deliver(return_types.cummin(_cummin_row(*_prepare(input, dim))), out, exact=True)
