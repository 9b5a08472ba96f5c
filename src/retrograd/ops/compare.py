"""Comparisons, tests of numbers, logic and bits: rows that have no gradient."""

import numpy as np

from ..core import arrays
from ..core.op import ELEMENTWISE, PAIR, Op
from .pointwise import ordered

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "eq", "equal", "gcd", "ge", "greater", "greater_equal", "gt", "heaviside", "isclose",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "lcm", "le", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne", "nextafter", "not_equal",
    "signbit",
]  # fmt: skip
METHODS = [name for name in __all__ if name != "isin"]
INPLACE = [
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "eq", "gcd", "ge", "greater", "greater_equal", "gt", "heaviside", "lcm", "le", "less", "less_equal",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne", "nextafter", "not_equal",
]  # fmt: skip

# --- comparisons --------------------------------------------------------------------------------------------

eq = Op("eq", lambda xp, x, y: xp.equal(x, y), promote=PAIR, doc="input == other, element by element.")
ne = Op("ne", lambda xp, x, y: xp.not_equal(x, y), promote=PAIR, doc="input != other, element by element.")
lt = Op("lt", ordered("less"), promote=PAIR, doc="input < other, element by element.")
le = Op("le", ordered("less_equal"), promote=PAIR, doc="input <= other, element by element.")
gt = Op("gt", ordered("greater"), promote=PAIR, doc="input > other, element by element.")
ge = Op("ge", ordered("greater_equal"), promote=PAIR, doc="input >= other, element by element.")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def equal(input, other):
    """Whether two tensors have the same shape and elements: a Python bool."""
    x, y = input._array, other._array
    return x.shape == y.shape and bool(np.all(x == y))


def _isclose(xp, x, y, rtol, atol, equal_nan):
    close = x == y
    if x.dtype.kind in "fcV":
        gap = xp.abs(x - y)
        close |= xp.isfinite(gap) & (gap <= atol + rtol * xp.abs(y))
    else:
        gap = xp.where(x > y, x - y, y - x) if x.dtype.kind != "b" else x != y
        close |= gap <= atol + rtol * xp.abs(y.astype(np.float64))
    return close | (xp.isnan(x) & xp.isnan(y)) if equal_nan and x.dtype.kind in "fcV" else close


_isclose_row = Op("isclose", _isclose)


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where |input - other| <= atol + rtol * |other|, or both are one infinity, or NaN if `equal_nan`."""
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{input.dtype} did not match {other.dtype}: isclose compares tensors of one dtype; "
            "convert one with .to() [RG040]"
        )
    if rtol < 0 or atol < 0:
        wrong, value = ("rtol", rtol) if rtol < 0 else ("atol", atol)
        raise RuntimeError(f"{wrong} must be greater than or equal to zero, but got {value} [RG049]")
    return _isclose_row(input, other, rtol, atol, equal_nan)


def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether `isclose` holds everywhere: a Python bool."""
    return bool(np.all(isclose(input, other, rtol, atol, equal_nan)._array))


# --- tests --------------------------------------------------------------------------------------------------

isnan = Op("isnan", lambda xp, x: x != x, doc="Where an element is not a number.")


def _isinf(xp, x):
    return xp.isinf(x) if x.dtype.kind in "fcV" else xp.zeros(x.shape, bool)


isinf = Op("isinf", _isinf, doc="Where an element is infinite.")
isfinite = Op("isfinite", lambda xp, x: xp.isfinite(x), doc="Where an element is neither infinite nor NaN.")
isposinf = Op("isposinf", lambda xp, x: x == xp.inf, doc="Where an element is plus infinity.")
isneginf = Op("isneginf", lambda xp, x: x == -xp.inf, doc="Where an element is minus infinity.")
isposinf.exact_out = isneginf.exact_out = True
isreal = Op("isreal", lambda xp, x: xp.asarray(x.imag == 0), doc="Where an element has no imaginary part.")


def _signbit(xp, x):
    return (
        xp.signbit(x) if x.dtype.kind in "fV" else x < 0 if x.dtype.kind != "b" else xp.zeros(x.shape, bool)
    )


signbit = Op("signbit", _signbit, doc="Where an element's sign bit is set: negative numbers and -0.")


def _isin(xp, x, y, assume_unique, invert):
    return xp.isin(x, y, assume_unique=assume_unique, invert=invert)


