"""Where an array lives: `device("cpu")`, and `device("cuda", 0)` when CuPy is there."""

import threading

import numpy as np


class device:
    """A place for arrays, written `device("cpu")`, `device("cuda:0")` or `device("cuda", 0)`."""

    __slots__ = ("type", "index")

    def __init__(self, type, index=None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        elif isinstance(type, int):
            type, index = "cuda", type
        elif not isinstance(type, str):
            raise TypeError(f"device(): expected a string such as 'cpu' or 'cuda:0', got {type!r} [RG127]")
        name, colon, number = type.partition(":")
        if colon:
            if index is not None or not number.isdigit():
                raise RuntimeError(
                    f"Invalid device string: '{type}' (expected 'cpu', 'cuda' or 'cuda:N') [RG127]"
                )
            index = int(number)
        if name not in ("cpu", "cuda", "meta", "mps", "xpu"):
            raise RuntimeError(
                f"Expected one of cpu, cuda device type at start of device string: {name} [RG127]"
            )
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name, value):
        raise AttributeError(f"device.{name} cannot be changed; make a new device [RG047]")

    def __eq__(self, other):
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __repr__(self):
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self):
        return device, (self.type, self.index)

    def __enter__(self):
        chosen[:] = [True]
        _default.stack = (*_default.stack, self)
        return self

    def __exit__(self, *exc):
        _default.stack = _default.stack[:-1]


class _Default(threading.local):
    stack = ()
    chosen = None


cpu, meta = device("cpu"), device("meta")
chosen = []  # of something if a default device was ever asked for: else none has to be looked up


class MetaMemory(bytearray):
    """The element behind the array of a tensor on the device "meta" (see meta.py), known by its type."""

    __hash__ = object.__hash__


def is_meta(array):
    """Whether `array` is that of a tensor on the device "meta"."""
    while isinstance(array, np.ndarray):
        array = array.base
    return type(array) is MetaMemory


def device_of(array):
    """Where `array` is."""
    return meta if is_meta(array) else cpu


_default = _Default()


def get_default_device():
    """The device that factory functions use when none is given."""
    if _default.stack:
        return _default.stack[-1]
    return _default.chosen or cpu


def set_default_device(to):
    """Set the device that factory functions use when none is given; None means the CPU."""
    chosen[:] = [True]
    _default.chosen = None if to is None else device(to)


def resolve(to):
    """`to` as a device that this installation can use; None is the default device."""
    to = get_default_device() if to is None else device(to)
    if to.type not in ("cpu", "cuda", "meta"):
        raise RuntimeError(
            f"device '{to}' is not supported: retrograd computes on 'cpu', and on 'cuda' through CuPy; "
            "'meta' has shapes without values [RG036]"
        )
    if to.type == "cuda":
        raise RuntimeError(
            f"device '{to}' was asked for, but this installation of retrograd computes on the CPU only; "
            "use device='cpu' (torch.cuda.is_available() says whether a GPU can be used) [RG036]"
        )
    return to
