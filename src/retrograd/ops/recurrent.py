"""Recurrent layers. One direction of one layer is one row: its forward and its formula loop over the steps.

Sequences are packed: all first elements, then all second ones, and so on, each step's sequences those of
the step before that go on (`batch_sizes` says how many). A batch of equally long ones, (steps, batch,
features), is packed as it is. In reverse, each sequence begins with its last element.
"""

from functools import lru_cache
from itertools import accumulate

import numpy as np

from ..core.op import Op, through_float32
from ..core.tensor import Tensor, wrap
from .compare import gt
from .dropouts import dropout
from .elementary import tanh
from .join import cat, cat_row, stack
from .product import linear, mm, swapped
from .reduce import sum_row
from .shape import reshape, transpose

__all__ = [
    "gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell",
]  # fmt: skip
METHODS = INPLACE = []


# --- states along packed sequences ------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _spans(batch_sizes, reverse):
    """Where each step's elements begin and end, in the order in which steps are computed."""
    ends = list(accumulate(batch_sizes))
    spans = [(end - n, end) for n, end in zip(batch_sizes, ends, strict=True)]
    return spans[::-1] if reverse else spans


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


def _before(states, first, batch_sizes, reverse):
    """The state before each element."""
    n = first.shape[0]
    if batch_sizes[0] == batch_sizes[-1]:
        if reverse:
            return _joined(0, states[n:], first)
        return _joined(0, first, states[: states.shape[0] - n])
    return _joined(0, first, states)[_places_before(batch_sizes, reverse)]


@lru_cache(maxsize=64)
def _places_before(batch_sizes, reverse):
    """For each element the place of the state before it in (first states, states)."""
    spans, places = _spans(batch_sizes, False), []
    n = batch_sizes[0]
    for step, count in enumerate(batch_sizes):
        other = step + 1 if reverse else step - 1
        going_on = 0
        if 0 <= other < len(spans):
            start, stop = spans[other]
            going_on = min(stop - start, count)
            places.append(np.arange(n + start, n + start + going_on))
        places.append(np.arange(going_on, count))
    return np.concatenate(places)


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
        self.steps = _spans(batch_sizes, reverse)[::-1]
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
    for start, stop in _spans(batch_sizes, reverse):
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


rnn_steps = Op(
    "rnn_steps", _rnn,
    joint=("x h0 w_hh", lambda g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu: _rnn_gradients(
        g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu)),
)  # fmt: skip


# --- LSTM -------------------------------------------------------------------------------------------------


@through_float32
def _lstm(xp, x, h0, c0, w_hh, w_hr, batch_sizes, reverse):
    """Outputs: states h, cells c, and the gates after their nonlinearities: input, forget, cell, output."""
    n = c0.shape[1]
    h, c, gates = xp.empty((len(x), h0.shape[1]), x.dtype), xp.empty((len(x), n), x.dtype), xp.empty_like(x)
    state, cell, weight = h0[:0], c0[:0], w_hh.T
    for start, stop in _spans(batch_sizes, reverse):
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


lstm_steps = Op(
    "lstm_steps", _lstm, outputs="h c gates",
    joint=("x h0 c0 w_hh w_hr",
           lambda g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse:
           _lstm_gradients(g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes,
           reverse)),
)  # fmt: skip


# --- GRU --------------------------------------------------------------------------------------------------


@through_float32
def _gru(xp, x, h0, w_hh, b_hh, batch_sizes, reverse):
    """Outputs: states h, and the gates after their nonlinearities: reset, update, new; then W_hn h + b_hn."""
    n = h0.shape[1]
    h, gates = xp.empty((len(x), n), x.dtype), xp.empty((len(x), 4 * n), x.dtype)
    state, weight = h0[:0], w_hh.T
    for start, stop in _spans(batch_sizes, reverse):
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


gru_steps = Op(
    "gru_steps", _gru, outputs="h gates",
    joint=("x h0 w_hh b_hh",
           lambda g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse:
           _gru_gradients(g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse)),
)  # fmt: skip


# --- one direction of one layer ---------------------------------------------------------------------------


def _bias(b_ih, b_hh):
    return None if b_ih is None else b_ih + b_hh


def _plain_direction(relu):
    def run(x, states, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse):
        x = linear(x, w_ih, _bias(b_ih, b_hh))
        return (rnn_steps(x, states[0], w_hh, batch_sizes, reverse, relu),)

    return run


def _lstm_direction(x, states, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse):
    x = linear(x, w_ih, _bias(b_ih, b_hh))
    return lstm_steps(x, *states, w_hh, w_hr, batch_sizes, reverse)[:2]


def _gru_direction(x, states, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse):
    return gru_steps(linear(x, w_ih, b_ih), states[0], w_hh, b_hh, batch_sizes, reverse)[:1]


# --- all layers -------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _last_places(batch_sizes):
    """Where each sequence's last element is."""
    lengths = (np.asarray(batch_sizes)[:, None] > np.arange(batch_sizes[0])).sum(0)
    starts = np.concatenate([[0], np.cumsum(batch_sizes)])
    return starts[lengths - 1] + np.arange(batch_sizes[0])


def _final(states, batch_sizes, reverse):
    """Each sequence's state after all of its steps."""
    n = batch_sizes[0]
    if reverse:
        return states[:n]
    return states[states.shape[0] - n :] if n == batch_sizes[-1] else states[wrap(_last_places(batch_sizes))]


