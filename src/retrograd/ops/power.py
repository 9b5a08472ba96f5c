"""Powers and roots, and rounding to whole numbers."""

import cmath
import math

import numpy as np

from ..core import arrays, inplace
from ..core.op import ELEMENTWISE, FLOAT, PAIR, Op, as_tensor, is_complex, write_out, zeros_like
from ..core.tensor import Tensor
from . import return_types
from .arguments import deliver
from .elementary import log
from .pointwise import conj, mul, safe_div, safe_mul, where_row
from .shape import cast_row

__all__ = [
    "ceil", "fix", "float_power", "floor", "frac", "frexp", "ldexp", "pow", "reciprocal", "round", "rsqrt",
    "sqrt", "square", "trunc",
]  # fmt: skip
METHODS = [*__all__, "float_power_"]
INPLACE = [name for name in __all__ if name not in ("frexp", "float_power")]

# --- powers -------------------------------------------------------------------------------------------------


def _power(xp, x, y):
    if x.dtype.kind in "fcV":
        return _float_power(xp, x, y)
    if not np.all(y >= 0):
        return _negative_powers(xp, x, y)
    return xp.power(x, y)


def _float_power(xp, x, y):
    exponent = y if isinstance(y, (int, float, complex)) else y.item() if y.ndim == 0 else None
    if exponent == 2:
        return xp.multiply(x, x)
    if exponent == 3:  # 600 times faster than NumPy's power
        return x * x * x
    if exponent == 0.5:
        return xp.sqrt(x)
    return xp.power(x, y)


def _negative_powers(xp, x, y):
    """Whole numbers to whole powers of any sign: 1 / x**n, rounded to zero."""
    y = np.asarray(y)
    if y.ndim == 0:
        raise RuntimeError("Integers to negative integer powers are not allowed. [RG132]")
    exact = xp.power(x, xp.maximum(y, 0))
    units = xp.where(x == 1, 1, xp.where(x == -1, 1 - 2 * (y % 2), 0)) if x.dtype.kind == "i" else x == 1
    return xp.where(y < 0, units, exact).astype(x.dtype)


# Where the incoming gradient is zero, an infinite derivative (of x**0.5 at 0) does not make it NaN as in
# PyTorch.
pow_row = Op(
    "pow", _power,
    x=lambda g, x, y: _base_formula(g, x, y),
    y=lambda g, x, y, out: safe_mul(g * conj(out), conj(_log_base(x, y))), jvp=ELEMENTWISE, promote=PAIR,
)  # fmt: skip


def _base_formula(g, x, y):
    if isinstance(y, (int, float)):
        if y == 0:
            return zeros_like(g)
        if y >= 1:  # no pole; of Tensors x**1 is not cut short, so that derivatives exist to any order
            return g * conj(x if y == 2 and not isinstance(x, Tensor) else pow_row(x, y - 1)) * y
    return safe_mul(g * conj(y), conj(pow_row(x, y - 1)))


def _log_base(x, y):
    """log(x), and 0 for a base of zero with a power that keeps it from the result."""
    if not hasattr(x, "dtype"):
        if isinstance(x, complex) or is_complex(y):
            return cmath.log(x) if x else 0.0
        return math.log(x) if x > 0 else log(as_tensor(x)) if x else 0.0
    if is_complex(x) or is_complex(y):
        return log(where_row(1, x, x == 0) * (1 + 0j))  # of a negative real base, too
    return log(where_row(1, x, (x == 0) & (y >= 0)))


def pow(input, exponent, *, out=None):
    """`input` to the power of `exponent`; either may be a number.

    Whole numbers stay whole, so a negative whole exponent is an error for them.
    A gradient of zero stays zero where the derivative is infinite (PyTorch: NaN).
    """
    if isinstance(exponent, int) and exponent < 0 and input._array.dtype.kind in "iub":
        raise RuntimeError("Integers to negative integer powers are not allowed. [RG132]")
    return pow_row(input, exponent, out=out) if out is not None else pow_row(input, exponent)


def float_power(input, exponent, *, out=None):
    """`pow`, computed in float64 (complex128 for complex numbers) whatever the dtypes."""
    wide = np.dtype(np.complex128 if _any_complex(input, exponent) else np.float64)
    if out is not None:
        _check_wide("output", out, wide)
    input, exponent = [
        cast_row(v, wide) if isinstance(v, Tensor) else as_tensor(np.asarray(v, wide))
        for v in (input, exponent)
    ]
    return pow_row(input, exponent, out=out)


def _any_complex(*values):
    return any(isinstance(v, complex) or is_complex(v) for v in values)


