"""Evenly spaced numbers: `arange`, `linspace`, `logspace`."""

import math
import warnings

import numpy as np

from ..core import arrays
from .arguments import as_int
from .creation import finish, kind_of, number

__all__ = ["arange", "linspace", "logspace", "range"]
METHODS = []
INPLACE = []
_LARGE = 2**62  # what lies within needs no check


def arange(
    *args,
    start=0,
    end=None,
    step=1,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The numbers from `start` (0) up to but not including `end`, `step` (1) apart.

    int64 if all three are whole, else the default dtype.
    """
    if len(args) == 1:
        start, end = (start, args[0]) if end is None else (args[0], end)
    elif args:
        start, end, step = (*args, step)[:3] if len(args) == 2 else args
    if end is None:
        raise TypeError("arange() is missing its 'end' [RG134]")
    start, end, step = number(start), number(end), number(step)
    if type(start) is type(end) is type(step) is int and dtype is out is None:
        if -_LARGE < start <= end < _LARGE and 0 < step < _LARGE:
            return finish(np.arange(start, end, step, np.int64), requires_grad, device, layout, pin_memory)
    kind = _sequence_kind(dtype, out, start, end, step)
    count = _count("arange", start, end, step, kind)
    values = _fitting(_steps(start, step, count, kind), out)
    return finish(values, requires_grad, device, layout, pin_memory, out)


def range(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`arange` with `end` included; of the default dtype. Deprecated in PyTorch, as Python's range
    differs."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = number(start), number(end), number(step)
    kind = kind_of(dtype) if out is None or dtype is not None else out._array.dtype
    _check_steps("range", start, end, step)
    count = int((end - start) / step) + 1
    values = _fitting(_steps(start, step, count, kind), out)
    return finish(values, requires_grad, device, layout, pin_memory, out)


def _fitting(values, out):
    """The numbers in the shape of an `out=` that has as many elements, in the order of its indices."""
    return values if out is None or out.numel() != values.size else values.reshape(out.shape)


def _sequence_kind(dtype, out, *numbers):
    if dtype is not None:
        return kind_of(dtype)
    if out is not None:
        return out._array.dtype
    return np.dtype(np.int64) if all([isinstance(n, int) for n in numbers]) else kind_of(None)


def _check_steps(name, start, end, step):
    for n in (start, end, step):
        if isinstance(n, complex):
            raise RuntimeError(f"{name}() takes real numbers, but got {n} [RG047]")
        if not math.isfinite(n):
            raise RuntimeError(f"unsupported range: {start} -> {end} in steps of {step} [RG049]")
    if step == 0:
        raise RuntimeError("step must be nonzero [RG049]")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start} to {end} in steps of "
            f"{step} [RG049]"
        )


def _count(name, start, end, step, kind):
    _check_steps(name, start, end, step)
    if kind.kind in "iu":
        start, end, step = int(start), int(end), int(step)
        return -((start - end) // step) if step else 0
    return math.ceil((end - start) / step)


def _steps(start, step, count, kind):
    """start, start + step...: computed in int64 or float64, then rounded to `kind`."""
    if kind.kind in "iu":
        return (int(start) + int(step) * np.arange(count)).astype(kind)
    values = np.arange(count, dtype=np.float64)
    values *= step
    values += start
    return values.astype(kind)


def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    values = _spaced("linspace", start, end, steps, dtype, out)
    return finish(_fitting(values, out), requires_grad, device, layout, pin_memory, out)


def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """`steps` numbers from base ** start to base ** end, evenly spaced in their logarithms."""
    kind = _spaced_kind(start, end, dtype, out)
    wide = np.dtype(np.complex128 if kind.kind == "c" else np.float64)
    exponents = _spaced("logspace", start, end, steps, wide, None)
    values = _fitting((base**exponents).astype(kind), out)
    return finish(values, requires_grad, device, layout, pin_memory, out)


def _spaced_kind(start, end, dtype, out):
    if dtype is not None:
        return kind_of(dtype)
    if out is not None:
        return out._array.dtype
    is_complex = isinstance(number(start), complex) or isinstance(number(end), complex)
    return arrays._default_dtype.to_complex().numpy if is_complex else kind_of(None)


def _spaced(name, start, end, steps, dtype, out):
    """From both ends towards the middle, as PyTorch does: the two halves are mirror images."""
    start, end, steps = number(start), number(end), as_int(steps, "steps")
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, but got {steps} [RG049]")
    kind = dtype if isinstance(dtype, np.dtype) else _spaced_kind(start, end, dtype, out)
    if steps == 1:
        return np.array([start]).astype(kind)
    whole = kind.kind in "iu"
    work = np.dtype(np.float64) if whole or kind.kind == "V" or kind == np.float16 else kind
    first, last = np.asarray(start, work), np.asarray(end, work)
    step = (last - first) / work.type(max(steps - 1, 1))
    index = np.arange(steps).astype(work)
    if work == np.float32:  # rounded once, as by the fused multiply-add that PyTorch's is compiled to
        first, last, step, index = (x.astype(np.float64) for x in (first, last, step, index))
    low = first + step * index
    high = last - step * index[::-1]
    return np.where(np.arange(steps) < steps // 2, low, high).astype(kind)
