"""Elementwise functions as lists of NumPy's ufuncs, found by running them once on symbols.

The compiled door runs such a list with NumPy's own loops (native/elementwise.cpp): the same bits as the
function gives, without Python and without NumPy's machinery for each step. Asked only of rows that say they
are elementwise (`jvp=ELEMENTWISE`), for arrays of one dtype (float32, float64, int64), masks and numbers.
What is anything but a list of ufuncs (a look at shapes or values, another library) can't be recorded, and is
called as it is.
"""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

_LIMIT = 1 << 24  # whole numbers up to this are exact in every dtype that is recorded


class Unrecordable(TypeError):
    """The function does more than apply ufuncs."""


class _Symbol:
    """Stands for an argument or an intermediate value.

    place: its number among the arguments and steps; a float if it is a constant; None if it has no value yet.
    """

    __hash__ = None

    def __init__(self, steps, place, dtype):
        self.steps = steps
        self.place = place
        self.dtype = dtype

    def __array__(self, *args, **kwargs):
        raise Unrecordable

    __bool__ = __len__ = __iter__ = __float__ = __int__ = __index__ = __complex__ = __array__


class Number(_Symbol):
    """A Python number that is not known yet."""

    __eq__ = __ne__ = _Symbol.__array__


class Array(_Symbol, NDArrayOperatorsMixin):
    """An array of which only the dtype is known."""

    # What asks for these does so for speed only: the simple way is that of small arrays, the general one that
    # of arrays in which some elements are this and some that.
    size = 0

    def any(self):
        return True

    def all(self):
        return False

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        if method != "__call__" or options or ufunc.nout != 1:
            raise Unrecordable
        return self._record(ufunc, inputs, out and out[0])

    def __array_function__(self, function, types, args, options):
        if function is np.where and len(args) == 3 and not options:
            return self._record(np.where, args, None)
        if function is np.clip and len(args) == 3 and not options:
            return self.clip(*args[1:])
        if function in _NEW and not options:
            return Array(self.steps, _NEW[function](*args[1:]), self.dtype)
        raise Unrecordable

    def __pow__(self, other):
        raise Unrecordable  # NumPy chooses among several functions by the exponent

    __rpow__ = __ipow__ = __pow__

    def clip(self, low, high):
        return self._record(np._core.umath.clip, (self, low, high), None)

    def _record(self, function, inputs, out):
        if type(getattr(out, "place", None)) is int and out.place < self.steps.arguments:
            raise Unrecordable  # it writes into an argument
        kind = self._result_dtype(function, inputs)
        self.steps.append((function, [self._operand(x) for x in inputs]))
        place = self.steps.arguments + len(self.steps) - 1
        if out is None:
            return Array(self.steps, place, kind)
        if out.dtype != kind:
            raise Unrecordable
        out.place = place
        return out

    def _result_dtype(self, function, inputs):
        """The dtype that a ufunc gives for these; its operands must be of one dtype, numbers count as the
        arrays'.
        """
        if function is np.where:
            if getattr(inputs[0], "dtype", None) != np.bool_:
                raise Unrecordable
            inputs = inputs[1:]
        kinds = [x.dtype for x in inputs if isinstance(x, Array)]
        kind = kinds[0] if kinds else None
        if any(k != kind for k in kinds) or (kind != self.steps.dtype and len(kinds) < len(inputs)):
            raise Unrecordable  # it promotes
        if function is np.where:
            return kind
        signature = kind.char * function.nin + "->"
        found = next((t for t in function.types if t.startswith(signature)), None)
        if found is None:
            raise Unrecordable
        return np.dtype(found[-1])

    def _operand(self, x):
        """A place, or a number as a float."""
        if isinstance(x, _Symbol):
            if x.place is None:
                raise Unrecordable
            return x.place
        whole = self.steps.dtype.kind == "i"  # where a float would give another dtype
        if (type(x) is float and not whole) or (type(x) is int and -_LIMIT <= x <= _LIMIT):
            return float(x)
        if isinstance(x, (np.ndarray, np.generic)) and x.ndim == 0 and x.dtype == self.steps.dtype:
            return float(x)
        raise Unrecordable


_NEW = {
    np.empty_like: lambda: None,
    np.zeros_like: lambda: 0.0,
    np.ones_like: lambda: 1.0,
    np.full_like: float,
}


class _Steps(list):
    """(ufunc or np.where, operands) each."""

    def __init__(self, arguments, dtype):
        super().__init__()
        self.arguments = arguments
        self.dtype = dtype


def record(function, arguments, char):
    """The steps of `function(*arguments)` and the place of its result; None if it can't be recorded.

    arguments: "a" for an array of the dtype with the letter `char`, "m" for a mask, "n" for a number; or what
    is to be
    passed as it is. A step is (ufunc or np.where, operands); an operand is a place (an int: first come the
    arguments,
    then the steps' results) or a constant (a float).
    """
    steps = _Steps(len(arguments), np.dtype(char))
    kinds = {"a": (Array, steps.dtype), "m": (Array, np.dtype(bool)), "n": (Number, None)}
    given = []
    for i, a in enumerate(arguments):
        symbol = kinds.get(a) if type(a) is str else None
        given.append(a if symbol is None else symbol[0](steps, i, symbol[1]))
    try:
        result = function(*given)
    except Exception:  # whatever it wanted of a symbol that an array has
        return None
    if not isinstance(result, Array) or type(result.place) is not int:
        return None
    return list(steps), result.place
