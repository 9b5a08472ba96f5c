"""Rows that compute each element from the elements in the same place."""

import numpy as np

from ..core.apply import apply
from ..core.op import ELEMENTWISE, FLOAT, PAIR, PAIR_FLOAT, Op, as_tensor, is_complex
from ..core.tensor import Tensor

__all__ = ["add", "sub", "mul", "div", "neg", "conj", "exp", "sin", "cos"]
METHODS = ["add", "sub", "mul", "div", "neg", "conj", "exp", "sin", "cos"]
INPLACE = ["add", "sub", "mul", "div", "neg", "exp", "sin", "cos"]

conj_row = Op("conj", lambda xp, x: xp.conjugate(x), x=lambda g: conj(g), jvp=lambda t_x: conj(t_x))


def conj(input):
    """The complex conjugate; what is real is returned as it is."""
    return conj_row(input) if is_complex(input) else input


add_row = Op("add", lambda xp, x, y: xp.add(x, y), x=lambda g: g, y=lambda g: g, jvp=ELEMENTWISE, promote=PAIR)

sub_row = Op("sub", lambda xp, x, y: xp.subtract(x, y), x=lambda g: g, y=lambda g: -g, jvp=ELEMENTWISE, promote=PAIR)

mul = Op(
    "mul", lambda xp, x, y: xp.multiply(x, y),
    x=lambda g, y: g * conj(y),
    y=lambda g, x: g * conj(x), jvp=ELEMENTWISE, promote=PAIR,
)  # fmt: skip

neg = Op("neg", lambda xp, x: xp.negative(x), x=lambda g: -g, jvp=ELEMENTWISE)

exp = Op("exp", lambda xp, x: xp.exp(x), x=lambda g, out: g * conj(out), jvp=ELEMENTWISE, promote=FLOAT)

sin = Op("sin", lambda xp, x: xp.sin(x), x=lambda g, x: g * conj(cos(x)), jvp=ELEMENTWISE, promote=FLOAT)

cos = Op("cos", lambda xp, x: xp.cos(x), x=lambda g, x: g * -conj(sin(x)), jvp=ELEMENTWISE, promote=FLOAT)


div_row = Op(
    "div", lambda xp, x, y: xp.divide(x, y),
    x=lambda g, y: g / conj(y),
    y=lambda g, out, y: -g * conj(out / y), jvp=ELEMENTWISE, promote=PAIR_FLOAT,
)  # fmt: skip


def add(input, other, *, alpha=1, out=None):
    """input + alpha * other."""
    if alpha != 1:
        other = mul(other, alpha)
    return add_row(input, other, out=out) if out is not None else add_row(input, other)


def sub(input, other, *, alpha=1, out=None):
    """input - alpha * other."""
    if alpha != 1:
        other = mul(other, alpha)
    return sub_row(input, other, out=out) if out is not None else sub_row(input, other)


def div(input, other, *, rounding_mode=None, out=None):
    """input / other; `rounding_mode` "trunc" or "floor" rounds the quotient and keeps whole dtypes."""
    return div_row(as_tensor(input), other)


def operator(row, reflected=False):
    """The special method for `x + y` or, reflected, `y + x`; NotImplemented for what is no number or Tensor."""

    def method(self, other):
        if not isinstance(other, (Tensor, int, float, complex, np.generic)):
            return NotImplemented
        if reflected:
            return apply(row, (as_tensor(other, like=self), self))
        return apply(row, (self, other))

    return method


OPERATORS = {
    "__add__": operator(add_row), "__radd__": operator(add_row), "__sub__": operator(sub_row), "__rsub__": operator(sub_row, reflected=True),
    "__mul__": operator(mul), "__rmul__": operator(mul), "__truediv__": operator(div_row), "__rtruediv__": operator(div_row, reflected=True),
    "__neg__": lambda x: apply(neg, (x,)),
}  # fmt: skip
