"""Arithmetic, element by element: + - * / and powers of it, extremes of two, choices between two."""

import ml_dtypes
import numpy as np

from ..core import arrays, inplace
from ..core.modes import modes
from ..core.op import (
    ELEMENTWISE,
    LINEAR,
    PAIR,
    PAIR_FLOAT,
    Op,
    is_complex,
    through_float32,
    zeros_like,
)
from ..core.tensor import Tensor, wrap
from .shape import cast_row

__all__ = [
    "abs", "absolute", "add", "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "conj",
    "conj_physical", "copysign", "div", "divide", "floor_divide", "fmax", "fmin", "fmod", "lerp", "maximum",
    "minimum", "mul", "multiply", "nan_to_num", "neg", "negative", "positive", "remainder", "rsub", "sgn",
    "sign", "sub", "subtract", "true_divide", "where",
]  # fmt: skip
METHODS = [name for name in __all__ if name not in ("rsub", "where")]
INPLACE = [
    "abs", "absolute", "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip",
    "conj_physical", "copysign", "div", "divide", "floor_divide", "fmod", "lerp", "mul", "multiply",
    "nan_to_num", "neg", "negative", "remainder", "sgn", "sign", "subtract", "true_divide",
]  # fmt: skip

# --- sums and products --------------------------------------------------------------------------------------

conj_row = Op("conj", lambda xp, x: xp.conjugate(x), x=lambda g: conj(g), jvp=LINEAR)


def conj(input):
    """The complex conjugate; what is real is returned as it is."""
    if type(input) is np.ndarray and input.dtype.kind != "c":  # what a backward asks again and again
        return input
    if type(input) is complex:
        return input.conjugate()  # a number of Python's still, which doesn't widen what it is multiplied with
    return conj_row(input) if is_complex(input) else input


def conj_physical(input, *, out=None):
    """The complex conjugate (always computed: there are no lazily conjugated tensors here)."""
    return conj_row(input, out=out) if is_complex(input) or out is not None else input


add_row = Op(
    "add", lambda xp, x, y: xp.add(x, y), x=lambda g: g, y=lambda g: g, jvp=ELEMENTWISE, promote=PAIR
)

sub_row = Op(
    "sub", lambda xp, x, y: xp.subtract(x, y), x=lambda g: g, y=lambda g: -g, jvp=ELEMENTWISE, promote=PAIR
)

# With a number for alpha, and both of one dtype; other sums are made of two rows.
_add_scaled_row = Op(
    "add_scaled", lambda xp, x, y, alpha: xp.add(x, xp.multiply(y, alpha)),
    x=lambda g: g, y=lambda g, alpha: g * alpha, jvp=ELEMENTWISE, node="AddBackward0",
)  # fmt: skip

_sub_scaled_row = Op(
    "sub_scaled", lambda xp, x, y, alpha: xp.subtract(x, xp.multiply(y, alpha)),
    x=lambda g: g, y=lambda g, alpha: -g * alpha, jvp=ELEMENTWISE, node="SubBackward0",
)  # fmt: skip

rsub_row = Op(
    "rsub", lambda xp, x, y: xp.subtract(y, x), x=lambda g: -g, y=lambda g: g,
    jvp=ELEMENTWISE, promote=PAIR, node="RsubBackward1",
)  # fmt: skip

mul = Op(
    "mul", lambda xp, x, y: xp.multiply(x, y),
    x=lambda g, y: g * conj(y),
    y=lambda g, x: g * conj(x), jvp=ELEMENTWISE, promote=PAIR, doc="input * other.",
)  # fmt: skip

neg = Op("neg", lambda xp, x: xp.negative(x), x=lambda g: -g, jvp=ELEMENTWISE, doc="-input.")

div_row = Op(
    "div",
    lambda xp, x, y: xp.divide(x, y),
    x=lambda g, y: g / conj(y),
    y=lambda g, x, y: -g * conj(x / y / y),
    jvp=ELEMENTWISE,
    promote=PAIR_FLOAT,  # not `out`: it may be written to
)


def _need_divisors(x, y):
    """Whole numbers have no infinity to stand for x / 0."""
    if x.dtype.kind in "iub" and not np.all(y):
        raise RuntimeError(
            "ZeroDivisionError: division of whole numbers by zero; convert the tensor to a floating "
            "dtype [RG132]"
        )


