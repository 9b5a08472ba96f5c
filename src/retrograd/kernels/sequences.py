"""The kernels of recurrent layers, registered for their rows: all steps of a direction in one call."""

import numpy as np

from ..core.op import kernel
from ..core.packed import states_before
from . import native
from .cpu import ready

_matmul, _sum = native.row_kernels["matmul"], native.row_kernels["sum"]


def _dense(*arrays):
    return [a if a is None or a.flags.c_contiguous else np.ascontiguousarray(a) for a in arrays]


def _new(like, *shape):
    return native.empty(shape, like)


def _fits(gates, batch_sizes, w_hh, x, *states):
    """Whether all are of one float dtype, and of shapes that go together."""
    if not (ready(w_hh, x, *states) and w_hh.ndim == 2 and x.ndim == 2 and x.size > 0 and len(batch_sizes)):
        return False
    n = w_hh.shape[1]
    return (
        w_hh.shape[0] == gates * n
        and x.shape == (sum(batch_sizes), gates * n)
        and all(s.shape == (batch_sizes[0], n) for s in states)
    )


def _joined(parts):
    return np.concatenate(parts, out=_new(parts[0], sum(map(len, parts)), parts[0].shape[1]))


def _weight_gradient(dx, states, first, batch_sizes, reverse):
    return _matmul(dx.T, states_before(_joined, states, first, batch_sizes, reverse))


# --- the plain one -------------------------------------------------------------------------------


@kernel("rnn_steps", when=lambda x, h0, w_hh, batch_sizes, *rest: _fits(1, batch_sizes, w_hh, x, h0))
def rnn_steps(x, h0, w_hh, batch_sizes, reverse, relu):
    h = _new(x, *x.shape)
    native.rnn_forward(*_dense(x, h0, w_hh), batch_sizes, reverse, relu, h)
    return h


@kernel(
    "rnn_steps_backward",
    when=lambda g, needs, out, x_dtype, h0, w_hh, batch_sizes, *rest: (
        ready(out, g) and _fits(1, batch_sizes, w_hh, out, h0)
    ),
)
def rnn_steps_backward(g, needs, out, x_dtype, h0, w_hh, batch_sizes, reverse, relu):
    dx, dh0 = _new(out, *out.shape), _new(out, *h0.shape)
    native.rnn_backward(*_dense(g, out, w_hh), batch_sizes, reverse, relu, dx, dh0)
    dw = _weight_gradient(dx, out, h0, batch_sizes, reverse) if needs[2] else None
    return dx, dh0 if needs[1] else None, dw


# --- LSTM ----------------------------------------------------------------------------------------


@kernel(
    "lstm_steps",
    when=lambda x, h0, c0, w_hh, w_hr, batch_sizes, reverse: (
        w_hr is None and _fits(4, batch_sizes, w_hh, x, h0, c0)
    ),
)
def lstm_steps(x, h0, c0, w_hh, w_hr, batch_sizes, reverse):
    shape = len(x), w_hh.shape[1]
    h, c, gates = _new(x, *shape), _new(x, *shape), _new(x, *x.shape)
    native.lstm_forward(*_dense(x, h0, c0, w_hh), batch_sizes, reverse, h, c, gates)
    return h, c, gates


@kernel(
    "lstm_steps_backward",
    when=lambda g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse: (
        g_gates is None and w_hr is None and ready(c, g_h, g_c, h)
        and _fits(4, batch_sizes, w_hh, gates, h0, c0)
    ),
)  # fmt: skip
def lstm_steps_backward(
    g_h, g_c, g_gates, needs, h, c, gates, x_dtype, h0, c0, w_hh, w_hr, batch_sizes, reverse
):
    dx, dh0, dc0 = _new(gates, *gates.shape), _new(h0, *h0.shape), _new(c0, *c0.shape)
    native.lstm_backward(*_dense(g_h, g_c, c, gates, c0, w_hh), batch_sizes, reverse, dx, dh0, dc0)
    dw = _weight_gradient(dx, h, h0, batch_sizes, reverse) if needs[3] else None
    return dx, dh0 if needs[1] else None, dc0 if needs[2] else None, dw, None


# --- GRU -----------------------------------------------------------------------------------------


@kernel(
    "gru_steps",
    when=lambda x, h0, w_hh, b_hh, batch_sizes, reverse: (
        ready(x, b_hh) and _fits(3, batch_sizes, w_hh, x, h0)
    ),
)
def gru_steps(x, h0, w_hh, b_hh, batch_sizes, reverse):
    n = w_hh.shape[1]
    h, gates = _new(x, len(x), n), _new(x, len(x), 4 * n)
    native.gru_forward(*_dense(x, h0, w_hh, b_hh), batch_sizes, reverse, h, gates)
    return h, gates


@kernel(
    "gru_steps_backward",
    when=lambda g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse: (
        g_h is not None and g_gates is None and ready(h, g_h, h0, w_hh, gates) and h.size > 0
    ),
)
def gru_steps_backward(g_h, g_gates, needs, h, gates, x_dtype, h0, w_hh, b_hh, batch_sizes, reverse):
    n = w_hh.shape[1]
    dx, inner, dh0 = _new(h, len(h), 3 * n), _new(h, len(h), 3 * n), _new(h0, *h0.shape)
    native.gru_backward(*_dense(g_h, h, gates, h0, w_hh), batch_sizes, reverse, dx, inner, dh0)
    dw = _weight_gradient(inner, h, h0, batch_sizes, reverse) if needs[2] else None
    return dx, dh0 if needs[1] else None, dw, _sum(inner, (0,), False) if needs[3] else None
