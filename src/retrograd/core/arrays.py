"""Arrays by NumPy: dtypes under PyTorch's names, PyTorch's promotion rules, quiet arithmetic.

NumPy and PyTorch differ in three things that are settled here once: which dtype a mixed operation has
(`promote`), what the default floating dtype is (float32), and whether division by zero warns (never,
`quiet`).
"""

import sys

import ml_dtypes
import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)  # categories, in the order of promotion


class dtype:
    """An element type, such as `float32`; `.numpy` is NumPy's dtype of the same layout."""

    __slots__ = ("name", "numpy", "category", "itemsize", "is_signed")

    def __init__(self, name, numpy, category, is_signed):
        self.name = name
        self.numpy = np.dtype(numpy)
        self.category = category
        self.itemsize = self.numpy.itemsize
        self.is_signed = is_signed

    @property
    def is_floating_point(self):
        return self.category == FLOAT

    @property
    def is_complex(self):
        return self.category == COMPLEX

    def to_real(self):
        """The dtype of the real part."""
        return _REAL.get(self, self)

    def to_complex(self):
        """The complex dtype with this dtype's precision."""
        return _COMPLEX.get(self, self)

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _by_name, (self.name,)


def _by_name(name):
    return DTYPES[name]


float16 = dtype("float16", np.float16, FLOAT, True)
float32 = dtype("float32", np.float32, FLOAT, True)
float64 = dtype("float64", np.float64, FLOAT, True)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT, True)
complex64 = dtype("complex64", np.complex64, COMPLEX, True)
complex128 = dtype("complex128", np.complex128, COMPLEX, True)
uint8 = dtype("uint8", np.uint8, INT, False)
uint16 = dtype("uint16", np.uint16, INT, False)
uint32 = dtype("uint32", np.uint32, INT, False)
uint64 = dtype("uint64", np.uint64, INT, False)
int8 = dtype("int8", np.int8, INT, True)
int16 = dtype("int16", np.int16, INT, True)
int32 = dtype("int32", np.int32, INT, True)
int64 = dtype("int64", np.int64, INT, True)
bool_ = dtype("bool", np.bool_, BOOL, False)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, FLOAT, True)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, FLOAT, True)

DTYPES = {
    d.name: d
    for d in (
        float16,
        float32,
        float64,
        bfloat16,
        complex64,
        complex128,
        uint8,
        uint16,
        uint32,
        uint64,
        int8,
        int16,
        int32,
        int64,
        bool_,
        float8_e4m3fn,
        float8_e5m2,
    )
}
ALIASES = {
    "half": float16,
    "float": float32,
    "double": float64,
    "cfloat": complex64,
    "cdouble": complex128,
    "short": int16,
    "int": int32,
    "long": int64,
}
_FROM_NUMPY = {d.numpy: d for d in DTYPES.values()}
_REAL = {complex64: float32, complex128: float64}
_COMPLEX = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}
_FROM_PYTHON = {float: float64, int: int64, bool: bool_, complex: complex128}

_default_dtype = float32


def get_default_dtype():
    """The floating dtype of new tensors made from Python floats."""
    return _default_dtype


def set_default_dtype(d):
    """Set the floating dtype of new tensors made from Python floats (float16, bfloat16, float32 or
    float64)."""
    global _default_dtype
    if not isinstance(d, dtype) or d.category != FLOAT:
        raise TypeError(
            f"set_default_dtype expects a floating-point dtype such as float64, got {d!r} [RG041]"
        )
    _default_dtype = d


def from_numpy_dtype(d):
    """The dtype for NumPy's dtype `d`; TypeError names the supported ones."""
    try:
        return _FROM_NUMPY[d]
    except KeyError:
        native = np.dtype(d).newbyteorder("=")
        if native in _FROM_NUMPY:
            return _FROM_NUMPY[native]
        raise TypeError(
            f"can't convert an array of NumPy dtype {d}; the supported types are: {', '.join(DTYPES)} [RG041]"
        ) from None


def as_dtype(d):
    """`d` as a dtype: a dtype, a NumPy dtype or one of Python's float, int, bool, complex."""
    if isinstance(d, dtype):
        return d
    if d in _FROM_PYTHON:
        return _FROM_PYTHON[d]
    try:
        if isinstance(d, str):
            raise TypeError
        return from_numpy_dtype(np.dtype(d))
    except TypeError:
        raise TypeError(f"expected a dtype such as float32, got {d!r} [RG041]") from None


# --- promotion ------------------------------------------------------------------------------------

_promotions = {}


def promote_types(a, b):
    """The dtype that holds values of both `a` and `b`, by PyTorch's table (ints never widen floats)."""
    a, b = as_dtype(a), as_dtype(b)
    if a is b:
        return a
    found = _promotions.get((a, b))
    if found is None:
        found = _promotions[a, b] = _promote_types(*sorted((a, b), key=lambda d: d.category))
    return found


def _promote_types(a, b):
    if a.category != b.category:
        if b.category == COMPLEX and a.category == FLOAT:
            return complex128 if float64 in (a, b.to_real()) else complex64
        return b
    if a.category == FLOAT:
        return a if a.itemsize > b.itemsize else b if b.itemsize > a.itemsize else float32
    if a.category == INT and {a, b} & {uint16, uint32, uint64}:
        wide, narrow = (a, b) if a.itemsize >= b.itemsize else (b, a)
        if wide.is_signed == narrow.is_signed or (wide.is_signed and wide.itemsize > narrow.itemsize):
            return wide
        raise RuntimeError(
            f"Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {a.name} and "
            f"{b.name} [RG041]"
        )
    return _FROM_NUMPY[np.promote_types(a.numpy, b.numpy)]


