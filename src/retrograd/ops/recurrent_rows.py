"""Recurrent layers. One direction of one layer is one row: its forward and its formula loop over the steps.

Sequences are packed: all first elements, then all second ones, and so on, each step's sequences those of the
step before that go on (`batch_sizes` says how many). A batch of equally long ones, (steps, batch, features),
is packed as it is. In reverse, each sequence begins with its last element.
"""

import numpy as np

from ..core.op import Op, through_float32
from ..core.packed import spans_of, states_before
from .compare import gt
from .elementary import tanh
from .join import cat_row
from .norm_rows import _raw
from .product import mm, swapped
from .reduce import sum_row

# --- states along packed sequences ------------------------------------------------------------------------


def _carry(xp, state, first, count):
    """The state of `count` sequences: without those that ended, with the first state of those that begin."""
    n = len(state)
    return state[:count] if n >= count else xp.concatenate([state, first[n:count]])


def _give_back(state, count, firsts, kind):
    """Undo `_carry` for gradients; those of first states are appended to `firsts`."""
    n, width = state.shape
    if n > count:
        firsts.append(state[count:])
        return state[:count]
    return state if n == count else _joined(0, state, np.zeros((count - n, width), kind))


def _before(*states):
    """The state before each element."""
    return states_before(lambda parts: _joined(0, *parts), *states)


def _joined(axis, *parts):
    return parts[0] if len(parts) == 1 else cat_row(axis, tuple([p.shape[axis] for p in parts]), *parts)


def _plus(a, b):
    """a + b, where None is zero."""
    return b if a is None else a if b is None else a + b


def _parts(x, count):
    width = x.shape[1] // count
    return [x[:, i * width : (i + 1) * width] for i in range(count)]


class _Back:
    """A walk back over the steps that hands the gradient of a state to the step before."""

    def __init__(self, batch_sizes, reverse, kind):
        self.steps = spans_of(batch_sizes, reverse)[::-1]
        self.reverse = reverse
        self.kind = kind

    def carry(self, state, place, firsts):
        """The gradient of a state as the step at `place` in the walk sees it."""
        if state is None:
            return None
        start, stop = self.steps[place] if place < len(self.steps) else (0, 0)
        return _give_back(state, stop - start, firsts, self.kind)

    def in_order(self, collected):
        """What was collected in the walk, in the order of the packed data."""
        return _joined(0, *(collected if self.reverse else collected[::-1]))


def _sigmoid(xp, x):
    """1 / (1 + exp(-x)), in place."""
    xp.negative(x, out=x)
    xp.exp(x, out=x)
    x += 1
    return xp.reciprocal(x, out=x)


# --- the plain one ----------------------------------------------------------------------------------------


@through_float32
def _rnn(xp, x, h0, w_hh, batch_sizes, reverse, relu):
    h, state, weight = xp.empty_like(x), h0[:0], w_hh.T
    for start, stop in spans_of(batch_sizes, reverse):
        out = h[start:stop]
        xp.matmul(_carry(xp, state, h0, stop - start), weight, out=out)
        out += x[start:stop]
        state = xp.maximum(out, 0, out=out) if relu else xp.tanh(out, out=out)
    return h


def _rnn_gradients(g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu):
    slope = gt(out, 0) if relu else 1 - out * out
    back, state, firsts, steps = _Back(batch_sizes, reverse, x_dtype), None, [], []
    for place, (start, stop) in enumerate(back.steps):
        d = _plus(back.carry(state, place, firsts), g[start:stop])
        d = d * slope[start:stop]
        steps.append(d)
        state = mm(d, w_hh)
    back.carry(state, len(back.steps), firsts)
    dx = back.in_order(steps)
    return (
        dx,
        _joined(0, *firsts[::-1]) if needs[1] else None,
        mm(swapped(dx), _before(out, h0, batch_sizes, reverse)) if needs[2] else None,
    )


