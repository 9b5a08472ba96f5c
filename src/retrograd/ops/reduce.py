"""Sums, means, products, variances and counts, over dimensions or everything."""

import builtins
import math
import warnings
from functools import wraps

import numpy as np

from ..core import arrays
from ..core.op import LINEAR, Op, through_float32
from .arguments import deliver, normal_axes, normal_axis
from .pointwise import conj, masked, real_part, safe_div
from .scan import others
from .shape import broadcast_row, cast_row, reshape_row

__all__ = [
    "all", "any", "count_nonzero", "mean", "nanmean", "nansum", "prod", "std", "std_mean", "sum", "var",
    "var_mean",
]  # fmt: skip
METHODS = [name for name in __all__ if name not in ("std_mean", "var_mean")]
INPLACE = []


# --- arguments and shapes -----------------------------------------------------------------------------------


def numpy_names(function):
    """Let a function of `dim` and `keepdim` take NumPy's names for them too, `axis` and `keepdims`."""

    @wraps(function)
    def named(*args, **kwargs):
        if "axis" in kwargs:
            kwargs["dim"] = kwargs.pop("axis")
        if "keepdims" in kwargs:
            kwargs["keepdim"] = kwargs.pop("keepdims")
        return function(*args, **kwargs)

    return named


def kept_shape(shape, axes):
    """`shape` with 1 where it was reduced over `axes`."""
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def count_along(shape, axes):
    """How many elements are reduced to one over `axes`."""
    return math.prod([shape[i] for i in axes])


def spread(g, shape, axes, keepdim):
    """A reduction's gradient, broadcast back to the input's shape."""
    return broadcast_row(unreduced(g, shape, axes, keepdim), shape)


def unreduced(y, shape, axes, keepdim):
    """A reduction's result in a shape that broadcasts with the input's."""
    return y if keepdim or not axes else reshape_row(y, kept_shape(shape, axes))


def axes_of(input, dim):
    """`dim` as the axes of `input`; a 0-d tensor has none."""
    return normal_axes(dim, input._array.ndim) if input._array.ndim else _no_axes(dim)


def _no_axes(dim):
    normal_axes(dim, 0) if dim is not None else ()  # an error where there is no such dimension
    return ()


# --- sums ---------------------------------------------------------------------------------------------------

# What to add up in: whole numbers in int64, as PyTorch gives them back; 16-bit floats in float32.
_SUM_IN = {
    np.dtype(k): np.int64
    for k in (bool, np.int8, np.int16, np.int32, np.uint8, np.uint16, np.uint32, np.uint64)
}


def _sum(xp, x, axes, keepdim):
    kind = x.dtype
    if kind in _SUM_IN:
        return xp.add.reduce(x, axis=axes, keepdims=keepdim, dtype=np.int64)
    if kind.itemsize == 2:
        return arrays.add_up(x, axes, keepdim, np.float32).astype(kind)
    return arrays.add_up(x, axes, keepdim)


sum_row = Op(
    "sum", _sum, x=lambda g, x_shape, axes, keepdim: spread(g, x_shape, axes, keepdim), jvp=LINEAR,
)  # fmt: skip


@through_float32
def _mean(xp, x, axes, keepdim):
    return arrays.add_up(x, axes, keepdim) / x.dtype.type(count_along(x.shape, axes))


mean_row = Op(
    "mean", _mean,
    x=lambda g, x_shape, axes, keepdim: spread(g / count_along(x_shape, axes), x_shape, axes, keepdim),
    jvp=LINEAR,
)  # fmt: skip


def cast_to(input, dtype):
    """`input` in the dtype that the caller asked for, if any."""
    if dtype is None or input.dtype is dtype:
        return input
    return cast_row(input, arrays.as_dtype(dtype).numpy)


@numpy_names
def sum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The sum over the dimensions `dim` (all by default); whole numbers and bools sum to int64."""
    if dtype is not None:
        return deliver(_sum_in(input, dim, keepdim, arrays.as_dtype(dtype)), out)
    return deliver(sum_row(input, axes_of(input, dim), keepdim), out)


def _sum_in(input, dim, keepdim, dtype):
    total = sum_row(cast_to(input, dtype), axes_of(input, dim), keepdim)
    return cast_to(total, dtype)


@numpy_names
def nansum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The sum over the dimensions `dim`, NaNs counted as zero."""
    return sum(masked(input, input == input), dim, keepdim, dtype=dtype, out=out)


