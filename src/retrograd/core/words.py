"""The words of the Mersenne twister MT19937: compiled, or NumPy's where there is no compiled module."""

import numpy as np

from .compiled import native


class NumpyWords:
    """The stream of 32-bit words that a seed starts, by numpy.random."""

    def __init__(self, seed):
        seeded = np.random.RandomState(seed % 2**32).get_state(legacy=False)["state"]
        self.place = seeded["key"], seeded["pos"]

    @property
    def place(self):
        """Where in the stream it is: 624 words, and how many of them are used."""
        state = self._source.bit_generator.state["state"]
        return state["key"], state["pos"]

    @place.setter
    def place(self, place):
        key, position = place
        words = np.random.MT19937(0)
        words.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        self._source = np.random.Generator(words)

    def bits32(self, n):
        return self._source.integers(0, 2**32, n, dtype=np.uint32)  # the full range is the words themselves

    def bits64(self, n):
        return self._source.integers(0, 2**64, n, dtype=np.uint64)


class CompiledWords:
    """The same by the compiled module, whose functions named random_... take `state`."""

    def __init__(self, seed):
        self.state = np.zeros(625, np.uint32)  # the key and the position
        native.random_seed(self.state, seed)

    @property
    def place(self):
        return self.state[:624].copy(), int(self.state[624])

    @place.setter
    def place(self, place):
        self.state[:624], self.state[624] = place

    def bits32(self, n):
        out = np.empty(n, np.uint32)
        native.random_bits(self.state, out)
        return out

    def bits64(self, n):
        out = np.empty(n, np.uint64)
        native.random_bits(self.state, out)
        return out


Words = NumpyWords if native is None else CompiledWords
