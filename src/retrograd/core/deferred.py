"""Gradients that wait: a large weight's gradient stays the factors that it is the product of until someone
looks.

The weight's gradient of a layer is the product of its input and its output's gradient, which are much
smaller where there are few pixels or rows, as in the last layers of a ResNet: kilobytes, and megabytes once
they are multiplied out. The compiled walk leaves the factors in `.grad` of a leaf that has no hooks and no
gradient yet (native/walk.cpp). An optimizer that knows of them multiplies them out block by block as it uses
them, in the caches; whoever else looks gets the gradient, of the same bits. The factors are copies: later
writes to what they were made from do not reach them.
"""

from .op import TABLE, _arguments
from .tensor import Tensor


class Deferred(Tensor):
    """The Tensor in `.grad` while it waits; it becomes an ordinary one when its array is first asked for."""

    @property
    def _array(self):
        own = vars(self)
        factors = own.get("_factors")
        if factors is not None:
            own.setdefault("_array", factors.multiply())  # two threads at once: the first one's stays
            _settle(self)
        return own["_array"]

    @_array.setter
    def _array(self, array):
        vars(self)["_array"] = array
        _settle(self)


def _settle(grad):
    grad.__class__ = Tensor
    vars(grad).pop("_factors", None)


def factors_of(grad):
    """What the gradient `grad`, a Tensor, waits as; None if it is an ordinary one."""
    return vars(grad).get("_factors") if type(grad) is Deferred else None


def deferral(name, input):
    """Register what may be called instead of the formula of the row `name` for `input`. Decorates it.

    It takes what the formula takes, raw, and gives Factors, or None where the formula is to be called.
    """

    def register(function):
        op = TABLE[name]
        assert _arguments(function) == _arguments(op.formulas[input]), "it takes what the formula takes"
        op.deferrals = {**op.deferrals, input: function}
        return function

    return register