_isin_row = Op("isin", _isin, promote=PAIR)


def isin(elements, test_elements, *, assume_unique=False, invert=False, out=None):
    """Where an element is among `test_elements` (with `invert`: is not)."""
    return _isin_row(elements, test_elements, assume_unique, invert, out=out)


# --- logic and bits -----------------------------------------------------------------------------------------

logical_and = Op(
    "logical_and", lambda xp, x, y: xp.logical_and(x, y), doc="Whether both are other than zero."
)
logical_or = Op(
    "logical_or", lambda xp, x, y: xp.logical_or(x, y), doc="Whether one or both are other than zero."
)
logical_xor = Op(
    "logical_xor", lambda xp, x, y: xp.logical_xor(x, y), doc="Whether one but not both are other than zero."
)
logical_not = Op("logical_not", lambda xp, x: xp.logical_not(x), doc="Whether the element is zero.")


def _whole(x, name):
    if x.dtype.kind not in "iub":
        raise NotImplementedError(
            f'"{name}" not implemented for {arrays.from_numpy_dtype(x.dtype)}: '
            "it takes whole numbers and bools [RG041]"
        )


def _bitwise(name):
    function = getattr(np, name)

    def forward(xp, x, y):
        _whole(x, name)
        return function(x, y)

    return Op(
        name, forward, promote=PAIR, doc=f"{name.replace('_', ' ').capitalize()} of whole numbers or bools."
    )


bitwise_and, bitwise_or, bitwise_xor = (
    _bitwise("bitwise_and"),
    _bitwise("bitwise_or"),
    _bitwise("bitwise_xor"),
)


def _bitwise_not(xp, x):
    _whole(x, "bitwise_not")
    return xp.invert(x)


bitwise_not = Op("bitwise_not", _bitwise_not, doc="All bits flipped; for bools, logical not.")


def _shift_left(xp, x, y):
    _whole(x, "bitwise_left_shift")
    bits = x.dtype.itemsize * 8
    return xp.where((y >= 0) & (y < bits), xp.left_shift(x, y % bits), xp.zeros((), x.dtype))


def _shift_right(xp, x, y):
    _whole(x, "bitwise_right_shift")
    bits = x.dtype.itemsize * 8
    beyond = xp.right_shift(x, bits - 1) if x.dtype.kind == "i" else xp.zeros((), x.dtype)
    return xp.where((y >= 0) & (y < bits), xp.right_shift(x, y % bits), beyond)


bitwise_left_shift = Op(
    "bitwise_left_shift",
    _shift_left,
    promote=PAIR,
    doc="input * 2**other; shifts outside the dtype's width give 0.",
)
bitwise_right_shift = Op(
    "bitwise_right_shift", _shift_right, promote=PAIR,
    doc="input / 2**other rounded down; shifts outside the dtype's width give 0, or -1 for negative numbers.",
)  # fmt: skip


def _gcd(xp, x, y):
    _whole(x, "gcd")
    return xp.gcd(x, y)


def _lcm(xp, x, y):
    _whole(x, "lcm")
    return xp.lcm(x, y)


gcd = Op("gcd", _gcd, promote=PAIR, doc="The greatest common divisor of whole numbers, never negative.")
lcm = Op("lcm", _lcm, promote=PAIR, doc="The least common multiple of whole numbers, never negative.")

# --- steps --------------------------------------------------------------------------------------------------


def _same_dtype(name, input, other):
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{name} is not yet implemented for tensors with different dtypes: got {input.dtype} "
            f"and {other.dtype} [RG040]"
        )


def _heaviside(xp, x, y):
    return xp.where(x == 0, y, (x > 0).astype(x.dtype)) if x.dtype.kind != "f" else xp.heaviside(x, y)


_heaviside_row = Op("heaviside", _heaviside)


def heaviside(input, values, *, out=None):
    """0 below zero, 1 above, `values` at zero."""
    if input.is_complex() or values.is_complex():
        raise RuntimeError("heaviside is not yet implemented for complex tensors. [RG041]")
    _same_dtype("heaviside", input, values)
    return _heaviside_row(input, values, out=out)


nextafter = Op(
    "nextafter",
    lambda xp, x, y: xp.nextafter(x, y),
    x=lambda g: g,
    y=lambda g: g * 0,
    promote=PAIR,
    jvp=ELEMENTWISE,
    doc="The next floating number from input towards other.",
)
