"""Reductions and normalisations that leave elements out, as `torch.masked`.

Each function takes `mask`, a bool Tensor that broadcasts to `input`: False leaves an element out. What is
left out counts as the operation's neutral value (0 of a sum, 1 of a product, -inf of a maximum); a
reduction over nothing gives that value, or NaN where there is none (mean, median, var, std). There is no
MaskedTensor.
"""

import builtins
import math

import numpy as np

from .core import arrays
from .core.tensor import Tensor, wrap
from .ops import elementary, extremes, norms, pointwise, reduce, scan, softmaxes
from .ops.arguments import normal_axes, normal_axis
from .ops.pointwise import clamp_min, where
from .ops.power import sqrt
from .ops.reduce import any as any_
from .ops.shape import expand, reshape
from .ops.sorting import nanmedian

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp",
    "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip


def _full_mask(input, mask):
    """`mask` in the shape of `input`."""
    if mask.ndim > input.ndim:
        raise IndexError(
            f"masked: expected a mask of at most the {input.ndim} dimensions of the input, but its shape is "
            f"{list(mask.shape)} [RG122]"
        )
    if mask._array.dtype.kind != "b":
        mask = mask != 0
    return expand(mask, input.shape)


def _filled(input, mask, neutral):
    """`input` with `neutral` where it is left out."""
    if not isinstance(input, Tensor):
        raise TypeError(f"masked: expected input to be a Tensor, not {type(input).__name__} [RG047]")
    if mask is None:
        return input
    kind = input._array.dtype
    if isinstance(neutral, float) and math.isinf(neutral) and kind.kind in "iu":
        limits = np.iinfo(kind)
        neutral = limits.max if neutral > 0 else limits.min
    return where(_full_mask(input, mask), input, wrap(np.asarray(neutral, kind)))


def _axes(dim, ndim):
    return tuple(sorted(normal_axes(dim, ndim)))


def _kept(input, dtype):
    return input.dtype if dtype is None else dtype


def _summed(input, dtype):
    """The dtype of sums and products: small whole numbers become int64."""
    return arrays.int64 if dtype is None and input._array.dtype.kind in "biu" else _kept(input, dtype)


# --- reductions -----------------------------------------------------------------------------------------


