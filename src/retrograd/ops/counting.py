"""Distinct elements, places in sorted sequences, histograms: no gradients."""

from builtins import range as _range

import numpy as np

from ..core.apply import by_example
from ..core.op import Op, as_tensor, no_derivative
from ..core.tensor import Tensor, wrap
from . import return_types
from .arguments import deliver, normal_axes, normal_axis

__all__ = [
    "bincount", "bucketize", "hash_tensor", "histc", "histogram", "histogramdd", "searchsorted", "unique",
    "unique_consecutive",
]  # fmt: skip
METHODS = ["bincount", "hash_tensor", "histc", "histogram", "unique", "unique_consecutive"]
INPLACE = []

# --- distinct elements --------------------------------------------------------------------------------------


def _chosen(results, return_inverse, return_counts):
    values, inverse, counts = results
    out = (values, *[inverse] * return_inverse, *[counts] * return_counts)
    return out if len(out) > 1 else values


def _unique(xp, x, axis):
    kind = x.dtype
    y = x.astype(np.float32) if kind.kind == "V" else x
    values, inverse, counts = np.unique(
        y, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(x.shape if axis is None else x.shape[axis])
    return np.ascontiguousarray(values.astype(kind)), inverse.astype(np.int64), counts.astype(np.int64)


def _unique_consecutive(xp, x, axis):
    lanes = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
    n = lanes.shape[0]
    new = np.ones(n, bool)
    if n:
        new[1:] = (lanes[1:] != lanes[:-1]).reshape(n - 1, lanes[0].size).any(1)
    starts = np.flatnonzero(new)
    inverse = np.cumsum(new) - 1
    counts = np.diff(np.append(starts, n))
    values = np.moveaxis(lanes[starts], 0, axis or 0)
    return (
        np.ascontiguousarray(values),
        (inverse.reshape(x.shape) if axis is None else inverse).astype(np.int64),
        counts.astype(np.int64),
    )


_unique_row = Op(
    "unique", _unique, outputs="values inverse counts", nondiff=(1, 2), node="Unique2Backward0",
    x=lambda g: no_derivative("unique"),
)  # fmt: skip
_unique_consecutive_row = Op(
    "unique_consecutive", _unique_consecutive, outputs="values inverse counts", nondiff=(1, 2),
    x=lambda g: no_derivative("unique_consecutive"),
)  # fmt: skip


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements, sorted; or the distinct slices along `dim`.

    If asked for, also where each element of `input` is among them, and how often each occurs. Each NaN is
    distinct.
    """
    axis = None if dim is None else normal_axis(dim, input.ndim)
    return _chosen(_unique_row(input, axis), return_inverse, return_counts)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements (or slices along `dim`) without those that equal their predecessor."""
    axis = None if dim is None else normal_axis(dim, input.ndim)
    return _chosen(_unique_consecutive_row(input, axis), return_inverse, return_counts)


# --- places -------------------------------------------------------------------------------------------------


def _search(xp, x, y, right, kind):
    side = "right" if right else "left"
    if x.ndim == 1:
        return xp.searchsorted(x, y, side=side).astype(kind)
    if not x.shape[-1] or not y.size:
        return xp.zeros(y.shape, kind)
    lanes, values = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    found = [xp.searchsorted(a, v, side=side) for a, v in zip(lanes, values, strict=True)]
    return xp.array(found, kind).reshape(y.shape)


_search_row = Op("searchsorted", _search)


@by_example
def searchsorted(
    sorted_sequence, input=None, *, out_int32=False, right=False, side=None, out=None, sorter=None, self=None
):  # fmt: skip
    """Where elements of `input` would be inserted into `sorted_sequence`, sorted along its last dimension.

    sorted_sequence: 1-d, or of the shape of `input` but for the last dimension.
    right (or side="right"): after equal elements, not before.
    sorter: the indices that sort `sorted_sequence`.

    Gives int64, or int32 if `out_int32`.
    """
    values = as_tensor(self if input is None else input)
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side} [RG048]")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites: got side of left "
            "while right was True [RG048]"
        )
    keys = sorted_sequence._array
    if not values.ndim and keys.ndim != 1 and not isinstance(self if input is None else input, Tensor):
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, "
            f"but we got boundaries tensor dim({keys.ndim}) [RG038]"
        )
    if sorter is not None:
        _check_sorter(sorter, keys)
        keys = np.take_along_axis(keys, sorter._array, -1)
    if keys.ndim != 1 and keys.shape[:-1] != values._array.shape[:-1]:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
            "dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(keys.shape)} and "
            "input value tensor "
            f"{list(values._array.shape)} [RG038]"
        )
    kind = np.dtype(np.int32 if out_int32 else np.int64)
    if out is not None and out._array.dtype != kind:
        raise RuntimeError(
            f"torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) "
            f"depending on whether out_int32 flag is True, but we got output tensor's dtype {out.dtype} "
            "[RG040]"
        )
    return deliver(_search_row(wrap(keys), values, right or side == "right", kind), out)


def _check_sorter(sorter, keys):
    places = sorter._array
    if places.shape != keys.shape:
        raise RuntimeError(
            f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
            f"{list(keys.shape)} and got sorter tensor {list(places.shape)} [RG044]"
        )
    if places.dtype != np.int64:
        raise RuntimeError(
            f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype} "
            "[RG040]"
        )
    if places.size and (places.min() < 0 or places.max() >= keys.shape[-1]):
        raise RuntimeError("torch.searchsorted(): sorter index out of range [RG033]")


