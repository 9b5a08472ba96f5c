"""PyTorch's CPU generator: MT19937, seeded and read as PyTorch seeds and reads it."""

import math
import os
import threading
from contextlib import contextmanager

import numpy as np

from .compiled import native
from .device import device as Device
from .random_math import libm
from .tensor import wrap
from .words import Words

_CHUNK = 1 << 16  # pairs of normals worked on at a time

# A state as torch.get_rng_state lays it out: a C structure of 5056 bytes.
_STATE = np.dtype([
    ("seed", np.uint64), ("left", np.int32), ("seeded", np.int32), ("next", np.uint64),
    ("key", np.uint64, 624),
    ("normal_x", np.float64), ("normal_y", np.float64), ("normal_rho", np.float64),
    ("normal_is_valid", np.int32), ("float_normal", np.float32), ("float_normal_is_valid", np.bool_),
], align=True)  # fmt: skip


class Generator:
    """A stream of random numbers, PyTorch's for the same seed; starts from the seed 67280421310721.

    Draws are computed on the CPU whatever `device` says. A lock (`lock`, re-entrant) keeps each draw whole:
    threads that share a generator get different numbers.
    """

    def __init__(self, device="cpu"):
        self.device = Device(device)
        self.lock = threading.RLock()
        self.manual_seed(67280421310721)

    def manual_seed(self, seed):
        """Restart the stream from `seed`, an int from -2**63 to 2**64 - 1, and return self.

        Seeds with the same low 32 bits give the same stream.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected an int, but got {type(seed).__name__} [RG131]")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed expected a seed from -2**63 to 2**64 - 1, but got {seed} [RG131]")
        with self.lock:
            self._seed = int(seed) % 2**64
            self._source = None  # made by the first draw
            self._fresh = True  # seeded and not drawn from: PyTorch's state shows the difference
            self._next_normal = None
            self._float_normal = None  # in PyTorch's state, never used by its CPU kernels
        return self

    def seed(self):
        """Restart the stream from a seed taken from the operating system, and return that seed."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self):
        """The seed that the stream was last started from, as a non-negative int."""
        return self._seed

    def get_state(self):
        """The state as a uint8 tensor of 5056 bytes, in the layout of torch.get_rng_state."""
        with self.lock:
            key, position = self._words().place
            state = np.zeros((), _STATE)
            state["seed"], state["seeded"], state["key"] = self._seed, 1, key
            state["next"] = 0 if self._fresh else position
            state["left"] = 1 if self._fresh else 625 - position
            if self._next_normal is not None:
                state["normal_y"], state["normal_is_valid"] = self._next_normal, 1
            if self._float_normal is not None:
                state["float_normal"], state["float_normal_is_valid"] = self._float_normal, True
        return wrap(np.frombuffer(state.tobytes(), np.uint8).copy())

    def set_state(self, state):
        """Continue from `state`, a tensor or array as `get_state` (or torch.get_rng_state) gives; gives
        this generator back."""
        state = np.asarray(state)
        if state.dtype != np.uint8:
            raise TypeError(f"RNG state must be an array of uint8, but got {state.dtype} [RG131]")
        if state.size != _STATE.itemsize:
            raise RuntimeError(
                f"RNG state must have {_STATE.itemsize} bytes, but got {state.size} bytes [RG131]"
            )
        state = np.frombuffer(state.tobytes(), _STATE)[0]
        left, position = int(state["left"]), int(state["next"])
        used_up = left == 1
        consistent = position <= 624 and (used_up or left == 625 - position)
        if not (state["seeded"] and 1 <= left <= 624 and consistent):
            raise RuntimeError(
                f"Invalid mt19937 state: seeded={state['seeded']}, left={left}, next={position}; "
                "pass what get_state or torch.get_rng_state returned [RG131]"
            )
        with self.lock:
            self.manual_seed(int(state["seed"]))
            self._fresh = used_up and position == 0
            self._words().place = state["key"].astype(np.uint32), 624 if used_up else position
            self._next_normal = float(state["normal_y"]) if state["normal_is_valid"] else None
            self._float_normal = state["float_normal"] if state["float_normal_is_valid"] else None
        return self

    def clone_state(self):
        """A new generator at the same place of the same stream."""
        return _restore(str(self.device), self.get_state())

    def __reduce__(self):
        return _restore, (str(self.device), self.get_state()._array)

    def _words(self):
        if self._source is None:
            self._source = Words(self._seed)
        return self._source

    def _drawn(self, n):
        """The stream, from which `n` numbers are drawn next by whoever holds the lock."""
        self._fresh &= n == 0
        return self._words()

    def bits32(self, n):
        """The next `n` words of the stream as uint32."""
        with self.lock:
            return self._drawn(n).bits32(n)

    def bits64(self, n):
        """The next `2 n` words of the stream as `n` numbers uint64, the earlier word the higher."""
        with self.lock:
            return self._drawn(n).bits64(n)

    def floats(self, n):
        """`n` uniform float32 numbers on [0, 1): 24 bits of a word each."""
        bits = self.bits32(n)
        bits &= np.uint32(2**24 - 1)
        values = bits.view(np.int32).astype(np.float32)
        values *= np.float32(2**-24)
        return values

    def doubles(self, n):
        """`n` uniform float64 numbers on [0, 1): 53 bits of two words each."""
        bits = self.bits64(n)
        bits &= np.uint64(2**53 - 1)
        values = bits.view(np.int64).astype(np.float64)
        values *= 2.0**-53
        return values

    def normals(self, n):
        """`n` standard normals as float64, one by one: they come in pairs, the second waits for the next."""
        with self.lock:
            out = np.empty(n)
            if native is not None:
                stream = self._drawn(max(0, n - (self._next_normal is not None)))
                self._next_normal = native.random_normals(stream.state, out, self._next_normal)
                return out
            waiting = n > 0 and self._next_normal is not None
            if waiting:
                out[0], self._next_normal = self._next_normal, None
            for start in range(waiting, n, _CHUNK):
                part = out[start : start + _CHUNK]
                uniform = self.doubles((part.size + 1) // 2 * 2).reshape(-1, 2)
                radius = np.sqrt(-2 * libm(math.log1p, -uniform[:, 1]))
                theta = 2 * math.pi * uniform[:, 0]
                pairs = np.stack([libm(math.cos, theta), libm(math.sin, theta)], 1)
                pairs = (radius[:, None] * pairs).reshape(-1)
                part[:] = pairs[: part.size]
                if part.size % 2:
                    self._next_normal = float(pairs[-1])
            return out

    @contextmanager
    def one_by_one(self):
        """Two functions: the next uniform double and the next standard normal, as Python numbers.

        For loops that cannot say how many they need: words are drawn ahead, those not used given back.
        """
        with self.lock:
            block, used, start = [], 0, None

            def uniform():
                nonlocal block, used, start
                if used == len(block):
                    start = self._words().place
                    block, used = self.doubles(1024).tolist(), 0
                used += 1
                return block[used - 1]

            def normal():
                value, self._next_normal = self._next_normal, None
                if value is None:
                    theta = 2 * math.pi * uniform()
                    radius = math.sqrt(-2 * math.log1p(-uniform()))
                    value, self._next_normal = radius * math.cos(theta), radius * math.sin(theta)
                return value

            try:
                yield uniform, normal
            finally:
                if block:
                    self._source.place = start
                    self.bits64(used)


def _restore(device, state):
    generator = Generator(device)
    generator.set_state(state)
    return generator


default_generator = Generator()
default_generator.seed()