def _floor_divide(xp, x, y):
    _need_divisors(x, y)
    return xp.floor_divide(x, y)


def _trunc_divide(xp, x, y):
    _need_divisors(x, y)
    if x.dtype.kind in "iub":
        quotient = xp.floor_divide(x, y)
        return quotient + ((quotient < 0) & (quotient * y != x)).astype(quotient.dtype)
    return xp.trunc(xp.divide(x, y))


def _remainder(xp, x, y):
    _need_divisors(x, y)
    return xp.remainder(x, y)


def _fmod(xp, x, y):
    _need_divisors(x, y)
    return xp.fmod(x, y)


# PyTorch gives the rounded quotients a gradient of zero.
_floor_div_row = Op(
    "floor_div", _floor_divide, x=lambda g: zeros_like(g), y=lambda g: zeros_like(g),
    jvp=ELEMENTWISE, promote=PAIR, node="DivBackward1",
)  # fmt: skip

_trunc_div_row = Op(
    "trunc_div", _trunc_divide, x=lambda g: zeros_like(g), y=lambda g: zeros_like(g),
    jvp=ELEMENTWISE, promote=PAIR, node="DivBackward1",
)  # fmt: skip

floor_divide = Op(
    "floor_divide",
    _floor_divide,
    promote=PAIR,
    doc="The quotient rounded down; whole numbers stay whole. No gradient.",
)

remainder = Op(
    "remainder", _remainder,
    x=lambda g: g,
    y=lambda g, x, y: -g * _floor_div_row(x, y), jvp=ELEMENTWISE, promote=PAIR,
    doc="x - floor(x / y) * y: the remainder with the sign of the divisor, as Python's %.",
)  # fmt: skip

fmod = Op(
    "fmod", _fmod,
    x=lambda g: g,
    y=lambda g, x, y: -g * _trunc_div_row(x, y), jvp=ELEMENTWISE, promote=PAIR,
    doc="x - trunc(x / y) * y: the remainder with the sign of the dividend, as C's fmod.",
)  # fmt: skip

# Two products for formulas with a pole, where a zero gradient shall win over an infinite derivative.
safe_mul = Op(
    "safe_mul",
    lambda xp, x, y: (
        x * y
        if modes.zero_gradient == "never"
        else xp.where((x == 0) & ~xp.isfinite(y), xp.zeros_like(x), x * y)
    ),
    x=lambda g, y: safe_mul(g, conj(y)),
    y=lambda g, x: safe_mul(conj(x), g),
    jvp=ELEMENTWISE,
    promote=PAIR,
    doc="x * y, and 0 where x is 0 whatever y is.",
)

safe_div = Op(
    "safe_div",
    lambda xp, x, y: (
        x / y if modes.zero_gradient == "never" else xp.where((x == 0) & (y == 0), xp.zeros_like(x), x / y)
    ),
    x=lambda g, y: safe_div(g, conj(y)),
    y=lambda g, out, y: -safe_div(g * conj(out), conj(y)), jvp=ELEMENTWISE, promote=PAIR,
    doc="x / y, and 0 for 0 / 0.",
)  # fmt: skip


def _scales(x, y, alpha):
    """Whether x + alpha * y is one row: for Tensors of float32 or float64, both alike."""
    if type(alpha) not in (int, float) or not isinstance(x, Tensor) or not isinstance(y, Tensor):
        return False
    kind = x._array.dtype
    return kind == y._array.dtype and kind.char in "fd"


def scaled(x, y, alpha):
    """alpha * y for x + alpha * y, where the sum's dtype decides which kinds of alpha there may be."""
    kind = arrays.result_dtype([v._array if isinstance(v, Tensor) else v for v in (x, y)])
    if isinstance(alpha, bool) and kind.category != arrays.BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results. [RG132]")
    if isinstance(alpha, float) and kind.category < arrays.FLOAT:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number. [RG132]"
        )
    if isinstance(alpha, complex) and kind.category < arrays.COMPLEX:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number. [RG132]"
        )
    if isinstance(y, Tensor) and y.dtype.category < kind.category:
        y = cast_row(y, kind.numpy)
    return mul(y, bool(alpha) if kind.category == arrays.BOOL and not isinstance(alpha, Tensor) else alpha)


