"""A loss's older arguments `size_average` and `reduce` as `reduction`; for losses that users derive."""

from ..ops.loss import legacy_reduction

_NUMBERS = {"none": 0, "mean": 1, "elementwise_mean": 1, "sum": 2}


def get_enum(reduction):
    """PyTorch's number of a reduction."""
    if reduction not in _NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction [RG048]")
    return _NUMBERS[reduction]


def legacy_get_string(size_average, reduce, emit_warning=True):
    """The reduction that the older arguments mean; warns that they are deprecated."""
    if emit_warning:
        return legacy_reduction(size_average, reduce)
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def legacy_get_enum(size_average, reduce, emit_warning=True):
    """PyTorch's number of `legacy_get_string`."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