rnn_steps_backward = Op(
    "rnn_steps_backward",
    lambda xp, g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu: _rnn_gradients(
        g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu),
    outputs="x h0 w_hh",
)  # fmt: skip

rnn_steps = Op(
    "rnn_steps", _rnn,
    joint=("x h0 w_hh", lambda g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu: (
        rnn_steps_backward if _raw((g, out, h0, w_hh)) else _rnn_gradients
    )(g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu)),
)  # fmt: skip


# --- LSTM -------------------------------------------------------------------------------------------------


@through_float32
def _lstm(xp, x, h0, c0, w_hh, w_hr, batch_sizes, reverse):
    """Outputs: states h, cells c, and the gates after their nonlinearities: input, forget, cell, output."""
    n = c0.shape[1]
    h, c, gates = xp.empty((len(x), h0.shape[1]), x.dtype), xp.empty((len(x), n), x.dtype), xp.empty_like(x)
    state, cell, weight = h0[:0], c0[:0], w_hh.T
    for start, stop in spans_of(batch_sizes, reverse):
        gate, count = gates[start:stop], stop - start
        xp.matmul(_carry(xp, state, h0, count), weight, out=gate)
        gate += x[start:stop]
        new = xp.tanh(gate[:, 2 * n : 3 * n])
        _sigmoid(xp, gate)
        gate[:, 2 * n : 3 * n] = new
        before, cell = _carry(xp, cell, c0, count), c[start:stop]
        xp.multiply(gate[:, n : 2 * n], before, out=cell)
        cell += gate[:, :n] * new
        out = gate[:, 3 * n :] * xp.tanh(cell)
        h[start:stop] = out if w_hr is None else out @ w_hr.T
        state = h[start:stop]
    return h, c, gates


def _lstm_gradients(g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse):
    i, f, new, o = _parts(gates, 4)
    squashed = tanh(c)
    by_cell = [new * i * (1 - i), _before(c, c0, batch_sizes, reverse) * f * (1 - f), i * (1 - new * new)]
    by_out, to_cell = squashed * o * (1 - o), o * (1 - squashed * squashed)
    direct = None
    if g_gates is not None:
        direct = g_gates * _joined(1, i * (1 - i), f * (1 - f), 1 - new * new, o * (1 - o))
    back = _Back(batch_sizes, reverse, x_dtype)
    state = cell = None
    firsts_h, firsts_c, steps, states = [], [], [], []
    for place, (start, stop) in enumerate(back.steps):
        here = slice(start, stop)
        d = _plus(back.carry(state, place, firsts_h), None if g_h is None else g_h[here])
        dc = _plus(back.carry(cell, place, firsts_c), None if g_c is None else g_c[here])
        if d is None:
            d = np.zeros((stop - start, h0.shape[1]), x_dtype)
        states.append(d)
        if w_hr is not None:
            d = mm(d, w_hr)
        dc = _plus(dc, d * to_cell[here])
        step = _joined(1, *[dc * factor[here] for factor in by_cell], d * by_out[here])
        if direct is not None:
            step = step + direct[here]
        steps.append(step)
        state, cell = mm(step, w_hh), dc * f[here]
    back.carry(state, len(back.steps), firsts_h)
    back.carry(cell, len(back.steps), firsts_c)
    dx = back.in_order(steps)
    return (
        dx,
        _joined(0, *firsts_h[::-1]) if needs[1] else None,
        _joined(0, *firsts_c[::-1]) if needs[2] else None,
        mm(swapped(dx), _before(h, h0, batch_sizes, reverse)) if needs[3] else None,
        mm(swapped(back.in_order(states)), o * squashed) if needs[4] else None,
    )


lstm_steps_backward = Op(
    "lstm_steps_backward",
    lambda xp, g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse:
    _lstm_gradients(g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse),
    outputs="x h0 c0 w_hh w_hr",
)  # fmt: skip