def _check(name, x, states, params):
    kinds = {t.dtype for t in (x, *states, *params)}
    if len(kinds) > 1:
        raise RuntimeError(
            f"{name}: input, states and weights must have one dtype, but they are {x.dtype}, "
            f"{states[0].dtype} and "
            f"{params[0].dtype}; convert them with .to(dtype)"
        )
    if x.shape[1] != params[0].shape[1]:
        raise RuntimeError(
            f"{name}: the input has {x.shape[1]} features (shape {list(x.shape)}), but the weights are for "
            f"{params[0].shape[1]}: {list(params[0].shape)}"
        )


def _layers(
    name, direction, x, batch_sizes, states, params, has_biases, num_layers, dropout_p, train, bidirectional
):
    """All layers over packed `x` (elements, features): the output, and states (layers * directions, ...)."""
    directions = 2 if bidirectional else 1
    each = len(params) // (num_layers * directions)
    _check(name, x, states, params)
    finals = []
    for layer in range(num_layers):
        outs = []
        for reverse in (False, True)[:directions]:
            k = layer * directions + reverse
            w_ih, w_hh, *rest = params[k * each : (k + 1) * each]
            b_ih, b_hh = rest[:2] if has_biases else (None, None)
            w_hr = rest[-1] if each in (3, 5) else None
            made = direction(x, [s[k] for s in states], w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse)
            finals.append([_final(s, batch_sizes, reverse) for s in made])
            outs.append(made[0])
        x = outs[0] if directions == 1 else cat(outs, 1)
        if dropout_p and layer < num_layers - 1:
            x = dropout(x, dropout_p, train)
    return x, [stack(list(s)) for s in zip(*finals, strict=True)]


def _sequences(name, direction, several, args, kwargs):
    """`lstm` and its like, of (input, hx, params, ...) or of (data, batch_sizes, hx, params, ...)."""
    names = _PACKED if _is_packed(several, args, kwargs) else _PADDED
    given = dict(zip(names, args, strict=False), **kwargs)
    packed, hx = "data" in given, given["hx"]
    states = list(hx) if several else [hx]
    options = [given[k] for k in ("params", "has_biases", "num_layers", "dropout", "train", "bidirectional")]
    if packed:
        sizes = tuple(given["batch_sizes"].tolist())
        out, finals = _layers(name, direction, given["data"], sizes, states, *options)
        return (out, *finals)
    x = transpose(given["input"], 0, 1) if given["batch_first"] else given["input"]
    steps, batch, features = x.shape
    if not steps:
        raise RuntimeError(
            f"Expected sequence length to be larger than 0 in RNN, but {name} got {list(x.shape)}"
        )
    out, finals = _layers(name, direction, reshape(x, (-1, features)), (batch,) * steps, states, *options)
    out = reshape(out, (steps, batch, out.shape[1]))
    return (transpose(out, 0, 1) if given["batch_first"] else out, *finals)


_PADDED = "input hx params has_biases num_layers dropout train bidirectional batch_first".split()
_PACKED = "data batch_sizes hx params has_biases num_layers dropout train bidirectional".split()


def _is_packed(several, args, kwargs):
    if "data" in kwargs or "batch_sizes" in kwargs:
        return True
    place = 1 if several else 2  # of a Tensor that only the packed form has there
    return len(args) > place and isinstance(args[place], Tensor)


def lstm(*args, **kwargs):
    """LSTM over (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first).

    Or, for packed sequences, (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
    bidirectional). hx: states and cells, each (layers * directions, batch, *). params: weight_ih,
    weight_hh, (bias_ih, bias_hh), (weight_hr) of each direction of each layer. Returns (output, states,
    cells). Forget, input and output gates are sigmoids; see Hochreiter & Schmidhuber (1997), Gers et al.
    (2000).
    """
    return _sequences("lstm", _lstm_direction, True, args, kwargs)


def gru(*args, **kwargs):
    """GRU (Cho et al. 2014) over sequences; arguments as for `lstm`, one `hx`. Gives (output, states)."""
    return _sequences("gru", _gru_direction, False, args, kwargs)


def rnn_tanh(*args, **kwargs):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) over sequences; arguments as for `lstm`, with one `hx`."""
    return _sequences("rnn_tanh", _plain_direction(False), False, args, kwargs)


def rnn_relu(*args, **kwargs):
    """h' = relu(W_ih x + b_ih + W_hh h + b_hh) over sequences; arguments as for `lstm`, with one `hx`."""
    return _sequences("rnn_relu", _plain_direction(True), False, args, kwargs)


# --- one step ---------------------------------------------------------------------------------------------


def _cell(name, direction, input, states, w_ih, w_hh, b_ih, b_hh):
    _check(name, input, states, [w_ih, w_hh])
    return direction(input, states, w_ih, w_hh, b_ih, b_hh, None, (input.shape[0],), False)


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of an LSTM: input (batch, features), hx = (states, cells); gives (states, cells)."""
    return _cell("lstm_cell", _lstm_direction, input, list(hx), w_ih, w_hh, b_ih, b_hh)


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a GRU: input (batch, features), states hx; gives the new states."""
    return _cell("gru_cell", _gru_direction, input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return _cell("rnn_tanh_cell", _plain_direction(False), input, [hx], w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """relu(W_ih x + b_ih + W_hh h + b_hh)."""
    return _cell("rnn_relu_cell", _plain_direction(True), input, [hx], w_ih, w_hh, b_ih, b_hh)[0]
