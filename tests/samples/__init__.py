"""Inputs for the operations: each sample is one call, which tests/test_ops.py makes here and in PyTorch.

A module here lists `SAMPLES = [Sample("mul", arr(2, 3), arr(3)), Sample("sum", arr(2, 3), dim=1), ...]`.
"""

import importlib
import pkgutil
import sys
from collections import Counter

import ml_dtypes
import numpy as np

_drawn = Counter()


def _generator(seed, *what):
    """Random numbers, the same from run to run; arrays that a module asks for alike get different ones."""
    key = (sys._getframe(2).f_globals["__name__"].rpartition(".")[2], seed, *what)
    _drawn[key] += 1
    return np.random.default_rng([seed, _drawn[key], *repr(key).encode()])


def _numpy(dtype):
    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def arr(*shape, low=-2.0, high=2.0, dtype="float64", seed=0):
    """A floating or complex array, uniform between `low` and `high`: an input to differentiate.

    Two calls give different numbers; to use the same twice, name the array.
    """
    rng = _generator(seed, shape, low, high, dtype)
    values = rng.uniform(low, high, shape)
    if _numpy(dtype).kind == "c":
        values = values + 1j * rng.uniform(low, high, shape)
    return np.asarray(values, _numpy(dtype))


def ints(*shape, low=0, high=5, dtype="int64", seed=0):
    """An array of integers from `low` to `high` - 1."""
    return np.asarray(_generator(seed, shape, low, high, dtype).integers(low, high, shape), dtype)


def bools(*shape, seed=0):
    """An array of bools."""
    return np.asarray(_generator(seed, shape).integers(0, 2, shape), bool)


class name:
    """Something that each library has under this name, as an argument: `dtype=name("float32")`."""

    def __init__(self, path):
        self.path = path

    def __repr__(self):
        return self.path


class const:
    """A floating array, as an argument that is not differentiated."""

    def __init__(self, array):
        self.array = array

    def __repr__(self):
        return f"const({_describe(self.array)})"


class Sample:
    """One call of `path` ("mul", "nn.functional.relu", "linalg.norm", "Tensor.view" for a method).

    Arrays among the arguments (also in lists and tuples) become Tensors; floating and complex ones are
    differentiated. `path` may be a function `f(torch, *args, **kwargs)` too, which is given either library.
    """

    grad = second = forward = True
    dtypes = ("float32",)
    tol = None
    outputs = None
    why = None

    def __init__(self, path, *args, **kwargs):
        self.path = path
        self.args = args
        self.kwargs = kwargs

    def but(self, *, grad=True, second=True, forward=True, dtypes=None, tol=None, outputs=None, why=None):
        """This sample, with less or more asked of it, and the reason.

        grad, second, forward: whether first derivatives, second ones and forward mode are compared with
        PyTorch's. Where those are wrong, "numbers": compare with finite differences (forward mode: with our
        reverse mode) instead.
        dtypes: in which the value is compared besides that of the arrays (instead of "float32" alone).
        tol: the relative and absolute tolerance in float64.
        outputs: what of the result is compared: an index, a tuple of them, or a function of the result.
        """
        reduced = (grad, second, forward) != (True, True, True) or tol is not None or outputs is not None
        if reduced and not why:
            raise ValueError(f"{self!r}: say why=")
        self.grad, self.second, self.forward = grad, grad and second, forward
        if dtypes is not None:
            self.dtypes = (dtypes,) if isinstance(dtypes, str) else tuple(dtypes)
        self.tol, self.outputs, self.why = tol, outputs, why
        return self

    @property
    def function(self):
        """The function's name, without `Tensor.` and the like."""
        return self.path.__name__ if callable(self.path) else self.path.rpartition(".")[2]

    def __repr__(self):
        path = self.path.__name__ if callable(self.path) else self.path
        given = [_describe(a) for a in self.args] + [f"{k}={_describe(v)}" for k, v in self.kwargs.items()]
        return f"{path}({', '.join(given)})"


def _describe(value):
    """Arrays by shape and, where it isn't float64, dtype: `2x3`, `4:int64`, `()`."""
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape)) or "()"
        return shape + ("" if value.dtype == np.float64 else f":{value.dtype.name}")
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_describe, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if isinstance(value, slice):
        return ":".join("" if v is None else _describe(v) for v in (value.start, value.stop, value.step))
    return getattr(value, "__name__", None) or repr(value)


def every():
    """The samples of all modules here."""
    found = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        found += importlib.import_module(f"{__name__}.{module}").SAMPLES
    return found
