"""Steps by the compiled kernels: each takes the rows that it can and gives back the rest, for NumPy.

A row is a tuple: a parameter that has a gradient, and the Tensors of its state.
"""

import sys

from .. import kernels
from ..core.deferred import factors_of


def sgd_step(rows, **options):
    """SGD's step. A row: (parameter,), or (parameter, momentum buffer)."""
    taken, rest = _split(rows)
    if taken:
        params, grads, *momenta = _columns(taken)
        kernels.native.sgd_step(params, grads, momenta[0] if momenta else None, **options)
    return rest


def adam_step(rows, **options):
    """Adam's step. A row: (parameter, exp_avg, exp_avg_sq), with amsgrad also max_exp_avg_sq."""
    taken, rest = _split(rows)
    if taken:
        params, grads, averages, squares, *largest = _columns(taken)
        kernels.native.adam_step(params, grads, averages, squares, largest[0] if largest else None, **options)
    return rest


def rmsprop_step(rows, centered, **options):
    """RMSprop's step. A row: (parameter, square_avg), with `centered` grad_avg, with momentum its buffer."""
    taken, rest = _split(rows)
    if taken:
        params, grads, squares, *more = _columns(taken)
        means = more.pop(0) if centered else None
        kernels.native.rmsprop_step(params, grads, squares, means, more[0] if more else None, **options)
    return rest


def adagrad_step(rows, **options):
    """Adagrad's step. A row: (parameter, sum)."""
    taken, rest = _split(rows)
    if taken:
        kernels.native.adagrad_step(*_columns(taken), **options)
    return rest


def _split(rows):
    if kernels.native is None:
        return [], rows
    taken, rest = [], []
    for row in rows:
        (taken if _takes(row) else rest).append(row)
    return taken, rest


def _takes(row):
    array = row[0]._array
    kind, shape = array.dtype, array.shape
    if kind.char not in "fd" or not array.flags.writeable or not array.flags.aligned:
        return False
    for state in row[1:]:
        if state._array.strides != array.strides:
            _lay_out(state, array)
    beside = [s._array for s in row[1:]]
    factors = factors_of(row[0]._grad)
    if factors is None or not all(map(factors.fit, (array, *beside))):
        beside.append(row[0]._grad._array)
    return all(a.dtype == kind and a.shape == shape and a.flags.aligned for a in beside)


def _lay_out(state, like):
    """Store `state` in the order of its parameter, where nobody else sees its memory.

    A checkpoint's state comes in C order, and a convolution's weight changes its own at its first use.
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


def _columns(rows):
    """The arrays of parameters, gradients and states; of gradients that wait the factors."""
    params, *states = zip(*rows, strict=True)
    arrays = [[tensor._array for tensor in column] for column in (params, *states)]
    grads = [p._grad for p in params]
    arrays.insert(1, [factors_of(g) or g._array for g in grads])
    return arrays
