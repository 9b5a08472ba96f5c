"""How rows run on whole batches: the families, elementwise, along axes, of shapes and of parts.

A rule takes (level, op, args), with at least one Tensor among args that the level hides a dimension of, and
gives the row's result with that dimension hidden, or None to have the row run on one example at a time.
"""

from math import prod

import numpy as np

from ..core.op import ELEMENTWISE, PAIR, PAIR_FLOAT, TABLE
from ..core.tensor import Tensor
from .level import RULES

FULL = slice(None)


def rule(*names):
    """Decorate the rule of the rows `names`."""

    def register(function):
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def hidden(level, result):
    """A row's result on whole batches whose first dimension is the batch's, that dimension hidden."""
    if isinstance(result, tuple):
        return tuple([level.wrap(r) for r in result])
    return level.wrap(result)


def rank(x):
    return x.ndim if hasattr(x, "ndim") else 0


def padded_to(value, n):
    """`value`, batch first, with dimensions of size 1 after the batch's until it has `n` in all."""
    missing = n - value.ndim
    if missing <= 0:
        return value
    return TABLE["view"](value, (value.shape[0], *(1,) * missing, *value.shape[1:]))


# --- elementwise ------------------------------------------------------------------------


def elementwise(level, op, args):
    """Batch first, then ones so that the examples' dimensions align from the last."""
    n = max([rank(a) for a in args if isinstance(a, Tensor)])
    if op.promote in (PAIR, PAIR_FLOAT):
        args = promoted(level, op, args)
    aligned = [padded_to(level.front(a), n + 1) if level.hides(a) else a for a in args]
    return hidden(level, op(*aligned))


def promoted(level, op, args):
    """Tensors in the dtype that examples are computed in: batches have one dimension more, and 0-d tensors
    count less."""
    values = [np.empty(a._array.shape, a._array.dtype) if isinstance(a, Tensor) else a for a in args[:2]]
    before = [getattr(v, "dtype", None) for v in values]
    op.promote_arguments(values)
    with level.inside():
        cast = [
            TABLE["cast"](a, v.dtype) if isinstance(a, Tensor) and v.dtype != old else a
            for a, v, old in zip(args[:2], values, before, strict=True)
        ]
    return (*cast, *args[2:])


rule(
    ELEMENTWISE, "isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit", "logical_and",
    "logical_or", "logical_xor",
    "logical_not", "bitwise_not", "heaviside", "isclose", "sgn", "abs", "real_part", "masked", "nan_to_num",
    "angle",
    "complex", "conj", "clone", "cast", "alias", "real", "imag", "view_as_real", "view_as_complex",
    "complex_to_pairs",
    "pairs_to_complex", "frexp", "view_dtype", "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1",
    "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
    "spherical_bessel_j0",
)(elementwise)  # fmt: skip


@rule("prelu")
def _prelu(level, op, args):
    x, weight = args
    if (
        level.hides(weight) and rank(weight) == 1 and rank(x) > 1
    ):  # aligned with the channels, not from the last
        shape = (-1, *[1] * (rank(x) - 2))
        return elementwise(level, op, (x, level.wrap(_reshaped(level.front(weight), shape))))
    return elementwise(level, op, args)


@rule(
    "fill",
    "copy",
    "bernoulli",
    "uniform",
    "normal",
    "random",
    "exponential",
    "geometric",
    "cauchy",
    "log_normal",
    "zero",
)
def _overwriting(level, op, args):
    """The result has the shape of the first argument, whatever the second's."""
    x, value = args
    x = level.whole(x)
    if level.hides(value):
        value = padded_to(level.front(value), x.ndim)
    elif op.name not in ("fill", "copy"):  # these broadcast; of the others the second argument is the result
        value = level.whole(value)
    return level.wrap(op(x, value))


@rule("masked_fill")
def _masked_fill(level, op, args):
    n = max(rank(args[0]), rank(args[2]))
    x = padded_to(level.whole(args[0]), n + 1)
    value, mask = [padded_to(level.front(a), n + 1) if level.hides(a) else a for a in args[1:]]
    return level.wrap(op(x, value, mask))


@rule("isin")
def _isin(level, op, args):
    return level.wrap(op(level.front(args[0]), *args[1:])) if not level.hides(args[1]) else None


# --- along axes, of shapes, parts -------------------------------------------------------

_MOVED = {  # how a parameter changes where a dimension of size n comes first
    "axis": lambda v, n: v + 1,
    "axis0": lambda v, n: v + 1,
    "axis1": lambda v, n: v + 1,
    "axes": lambda v, n: tuple([a + 1 for a in v]),
    "shape": lambda v, n: (n, *v),
    "key": lambda v, n: (FULL, *v),
    "widths": lambda v, n: ((0, 0), *v),
}


def along(level, op, args):
    """Every tensor with the batch first, every axis one further."""
    axes = [v for p, v in zip(op.parameters, args, strict=False) if p in ("axis", "axis0", "axis1")]
    first = next(a for a in args if level.hides(a))
    if axes and (rank(first) == 0 or None in axes):
        return None  # an axis of a 0-d example
    moved = []
    for i, a in enumerate(args):
        name = op.parameters[i] if i < len(op.parameters) else None
        if name in _MOVED and not isinstance(a, Tensor):
            moved.append(_MOVED[name](a, level.size))
        elif isinstance(a, (Tensor, np.ndarray)):
            moved.append(level.whole(a))
        else:
            moved.append(a)
    return hidden(level, op(*moved))