def sum(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The sum over `dim` (all dimensions by default) of the elements that `mask` keeps."""
    x = _filled(input, mask, 0)
    return reduce.sum(x, _axes(dim, input.ndim), bool(keepdim), dtype=_summed(input, dtype))


def prod(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The product over `dim` (all dimensions by default) of the elements that `mask` keeps."""
    kind = _summed(input, dtype)
    result = _filled(input, mask, 1).to(kind)
    for axis in reversed(_axes(dim, input.ndim)):
        result = reduce.prod(result, axis, bool(keepdim))
    return result


def amax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The largest over `dim` of the elements that `mask` keeps."""
    x = _filled(input, mask, -math.inf)
    return extremes.amax(x, _axes(dim, input.ndim), bool(keepdim)).to(_kept(input, dtype))


def amin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The smallest over `dim` of the elements that `mask` keeps."""
    x = _filled(input, mask, math.inf)
    return extremes.amin(x, _axes(dim, input.ndim), bool(keepdim)).to(_kept(input, dtype))


def argmax(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where along `dim` (None: in the flat input) the largest element that `mask` keeps is.

    As in PyTorch, the place has the dtype of `input`.
    """
    return _filled(input, mask, -math.inf).argmax(dim, bool(keepdim)).to(_kept(input, dtype))


def argmin(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """Where along `dim` (None: in the flat input) the smallest element that `mask` keeps is.

    As in PyTorch, the place has the dtype of `input`.
    """
    return _filled(input, mask, math.inf).argmin(dim, bool(keepdim)).to(_kept(input, dtype))


def _count(input, axes, keepdim, mask):
    """How many elements are kept: a Tensor of int64, or a number where there is no mask."""
    if mask is None:
        return math.prod(input.shape[a] for a in axes if input.ndim)
    return reduce.sum(_full_mask(input, mask), axes, keepdim)


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean over `dim` of the elements that `mask` keeps; NaN of none."""
    kind = _kept(input, dtype)
    if not (kind.is_floating_point or kind.is_complex):
        raise ValueError(
            "mean(): Could not infer output dtype: it must be a floating point or complex one, but is "
            f"{kind} [RG041]"
        )
    axes = _axes(dim, input.ndim)
    return sum(input, axes, keepdim=keepdim, dtype=dtype, mask=mask) / _count(
        input, axes, bool(keepdim), mask
    )


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The (lower) median along `dim` of the elements that `mask` keeps; of none NaN (ints: error)."""
    axis = normal_axis(dim, input.ndim)
    floating = input.dtype.is_floating_point
    x = _filled(input if floating else input.to(arrays.float32), mask, math.nan)
    values = nanmedian(x, axis, bool(keepdim)).values
    if floating:
        return values
    if np.isnan(values._array).any():
        raise ValueError(
            "masked median expects no fully masked out rows if dtype is not floating point [RG122]"
        )
    return values.to(_kept(input, dtype))


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The logarithm of the sum over `dim` of the exponentials of the elements that `mask` keeps."""
    x = _filled(input, mask, -math.inf)
    return softmaxes.logsumexp(x, _axes(dim, input.ndim), bool(keepdim)).to(_kept(input, dtype))


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm over `dim` of the elements that `mask` keeps."""
    x = _filled(input, mask, math.inf if ord == -math.inf else 0)
    return norms.vector_norm(x, ord, _axes(dim, input.ndim), bool(keepdim), dtype=dtype)


def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance over `dim` of the n elements that `mask` keeps, over n - correction (by default 1)."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given [RG120]")
    if correction is None:
        correction = 1.0 if unbiased in (None, True) else 0.0
    kind = _kept(input, dtype)
    if not (kind.is_floating_point or kind.is_complex):
        kind = arrays.float32
    axes = _axes(dim, input.ndim)
    count = _count(input, axes, True, mask)
    x = input - sum(input, axes, keepdim=True, dtype=kind, mask=mask) / count
    total = sum(x * pointwise.conj(x), axes, keepdim=keepdim, dtype=kind, mask=mask)
    if isinstance(count, builtins.int):
        return total / builtins.max(count - correction, 0)
    count = count if keepdim else reshape(count, total.shape)
    return (total / clamp_min(count.to(total.real.dtype) - correction, 0)).to(kind)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The root of `var`."""
    return sqrt(var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask))


# --- what keeps the shape -------------------------------------------------------------------------------


def cumsum(input, dim, *, dtype=None, mask=None):
    """The sums along `dim` up to each element, of those that `mask` keeps."""
    kind = _kept(input, dtype)
    return scan.cumsum(_filled(input, mask, 0), normal_axis(dim, input.ndim), dtype=kind)


def cumprod(input, dim, *, dtype=None, mask=None):
    """The products along `dim` up to each element, of those that `mask` keeps."""
    kind = _kept(input, dtype)
    return scan.cumprod(_filled(input, mask, 1), normal_axis(dim, input.ndim), dtype=kind)


def softmax(input, dim, *, dtype=None, mask=None):
    """softmax along `dim`; what `mask` leaves out gets 0, and NaN where it leaves nothing."""
    x = _filled(input, mask, -math.inf)
    return softmaxes.softmax(x, normal_axis(dim, input.ndim), dtype=_kept(input, dtype))


def log_softmax(input, dim, *, dtype=None, mask=None):
    """log_softmax along `dim`; what `mask` leaves out gets -inf, and NaN where it leaves nothing."""
    x = _filled(input, mask, -math.inf)
    return softmaxes.log_softmax(x, normal_axis(dim, input.ndim), dtype=_kept(input, dtype))


def softmin(input, dim, *, dtype=None, mask=None):
    """softmax of -input."""
    x = _filled(input, mask, math.inf)
    return softmaxes.softmax(-x, normal_axis(dim, input.ndim), dtype=_kept(input, dtype))


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """The elements that `mask` keeps over their norm along `dim`, at least `eps`; 0 for the others."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / pointwise.maximum(size, wrap(np.asarray(eps, size._array.dtype)))


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(input) + exp(other)), where each mask leaves out elements of its tensor."""
    x, y = _filled(input, input_mask, -math.inf), _filled(other, other_mask, -math.inf)
    return elementary.logaddexp(x, y).to(_kept(input, dtype))


def _input_mask(input, *args, mask=None, **kwargs):
    """`mask` in the shape of `input`; all True where there is none."""
    if mask is None:
        return wrap(np.ones(tuple(input.shape), bool))
    return _full_mask(input, mask)


def _output_mask(op, input, *args, mask=None, **kwargs):
    """Which elements of op(input, ..., mask=mask) come from at least one that is kept."""
    full = _input_mask(input, mask=mask)
    if op in (softmax, log_softmax, softmin, normalize, cumsum, cumprod):
        return full
    if op is norm:
        args = args[1:]
    dim = args[0] if args else kwargs.get("dim", -1 if op is median else None)
    axes = _axes(dim, input.ndim)
    return any_(full, axes, bool(kwargs.get("keepdim", False))) if input.ndim else full
