"""Recurrent layers, RNN, LSTM and GRU, and their single steps."""

import math
import numbers
import warnings

from ...ops import creation, recurrent
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
_FUNCTIONS = {
    "LSTM": recurrent.lstm, "GRU": recurrent.gru, "RNN_TANH": recurrent.rnn_tanh,
    "RNN_RELU": recurrent.rnn_relu,
}  # fmt: skip


class RNNBase(Module):
    """What RNN, LSTM and GRU share: `mode` is "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"."""

    def __init__(
        self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, proj_size=0, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        _check_options(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        gates, directions = _GATES[mode] * hidden_size, 2 if bidirectional else 1
        out = proj_size or hidden_size
        self._all_weights = []
        for layer in range(num_layers):
            for direction in range(directions):
                shapes = {
                    "weight_ih": (gates, input_size if layer == 0 else out * directions),
                    "weight_hh": (gates, out),
                }
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{name}_l{layer}{'_reverse' if direction else ''}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(creation.empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(names)
        self.reset_parameters()

    @property
    def all_weights(self):
        """The parameters of each direction of each layer, in lists."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self):
        return [getattr(self, name) for names in self._all_weights for name in names]

    @property
    def _flat_weights_names(self):
        return [name for names in self._all_weights for name in names]

    def flatten_parameters(self):
        """Nothing to do: it lays the weights out for cuDNN."""

    def reset_parameters(self):
        """Draw the initial values again: uniform in +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def forward(self, input, hx=None):
        """input: (L, N, input_size), N first if batch_first, N left out or not; or a PackedSequence."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.ndim not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead [RG058]"
            )
        batched, batch_dim = input.ndim == 3, 0 if self.batch_first else 1
        states = None if hx is None else self._as_states(hx)
        if states is not None and any(s.ndim != input.ndim for s in states):
            names, shown = self._say([f"{s.ndim}-D" for s in states])
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, {names} should also be {input.ndim}-D but got {shown} tensor [RG058]"
            )
        if not batched:
            input = input.unsqueeze(batch_dim)
            states = states and [s.unsqueeze(1) for s in states]
        batch = input.shape[batch_dim]
        if states is None:
            states = self._zeros(input, batch)
        self._check(input, states, batch, 3)
        out, *states = self._run(states, input, batch_first=self.batch_first)
        if not batched:
            out, states = out.squeeze(batch_dim), [s.squeeze(1) for s in states]
        return out, self._as_hidden(states)

    def _forward_packed(self, input, hx):
        data, batch_sizes, order, back = input
        batch = int(batch_sizes[0])
        if hx is None:
            states = self._zeros(data, batch)
        else:
            states = [s if order is None else s.index_select(1, order) for s in self._as_states(hx)]
        self._check(data, states, batch, 2)
        out, *states = self._run(states, data, batch_sizes)
        states = [s if back is None else s.index_select(1, back) for s in states]
        return PackedSequence(out, batch_sizes, order, back), self._as_hidden(states)

    def _run(self, states, *data, **options):
        function, hx = _FUNCTIONS[self.mode], self._as_hidden(states)
        arguments = (
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )
        return function(*data, hx, *arguments, *options.values())

    # LSTM's hidden state is two tensors, the others' one

    def _as_states(self, hx):
        return [hx]

    def _as_hidden(self, states):
        return states[0]

    def _say(self, values):
        return "hx", values[0]

    def _sizes(self, batch):
        """The shape of each state."""
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return [(layers, batch, self.proj_size or self.hidden_size)]

    def _zeros(self, input, batch):
        return [creation.zeros(size, dtype=input.dtype) for size in self._sizes(batch)]

    def _check(self, input, states, batch, dims):
        weight = getattr(self, self._all_weights[0][0])
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). Convert "
                "input: "
                f"input.to({weight.dtype}), or convert model: model.to({input.dtype}) [RG040]"
            )
        if input.ndim != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.ndim} [RG058]")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.shape[-1]}: "
                f"the input of {self._get_name()} has shape {list(input.shape)} [RG059]"
            )
        for i, (state, size) in enumerate(zip(states, self._sizes(batch), strict=True)):
            if tuple(state.shape) != size:
                name = f"hidden[{i}]" if len(states) > 1 else "hidden"
                raise RuntimeError(
                    f"Expected {name} size {size}, got {list(state.shape)}: (layers * directions, batch, "
                    "features) [RG059]"
                )

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        if not self.bias:
            text += f", bias={self.bias}"
        if self.batch_first:
            text += f", batch_first={self.batch_first}"
        if self.dropout:
            text += f", dropout={self.dropout}"
        if self.bidirectional:
            text += f", bidirectional={self.bidirectional}"
        return text

    def __setstate__(self, state):
        flat = ("_flat_weights", "_flat_weights_names", "_flat_weight_refs")  # of PyTorch's files
        super().__setstate__({k: v for k, v in state.items() if k not in flat})


def _check_options(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size):
    if not isinstance(dropout, numbers.Number) or not 0 <= dropout <= 1 or isinstance(dropout, bool):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element being "
            "zeroed, "
            f"but got {dropout!r} [RG060]"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            "num_layers "
            f"greater than 1, but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )
    for name, value, kind in (
        ("bias", bias, bool), ("batch_first", batch_first, bool), ("input_size", input_size, int),
        ("hidden_size", hidden_size, int),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__} [RG060]")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value} [RG060]")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections [RG059]")
    if proj_size >= hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size} [RG059]"
        )
    if mode not in _GATES:
        raise ValueError(f"Unrecognized RNN mode: {mode} [RG060]")


def _no_projection(kwargs):
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU [RG059]")


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) along sequences; nonlinearity: "tanh" or "relu" (Elman 1990).

    Call it with input (L, N, input_size), (N, L, input_size) with batch_first, (L, input_size) or a
    PackedSequence, and h_0 (layers * directions, N, hidden_size), zeros by default. It returns the last
    layer's states (L, N, directions * hidden_size) and all layers' last states.
    """

    def __init__(self, *args, **kwargs):
        _no_projection(kwargs)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'. [RG060]"
            )
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory along sequences (Hochreiter & Schmidhuber 1997), of `num_layers` layers.

    Call it with input (L, N, input_size), (N, L, input_size) with batch_first, (L, input_size) or a
    PackedSequence, and (h_0, c_0), each (layers * directions, N, *), zeros by default. It returns the last
    layer's states (L, N, *) and (h_n, c_n), all layers' last ones. proj_size: states are projected to this
    size (Sak et al. 2014). dropout: between layers, in training. weight_ih and weight_hh hold the input,
    forget, cell and output gates, one above the other.
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def _as_states(self, hx):
        return list(hx)

    def _as_hidden(self, states):
        return tuple(states)

    def _say(self, values):
        return "hx and cx", f"({', '.join(values)})"

    def _sizes(self, batch):
        (state,) = super()._sizes(batch)
        return [state, (*state[:2], self.hidden_size)]


class GRU(RNNBase):
    """Gated recurrent units along sequences (Cho et al. 2014); arguments and results as RNN's.

    weight_ih and weight_hh hold the reset, update and new gates, one above the other. The reset gate
    multiplies W_hn h + b_hn, as in cuDNN, and not h.
    """

    def __init__(self, *args, **kwargs):
        _no_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


# --- single steps -----------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        size = num_chunks * hidden_size
        shapes = {"weight_ih": (size, input_size), "weight_hh": (size, hidden_size)}
        for name, shape in shapes.items():
            setattr(self, name, Parameter(creation.empty(shape, device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(
                name, Parameter(creation.empty(size, device=device, dtype=dtype)) if bias else None
            )
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the initial values again: uniform in +-1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, function, input, hx, names):
        """The new states from input (N, input_size) and states (N, hidden_size), N left out or not.

        hx: a list of states, or None: zeros.
        """
        what = self._get_name()
        if input.ndim not in (1, 2):
            raise ValueError(f"{what}: Expected input to be 1D or 2D, got {input.ndim}D instead [RG058]")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{what}: input has inconsistent input_size: got {input.shape[-1]} expected "
                f"{self.input_size} [RG059]"
            )
        for name, state in zip(names, hx or (), strict=False):
            if state.ndim not in (1, 2):
                raise ValueError(f"{what}: Expected {name} to be 1D or 2D, got {state.ndim}D instead [RG058]")
        single = input.ndim == 1
        if single:
            input, hx = input.unsqueeze(0), hx and [s.unsqueeze(0) if s.ndim == 1 else s for s in hx]
        if hx is None:
            hx = [creation.zeros(input.shape[0], self.hidden_size, dtype=input.dtype)] * len(names)
        for name, state in zip(names, hx, strict=True):
            if tuple(state.shape) != (input.shape[0], self.hidden_size):
                raise RuntimeError(
                    f"{what}: {name} must have shape {[input.shape[0], self.hidden_size]}, that of the "
                    "input's batch and "
                    f"hidden_size, but has {list(state.shape)} [RG059]"
                )
        hx = tuple(hx) if len(names) > 1 else hx[0]
        out = function(input, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if single:
            out = tuple([s.squeeze(0) for s in out]) if len(names) > 1 else out.squeeze(0)
        return out

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of an RNN: input (N, input_size) and h (N, hidden_size) give h'."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        functions = {"tanh": recurrent.rnn_tanh_cell, "relu": recurrent.rnn_relu_cell}
        if self.nonlinearity not in functions:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity} [RG060]")
        return self._step(functions[self.nonlinearity], input, None if hx is None else [hx], ["hidden"])


class LSTMCell(RNNCellBase):
    """One step of an LSTM: input (N, input_size) and (h, c), each (N, hidden_size), give (h', c')."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        return self._step(recurrent.lstm_cell, input, None if hx is None else list(hx), ["hx[0]", "hx[1]"])


class GRUCell(RNNCellBase):
    """One step of a GRU: input (N, input_size) and h (N, hidden_size) give h'."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(recurrent.gru_cell, input, None if hx is None else [hx], ["hidden"])