def bucketize(input, boundaries, *, out_int32=False, right=False, out=None):
    """The number of the bucket, among those that the sorted `boundaries` part, that each element falls in."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim}) [RG038]")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


# --- histograms ---------------------------------------------------------------------------------------------


def _outer_edges(x, given):
    """The range of a histogram: as given, else of the elements; widened by 1/2 where it is empty."""
    low, high = given or ((x.min().item(), x.max().item()) if x.size else (0.0, 1.0))
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histogram(dd): range [{low}, {high}] is not finite [RG049]")
    if low > high:
        raise RuntimeError(
            f"torch.histogram(dd): min should not exceed max, but got min {low} max {high} [RG049]"
        )
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _bin_range(x, low, high):
    if low == high and x.size:
        low, high = x.min().item(), x.max().item()
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite [RG049]")
    if low > high:
        raise RuntimeError(f"max must be larger than min: got min={low}, max={high} [RG049]")
    return low, high


def _histc(xp, x, bins, low, high):
    inside = x[(x >= low) & (x <= high)]
    places = ((inside - low) / (high - low) * bins).astype(np.int64)
    return xp.bincount(xp.minimum(places, bins - 1), minlength=bins).astype(x.dtype)


_histc_row = Op("histc", _histc)


@by_example
def histc(input, bins=100, min=0, max=0, *, out=None):
    """How many elements fall into each of `bins` equal parts of [min, max] (if equal: of the range)."""
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, but got {bins} [RG049]")
    return deliver(_histc_row(input, bins, *_bin_range(input._array, min, max)), out)


@by_example
def histogram(input, bins, *, range=None, weight=None, density=False, out=None):
    """(hist, bin_edges): a histogram with `bins` equal parts, or with the edges that the Tensor `bins` lists.

    weight: what each element counts. density: divided by the total and the width of the bin.
    """
    x = input._array
    edges = bins._array if isinstance(bins, Tensor) else bins
    if not isinstance(bins, Tensor):
        range = _outer_edges(x, range)
    counts, edges = np.histogram(
        x.reshape(-1), edges, range, density, None if weight is None else weight._array.reshape(-1)
    )
    return deliver(return_types.histogram((wrap(counts.astype(x.dtype)), wrap(edges.astype(x.dtype)))), out)


@by_example
def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """(hist, bin_edges): a histogram of points, the rows of `input`; edges for each coordinate.

    bins: the number of parts for each coordinate, one number for all, or the edges as a list of Tensors.
    range: the bounds, low and high for each coordinate in turn. The rest as in `histogram`.
    """
    x = input._array.reshape(-1, input._array.shape[-1])
    count = x.shape[1]
    if range is not None:
        range = list(zip(range[::2], range[1::2], strict=True))
    if isinstance(bins, int):
        bins = [bins] * count
    edges = [b._array if isinstance(b, Tensor) else b for b in bins]
    if not isinstance(bins[0], Tensor):
        range = [_outer_edges(x[:, i], range[i] if range else None) for i in _range(count)]
    counts, edges = np.histogramdd(
        x, edges, range, density, None if weight is None else weight._array.reshape(-1)
    )
    given = isinstance(bins[0], Tensor)
    edges = tuple(bins) if given else tuple([wrap(e.astype(x.dtype)) for e in edges])
    return return_types.histogramdd((wrap(counts.astype(x.dtype)), edges))


def _bincount(xp, x, weights, minlength):
    return xp.bincount(x, weights, minlength)


_bincount_row = Op("bincount", _bincount)


@by_example
def bincount(input, weights=None, minlength=0):
    """How often each of 0, 1, 2... occurs in a 1-d tensor of whole numbers, or the sum of its `weights`."""
    x = input._array
    if x.ndim != 1 or x.dtype.kind not in "iu" or (x.size and x.min() < 0):
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs, got {input.dtype} of shape "
            f"{list(x.shape)} [RG041]"
        )
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength} [RG049]")
    out = _bincount_row(input, weights, minlength)
    if weights is not None and weights._array.dtype == np.float32:
        return wrap(out._array.astype(np.float32))
    return out


# --- checksums ----------------------------------------------------------------------------------------------


def _hash(xp, x, axes, keepdim):
    wide = {"f": np.float64, "V": np.float64, "u": np.uint64}.get(x.dtype.kind, np.int64)
    if not axes:
        axes = None
    bits = np.ascontiguousarray(x.astype(wide)).view(np.uint64).reshape(x.shape)
    return np.bitwise_xor.reduce(bits, axis=axes, keepdims=keepdim)


_hash_row = Op("hash_tensor", _hash)


def hash_tensor(input, dim=(), *, keepdim=False, mode=0, out=None):
    """A checksum (uint64) over `dim`, all dimensions by default: the bits as float64 or int64, joined by XOR.

    mode: only 0 is defined.
    """
    if mode != 0:
        raise RuntimeError(f"hash_tensor: expected mode 0, the only one, but got {mode} [RG048]")
    axes = normal_axes(dim, input._array.ndim) if input._array.ndim else ()
    return deliver(_hash_row(input, axes, bool(keepdim)), out)
