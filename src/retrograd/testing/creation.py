"""`make_tensor`: random tensors for tests, PyTorch's for the same seed."""

import math
import warnings

from ..core import arrays
from ..core.arrays import BOOL, FLOAT, INT
from ..dtypes import finfo, iinfo
from ..ops.complex_numbers import view_as_real
from ..ops.creation import empty
from ..ops.sampling import randint


def make_tensor(
    *shape,
    dtype,
    device,
    low=None,
    high=None,
    requires_grad=False,
    noncontiguous=False,
    exclude_zero=False,
    memory_format=None,
):
    """A tensor of uniform random numbers on [low, high).

    low, high: -9 and 9 for floating and complex dtypes, -9 and 10 for whole numbers (0 and 10 unsigned), 0
    and 2 for bool; what the dtype can't hold is brought to the nearest number that it can.
    noncontiguous: every second element of a tensor twice as long; not together with `memory_format`.
    exclude_zero: zeros become 1, or the smallest normal number of a floating dtype.

    ValueError for an empty or impossible interval, and for gradients of whole numbers.
    """
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    whole = dtype.category <= INT
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format} [RG120]"
        )
    if requires_grad and whole:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"dtype={dtype} [RG009]"
        )
    skip = noncontiguous and math.prod(shape) > 1
    drawn_shape = (*shape[:-1], 2 * shape[-1]) if skip else shape
    low, high = _interval(dtype, low, high)
    if whole:
        result = randint(math.ceil(low), math.ceil(high), drawn_shape, device=device, dtype=dtype)
    else:
        narrow = dtype.itemsize == 1
        result = empty(drawn_shape, device=device, dtype=arrays.float32 if narrow else dtype)
        _fill(view_as_real(result) if dtype.is_complex else result, low, high)
        result = result.to(dtype)
    if skip:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = 1 if whole else finfo(dtype).tiny
    return result.requires_grad_() if requires_grad else result


def _interval(dtype, low, high):
    """The bounds, by default and within what the dtype can hold."""
    if dtype.category == BOOL:
        least, most, default = 0, 2, (0, 2)
    elif dtype.category == INT:
        info = iinfo(dtype)
        # bounds of randint are int64: 2**63 is none
        least, most, default = info.min, min(info.max + 1, 2**63 - 1), (-9, 10)
    else:
        info = finfo(dtype)
        least, most, default = info.min, info.max, (-9, 9)
    low, high = [d if v is None else v for v, d in zip((low, high), default, strict=True)]
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high} [RG049]")
    if low == high and dtype.category >= FLOAT:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated "
            "since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high} [RG049]")
    elif high < least or low >= most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only supports "
            f"[{least}, {most}) [RG049]"
        )
    return min(max(low, least), most), min(max(high, least), most)


def _fill(x, low, high):
    """Draw into `x`; an interval wider than its dtype's numbers is drawn at half size."""
    if high - low >= finfo(x.dtype).max:
        x.uniform_(low / 2, high / 2).mul_(2)
    else:
        x.uniform_(low, high)