@numpy_names
def mean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The mean over the dimensions `dim` (all by default); whole numbers need a floating `dtype`."""
    input = cast_to(input, dtype)
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            "complex dtype. "
            f"Got: {input.dtype}; convert it, for instance with .float(), or give dtype= [RG041]"
        )
    return deliver(mean_row(input, axes_of(input, dim), keepdim), out)


@numpy_names
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The mean over the dimensions `dim` of what is not NaN."""
    input = cast_to(input, dtype)
    if input.dtype.category < arrays.FLOAT:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{arrays.scalar_name(input.dtype)} [RG041]"
        )
    valid = input == input
    total = sum_row(masked(input, valid), axes_of(input, dim), keepdim)
    return deliver(total / sum_row(valid, axes_of(input, dim), keepdim), out)


# --- products -----------------------------------------------------------------------------------------------


@through_float32
def _prod(xp, x, axis, keepdim):
    return xp.multiply.reduce(x, axis=axis, keepdims=keepdim, dtype=np.int64 if x.dtype in _SUM_IN else None)


# The product of the other elements, not the product over the element: that one may be zero.
_prod_row = Op(
    "prod", _prod,
    x=lambda g, x, axis, keepdim: unreduced(g, x.shape, (axis,), keepdim) * conj(others(x, axis)),
    jvp=lambda t_x, x, axis, keepdim: sum_row(t_x * others(x, axis), (axis,), keepdim),
)  # fmt: skip


@numpy_names
def prod(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The product over the dimension `dim` (one of them, or all); whole numbers and bools give int64."""
    input = cast_to(input, dtype)
    if dim is None:
        result = _prod_row(reshape_row(input, (input._array.size,)), 0, False)
        result = reshape_row(result, (1,) * input._array.ndim) if keepdim else result
    elif input._array.ndim == 0:
        normal_axis(dim, 0)
        result = _prod_row(reshape_row(input, (1,)), 0, False)
    else:
        result = _prod_row(input, normal_axis(dim, input._array.ndim), keepdim)
    return deliver(result if dtype is None else cast_to(result, dtype), out)


# --- variances ----------------------------------------------------------------------------------------------


@through_float32
def _var(xp, x, axes, correction, keepdim):
    n = count_along(x.shape, axes)
    centred = x - arrays.add_up(x, axes, True) / x.dtype.type(n)
    squares = centred.real**2 + centred.imag**2 if x.dtype.kind == "c" else xp.multiply(centred, centred)
    return arrays.add_up(squares, axes, keepdim) / squares.dtype.type(builtins.max(n - correction, 0))


@through_float32
def _std(xp, x, axes, correction, keepdim):
    return xp.sqrt(_var(xp, x, axes, correction, keepdim))


def _var_formula(g, x, axes, correction, keepdim):
    n = count_along(x.shape, axes)
    left = n - correction
    scale = 2.0 / left if left > 0 else math.inf
    return unreduced(g, x.shape, axes, keepdim) * scale * (x - mean_row(x, axes, True))


def _var_tangent(t_x, x, axes, correction, keepdim):
    n = count_along(x.shape, axes)
    centred = x - mean_row(x, axes, True)
    return sum_row(real_part(conj(centred) * t_x), axes, keepdim) * (2.0 / builtins.max(n - correction, 0))


var_row = Op("var", _var, x=_var_formula, jvp=_var_tangent)

# Where all elements are equal the derivative is infinite; the gradient there is zero, as in PyTorch.
std_row = Op(
    "std", _std,
    x=lambda g, x, axes, correction, keepdim, out: _var_formula(
        masked(g / (out * 2), out != 0), x, axes, correction, keepdim
    ),
    jvp=lambda t_x, x, axes, correction, keepdim, out: safe_div(
        _var_tangent(t_x, x, axes, correction, keepdim), out * 2
    ),
)  # fmt: skip


def _with_mean(xp, spread, x, axes, correction, keepdim):
    return spread(xp, x, axes, correction, keepdim), mean_row.forward(xp, x, axes, keepdim)


def _with_mean_formula(spread, g_mean, x_shape, axes, keepdim):
    """The gradient of a spread, or None, and of the mean, or None."""
    if g_mean is None:
        return spread
    mean = unreduced(g_mean, x_shape, axes, keepdim) * (1.0 / builtins.max(count_along(x_shape, axes), 1))
    return mean if spread is None else spread + mean


# One row each, as the nodes of both results are one in PyTorch.
_var_mean_row = Op(
    "var_mean", lambda xp, x, axes, correction, keepdim: _with_mean(xp, _var, x, axes, correction, keepdim),
    x=lambda g_var, g_mean, x, axes, correction, keepdim: _with_mean_formula(
        None if g_var is None else _var_formula(g_var, x, axes, correction, keepdim),
        g_mean, x.shape, axes, keepdim,
    ),
    outputs="var mean",
    jvp=lambda t_x, x, axes, correction, keepdim: (
        _var_tangent(t_x, x, axes, correction, keepdim), mean_row(t_x, axes, keepdim)
    ),
)  # fmt: skip
_std_mean_row = Op(
    "std_mean", lambda xp, x, axes, correction, keepdim: _with_mean(xp, _std, x, axes, correction, keepdim),
    x=lambda g_std, g_mean, x, axes, correction, keepdim, std: _with_mean_formula(
        None if g_std is None
        else _var_formula(masked(g_std / (std * 2), std != 0), x, axes, correction, keepdim),
        g_mean, x.shape, axes, keepdim
    ),
    outputs="std mean",
    jvp=lambda t_x, x, axes, correction, keepdim, std: (
        safe_div(_var_tangent(t_x, x, axes, correction, keepdim), std * 2), mean_row(t_x, axes, keepdim)
    ),
)  # fmt: skip


def _spread_arguments(name, input, dim, unbiased, correction):
    """(axes, correction) of a variance; `unbiased`, which may come first, is the old spelling of it."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError(f"{name}() takes unbiased or correction, not both [RG120]")
        correction = int(unbiased)
    if correction is None:
        correction = 1
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            f"{name}: only supports floating point and complex dtypes, got {input.dtype} [RG041]"
        )
    axes = axes_of(input, dim)
    if count_along(input._array.shape, axes) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor "
            "(input numel divided by output numel).",
            stacklevel=4,
        )
    return axes, correction


