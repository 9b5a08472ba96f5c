"""Vector norms, distances and what rescales by them."""

import math

from ..core import arrays
from ..core.op import Op, through_float32
from .arguments import deliver, normal_axis
from .decompositions import svd_row
from .pointwise import absolute, conj, masked, real_part, sgn, where_row
from .reduce import axes_of, cast_to, numpy_names, sum_row, unreduced
from .shape import permute, reshape

__all__ = ["dist", "norm", "renorm"]
METHODS = __all__
INPLACE = ["renorm"]


@through_float32
def _vector_norm(xp, x, p, axes, keepdim):
    size = xp.abs(x) if p != 2 or x.dtype.kind == "c" else x
    if p == 2:
        return xp.sqrt(arrays.add_up(size * size, axes, keepdim))
    if p == math.inf:
        return xp.maximum.reduce(size, axis=axes, keepdims=keepdim)
    if p == -math.inf:
        return xp.minimum.reduce(size, axis=axes, keepdims=keepdim)
    if p == 0:
        return xp.add.reduce(size != 0, axis=axes, keepdims=keepdim, dtype=size.dtype)
    if p == 1:
        return arrays.add_up(size, axes, keepdim)
    return arrays.add_up(size**p, axes, keepdim) ** (1 / p)


def _slope(x, p, axes, out):
    """The derivative of a norm; zero where it has none, at the origin and for p < 2 at any x = 0."""
    if p == 0:
        return x * 0
    if p == 1:
        return sgn(x)
    if math.isinf(p):  # shared by all elements of that size
        hits = absolute(x) == out
        return masked(sgn(x), hits) / sum_row(hits, axes, True)
    inverse = masked(1 / where_row(1, out, out == 0), out != 0)
    if p == 2:
        return x * inverse
    size = absolute(x)
    ratio = where_row(1, size * inverse, (size == 0) | (out == 0)) ** (p - 1)
    return masked(sgn(x) * ratio, (size != 0) & (out != 0))


def _norm_formula(g, x, p, axes, keepdim, out):
    return unreduced(g, x.shape, axes, keepdim) * _slope(x, p, axes, unreduced(out, x.shape, axes, keepdim))


def _norm_tangent(t_x, x, p, axes, keepdim, out):
    slope = _slope(x, p, axes, unreduced(out, x.shape, axes, keepdim))
    return sum_row(real_part(conj(slope) * t_x), axes, keepdim)


vector_norm_row = Op(
    "vector_norm", _vector_norm, x=_norm_formula, jvp=_norm_tangent, node="LinalgVectorNormBackward0"
)


@numpy_names
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """(sum of |x|**ord) ** (1 / ord) over the dimensions `dim` (all by default), as `linalg.vector_norm`.

    ord: any number; inf gives the largest |x|, -inf the smallest, 0 the number of elements that are not zero.

    Where a norm has no derivative (the 2-norm at the origin) the gradient is zero.
    """
    if dtype is not None and arrays.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"linalg.vector_norm: the dtype of the input ({x.dtype}) should be convertible without "
            "narrowing to the specified "
            f"dtype ({dtype}) [RG041]"
        )
    x = cast_to(x, dtype)
    if x._array.dtype.kind in "iub":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{x.dtype}; give dtype= [RG041]"
        )
    if isinstance(ord, complex):
        raise RuntimeError(
            f"linalg.vector_norm: Expected a non-complex scalar as the order of norm, got {ord} [RG049]"
        )
    axes = axes_of(x, dim)
    if (ord == math.inf or ord < 0) and not all([x.shape[a] for a in axes]):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does "
            "not have an identity [RG123]"
        )
    return deliver(vector_norm_row(x, ord, axes, keepdim), out)


@numpy_names
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The norm over the dimensions `dim` (all by default): `p` a number, or "fro", the same as 2.

    p="nuc": the sum of the singular values of the matrices in the two dimensions `dim` (the two of a matrix).
    """
    if p == "nuc":
        return deliver(_nuclear(input, dim, keepdim, dtype), out)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"only valid string values are 'fro' and 'nuc', found {p} [RG049]")
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype, out=out)


def _nuclear(input, dim, keepdim, dtype):
    if dim is None and input.ndim != 2:
        raise RuntimeError(
            f"norm: the nuclear norm takes a matrix, got {input.ndim} dimensions; give dim= [RG129]"
        )
    axes = (0, 1) if dim is None else axes_of(input, dim)
    if len(axes) != 2:
        raise RuntimeError(
            f"norm: the nuclear norm takes two dimensions, which must be different: {dim} [RG129]"
        )
    kept = [i for i in range(input.ndim) if i not in axes]
    matrices = permute(cast_to(input, dtype), (*kept, *axes))
    total = sum_row(svd_row(matrices, False)[1], (len(kept),), False)
    if not keepdim:
        return total
    return reshape(total, [1 if i in axes else n for i, n in enumerate(input.shape)])


def dist(input, other, p=2):
    """The `p`-norm of input - other."""
    return vector_norm(input - other, p)


def renorm(input, p, dim, maxnorm, *, out=None):
    """`input` with each slice along `dim` whose `p`-norm is above `maxnorm` scaled down to it."""
    axis = normal_axis(dim, input._array.ndim)
    if input._array.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input._array.ndim} dimensions [RG129]"
        )
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(
            f"renorm: expected p > 0 and maxnorm >= 0, got p={p} and maxnorm={maxnorm} [RG049]"
        )
    size = vector_norm(input, p, [i for i in range(input._array.ndim) if i != axis], True)
    return deliver(input * where_row(maxnorm / (size + 1e-7), 1.0, size > maxnorm), out)