def scalar_name(d):
    """A dtype's name in PyTorch's errors: `Float` for float32."""
    return _SCALAR_NAMES.get(d.name) or d.name.replace("ui", "UI").replace("float", "Float")


def cannot_cast(found, wanted):
    """What the error says where results would have to be cast to a lower category."""
    return f"result type {scalar_name(found)} can't be cast to the desired output type {scalar_name(wanted)}"


_SCALAR_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble",
}  # fmt: skip


def scalar_dtype(value):
    """The dtype that a Python number counts as in promotion."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default_dtype
    return _default_dtype.to_complex()


def _combine(higher, lower):
    """Join two priority groups: the lower one counts only where its category is higher."""
    if higher is None or lower is None:
        return higher or lower
    if higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher.category == BOOL or lower.category > INT:
        return promote_types(higher, lower)
    return higher


def result_dtype(values):
    """The dtype of an operation on arrays and Python numbers.

    Arrays with dimensions outrank 0-d arrays, which outrank Python numbers; a lower group only counts when
    its
    category (bool < int < float < complex) is higher.
    """
    groups = [None, None, None]
    for v in values:
        if hasattr(v, "dtype"):
            level, d = (0 if v.ndim else 1), _FROM_NUMPY[v.dtype]
        else:
            level, d = 2, scalar_dtype(v)
        seen = groups[level]
        groups[level] = d if seen is None else promote_types(seen, d)
    return _combine(_combine(groups[0], groups[1]), groups[2])


def promote(values, to_float=False):
    """`values` (arrays and Python numbers) with the arrays cast to their common dtype.

    `to_float` sends whole numbers and bools to the default floating dtype first, as `sin` and `/` want.
    Python
    numbers stay numbers (NumPy keeps them weak) unless no array is there or they don't fit.
    """
    d = result_dtype(values)
    if to_float and d.category < FLOAT:
        d = _default_dtype
    kind = d.numpy
    out = []
    for v in values:
        if hasattr(v, "dtype"):
            out.append(v if v.dtype == kind else v.astype(kind))
        elif d.category == INT or d.category == BOOL:
            out.append(
                np.asarray(v).astype(kind)
                if -(2**63) <= v < 2**63
                else np.asarray(v % 2**64, np.uint64).astype(kind)
            )
        else:
            out.append(np.asarray(v, kind))
    return out


# --- array modules and quiet arithmetic -----------------------------------------------------------


def namespace(*arrays):
    """The module that computes on these arrays: CuPy if one of them is CuPy's, else NumPy."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(a, cupy.ndarray) for a in arrays):
        return cupy
    return np


class _Quiet:
    """Arithmetic without NumPy's warnings: 1/0 is inf, as in PyTorch.

    `np.errstate` does the same at 0.9 us per use; setting its context variable takes 0.1 us. Reentrant: each
    use
    gives back a token to `reset`.
    """

    def __init__(self):
        try:
            from numpy._core import umath

            variable, ignore = umath._extobj_contextvar, umath._make_extobj(all="ignore")
            self.enter = lambda: variable.set(ignore)
            self.leave = variable.reset
            self.variable, self.ignore = variable, ignore
        except (ImportError, AttributeError, TypeError):
            self.variable = self.ignore = None
            self.enter = self._enter_slowly
            self.leave = lambda state: state.__exit__(None, None, None)

    @staticmethod
    def _enter_slowly():
        state = np.errstate(all="ignore")
        state.__enter__()
        return state


quiet = _Quiet()


_BLOCK = 256


def add_up(array, axes, keepdims=False, dtype=None):
    """The sum over the tuple `axes`, of float32 with an error that grows slowly with the number of elements.

    NumPy adds by pairs along the innermost axis only, along others one by one, which is off by 2e-4 after
    30,000
    equal elements: long sums there are made of sums of blocks.
    """
    shape = array.shape
    long = max(axes, key=shape.__getitem__) if axes and array.size >= 4 * _BLOCK else None
    if (
        long is None
        or shape[long] < 4 * _BLOCK
        or array.dtype.itemsize > 8
        or array.dtype == np.float64
        or array.strides[long] == array.itemsize
        or (array.flags.c_contiguous and axes[0] + len(axes) == array.ndim)  # one long inner axis to NumPy
    ):
        return namespace(array).add.reduce(array, axis=axes, keepdims=keepdims, dtype=dtype)
    lead = (slice(None),) * long
    whole = shape[long] // _BLOCK * _BLOCK
    blocks = array[(*lead, slice(whole))].reshape(*shape[:long], -1, _BLOCK, *shape[long + 1 :])
    parts = blocks.sum(tuple([a + (a >= long) for a in axes]), dtype=dtype, keepdims=True)
    total = add_up(parts, (long,)) + array[(*lead, slice(whole, None))].sum(axes, dtype=dtype, keepdims=True)
    return total if keepdims else total.reshape([n for i, n in enumerate(shape) if i not in axes])
