"""Order along a dimension: sort, the largest k, medians, modes, quantiles."""

import numpy as np

from ..core.op import Op
from ..core.tensor import Tensor, wrap
from . import return_types
from .along import put_along, selecting, take_along
from .arguments import deliver, normal_axis
from .compare import isnan
from .extremes import need_elements, shared, shared_tangent
from .pointwise import where_row
from .power import ceil, floor
from .power import round as round_
from .reduce import any as any_
from .reduce import numpy_names, sum_row
from .shape import cast_row, permute_row, reshape_row

__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile", "sort", "topk",
]  # fmt: skip
METHODS = __all__
INPLACE = []

# --- sort ---------------------------------------------------------------------------------------------------


def ordered(xp, x, axis, descending=False):
    """The indices that sort x; equal elements keep their order, NaN is larger than all numbers."""
    if x.dtype.kind == "c":
        raise NotImplementedError(
            "Sort does not support complex dtypes on CPU: complex numbers have no order [RG041]"
        )
    if x.dtype.kind == "V":
        x = x.astype(np.float32)
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    backwards = xp.argsort(xp.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - xp.flip(backwards, axis)


def _sort(xp, x, axis, descending):
    if x.ndim == 0:
        return x.copy(), xp.zeros((), np.int64)
    indices = ordered(xp, x, axis, descending)
    return np.take_along_axis(x, indices, axis), indices


def _topk(xp, x, axis, k, largest):
    if x.ndim == 0:
        return x.copy(), xp.zeros((), np.int64)
    n = x.shape[axis]
    if 8 * k < n > 1000:  # part first, then sort few
        y = x.astype(np.float32) if x.dtype.kind == "V" else x
        chosen = xp.argpartition(y, n - k if largest and k else max(k - 1, 0), axis=axis)
        lane = (slice(None),) * axis
        chosen = chosen[(*lane, slice(n - k, None) if largest else slice(0, k))]
        order = ordered(xp, np.take_along_axis(x, chosen, axis), axis, largest)
        indices = np.take_along_axis(chosen, order, axis)
    else:
        indices = np.take(ordered(xp, x, axis, largest), np.arange(k), axis)
    return np.take_along_axis(x, indices, axis), indices


def _reordering(name, forward):
    return Op(
        name, forward, outputs="values indices", nondiff=(1,),
        x=lambda g_values, x_shape, indices, axis: put_along(g_values, indices, axis, x_shape),
        jvp=lambda t_x, indices, axis: (take_along(t_x, indices, axis), None),
    )  # fmt: skip


sort_row, _topk_row = _reordering("sort", _sort), _reordering("topk", _topk)


def sort(input, dim=-1, descending=False, stable=False, *, out=None):
    """(values, indices) along `dim`; NaN is larger than all numbers, equal elements keep their order."""
    return deliver(return_types.sort(sort_row(input, normal_axis(dim, input._array.ndim), descending)), out)


def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that sort `input` along `dim`. Always stable."""
    return sort(input.detach(), dim, descending)[1]


def msort(input, *, out=None):
    """`input` sorted along its first dimension."""
    return deliver(sort(input, 0)[0], out)


def topk(input, k, dim=-1, largest=True, sorted=True, *, out=None):
    """(values, indices) of the `k` largest (or smallest) elements along `dim`, in order."""
    axis = normal_axis(dim, input._array.ndim)
    if not 0 <= k <= (input._array.shape[axis] if input._array.ndim else 1):
        raise RuntimeError(
            f"selected index k out of range: k is {k}, dimension {axis} of shape "
            f"{list(input._array.shape)} [RG049]"
        )
    return deliver(return_types.topk(_topk_row(input, axis, k, largest)), out)


# --- one of each lane ---------------------------------------------------------------------------------------


def _kth(xp, x, axis, k):
    return np.take(ordered(xp, x, axis), [k - 1], axis)


def _median(xp, x, axis, k):
    order = ordered(xp, x, axis)
    nans = xp.isnan(x).sum(axis, keepdims=True) if x.dtype.kind in "fV" else 0
    place = xp.where(
        nans > 0, x.shape[axis] - nans, (x.shape[axis] - 1) // 2
    )  # the first NaN, if there is one
    return np.take_along_axis(order, xp.broadcast_to(place, np.take(order, [0], axis).shape), axis)


def _nanmedian(xp, x, axis, k):
    order = ordered(xp, x, axis)
    count = (x == x).sum(axis, keepdims=True)
    return np.take_along_axis(order, xp.maximum(count - 1, 0) // 2, axis)


def _mode(xp, x, axis, k):
    """The value of the longest run in the sorted lane (the first of equal ones), as its last place in x."""
    values = np.take_along_axis(x, ordered(xp, x, axis), axis)
    lane, n = (slice(None),) * axis, x.shape[axis]
    places = xp.arange(n).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    new = xp.ones(x.shape, bool)
    new[(*lane, slice(1, None))] = values[(*lane, slice(1, None))] != values[(*lane, slice(None, -1))]
    length = places - xp.maximum.accumulate(xp.where(new, places, 0), axis=axis)
    longest = xp.argmax(length, axis=axis, keepdims=True)
    hits = x == np.take_along_axis(values, longest, axis)
    return n - 1 - xp.argmax(xp.flip(hits, axis), axis=axis, keepdims=True)


_kthvalue_row, _mode_row = selecting("kthvalue", _kth), selecting("mode", _mode)
_median_dim_row, _nanmedian_dim_row = selecting("median_dim", _median), selecting("nanmedian_dim", _nanmedian)


def _whole(find):
    def forward(xp, x, axes):
        if not x.size:
            return xp.asarray(np.nan, x.dtype)
        flat = x.reshape(-1)
        return flat[find(xp, flat, 0, None)[0]]

    return forward


def _shared_by_all(g, x, axes, out):
    return shared(g, x, axes, False, out)


_median_row, _nanmedian_row = [
    Op(
        name, _whole(find), x=_shared_by_all, node=f"{name.capitalize()}Backward0",
        jvp=lambda t_x, x, axes, out: shared_tangent(t_x, x, axes, False, out),
    )
    for name, find in (("median", _median), ("nanmedian", _nanmedian))
]  # fmt: skip


def _select(name, row, input, dim, keepdim, k, out):
    axis = normal_axis(dim, input._array.ndim)
    need_elements(name, input, (axis,) if input._array.ndim else (), dim)
    return deliver(getattr(return_types, name)(row(input, axis, keepdim, k)), out, exact=True)


@numpy_names
def median(input, dim=None, keepdim=False, *, out=None):
    """The middle element, the lower one of two; along `dim`: (values, indices). NaN where there is a NaN."""
    if dim is None:
        return deliver(_median_row(input, tuple(range(input._array.ndim))), out)
    return _select("median", _median_dim_row, input, dim, keepdim, None, out)


@numpy_names
def nanmedian(input, dim=None, keepdim=False, *, out=None):
    """`median` of the elements that are not NaN."""
    if dim is None:
        return deliver(_nanmedian_row(input, tuple(range(input._array.ndim))), out)
    return _select("nanmedian", _nanmedian_dim_row, input, dim, keepdim, None, out)


@numpy_names
def mode(input, dim=-1, keepdim=False, *, out=None):
    """(values, indices) of the most frequent element along `dim`: the smallest of several, its last place."""
    return _select("mode", _mode_row, input, dim, keepdim, None, out)


@numpy_names
def kthvalue(input, k, dim=-1, keepdim=False, *, out=None):
    """(values, indices) of the `k`th smallest element along `dim`, counted from 1."""
    axis = normal_axis(dim, input._array.ndim)
    n = input._array.shape[axis] if input._array.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {dim}: k is {k}, of {n} elements "
            "[RG049]"
        )
    return _select("kthvalue", _kthvalue_row, input, dim, keepdim, k, out)


# --- quantiles ----------------------------------------------------------------------------------------------

_ROUNDINGS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name, input, q, dim, keepdim, interpolation, skip_nan):
    if interpolation not in _ROUNDINGS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation} [RG048]"
        )
    if input._array.dtype not in (np.float32, np.float64):
        raise RuntimeError(
            f"{name}() input tensor must be either float or double dtype, got {input.dtype} [RG041]"
        )
    if not input._array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty [RG123]")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q} [RG049]")
        q = wrap(np.asarray(q, input._array.dtype))
    elif q._array.ndim > 1:
        raise RuntimeError(
            f"{name}() q must be a scalar or 1D tensor, got one of shape {list(q.shape)} [RG038]"
        )
    elif q.dtype != input.dtype:
        raise RuntimeError(
            f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype} and {input.dtype} "
            "[RG040]"
        )
    elif not np.all((q._whole._array >= 0) & (q._whole._array <= 1)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1] [RG049]")
    shape = list(input._array.shape)
    if dim is None:
        x, kept = reshape_row(input, (-1,)), [1] * len(shape)
    else:
        axis = normal_axis(dim, len(shape))
        others = [i for i in range(len(shape)) if i != axis]
        x = permute_row(input, (*others, axis)) if shape else reshape_row(input, (1,))
        kept = [1 if i == axis else n for i, n in enumerate(shape)]
    values = _interpolated(x, reshape_row(q, (-1,)), interpolation, skip_nan)
    lanes = kept if keepdim else [n for i, n in enumerate(shape) if dim is not None and i != axis]
    ndim = values._array.ndim
    values = permute_row(values, (ndim - 1, *range(ndim - 1)))
    return reshape_row(values, (*q._array.shape, *lanes))


def _interpolated(x, q, interpolation, skip_nan):
    """The quantiles q along the last axis of x, which they replace."""
    values = sort_row(x, x._array.ndim - 1, False)[0]
    if skip_nan:
        valid = sum_row(x == x, (x._array.ndim - 1,), True)
        last = cast_row(where_row(valid - 1, 0, valid > 0), q._array.dtype)
        ranks = q * last
    else:
        last = x._array.shape[-1] - 1
        ranks = where_row(float(last), q * last, any_(isnan(x), -1, True))
    if interpolation == "lower":
        ranks = floor(ranks)
    elif interpolation == "higher":
        ranks = ceil(ranks)
    elif interpolation == "nearest":
        ranks = round_(ranks)
    below = floor(ranks)
    axis = values._array.ndim - 1
    at = take_along(values, cast_row(below.detach(), np.dtype(np.int64)), axis)
    if interpolation not in ("linear", "midpoint"):
        return at
    over = take_along(values, cast_row(ceil(ranks).detach(), np.dtype(np.int64)), axis)
    weight = ranks - below if interpolation == "linear" else 0.5
    return at + (over - at) * weight


@numpy_names
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """The quantiles `q` (a number or 1-d Tensor) along `dim`; several come as a new first dimension.

    Between two elements `interpolation` takes "linear", "lower", "higher", "midpoint" or "nearest".
    """
    return deliver(_quantile("quantile", input, q, dim, keepdim, interpolation, False), out)


@numpy_names
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """`quantile` of the elements that are not NaN."""
    return deliver(_quantile("nanquantile", input, q, dim, keepdim, interpolation, True), out)
