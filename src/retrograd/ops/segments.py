"""`segment_reduce`: reductions over stretches of a dimension, of given lengths."""

import numpy as np

from ..core.apply import by_example
from ..core.op import as_tensor
from .arguments import normal_axis
from .picking import scatter_add, scatter_reduce
from .pointwise import where_row
from .shape import expand

__all__ = ["_segment_reduce", "segment_reduce"]
METHODS = []
INPLACE = []

_KINDS = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "min": "amin"}
_EMPTY = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf}


@by_example
def segment_reduce(
    data, reduce, *, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None
):
    """The sum, mean, prod, max or min of each stretch of `data` along `axis`.

    lengths: how long the stretches are, or offsets: where they begin, and the end of the last; of data's
    shape before `axis`, so `axis` is their last dimension. initial: takes part in each stretch; without it,
    empty ones give 0, NaN, 1, -inf and inf. unsafe: the lengths are not checked.
    """
    if reduce not in _KINDS:
        raise RuntimeError(
            f"segment_reduce(): reduce must be sum, mean, prod, max or min, got {reduce} [RG048]"
        )
    if data._array.dtype.kind not in "fV":
        raise NotImplementedError(f"segment_reduce() takes floating dtypes, got {data.dtype} [RG041]")
    axis = normal_axis(axis, data.ndim)
    lengths = _lengths(lengths, offsets, axis)
    if not unsafe:
        _check(lengths, data.shape[axis])
    segments = lengths.shape[axis]
    numbers = np.stack([np.repeat(np.arange(segments), n) for n in lengths.reshape(-1, segments)])
    numbers = numbers.reshape(*lengths.shape[:axis], -1, *(1,) * (data.ndim - axis - 1))
    index = expand(as_tensor(numbers), data.shape)
    shape = (*data.shape[:axis], segments, *data.shape[axis + 1 :])
    start = as_tensor(np.full(shape, _EMPTY[reduce] if initial is None else initial, data._array.dtype))
    if reduce == "mean":
        return _mean(scatter_add(start, axis, index, data), lengths, data.ndim, initial)
    return scatter_reduce(start, axis, index, data, _KINDS[reduce])


def _mean(total, lengths, ndim, initial):
    """The sums by the lengths; of nothing, NaN or the initial value."""
    lengths = lengths.reshape(*lengths.shape, *(1,) * (ndim - lengths.ndim))
    counts = as_tensor(lengths.astype(total._array.dtype))
    if initial is None:
        return total / counts
    return where_row(total, total / where_row(1, counts, counts == 0), counts == 0)


def _lengths(lengths, offsets, axis):
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined. [RG120]")
    given = lengths if lengths is not None else offsets
    if given.ndim != axis + 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of lengths but got {axis} for lengths "
            f"of {given.ndim} dimensions. [RG044]"
        )
    return lengths._array if lengths is not None else np.diff(offsets._array, axis=-1)


def _check(lengths, size):
    if (lengths < 0).any():
        raise RuntimeError("lengths contains negative value! [RG049]")
    if (lengths.sum(-1) != size).any():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            f"data.size(lengths.dim()-1) = {size} when !unsafe. [RG044]"
        )


_segment_reduce = segment_reduce  # the name that PyTorch had first
