"""NumPy's scalars, arrays and dtypes in a checkpoint: rebuilt from plain numbers, never from objects.

PyTorch asks for `add_safe_globals` for these; here they are allowed, because nothing of NumPy's own
unpickling runs on values that were not checked first.
"""

import math

import numpy as np

from .errors import CheckpointError, quote
from .storage import as_ascii, check_geometry

_TYPES = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split())


def _dtype(call, code, align=False, copy=True):
    code = as_ascii(code)
    if code not in _TYPES:
        raise CheckpointError(f"a NumPy dtype {quote(code)}; only numbers and bools are read")
    return np.dtype(code, copy=True)


def _reconstruct(call, kind, shape, code):
    if kind is not np.ndarray or not _is_plain(shape, (0,)) or as_ascii(code) != "b":
        raise CheckpointError("a NumPy array must be rebuilt as an empty ndarray that is then filled")
    return np.empty((0,), "b")


def _scalar(call, dtype, data):
    if not isinstance(dtype, np.dtype):
        raise CheckpointError(f"a NumPy scalar's dtype is {quote(dtype)}")
    data = _raw(data)
    if len(data) != dtype.itemsize:
        raise CheckpointError(f"a NumPy scalar of {dtype} has {len(data)} bytes")
    return _from_bytes(data, dtype, ())[()]


def set_state(instance, state, budget):
    """What pickle's BUILD does to a dtype (its byte order) and to an array (shape, dtype and bytes)."""
    if type(state) is not tuple:
        raise CheckpointError(f"a NumPy object's state is {quote(state)}")
    if isinstance(instance, np.dtype):
        _set_dtype_state(instance, state)
    else:
        _set_array_state(instance, state, budget)


def _set_dtype_state(dtype, state):
    plain = (None, None, None, -1, -1, 0)
    version = state[0] if len(state) == 8 and type(state[0]) is int else None
    if version not in (3, 4) or not _is_plain(state[2:], plain):
        raise CheckpointError(
            "a NumPy dtype with fields, metadata or an alignment; only numbers and bools are read"
        )
    order = as_ascii(state[1])
    if order not in ("<", ">", "|", "="):
        raise CheckpointError(f"a NumPy dtype's byte order is {quote(state[1])}")
    if dtype.isbuiltin == 1:
        raise CheckpointError("the file changes a NumPy dtype that it did not make")
    dtype.__setstate__((3, order, *plain))


def _set_array_state(array, state, budget):
    if len(state) != 5 or array.shape != (0,):
        raise CheckpointError("a NumPy array's state must have five parts and be set once")
    _, shape, dtype, fortran, data = state
    if not isinstance(dtype, np.dtype) or type(fortran) is not bool or type(shape) is not tuple:
        raise CheckpointError("a NumPy array's state must give its shape, dtype, order and bytes")
    check_geometry(0, shape, shape)
    data = _raw(data)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(f"a NumPy array of {len(data)} bytes doesn't fit its shape and {dtype}")
    budget.charge(len(data))
    _check_bools(data, dtype)
    array.__setstate__((1, shape, dtype, fortran, data))


def _is_plain(values, expected):
    """Whether `values` is the tuple `expected` of ints and Nones."""
    plain = type(values) is tuple and all(value is None or type(value) is int for value in values)
    return plain and values == expected


def _raw(data):
    if type(data) is str:
        data = data.encode("latin1")  # Python 2's str
    if type(data) is not bytes:
        raise CheckpointError(f"NumPy data is {quote(data)} instead of bytes")
    return data


def _check_bools(data, dtype):
    if dtype.kind == "b" and max(data, default=0) > 1:
        raise CheckpointError("a NumPy bool holds bytes other than 0 and 1")


def _from_bytes(data, dtype, shape):
    _check_bools(data, dtype)
    return np.frombuffer(data, dtype).reshape(shape)


GLOBALS = {("numpy", "dtype"): np.dtype, ("numpy", "ndarray"): np.ndarray}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    GLOBALS[_core, "_reconstruct"] = _reconstruct
    GLOBALS[_core, "scalar"] = _scalar
FUNCTIONS = {np.dtype: _dtype}