@numpy_names
def var(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
    """The sum of squared deviations from the mean over n - correction, over the dimensions `dim`.

    correction: 1 by default, as `unbiased=True`; 0 is `unbiased=False`.
    """
    axes, correction = _spread_arguments("var", input, dim, unbiased, correction)
    return deliver(var_row(input, axes, correction, keepdim), out)


@numpy_names
def std(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
    """The standard deviation over the dimensions `dim`, the square root of `var`."""
    axes, correction = _spread_arguments("std", input, dim, unbiased, correction)
    return deliver(std_row(input, axes, correction, keepdim), out)


@numpy_names
def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(variance, mean) over the dimensions `dim`."""
    axes, correction = _spread_arguments("var_mean", input, dim, unbiased, correction)
    return _var_mean_row(input, axes, correction, keepdim)


@numpy_names
def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """(standard deviation, mean) over the dimensions `dim`."""
    axes, correction = _spread_arguments("std_mean", input, dim, unbiased, correction)
    return _std_mean_row(input, axes, correction, keepdim)


# --- logic and counts ---------------------------------------------------------------------------------------


def _logical(name):
    function = getattr(np, "logical_or" if name == "any" else "logical_and")

    def forward(xp, x, axes, keepdim):
        out = function.reduce(x, axis=axes, keepdims=keepdim)
        if x.dtype == np.uint8:
            return out.astype(np.uint8)
        return out if out.dtype == bool else out.astype(bool)

    return Op(name, forward)


_any_row, _all_row = _logical("any"), _logical("all")


def _logic_axes(input, dim):
    return () if isinstance(dim, (tuple, list)) and not dim else axes_of(input, dim)


@numpy_names
def any(input, dim=None, keepdim=False, *, out=None):
    """Whether an element is other than zero, over the dimensions `dim`; bool (uint8 for uint8)."""
    return deliver(_any_row(input, _logic_axes(input, dim), keepdim), out)


@numpy_names
def all(input, dim=None, keepdim=False, *, out=None):
    """Whether all elements are other than zero, over the dimensions `dim`; bool (uint8 for uint8)."""
    return deliver(_all_row(input, _logic_axes(input, dim), keepdim), out)


_count_row = Op("count_nonzero", lambda xp, x, axes: xp.add.reduce(x != 0, axis=axes, dtype=np.int64))


def count_nonzero(input, *args, dim=None):
    """How many elements are other than zero, over the dimensions `dim`: int64."""
    if args:
        dim = args[0] if len(args) == 1 else args
    return _count_row(input, axes_of(input, dim))