def add(input, other, *, alpha=1, out=None):
    """input + alpha * other."""
    if alpha is True or alpha != 1:
        if out is None and _scales(input, other, alpha):
            return _add_scaled_row(input, other, alpha)
        other = scaled(input, other, alpha)
    return add_row(input, other, out=out) if out is not None else add_row(input, other)


def sub(input, other, *, alpha=1, out=None):
    """input - alpha * other."""
    if alpha is True or alpha != 1:
        if out is None and _scales(input, other, alpha):
            return _sub_scaled_row(input, other, alpha)
        other = scaled(input, other, alpha)
    return sub_row(input, other, out=out) if out is not None else sub_row(input, other)


def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    return rsub_row(scaled(other, input, alpha) if alpha != 1 else input, other)


_DIVISIONS = {None: div_row, "floor": _floor_div_row, "trunc": _trunc_div_row}


def div(input, other, *, rounding_mode=None, out=None):
    """input / other; `rounding_mode` "trunc" or "floor" rounds the quotient and keeps whole dtypes.

    A rounded quotient has a gradient of zero.
    """
    row = _DIVISIONS.get(rounding_mode)
    if row is None:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}' [RG048]"
        )
    return row(input, other, out=out) if out is not None else row(input, other)


def true_divide(input, other, *, out=None):
    """input / other, an alias of `div`."""
    return div(input, other, out=out)


def positive(input):
    """+input: the tensor itself."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported. [RG132]")
    return input


def addcmul(input, tensor1, tensor2, *, value=1, out=None):
    """input + value * tensor1 * tensor2."""
    product = mul(tensor1, tensor2)
    return add(input, product, alpha=value, out=out)


def addcdiv(input, tensor1, tensor2, *, value=1, out=None):
    """input + value * tensor1 / tensor2."""
    if all(t._array.dtype.kind in "iub" for t in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release addcdiv will "
            "perform a true division of tensor1 and tensor2. Convert one of them to a floating dtype. [RG132]"
        )
    return add(input, div_row(tensor1, tensor2), alpha=value, out=out)


multiply, subtract, divide, negative = mul, sub, div, neg

# --- signs --------------------------------------------------------------------------------------------------


def _sign(xp, x):
    return (
        x.copy() if x.dtype.kind == "b" else xp.subtract(x > 0, x < 0, dtype=x.dtype)
    )  # 0 for NaN, as PyTorch


sign = Op(
    "sign", _sign,
    x=lambda g: zeros_like(g), jvp=ELEMENTWISE, doc="-1, 0 or 1; for complex numbers see `sgn`.",
)  # fmt: skip


def _sgn(xp, x):
    return xp.sign(x) if x.dtype.kind == "c" else _sign(xp, x)  # NumPy's sign of a complex number is x / |x|


# d(x / |x|) of a complex x: what of the gradient is across x, over |x|.
sgn = Op(
    "sgn", _sgn, x=lambda g, x, out: _turn(g, x, out), jvp=lambda t_x, x, out: _turn(t_x, x, out),
    doc="x / |x|, and 0 for 0: the sign, of complex numbers too.",
)  # fmt: skip


def _turn(t, x, out):
    if not is_complex(x):
        return zeros_like(t)
    size = absolute(x)
    return masked((t - out * real_part(conj(out) * t)) / where_row(1, size, size == 0), size != 0)


real_part = Op("real_part", lambda xp, x: x.real.copy(), x=lambda g: g, jvp=LINEAR, node="RealBackward0")

absolute = Op(
    "abs", lambda xp, x: xp.abs(x), x=lambda g, x: g * sgn(x),
    jvp=lambda t_x, x: real_part(t_x * conj(sgn(x))) if is_complex(x) else t_x * sgn(x),
    doc="The absolute value, |x|.",
)  # fmt: skip

abs = absolute
for _row in (neg, sign, sgn):
    _row.exact_out = True

# --- choices ------------------------------------------------------------------------------------------------

# Large choices go through the bits: np.where mispredicts branches, and takes 8 times as long.
_BITS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}
_LARGE = 2000


def _all_bits(condition, bits):
    """Whole numbers with all bits set where the condition holds, else none."""
    mask = condition.view(np.int8).astype(bits)
    return np.negative(mask, out=mask)


def choose(xp, condition, x, y):
    """xp.where(condition, x, y) for x and y of one dtype; either may be a number."""
    kind = getattr(x, "dtype", None) or getattr(y, "dtype", None)
    bits = _BITS.get(kind)
    if bits is None or condition.size < _LARGE or xp is not np:
        return xp.where(condition, x, y)
    mask = _all_bits(condition, bits)
    x, y = np.asarray(x, kind).view(bits), np.asarray(y, kind).view(bits)
    mask = np.bitwise_and(mask, x ^ y)
    return np.bitwise_xor(mask, y).view(kind)


def _masked(xp, x, mask):
    bits = _BITS.get(x.dtype)
    if bits is None or mask.size < _LARGE or xp is not np:
        return xp.where(mask, x, xp.zeros((), x.dtype))
    return np.bitwise_and(_all_bits(mask, bits), x.view(bits)).view(x.dtype)


where_row = Op(
    "where", lambda xp, x, y, condition: choose(xp, condition, x, y),
    x=lambda g, condition: where_row(g, 0, condition),
    y=lambda g, condition: where_row(0, g, condition), jvp=ELEMENTWISE, promote=PAIR,
)  # fmt: skip

masked = Op(
    "masked", _masked, x=lambda g, mask: masked(g, mask), jvp=LINEAR, doc="x where the mask is True, else 0."
)


def where(condition, input=None, other=None, *, out=None):
    """`input` where `condition` (bool) holds, else `other`; with `condition` alone, the places where it does.

    The gradient of what was not chosen is exactly zero. Numbers promote as in arithmetic.
    """
    if input is None and other is None:
        return tuple(wrap(i) for i in np.nonzero(np.atleast_1d(condition._array)))
    if condition._array.dtype.kind != "b":
        if condition._array.dtype != np.uint8:
            raise RuntimeError(
                "where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{condition.dtype}; compare "
                "with something, for instance condition != 0 [RG122]"
            )
        condition = cast_row(condition, np.dtype(bool))
    return where_row(input, other, condition, out=out)


def ordered(name):
    """The forward of one of NumPy's functions that asks which number is larger: not for complex ones."""

    def forward(xp, x, y):
        if x.dtype.kind == "c":
            kind = arrays.scalar_name(arrays.from_numpy_dtype(x.dtype))
            raise NotImplementedError(
                f"\"{name}\" not implemented for '{kind}': complex numbers have no order [RG041]"
            )
        return getattr(xp, name)(x, y)

    return forward


