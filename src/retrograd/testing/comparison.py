"""`assert_close`: whether two tensors, numbers or nests of them agree, with a message that says where not."""

import cmath
import warnings
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ..core import arrays
from ..core.arrays import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int64,
    promote_types,
    uint16,
    uint32,
    uint64,
)
from ..core.tensor import Tensor
from ..ops.compare import isclose
from ..ops.from_data import as_tensor, tensor

# dtype: (rtol, atol); whole numbers and bools must be equal
TOLERANCES = {
    float16: (1e-3, 1e-5),
    bfloat16: (1.6e-2, 1e-5),
    float32: (1.3e-6, 1e-5),
    float64: (1e-7, 1e-7),
    complex64: (1.3e-6, 1e-5),
    complex128: (1e-7, 1e-7),
}
_LOOSE = {float16: (1e-3, 1e-3), float32: (1e-4, 1e-5), float64: (1e-5, 1e-8)}
_OF_PYTHON = {int: int64, float: float64, complex: complex128}


def assert_close(
    actual,
    expected,
    *,
    allow_subclasses=True,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_device=True,
    check_dtype=True,
    check_layout=True,
    check_stride=False,
    msg=None,
):
    """Raise AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    actual, expected: tensors, numbers, what `as_tensor` takes (NumPy arrays, of related types), or sequences
    and mappings of such, nested alike. Shapes must be equal; dtypes too unless `check_dtype=False`, strides
    where `check_stride=True`.
    rtol, atol: both or neither; without them those of the dtype, of which the looser counts: 1.3e-6 and 1e-5
    for float32, 1e-7 and 1e-7 for float64, 1e-3 and 1e-5 for float16, 1.6e-2 and 1e-5 for bfloat16.
    equal_nan: whether NaN equals NaN.
    allow_subclasses: False wants the very same type on both sides.
    msg: the error's text, or a function that is given the text made here and returns another.

    ValueError where only one tolerance is given; TypeError for things that can't be compared.
    """
    __tracebackhide__ = True
    options = {
        "allow_subclasses": allow_subclasses,
        "rtol": rtol,
        "atol": atol,
        "equal_nan": equal_nan,
        "check_device": check_device,
        "check_dtype": check_dtype,
        "check_layout": check_layout,
        "check_stride": check_stride,
    }
    try:
        checks = list(_pair_up(actual, expected, (), options))
    except _Mismatch as mismatch:
        raise mismatch.error(None) from None
    for check, path in checks:
        text = check()
        if text is not None:
            raise _Mismatch(AssertionError, text, path).error(msg)


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg=""):
    """The older form of `assert_close`: looser tolerances, dtypes may differ. Deprecated."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if not isinstance(actual, Tensor):
        actual = tensor(actual)
    if not isinstance(expected, Tensor):
        expected = tensor(expected, dtype=actual.dtype)
    if rtol is None and atol is None:
        rtol, atol = default_tolerances(actual, expected, dtype_precisions=_LOOSE)
    assert_close(
        actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None
    )


def default_tolerances(*inputs, dtype_precisions=None):
    """(rtol, atol) for tensors or dtypes: the looser of theirs."""
    table = dtype_precisions or TOLERANCES
    found = [table.get(getattr(i, "dtype", i), (0.0, 0.0)) for i in inputs]
    return max(r for r, _ in found), max(a for _, a in found)


class _Mismatch(Exception):
    """What differs, and where in nested inputs: `path` holds the indices and keys that lead there."""

    def __init__(self, kind, text, path):
        super().__init__(text)
        self.kind, self.text, self.path = kind, text, path

    def error(self, msg):
        """The exception for the user, whose `msg` replaces or rewrites the text."""
        if isinstance(msg, str):
            return self.kind(msg)
        text = self.text
        if self.path:
            text += f"\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in self.path)}"
        return self.kind(msg(text) if callable(msg) else f"{text} [RG160]")


# --- pairs ------------------------------------------------------------------------------------------------


def _pair_up(actual, expected, path, options):
    """Yield (check, path) for what is to be compared: `check()` gives the text of an error, or None."""
    if _both(Sequence, actual, expected) and not isinstance(actual, str) and not isinstance(expected, str):
        if len(actual) != len(expected):
            text = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise _Mismatch(AssertionError, text, path)
        for i in range(len(actual)):
            yield from _pair_up(actual[i], expected[i], (*path, i), options)
    elif _both(Mapping, actual, expected):
        for key in _common_keys(actual, expected, path):
            yield from _pair_up(actual[key], expected[key], (*path, key), options)
    else:
        yield _pair(actual, expected, path, options), path


def _both(kind, a, b):
    return isinstance(a, kind) and isinstance(b, kind)


def _common_keys(actual, expected, path):
    mine, theirs = set(actual), set(expected)
    if mine != theirs:
        raise _Mismatch(
            AssertionError,
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(theirs - mine)}\n"
            f"Additional keys in the actual mapping: {sorted(mine - theirs)}",
            path,
        )
    try:
        return sorted(mine)
    except TypeError:  # keys of several types: any order will do
        return list(actual)


def _pair(actual, expected, path, options):
    """The check of two things that are no containers."""
    if actual is None or expected is None:
        return partial(_compare_none, actual, expected)
    if _both((bool, np.bool_), actual, expected):
        return partial(_compare_bools, bool(actual), bool(expected))
    if _both((int, float, complex, np.number), actual, expected):
        actual, expected = [v.item() if isinstance(v, np.number) else v for v in (actual, expected)]
        dtypes = [_OF_PYTHON.get(type(v), int64) for v in (actual, expected)]
        rtol, atol = _tolerances(dtypes, options, path)
        return partial(_compare_numbers, actual, expected, rtol, atol, options)
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if related and (options["allow_subclasses"] or type(actual) is type(expected)):
        try:
            a, b = as_tensor(actual), as_tensor(expected)
        except Exception:  # whatever as_tensor finds wrong with them: they are no tensors
            pass
        else:
            rtol, atol = _tolerances([a.dtype, b.dtype], options, path)
            return partial(_compare_tensors, a, b, rtol, atol, options)
    raise _Mismatch(
        TypeError,
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.",
        path,
    )


def _tolerances(dtypes, options, path):
    rtol, atol = options["rtol"], options["atol"]
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        text = f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        raise _Mismatch(ValueError, text, path)
    return default_tolerances(*dtypes) if rtol is None else (rtol, atol)


# --- checks -----------------------------------------------------------------------------------------------


def _compare_none(actual, expected):
    return None if actual is expected else f"None mismatch: {actual} is not {expected}"


def _compare_bools(actual, expected):
    return None if actual is expected else f"Booleans mismatch: {actual} is not {expected}"


def _compare_numbers(actual, expected, rtol, atol, options):
    if options["check_dtype"] and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    if actual == expected or (options["equal_nan"] and cmath.isnan(actual) and cmath.isnan(expected)):
        return None
    difference = abs(actual - expected)
    if cmath.isfinite(difference) and difference <= atol + rtol * abs(expected):
        return None
    return _number_message(actual, expected, rtol, atol)


def _compare_tensors(actual, expected, rtol, atol, options):
    for attribute, compared in (
        ("shape", True),
        ("layout", options["check_layout"]),
        ("stride()", options["check_stride"]),
        ("device", options["check_device"]),
        ("dtype", options["check_dtype"]),
    ):
        name = attribute.removesuffix("()")
        mine, theirs = [getattr(t, name) for t in (actual, expected)]
        if name != attribute:
            mine, theirs = mine(), theirs()
        if compared and mine != theirs:
            return f"The values for attribute '{attribute}' do not match: {mine} != {theirs}."
    if actual.dtype != expected.dtype:
        wide = [int64 if t.dtype in (uint16, uint32, uint64) else t.dtype for t in (actual, expected)]
        common = promote_types(*wide)
        actual, expected = actual.to(common), expected.to(common)
    matches = isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options["equal_nan"])
    if matches.all():
        return None
    if not actual.ndim:
        return _number_message(actual.item(), expected.item(), rtol, atol)
    return _tensor_message(actual.detach(), expected.detach(), matches, rtol, atol)


def _number_message(actual, expected, rtol, atol):
    difference = abs(actual - expected)
    relative = cmath.inf if expected == 0 else difference / abs(expected)
    return _message(
        "Scalars",
        f"Expected {expected} but got {actual}.",
        [("absolute", difference, None, atol), ("relative", relative, None, rtol)],
    )


def _tensor_message(actual, expected, matches, rtol, atol):
    """Which part of the elements differs, and by how much at most; elements that match don't count."""
    a, b, same = [t._array for t in (actual, expected, matches)]
    wrong = int(same.size - same.sum())
    lead = f"Mismatched elements: {wrong} / {same.size} ({wrong / same.size:.1%})"
    if a.dtype.itemsize == 1 and a.dtype.kind in "fV":  # float8: no arithmetic
        at = tuple(int(i) for i in np.argwhere(~same)[0])
        return f"Tensor-likes are not 'equal'!\n\n{lead}\nThe first mismatched element is at index {at}."
    if a.dtype.kind in "biu":
        a, b = a.astype(np.int64), b.astype(np.int64)
    greatest = []
    with np.errstate(all="ignore"):
        difference = abs(a - b)
        difference[same] = 0
        quotient = difference / abs(b)
        if a.dtype.kind == "i":
            quotient = quotient.astype(arrays.get_default_dtype().numpy)
        quotient[same] = 0
    for name, values, allowed in (("absolute", difference, atol), ("relative", quotient, rtol)):
        at = np.unravel_index(int(np.argmax(values.astype(np.float64))), values.shape)
        value = values[at].item() if values.dtype.kind != "V" else float(values[at])
        greatest.append((name, value, tuple([int(i) for i in at]), allowed))
    return _message("Tensor-likes", lead, greatest)


def _message(what, lead, differences):
    """`differences`: (name, value, index or None, allowed) each."""
    exact = all(allowed == 0 for *_, allowed in differences)
    lines = [f"{what} are not {'equal' if exact else 'close'}!", "", lead]
    for name, value, at, allowed in differences:
        line = f"{name.title()} difference: {value}"
        if at is not None:
            line = f"Greatest {name} difference: {value} at index {at}"
        lines.append(line + ("" if exact else f" (up to {allowed} allowed)"))
    return "\n".join(lines)
