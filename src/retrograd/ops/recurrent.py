"""Recurrent layers as functions: several layers and directions over sequences, and single steps."""

from functools import lru_cache

import numpy as np

from ..core.op import TABLE
from ..core.tensor import Tensor, wrap
from .dropouts import dropout
from .join import cat, stack
from .product import linear
from .recurrent_rows import gru_steps, lstm_steps, rnn_steps
from .shape import reshape, transpose

__all__ = [
    "gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell",
]  # fmt: skip
METHODS = INPLACE = []


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
            f"{params[0].dtype}; convert them with .to(dtype) [RG040]"
        )
    if x.shape[1] != params[0].shape[1]:
        raise RuntimeError(
            f"{name}: the input has {x.shape[1]} features (shape {list(x.shape)}), but the weights are for "
            f"{params[0].shape[1]}: {list(params[0].shape)} [RG059]"
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
    return _apart(x), [stack(list(s)) for s in zip(*finals, strict=True)]


def _apart(x):
    """A copy of results that the graph keeps for backward, so that the caller may write into them."""
    return TABLE["clone"](x) if x.requires_grad else x


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
            f"Expected sequence length to be larger than 0 in RNN, but {name} got {list(x.shape)} [RG123]"
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
    made = direction(input, states, w_ih, w_hh, b_ih, b_hh, None, (input.shape[0],), False)
    return tuple([_apart(s) for s in made])


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