# Where both are equal, each gets half of the gradient.
maximum = Op(
    "maximum", ordered("maximum"),
    x=lambda g, x, y: where_row(g * 0.5, masked(g, ~(x < y)), x == y),
    y=lambda g, x, y: where_row(g * 0.5, masked(g, ~(y < x)), x == y), jvp=ELEMENTWISE, promote=PAIR,
    doc="The larger of two, element by element; NaN where either is. Equal elements share the gradient.",
)  # fmt: skip

minimum = Op(
    "minimum", ordered("minimum"),
    x=lambda g, x, y: where_row(g * 0.5, masked(g, ~(x > y)), x == y),
    y=lambda g, x, y: where_row(g * 0.5, masked(g, ~(y > x)), x == y), jvp=ELEMENTWISE, promote=PAIR,
    doc="The smaller of two, element by element; NaN where either is. Equal elements share the gradient.",
)  # fmt: skip

fmax = Op(
    "fmax", ordered("fmax"),
    x=lambda g, x, y: where_row(g, 0, (x >= y) | (y != y)),
    y=lambda g, x, y: where_row(0, g, (x >= y) | (y != y)), jvp=ELEMENTWISE, promote=PAIR,
    doc="The larger of two, element by element; the other one where one is NaN.",
)  # fmt: skip

fmin = Op(
    "fmin", ordered("fmin"),
    x=lambda g, x, y: where_row(g, 0, (x <= y) | (y != y)),
    y=lambda g, x, y: where_row(0, g, (x <= y) | (y != y)), jvp=ELEMENTWISE, promote=PAIR,
    doc="The smaller of two, element by element; the other one where one is NaN.",
)  # fmt: skip


@through_float32
def _clamp(xp, x, low, high):
    if low is None:
        return xp.minimum(x, high)
    return xp.maximum(x, low) if high is None else x.clip(low, high)


def inside(x, low, high):
    """Where low <= x <= high; a bound may be None."""
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


_clamp_row = Op(
    "clamp",
    _clamp,
    x=lambda g, x, low, high: masked(g, inside(x, low, high)),
    jvp=ELEMENTWISE,
    node="ClampBackward1",
)

