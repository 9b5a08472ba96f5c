"""Tensor's special methods for arithmetic, comparison, logic and bits, and their in-place forms."""

import numpy as np

from ..core import inplace
from ..core.apply import apply
from ..core.compiled import compiled_inplace, compiled_method, native
from ..core.op import as_tensor, is_complex
from ..core.tensor import Tensor
from . import compare, pointwise, power
from .complex_numbers import imag_property, real_property

__all__ = []
METHODS = []
INPLACE = []

_COMMON = (Tensor, float, int)
_NUMBERS = (Tensor, bool, int, float, complex)


def operand(other):
    """`other` as the door takes it (NumPy's scalars as Python's numbers), or None for what is no operand."""
    if isinstance(other, np.generic):
        return other.item()
    if isinstance(other, np.ndarray):
        return as_tensor(other)
    return other if isinstance(other, _NUMBERS) else None


def operator(row, reflected=False):
    """The special method for `x + y` or, reflected, `y + x`; NotImplemented for what is no operand."""

    def method(self, other):
        if type(other) not in _COMMON:
            other = operand(other)
            if other is None:
                return NotImplemented
        if reflected:
            return apply(row, (as_tensor(other, like=self), self))
        return apply(row, (self, other))

    return compiled_method(row, method, operands=True, reflected=reflected)


def inplace_operator(row, name):
    """The special method for `x += y`: writes into the tensor."""
    write = inplace.inplace(row, name)

    def method(self, other):
        if type(other) not in _COMMON:
            other = operand(other)
            if other is None:
                return NotImplemented
        return write(self, other)

    return compiled_inplace(compiled_method(row, method, operands=True, inplace=True), name)


def unary(row):
    return compiled_method(row, lambda self: apply(row, (self,)))


def _scaled_inplace(function, sign):
    """`add_` or `sub_`: other * alpha is added without being formed, where no graph needs it."""
    write = inplace.inplace(function, function.__name__ + "_")

    def method(self, other, *, alpha=1):
        if native is not None and native.add_scaled(self, other, sign * alpha):
            return self
        return write(self, other, alpha=alpha)

    return _like(write, method)


def _like(write, method):
    """`method` in the place of the in-place method `write`, whose keywords keep it from its compiled form."""
    method.__name__ = method.__qualname__ = write.__name__
    method.__doc__ = write.__doc__
    return compiled_inplace(method)


def _valued_inplace(function):
    """`addcmul_` or `addcdiv_`, at once where no graph needs what is added."""
    name = function.__name__
    write = inplace.inplace(function, name + "_")

    def method(self, tensor1, tensor2, *, value=1):
        if native is not None and native.update_each(name, (value,), (self,), (tensor1,), (tensor2,)):
            return self
        return write(self, tensor1, tensor2, value=value)

    return _like(write, method)


def _clamp_inplace(name):
    """`clamp_` or its alias `clip_`, at once where no graph needs the old values."""
    write = inplace.inplace(pointwise.clamp, name)

    def method(self, min=None, max=None):
        if native is not None:
            bounds = [b for b in (min, max) if b is not None]
            kind = "clamp" if len(bounds) == 2 else "clamp_max" if min is None else "clamp_min"
            if bounds and native.update_each(kind, tuple(bounds), (self,)):
                return self
        return write(self, min, max)

    return _like(write, method)


_absolute = inplace.inplace(pointwise.absolute, "abs_")


def absolute_(self):
    """In-place version of `abs`, for real tensors."""
    if is_complex(self):
        raise RuntimeError("In-place abs is not supported for complex tensors. [RG041]")
    return _absolute(self)


OPERATORS = {
    "__neg__": unary(pointwise.neg), "__pos__": pointwise.positive, "__abs__": unary(pointwise.absolute),
    "__invert__": unary(compare.bitwise_not), "real": real_property, "imag": imag_property,
    "abs_": absolute_, "absolute_": absolute_,
    "add_": _scaled_inplace(pointwise.add, 1), "sub_": _scaled_inplace(pointwise.sub, -1),
    "addcmul_": _valued_inplace(pointwise.addcmul), "addcdiv_": _valued_inplace(pointwise.addcdiv),
    "clamp_": _clamp_inplace("clamp_"), "clip_": _clamp_inplace("clip_"),
    "where": lambda self, condition, other: pointwise.where(condition, self, other),
}  # fmt: skip

_TWO_SIDED = {
    "add": pointwise.add_row, "sub": pointwise.sub_row, "mul": pointwise.mul, "truediv": pointwise.div_row,
    "floordiv": pointwise.floor_divide, "mod": pointwise.remainder, "pow": power.pow_row,
    "and": compare.bitwise_and,
    "or": compare.bitwise_or, "xor": compare.bitwise_xor, "lshift": compare.bitwise_left_shift,
    "rshift": compare.bitwise_right_shift,
}  # fmt: skip
for _name, _row in _TWO_SIDED.items():
    OPERATORS[f"__{_name}__"] = operator(_row)
    # a number first is a number second where order doesn't matter, and stays one: 1e5 * float16 is finite
    OPERATORS[f"__r{_name}__"] = operator(_row, reflected=_name not in ("add", "mul"))
    OPERATORS[f"__i{_name}__"] = inplace_operator(_row, f"{_row.name}_")
OPERATORS["__rsub__"] = operator(pointwise.rsub_row)
for _row in (compare.eq, compare.ne, compare.lt, compare.le, compare.gt, compare.ge):
    OPERATORS[f"__{_row.name}__"] = operator(_row)
