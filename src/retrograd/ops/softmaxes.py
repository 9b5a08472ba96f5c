"""logsumexp, and the softmax family."""

import numpy as np

from ..core.op import FLOAT, Op, through_float32
from ..core.tensor import Tensor
from .arguments import deliver, normal_axis
from .elementary import exp
from .pointwise import conj, masked
from .reduce import axes_of, cast_to, numpy_names, sum_row, unreduced

__all__ = ["log_softmax", "logsumexp", "softmax"]
METHODS = __all__
INPLACE = []


@through_float32
def _logsumexp(xp, x, axes, keepdim):
    if not x.size:
        return xp.log(xp.add.reduce(x, axis=axes, keepdims=keepdim))
    top = xp.maximum.reduce(x.real, axis=axes, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros((), top.dtype))
    out = xp.log(xp.add.reduce(xp.exp(x - top), axis=axes, keepdims=True)) + top
    return out if keepdim else out.reshape([n for i, n in enumerate(x.shape) if i not in axes])


logsumexp_row = Op(
    "logsumexp", _logsumexp,
    x=lambda g, x, axes, keepdim, out: unreduced(g, x.shape, axes, keepdim)
    * conj(exp(x - _finite_shift(unreduced(out, x.shape, axes, keepdim)))),
    jvp=lambda t_x, x, axes, keepdim, out: sum_row(
        t_x * exp(x - _finite_shift(unreduced(out, x.shape, axes, keepdim))), axes, keepdim
    ),
    promote=FLOAT,
)  # fmt: skip


def _finite_shift(out):
    """out, or 0 where it is minus infinity, as every x is, and `x - out` would be NaN."""
    return masked(out, out != -np.inf)


@through_float32
def _softmax(xp, x, axis):
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.ones_like(x)
    out = xp.subtract(x, xp.maximum.reduce(x, axis=axis, keepdims=True), order="C")
    xp.exp(out, out=out)
    out /= xp.add.reduce(out, axis=axis, keepdims=True)
    return out


@through_float32
def _log_softmax(xp, x, axis):
    if not x.size or not x.ndim:
        return xp.zeros_like(x)
    out = xp.subtract(x, xp.maximum.reduce(x, axis=axis, keepdims=True), order="C")
    out -= xp.log(xp.add.reduce(xp.exp(out), axis=axis, keepdims=True))
    return out


def _total(x, axis):
    return sum_row(x, (axis,), True) if x.ndim else x


def _softmax_formula(g, out, axis):
    weighted = g * out
    return weighted - out * _total(weighted, axis)


def _log_softmax_formula(g, out, axis):
    return g - exp(out) * _total(g, axis)


def _backward(name, formula):
    """The formula, which on arrays runs as a row of its own, `..._backward`, for which there is a kernel."""
    row = Op(name, lambda xp, g, out, axis: formula(g, out, axis))
    return lambda g, axis, out: (
        formula if isinstance(g, Tensor) or isinstance(out, Tensor) else row
    )(g, out, axis)  # fmt: skip


softmax_row = Op(
    "softmax", _softmax, x=_backward("softmax_backward", _softmax_formula),
    jvp=lambda t_x, axis, out: _softmax_formula(t_x, out, axis),
)  # fmt: skip

log_softmax_row = Op(
    "log_softmax", _log_softmax, x=_backward("log_softmax_backward", _log_softmax_formula),
    jvp=lambda t_x, axis, out: t_x - _total(t_x * exp(out), axis),
)  # fmt: skip


@numpy_names
def logsumexp(input, dim, keepdim=False, *, out=None):
    """log(sum(exp(input))) over the dimensions `dim`, without overflow."""
    return deliver(logsumexp_row(input, axes_of(input, dim), keepdim), out)


def _floating(name, input, dim, dtype):
    input = cast_to(input, dtype)
    if input._array.dtype.kind not in "fV":
        raise NotImplementedError(
            f'"{name}" not implemented for {input.dtype}; convert the tensor with .float() or give dtype= '
            "[RG041]"
        )
    return input, normal_axis(dim, input._array.ndim)


@numpy_names
def softmax(input, dim, *, dtype=None, out=None):
    """exp(input) over its sum along `dim`; `dtype`: convert the input to it first."""
    return deliver(softmax_row(*_floating("softmax", input, dim, dtype)), out)


@numpy_names
def log_softmax(input, dim, *, dtype=None, out=None):
    """log(softmax(input)) along `dim`, without overflow; `dtype`: convert the input to it first."""
    return deliver(log_softmax_row(*_floating("log_softmax", input, dim, dtype)), out)