_at_least = Op(
    "clamp_min", lambda xp, x, y: xp.maximum(x, y),
    x=lambda g, x, y: where_row(g, 0, x >= y),
    y=lambda g, x, y: where_row(g, 0, x < y), jvp=ELEMENTWISE, promote=PAIR,
)  # fmt: skip

_at_most = Op(
    "clamp_max", lambda xp, x, y: xp.minimum(x, y),
    x=lambda g, x, y: where_row(g, 0, x <= y),
    y=lambda g, x, y: where_row(g, 0, x > y), jvp=ELEMENTWISE, promote=PAIR,
)  # fmt: skip


def clamp(input, min=None, max=None, *, out=None):
    """`input` brought between `min` and `max`, numbers or Tensors; at a bound the gradient passes."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None [RG120]")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            input = _at_least(input, min)
        if max is not None:
            input = _at_most(input, max)
        return input if out is None else inplace.copy_from(out, input)
    array = input._array
    if array.dtype.kind not in "fV":  # floats keep their dtype whatever the bounds
        d = arrays.result_dtype([array, *(b for b in (min, max) if b is not None)]).numpy
        if d != array.dtype:
            input = cast_row(input, d)
        elif d.kind in "iu":
            min, max = [b if b is None else int(np.asarray(b).astype(d)) for b in (min, max)]
    return _clamp_row(input, min, max, out=out) if out is not None else _clamp_row(input, min, max)


def clamp_min(input, min, *, out=None):
    """`input`, or `min` where that is larger."""
    return clamp(input, min, out=out)


def clamp_max(input, max, *, out=None):
    """`input`, or `max` where that is smaller."""
    return clamp(input, None, max, out=out)


clip = clamp


@through_float32
def _lerp(xp, x, y, weight):
    near = xp.abs(weight) < 0.5  # each form is exact at its own end
    if not near.ndim:
        return x + weight * (y - x) if near else y - (y - x) * (1 - weight)
    return xp.where(near, x + weight * (y - x), y - (y - x) * (1 - weight))


_lerp_row = Op(
    "lerp", _lerp,
    x=lambda g, weight: g * conj(1 - weight),
    y=lambda g, weight: g * conj(weight),
    weight=lambda g, x, y: g * conj(y - x), jvp=ELEMENTWISE,
)  # fmt: skip


def lerp(input, end, weight, *, out=None):
    """input + weight * (end - input), `weight` a number or a Tensor."""
    if input.dtype != end.dtype:
        raise RuntimeError(f"expected dtype {input.dtype} for `end` but got dtype {end.dtype} [RG040]")
    if isinstance(weight, Tensor) and weight.dtype != input.dtype:
        raise RuntimeError(f"expected dtype {input.dtype} for `weight` but got dtype {weight.dtype} [RG040]")
    return _lerp_row(input, end, weight, out=out)


copysign = Op(
    "copysign", lambda xp, x, y: xp.copysign(x, y),
    x=lambda g, x, out: g * (sign(x) * sign(out) + (x - x)),  # NaN where x is not finite, as PyTorch's
    y=lambda g: zeros_like(g), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
    doc="The magnitude of x with the sign of y (that of a zero counts).",
)  # fmt: skip


def _nan_to_num(xp, x, nan, posinf, neginf):
    if x.dtype.kind in "iub":
        return x.copy()
    if x.dtype.kind == "c":
        out = xp.empty_like(x)
        out.real = _nan_to_num(xp, x.real, nan, posinf, neginf)
        out.imag = _nan_to_num(xp, x.imag, nan, posinf, neginf)
        return out
    limits = ml_dtypes.finfo(x.dtype)
    out = xp.array(x)
    out[x != x] = nan
    out[x == xp.inf] = limits.max if posinf is None else posinf
    out[x == -xp.inf] = limits.min if neginf is None else neginf
    return out


_nan_to_num_row = Op(
    "nan_to_num", _nan_to_num, x=lambda g, x: masked(g, x - x == 0),
    jvp=lambda t_x, x: masked(t_x, x - x == 0),
)  # fmt: skip


def nan_to_num(input, nan=0.0, posinf=None, neginf=None, *, out=None):
    """`input` with numbers for NaN and the infinities; by default 0 and the dtype's largest and smallest."""
    return _nan_to_num_row(input, 0.0 if nan is None else nan, posinf, neginf, out=out)
