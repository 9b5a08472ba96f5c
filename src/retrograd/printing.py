"""Tensors as text: the repr of a tensor, character for character the one that PyTorch prints."""

import contextlib
import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class PrintOptions:
    """How tensors print; `set_printoptions` says what each option means."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

_options = PrintOptions()


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Set how tensors print.

    precision: digits after the point. threshold: a tensor with more elements is summarised.
    edgeitems: elements shown at each end of a summarised dimension. linewidth: columns per line.
    profile: "default", "short" or "full", applied before the other arguments (another name is a
    ValueError; PyTorch ignores it). sci_mode: True or False forces scientific notation on or off, None
    decides by the values. What is None stays as it is, except sci_mode, which every call sets.
    """
    if profile is not None:
        if profile not in _PROFILES:
            names = ", ".join(_PROFILES)
            raise ValueError(
                f"set_printoptions(): unknown profile {profile!r}; choose one of {names} [RG048]"
            )
        for name, value in _PROFILES[profile].items():
            setattr(_options, name, value)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions():
    """The present options as a dict that `set_printoptions(**options)` accepts."""
    return dataclasses.asdict(_options)


@contextlib.contextmanager
def printoptions(**options):
    """Within the `with` block tensors print with these options; they are those of `set_printoptions`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def format_tensor(
    array,
    *,
    dtype_name,
    default_dtype_name="float32",
    requires_grad=False,
    grad_fn_name=None,
    device=None,
    tangent=None,
    tensor_contents=None,
    class_name="tensor",
):
    """The repr of a tensor that holds `array`, a NumPy array (ml_dtypes' types included).

    dtype_name, default_dtype_name: PyTorch's names without "torch.". device: given only where it is to be
    shown. tensor_contents: replaces the printed numbers. class_name: what stands before the bracket; where
    it has several lines ("Parameter containing:\\ntensor"), the numbers are aligned below the last one's.
    """
    prefix = class_name + "("
    indent = len(prefix) - (prefix.rfind("\n") + 1)
    default_dtypes = {default_dtype_name}
    suffixes = []
    if device is not None:
        suffixes.append(f"device='{device}'")
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        contents = "[]"
    else:
        # The printed values tell these apart from each other; an empty tensor has none that could.
        default_dtypes |= {"int64", "bool", "complex128" if default_dtype_name == "float64" else "complex64"}
        if not _options.edgeitems:
            suffixes.append(f"size={tuple(array.shape)}")
        contents = None
    if dtype_name not in default_dtypes:
        suffixes.append(f"dtype=torch.{dtype_name}")
    if tensor_contents is not None:
        contents = tensor_contents
    elif contents is None:
        contents = _format_array(array, indent)
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    if tangent is not None:
        suffixes.append(f"tangent={tangent}")
    return _append_suffixes(prefix + contents, suffixes, indent)


def _append_suffixes(text, suffixes, indent):
    parts = [text]
    column = len(text) - (text.rfind("\n") + 1) + 2
    for suffix in suffixes:
        if column + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            column = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            column += len(suffix) + 2
    return "".join(parts) + ")"


def _format_array(array, indent):
    summarize = array.size > _options.threshold
    shown = _edges(array) if summarize else array
    if array.dtype.kind == "c":
        element = _ComplexFormat(shown)
    elif array.dtype.kind in "biu":
        element = _ExactFormat(shown)
    else:
        element = _FloatFormat(shown)
    return _format_nested(array, indent, summarize, element)


def _edges(array):
    """The elements of `array` that a summary shows: the ends of every long dimension."""
    edge = _options.edgeitems
    for axis, length in enumerate(array.shape):
        if length > 2 * edge:
            ends = (slice(0, edge), slice(length - edge, length))
            array = np.concatenate([array[(slice(None),) * axis + (end,)] for end in ends], axis=axis)
    return array


def _format_nested(array, indent, summarize, element):
    if array.ndim == 0:
        return element(_scalars(array))
    edge = _options.edgeitems
    cut = summarize and len(array) > 2 * edge
    if array.ndim == 1:
        if cut:
            first, last = _scalars(array[:edge]), _scalars(array[len(array) - edge :])
            items = [*map(element, first), " ..." if edge else "...", *map(element, last)]
        else:
            items = [*map(element, _scalars(array))]
        room = (_options.linewidth - indent) / (element.width + 2)
        per_line = max(1, math.floor(min(room, len(items))))
        lines = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [*range(edge), None, *range(len(array) - edge, len(array))] if cut else range(len(array))
    rows = [
        "..." if row is None else _format_nested(array[row], indent + 1, summarize, element) for row in rows
    ]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def _scalars(array):
    """The elements as Python numbers; ml_dtypes' types go by way of float64, which holds them exactly."""
    return (array if array.dtype.kind in "biufc" else array.astype(np.float64)).tolist()


class _ExactFormat:
    """Integers and booleans: every digit, right-aligned."""

    def __init__(self, array):
        self.width = max((len(str(value)) for value in _scalars(array.ravel())), default=1)

    def __call__(self, value):
        return str(value).rjust(self.width)


class _FloatFormat:
    """Floats in the one notation (integral "1.", fixed, scientific) that suits all values shown."""

    def __init__(self, array):
        self.width = 1
        self.integral, self.scientific = True, False
        values = [value for value in _scalars(array.ravel()) if value != 0 and math.isfinite(value)]
        if not values:
            return
        self.integral = all(map(float.is_integer, values))
        if _options.sci_mode is None:
            smallest, largest = min(map(abs, values)), max(map(abs, values))
            self.scientific = largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4
        else:
            self.scientific = bool(_options.sci_mode)
        # Zeros, infinities and nan do not widen the columns: PyTorch measures only the rest.
        self.width = max(1, *(len(self._digits(value)) for value in values))

    def _digits(self, value):
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.integral:
            return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
        return f"{value:.{_options.precision}f}"

    def __call__(self, value):
        return self._digits(value).rjust(self.width)


class _ComplexFormat:
    """Complex numbers: real and imaginary parts each have a notation and a width of their own."""

    def __init__(self, array):
        self.real, self.imag = _FloatFormat(array.real), _FloatFormat(array.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value):
        imag = (self.imag(value.imag) + "j").lstrip()
        return self.real(value.real) + (imag if imag[0] in "+-" else "+" + imag)


__all__ = ["PrintOptions", "format_tensor", "get_printoptions", "printoptions", "set_printoptions"]