rule(
    "sum", "mean", "prod", "var", "std", "any", "all", "count_nonzero", "cumsum", "shift", "recurrence",
    "cumprod",
    "logcumsumexp", "cummax", "cummin", "logsumexp", "softmax", "log_softmax", "amax", "amin", "max_of_all",
    "min_of_all", "max", "min", "sort", "topk",
    "kthvalue", "mode", "median_dim", "nanmedian_dim", "vector_norm", "flip", "unbind", "split",
    "split_with_sizes",
    "uncut", "restack", "stack", "cat", "transpose", "squeeze", "squeeze_dim", "squeeze_dims", "diagonal",
    "on_diagonal",
    "unfold", "view", "reshape", "select", "slice", "newaxis", "place", "constant_pad_nd", "tril",
    "triu",
    "take_along", "put_along", "add_along", "scatter_reduce",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_avg_pool_input", "avg_pool", "avg_pool_input",
    "max_pool1d",
    "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    "max_pool_input", "pool_indices",
    "pool_pick", "pool_place", "var_mean", "std_mean", "fft_c2c", "fft_r2c", "fft_c2r", "fft_lengthen",
)(along)  # fmt: skip


@rule("overlap")
def _overlap(level, op, args):
    return along(level, op, args) if args[1] else None  # windows of a 0-d example


@rule("argmax", "argmin")
def _arg(level, op, args):
    x, axis, keepdim = args
    if axis is not None:
        return along(level, op, args)
    value = level.front(x)
    found = op(TABLE["reshape"](value, (level.size, prod(x.shape))), 1, False)
    return level.wrap(TABLE["view"](found, (level.size, *[1] * rank(x))) if keepdim else found)


@rule("unsqueeze")
def _unsqueeze(level, op, args):
    x, axes = args
    return level.wrap(op(level.front(x), tuple([a + 1 for a in axes])))


@rule("permute", "contiguous")
def _permute(level, op, args):
    x, axes = args
    return level.wrap(op(level.front(x), (0, *[a + 1 for a in axes])))


@rule("t")
def _t(level, op, args):
    value = level.front(args[0])
    return level.wrap(TABLE["transpose"](value, 1, 2) if value.ndim == 3 else TABLE["alias"](value))


@rule("broadcast_to")
def _broadcast_to(level, op, args):
    x, shape = args
    return level.wrap(op(padded_to(level.front(x), len(shape) + 1), (level.size, *shape)))


@rule("sum_to")
def _sum_to(level, op, args):
    x, shape = args
    value = level.front(x)
    extra = tuple(range(1, value.ndim - len(shape)))
    if extra:
        value = TABLE["sum"](value, extra, False)
    return level.wrap(op(value, (level.size, *shape)))


@rule("repeat")
def _repeat(level, op, args):
    x, repeats = args
    return level.wrap(op(padded_to(level.front(x), len(repeats) + 1), (1, *repeats)))


@rule("roll")
def _roll(level, op, args):
    x, shifts, axes = args
    if axes is None:
        return None
    return level.wrap(op(level.front(x), shifts, tuple([a + 1 for a in axes])))


@rule("own_pad", "own_pad_backward")
def _own_pad(level, op, args):
    x, shape, indices = args
    return level.wrap(op(level.front(x), (level.size, *shape), tuple([(axis + 1, i) for axis, i in indices])))


@rule("resample", "resample_backward")
def _resample(level, op, args):
    x, indices, weights, axis, size = args
    return level.wrap(op(level.front(x), indices, weights, axis + 1, size))


@rule("as_strided")
def _as_strided(level, op, args):
    x, shape, strides, offset, x_strides, x_offset = args
    if not isinstance(x, Tensor):
        return None
    value = level.front(x)
    step = value._array.strides[0] // value._array.itemsize
    if not step:
        return None  # examples that share memory
    whole_strides = tuple([s // value._array.itemsize for s in value._array.strides])
    return level.wrap(op(value, (level.size, *shape), (step, *strides), offset, whole_strides, x_offset))


# --- several examples as one batch ------------------------------------------------------


def _reshaped(value, shape):
    """`value`, batch first, with each example in another shape, of which one size may be -1."""
    shape = [int(n) for n in shape]
    if -1 in shape:
        known = -prod(shape)
        shape[shape.index(-1)] = prod(value.shape[1:]) // max(known, 1)
    return TABLE["reshape"](value, (value.shape[0], *shape))


def merged(value):
    """(B, N, ...) as (B * N, ...)."""
    return TABLE["reshape"](value, (value.shape[0] * value.shape[1], *value.shape[2:]))


def parted(value, size):
    """(B * N, ...) as (B, N, ...)."""
    return TABLE["reshape"](value, (size, value.shape[0] // size, *value.shape[1:]))


def part_all(level, result):
    if isinstance(result, tuple):
        return tuple([level.wrap(parted(r, level.size)) for r in result])
    return level.wrap(parted(result, level.size))


@rule("unfold_windows", "fold_windows")
def _windows(level, op, args):
    return part_all(level, op(merged(level.front(args[0])), *args[1:])) if level.size else None
