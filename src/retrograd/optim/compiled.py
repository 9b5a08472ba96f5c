"""Parameters with their state, moved together by a compiled rule (native/updates.h) where one can be.

An optimizer's step is a loop over the `Rows` of its parameters and, within, the same formula in NumPy over
the pieces that no compiled rule takes: complex, float16 and bfloat16 parameters, or all without the kernels.
"""

import sys

from .. import kernels
from .numbers import advance
from .pieces import pieces


def rows_of(optimizer, group, params, rule, names=(), numbers=("step",)):
    """Yield the Rows of `params`, after counting one more step.

    names: of the state's Tensors of the parameter's shape. numbers: of its 0-d Tensors; the first, if any,
    counts the steps. State that isn't there yet is begun by `optimizer.begin`.
    """
    if kernels.native is not None:
        taken, params = kernels.native.gather_rows(optimizer, group, params, rule, names, numbers)
        yield from taken
    for p in params:
        state, fresh = optimizer.state.get(p), False
        if (names or numbers) and (not state or any(state.get(name) is None for name in names)):
            state, fresh = optimizer.begin(group, p), True
        if numbers:
            advance(state)
        yield Rows(p, [state[name] for name in names], [state[name]._array for name in numbers], fresh)


def lay_out(state, like):
    """Store `state` in the order of its parameter, where nobody else sees its memory.

    A checkpoint's state comes in C order, and a convolution's weight changes its own at its first use.
    The compiled gathering calls this where the two differ.
    """
    array = state._array
    if array.shape != like.shape or array.dtype != like.dtype:
        return
    if state._view is not None or array.base is not None:
        return
    if sys.getrefcount(array) > 3:  # the Tensor's reference, this function's and the call's
        return
    stored = kernels.empty_like(like)
    if stored.strides == like.strides:
        stored[...] = array
        state._array = stored


def count_writes(tensors):
    """Count a write to each of `tensors`, a list."""
    if kernels.native is not None:
        kernels.native.bump_versions(tensors)
        return
    for tensor in tensors:
        tensor._versions().bump()


class Rows:
    """One parameter that NumPy moves. The compiled Rows are many, whose numbers are the same.

    numbers: the 0-d arrays of the state; fresh: whether the state was begun just now.
    """

    __slots__ = ("fresh", "numbers", "_param", "_states")

    def __init__(self, param, states, numbers, fresh):
        self.fresh = fresh
        self.numbers = numbers
        self._param = param
        self._states = states

    def step(self, maximize=False, weight_decay=0, shrink=1, **constants):
        """Pieces for the formula; none where the compiled rule moved all, by these constants.

        weight_decay adds to the gradient, `shrink` multiplies the parameter.
        """
        return pieces(self._param, *self._states, maximize=maximize, decay=weight_decay, shrink=shrink)

    def share_numbers(self):
        """What was written to `numbers` holds for all parameters of these Rows."""
