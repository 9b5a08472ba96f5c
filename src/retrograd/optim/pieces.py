"""What an optimizer's formula works on: parameter, gradient and state in pieces that stay in the cache."""

from contextlib import contextmanager

import numpy as np

from ..core.tensor import wrap
from ..kernels import empty_like

SIZE = 32768  # elements: with the temporaries of a formula, less than the second-level cache holds


def pieces(p, *states, maximize=False, decay=0, shrink=1):
    """Yield (x, g, *states) stretch by stretch: real 1-d arrays, of which x and the states may be written.

    states: Tensors of the shape of `p`. maximize, decay: g is the gradient's negative, plus decay * x. x is
    multiplied by `shrink` after that.
    Complex numbers appear as pairs of reals; float16 and bfloat16 as float32, rounded when written back.
    """
    x = p._array
    _check(p, states)
    order = None
    if not x.flags.c_contiguous:
        order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    flats, copies = [], []
    for i, array in enumerate((x, p._grad._array, *[s._array for s in states])):
        if order is not None:
            array = array.transpose(order)
        if array.flags.c_contiguous:
            flat = array.reshape(-1)
        else:
            flat = np.array(array, order="C").reshape(-1)
            if i != 1:
                copies.append((array, flat))
        flats.append(flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat)
    for start in range(0, flats[0].size, SIZE):
        parts = [flat[start : start + SIZE] for flat in flats]
        work = [part if part.itemsize > 2 else part.astype(np.float32) for part in parts]
        if maximize:
            work[1] = -work[1]
        if decay:
            work[1] = work[1] + decay * work[0]
        if shrink != 1:
            work[0] *= shrink
        yield work
        for i, part in enumerate(parts):
            if part.itemsize <= 2 and i != 1:
                part[...] = work[i]
    for array, flat in copies:
        array[...] = flat.reshape(array.shape)


def _check(p, states):
    if not p._array.flags.writeable:
        raise _read_only(p)
    for s in states:
        if s._array.shape != p._array.shape:
            raise RuntimeError(
                f"the optimizer's state for a parameter of shape {list(p.shape)} has the shape "
                f"{list(s.shape)}: the parameter was reshaped, or the state_dict is of other parameters "
                "(their order counts) [RG056]"
            )


def _read_only(p):
    return RuntimeError(
        f"a parameter of shape {list(p.shape)} can't be changed: its memory is read-only (it came from a "
        "read-only NumPy array). Build it from a copy. [RG124]"
    )


def lerp(start, end, weight):
    """Move `start` in place to `end` by `weight`, rounded as PyTorch's lerp_ is."""
    if weight < 0.5:
        start += weight * (end - start)
    else:
        np.subtract(end, (end - start) * (1 - weight), out=start)


def zeros_like(p):
    """State of zeros for `p`: same shape, dtype and order in memory."""
    state = empty_like(p._array)
    state[...] = 0
    return wrap(state)


@contextmanager
def writable(p, *states):
    """Parameter, gradient and state as whole arrays to compute with and write to; narrow ones as float32."""
    if not p._array.flags.writeable:
        raise _read_only(p)
    arrays = [p._array, p._grad._array, *[s._array for s in states]]
    work = [a.astype(np.float32) if a.itemsize <= 2 else a for a in arrays]
    yield work
    for i, (array, wide) in enumerate(zip(arrays, work, strict=True)):
        if wide is not array and i != 1:
            array[...] = wide