def _check_wide(what, tensor, wide):
    if tensor._array.dtype != wide:
        need = arrays.scalar_name(arrays.from_numpy_dtype(wide))
        raise RuntimeError(
            f"the {what} given to float_power has dtype {arrays.scalar_name(tensor.dtype)} but the "
            f"operation's result requires dtype {need} [RG035]"
        )


def float_power_(input, exponent):
    """In-place version of `float_power`, for float64 and complex128 tensors."""
    wide = np.complex128 if _any_complex(input, exponent) else np.float64
    _check_wide("base", input, np.dtype(wide))
    return _float_power_inplace(input, exponent)


_float_power_inplace = inplace.inplace(float_power, "float_power_")


sqrt = Op(
    "sqrt", lambda xp, x: xp.sqrt(x), x=lambda g, out: safe_div(g, 2 * conj(out)), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="""The square root.

    At 0, where the derivative is infinite, a gradient of zero stays zero (PyTorch: NaN).""",
)  # fmt: skip

rsqrt = Op(
    "rsqrt", lambda xp, x: xp.reciprocal(xp.sqrt(x)), x=lambda g, out: -0.5 * g * conj(out * out * out),
    jvp=ELEMENTWISE, promote=FLOAT, doc="1 / sqrt(x).",
)  # fmt: skip

square_row = Op(
    "square",
    lambda xp, x: xp.multiply(x, x),
    x=lambda g, x: 2 * g * conj(pow_row(x, 1) if isinstance(x, Tensor) else x),
    jvp=ELEMENTWISE,
    node="PowBackward0",
)


def square(input, *, out=None):
    """input * input; bools count as whole numbers."""
    if input._array.dtype.kind == "b":
        input = cast_row(input, np.dtype(np.int64))
    return square_row(input, out=out) if out is not None else square_row(input)


reciprocal = Op(
    "reciprocal", lambda xp, x: xp.reciprocal(x), x=lambda g, out: -g * conj(out * out), jvp=ELEMENTWISE,
    promote=FLOAT,
    doc="1 / x.",
)  # fmt: skip

# --- rounding -----------------------------------------------------------------------------------------------


def _rounding(name, function, doc):
    def forward(xp, x):
        return x.copy() if x.dtype.kind in "iu" else function(xp, x)

    return Op(name, forward, x=lambda g: zeros_like(g), jvp=ELEMENTWISE, doc=doc)


floor = _rounding(
    "floor", lambda xp, x: xp.floor(x), "The largest whole number that is not above the element."
)
ceil = _rounding("ceil", lambda xp, x: xp.ceil(x), "The smallest whole number that is not below the element.")
trunc = _rounding("trunc", lambda xp, x: xp.trunc(x), "The element without what follows the point.")
fix = trunc
for _row in (floor, ceil, trunc):
    _row.exact_out = True
frac = Op(
    "frac",
    lambda xp, x: x - xp.trunc(x),
    x=lambda g: g,
    jvp=ELEMENTWISE,
    doc="What follows the point, with the element's sign.",
)


def _round(xp, x, decimals):
    if x.dtype.kind in "iu":
        return x.copy()
    if decimals == 0:
        return xp.rint(x)
    scale = xp.asarray(10.0 ** abs(decimals), x.dtype)
    return xp.rint(x * scale) / scale if decimals > 0 else xp.rint(x / scale) * scale


_round_row = Op("round", _round, x=lambda g: zeros_like(g), jvp=ELEMENTWISE)


def round(input, *, decimals=0, out=None):
    """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
    return _round_row(input, decimals, out=out)


# --- mantissa and exponent ----------------------------------------------------------------------------------


def ldexp(input, other, *, out=None):
    """input * 2**other, in input's dtype if that is a floating one."""
    if isinstance(other, Tensor) and other.dtype.category < arrays.FLOAT:
        wide = np.float64 if input._array.dtype.itemsize == 8 and input.is_floating_point() else np.float32
        scale = pow_row(2.0, cast_row(other, np.dtype(wide)))
        if input._array.dtype.kind in "fV" and input._array.dtype != wide:
            return deliver(cast_row(mul(input, scale), input._array.dtype), out)
        return mul(input, scale, out=out)
    return mul(input, pow_row(2.0, other), out=out)


_frexp_row = Op(
    "frexp", lambda xp, x: xp.frexp(x), outputs="mantissa exponent", nondiff=(1,),
    x=lambda g_mantissa, exponent: g_mantissa / 2.0**exponent,
    jvp=lambda t_x, exponent: (t_x / 2.0**exponent, None),
)  # fmt: skip


def frexp(input, *, out=None):
    """(mantissa, exponent): input = mantissa * 2**exponent, 0.5 <= |mantissa| < 1, the exponent int32."""
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype} [RG041]")
    result = return_types.frexp(_frexp_row(input))
    return result if out is None else write_out(result, out)