lstm_steps = Op(
    "lstm_steps", _lstm, outputs="h c gates",
    joint=("x h0 c0 w_hh w_hr",
           lambda g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse:
           (lstm_steps_backward if _raw((g_h, g_c, g_gates, h, h0, c0, w_hh, w_hr)) else _lstm_gradients)(
               g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse)),
)  # fmt: skip


# --- GRU --------------------------------------------------------------------------------------------------


@through_float32
def _gru(xp, x, h0, w_hh, b_hh, batch_sizes, reverse):
    """Outputs: states h, and the gates after their nonlinearities: reset, update, new; then W_hn h + b_hn."""
    n = h0.shape[1]
    h, gates = xp.empty((len(x), n), x.dtype), xp.empty((len(x), 4 * n), x.dtype)
    state, weight = h0[:0], w_hh.T
    for start, stop in spans_of(batch_sizes, reverse):
        gate, before = gates[start:stop], _carry(xp, state, h0, stop - start)
        mixed = before @ weight
        if b_hh is not None:
            mixed += b_hh
        xp.add(mixed[:, : 2 * n], x[start:stop, : 2 * n], out=gate[:, : 2 * n])
        _sigmoid(xp, gate[:, : 2 * n])
        gate[:, 3 * n :] = mixed[:, 2 * n :]
        new = gate[:, 2 * n : 3 * n]
        xp.multiply(gate[:, :n], mixed[:, 2 * n :], out=new)
        new += x[start:stop, 2 * n :]
        xp.tanh(new, out=new)
        state = h[start:stop]
        xp.subtract(before, new, out=state)
        state *= gate[:, n : 2 * n]
        state += new
    return h, gates


def _gru_gradients(g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse):
    r, z, new, mixed = _parts(gates, 4)
    before = _before(h, h0, batch_sizes, reverse)
    to_new = (1 - z) * (1 - new * new)
    to_update = (before - new) * z * (1 - z)
    to_reset = mixed * r * (1 - r)
    direct = None
    if g_gates is not None:
        g_r, g_z, g_new, g_mixed = _parts(g_gates, 4)
        g_new = g_new * (1 - new * new)
        direct = [g_r * r * (1 - r) + g_new * to_reset, g_z * z * (1 - z), g_new, g_mixed + g_new * r]
    back, state = _Back(batch_sizes, reverse, x_dtype), None
    firsts, outer, inner = [], [], []
    for place, (start, stop) in enumerate(back.steps):
        here = slice(start, stop)
        d = _plus(back.carry(state, place, firsts), None if g_h is None else g_h[here])
        if d is None:
            d = np.zeros((stop - start, h0.shape[1]), x_dtype)
        d_new = d * to_new[here]
        parts = [d_new * to_reset[here], d * to_update[here], d_new, d_new * r[here]]
        if direct is not None:
            parts = [p + q[here] for p, q in zip(parts, direct, strict=True)]
        outer.append(_joined(1, *parts[:3]))
        inner.append(_joined(1, *parts[:2], parts[3]))
        state = d * z[here] + mm(inner[-1], w_hh)
    back.carry(state, len(back.steps), firsts)
    inner = back.in_order(inner)
    return (
        back.in_order(outer),
        _joined(0, *firsts[::-1]) if needs[1] else None,
        mm(swapped(inner), before) if needs[2] else None,
        sum_row(inner, (0,), False) if needs[3] else None,
    )


gru_steps_backward = Op(
    "gru_steps_backward",
    lambda xp, g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse:
    _gru_gradients(g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse),
    outputs="x h0 w_hh b_hh",
)  # fmt: skip

gru_steps = Op(
    "gru_steps", _gru, outputs="h gates",
    joint=("x h0 w_hh b_hh",
           lambda g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse:
           (gru_steps_backward if _raw((g_h, g_gates, h, h0, w_hh, b_hh)) else _gru_gradients)(
               g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse)),
)  # fmt: skip
