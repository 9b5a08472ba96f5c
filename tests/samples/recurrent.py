"""Recurrent layers and cells, as torch's functions."""

import numpy as np

from . import Sample, arr


def weights(gates, layers=1, directions=1, features=3, hidden=4, biases=True):
    out = []
    for layer in range(layers):
        for _ in range(directions):
            inputs = features if layer == 0 else hidden * directions
            out += [
                arr(gates * hidden, inputs, low=-0.5, high=0.5),
                arr(gates * hidden, hidden, low=-0.5, high=0.5),
            ]
            if biases:
                out += [arr(gates * hidden), arr(gates * hidden)]
    return out


def _sequences():
    for name, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):

        def states(layers, batch, several=name == "lstm"):
            one = arr(layers, batch, 4)
            return (one, arr(layers, batch, 4, seed=1)) if several else one

        yield Sample(name, arr(3, 2, 3), states(1, 2), weights(gates), True, 1, 0.0, False, False, False)
        yield Sample(
            name,
            arr(2, 3, 3),
            states(4, 2),
            weights(gates, 2, 2, biases=False),
            False,
            2,
            0.0,
            True,
            True,
            True,
        )
        sizes = np.array([3, 2, 2, 1])
        yield Sample(name, arr(8, 3), sizes, states(2, 3), weights(gates, 1, 2), True, 1, 0.0, False, True)


def _cells():
    for name, gates in (("lstm_cell", 4), ("gru_cell", 3), ("rnn_tanh_cell", 1), ("rnn_relu_cell", 1)):
        states = (arr(2, 4), arr(2, 4, seed=1)) if name == "lstm_cell" else arr(2, 4)
        yield Sample(name, arr(2, 3), states, *weights(gates))
        yield Sample(name, arr(2, 3), states, *weights(gates, biases=False))


SAMPLES = [*_sequences(), *_cells()]
