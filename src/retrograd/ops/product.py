"""Products of matrices and vectors: matmul and its relatives, and linear.

One product serves them all. It goes to BLAS whatever the operands' strides, and through
float32 for 16-bit dtypes.
"""

from math import prod

import numpy as np

from ..core import arrays
from ..core.op import Op, write_out
from ..core.tensor import Tensor
from .pointwise import add_row, conj, mul
from .reduce import sum_row
from .shape import cast_row, permute_row, reshape_row, reshaped

__all__ = [
    "matmul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "addmm", "addmv", "addbmm",
    "baddbmm", "addr", "bilinear",
]  # fmt: skip
METHODS = [name for name in __all__ if name != "bilinear"]
INPLACE = ["addmm", "addmv", "addbmm", "baddbmm", "addr"]


# --- on arrays ----------------------------------------------------------------------------------------------


def product(xp, x, y):
    """x @ y with NumPy's shapes, in the operands' common dtype."""
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"expected both operands to have the same dtype, but got: {x.dtype.name} and {y.dtype.name}; "
            "convert one with .to() [RG040]"
        )
    kind = x.dtype
    if kind.kind == "V" or kind == np.float16:
        return product(xp, x.astype(np.float32), y.astype(np.float32)).astype(kind)
    if kind.kind == "b":
        raise RuntimeError("matrix products of bool tensors aren't defined; convert them to int64 [RG132]")
    if kind.kind in "iu":
        return xp.matmul(x, y)
    if y.ndim == 2 and x.ndim > 2 and x.flags.c_contiguous:  # one product of BLAS instead of many
        rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
        return xp.matmul(rows, blas_ready(xp, y)).reshape(*x.shape[:-1], y.shape[1])
    return xp.matmul(blas_ready(xp, x), blas_ready(xp, y))


def blas_ready(xp, a):
    """`a`, or a copy where BLAS can't take its strides (NumPy would do without BLAS, far slower)."""
    if a.flags.c_contiguous:
        return a
    item = a.itemsize
    if a.ndim >= 2:
        rows, columns = a.strides[-2:]
        height, width = a.shape[-2:]
        if (columns == item and rows >= item * width) or (rows == item and columns >= item * height):
            return a
    return xp.ascontiguousarray(a)


# --- shapes in formulas -------------------------------------------------------------------------------------


def swapped(x):
    """`x` with its last two axes exchanged."""
    n = x.ndim
    return permute_row(x, (*range(n - 2), n - 1, n - 2))


def column(x):
    """`x` with an axis of size 1 after its last."""
    return reshaped(x, (*x.shape, 1))


def row(x):
    """`x` with an axis of size 1 before its last."""
    return reshaped(x, (*x.shape[:-1], 1, x.shape[-1]))


def flat_rows(x):
    """`x` as one matrix of the vectors along its last axis."""
    return x if x.ndim == 2 else reshaped(x, (prod(x.shape[:-1]), x.shape[-1]))


def left_gradient(g, x_shape, y):
    """The gradient of x @ y for x; axes that were broadcast are left for the engine to sum."""
    y = conj(y)
    if y.ndim == 1:
        return g * y if len(x_shape) == 1 else column(g) * y
    if len(x_shape) == 1:
        out = matmul_row(y, column(g))
        return reshape_row(out, out.shape[:-1])
    return matmul_row(g, swapped(y))


def right_gradient(g, x, y_shape):
    """The gradient of x @ y for y; axes that were broadcast are left for the engine to sum."""
    x = conj(x)
    if len(y_shape) == 1:
        if x.ndim == 1:
            return g * x
        return matmul_row(swapped(flat_rows(x)), reshape_row(g, (prod(g.shape),)))
    if x.ndim == 1:
        return column(x) * row(g)
    if len(y_shape) == 2 and x.ndim > 2:
        return matmul_row(swapped(flat_rows(x)), flat_rows(g))
    return matmul_row(swapped(x), g)


# --- products -----------------------------------------------------------------------------------------------


def _matmul(xp, x, y):
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(
            f"both operands need to be at least 1-D, but they are {x.ndim}-D and {y.ndim}-D [RG038]"
        )
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else -1]:
        raise RuntimeError(
            f"shapes cannot be multiplied ({_by(x)} and {_by(y)}): the last size of the first must be the "
            f"{'second to last' if y.ndim > 1 else 'only'} size of the second [RG031]"
        )
    return product(xp, x, y)


def _by(x):
    return "x".join(map(str, x.shape))


matmul_row = Op(
    "matmul", _matmul,
    x=lambda g, x_shape, y: left_gradient(g, x_shape, y),
    y=lambda g, x, y_shape: right_gradient(g, x, y_shape),
    jvp=lambda t_x, t_y, x, y: matmul_row(t_x, y) + matmul_row(x, t_y),
)  # fmt: skip


def _of_ranks(xp, x, y, x_rank, y_rank):
    if x.ndim != x_rank or y.ndim != y_rank:
        raise RuntimeError(
            f"expected a {x_rank}-D and a {y_rank}-D tensor, but got {x.ndim}-D and {y.ndim}-D; "
            "matmul() takes any ranks [RG038]"
        )
    if x_rank == 3 and x.shape[0] != y.shape[0]:
        raise RuntimeError(f"expected equal batch sizes, but got {x.shape[0]} and {y.shape[0]} [RG044]")
    return _matmul(xp, x, y)


mm = Op(
    "mm", lambda xp, input, mat2: _of_ranks(xp, input, mat2, 2, 2),
    input=lambda g, input_shape, mat2: left_gradient(g, input_shape, mat2),
    mat2=lambda g, input, mat2_shape: right_gradient(g, input, mat2_shape),
    jvp=lambda t_input, t_mat2, input, mat2: mm(t_input, mat2) + mm(input, t_mat2),
    doc="The product of two matrices.",
)  # fmt: skip

bmm = Op(
    "bmm", lambda xp, input, mat2: _of_ranks(xp, input, mat2, 3, 3),
    input=lambda g, input_shape, mat2: left_gradient(g, input_shape, mat2),
    mat2=lambda g, input, mat2_shape: right_gradient(g, input, mat2_shape),
    jvp=lambda t_input, t_mat2, input, mat2: bmm(t_input, mat2) + bmm(input, t_mat2),
    doc="The products of two batches of matrices, without broadcasting.",
)  # fmt: skip

mv = Op(
    "mv", lambda xp, input, vec: _of_ranks(xp, input, vec, 2, 1),
    input=lambda g, input_shape, vec: left_gradient(g, input_shape, vec),
    vec=lambda g, input, vec_shape: right_gradient(g, input, vec_shape),
    jvp=lambda t_input, t_vec, input, vec: mv(t_input, vec) + mv(input, t_vec),
    doc="The product of a matrix and a vector.",
)  # fmt: skip

dot = Op(
    "dot", lambda xp, input, tensor: _of_ranks(xp, input, tensor, 1, 1),
    input=lambda g, input_shape, tensor: left_gradient(g, input_shape, tensor),
    tensor=lambda g, input, tensor_shape: right_gradient(g, input, tensor_shape),
    jvp=lambda t_input, t_tensor, input, tensor: dot(t_input, tensor) + dot(input, t_tensor),
    doc="The sum of the products of two vectors' elements; see `vdot` for the complex inner product.",
)  # fmt: skip


_BY_RANKS = {(2, 2): mm, (2, 1): mv, (1, 1): dot}


def matmul(input, other, *, out=None):
    """The product of vectors, matrices or batches of matrices.

    A vector on the left counts as a row, on the right as a column, and loses that axis in the result; the
    axes before the last two broadcast.
    """
    op = _BY_RANKS.get((input.ndim, other.ndim), matmul_row)
    return op(input, other) if out is None else op(input, other, out=out)


def vdot(input, other, *, out=None):
    """The inner product of two vectors, the first conjugated."""
    return dot(conj(input), other, out=out)


def inner(input, other, *, out=None):
    """Sums of products over the last axes: shape (*input.shape[:-1], *other.shape[:-1]); a scalar scales."""
    if input.ndim == 0 or other.ndim == 0:
        return mul(input, other, out=out)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)} [RG044]"
        )
    result = mm(flat_rows(input), swapped(flat_rows(other)))
    return _given(reshape_row(result, (*input.shape[:-1], *other.shape[:-1])), out)


def outer(input, vec2, *, out=None):
    """All products of an element of `input` (n,) and one of `vec2` (m,): shape (n, m)."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(
            f"outer: expected two 1-D tensors, but got {input.ndim}-D and {vec2.ndim}-D [RG038]"
        )
    return mul(column(input), vec2, out=out)


ger = outer


# --- beta * input + alpha * product -------------------------------------------------------------------------


def _plus_product(xp, input, x, y, beta, alpha):
    out = _matmul(xp, x, y)
    if input.dtype != out.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, but input has {input.dtype.name} and its factors "
            f"{out.dtype.name} [RG040]"
        )
    try:
        fits = xp.broadcast_shapes(input.shape, out.shape) == out.shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"input of shape {list(input.shape)} can't be expanded to the product's shape "
            f"{list(out.shape)} [RG030]"
        )
    if alpha != 1:
        out = out * _as_scalar(alpha, out)
    if beta == 0:  # not even NaN gets through
        return out
    return out + (input if beta == 1 else input * _as_scalar(beta, out))


def _as_scalar(value, out):
    if out.dtype.kind in "iu" and isinstance(value, float):
        raise RuntimeError(
            "For integral input tensors, argument beta must not be a floating point number (nor alpha). "
            "[RG132]"
        )
    return out.dtype.type(value)


def _affine(name, x_rank, y_rank):
    """The row of beta * input + alpha * (x @ y)."""

    def forward(xp, input, x, y, beta, alpha):
        if x.ndim != x_rank or y.ndim != y_rank:
            raise RuntimeError(
                f"expected factors that are {x_rank}-D and {y_rank}-D, but got {x.ndim}-D and {y.ndim}-D "
                "[RG038]"
            )
        return _plus_product(xp, input, x, y, beta, alpha)

    return Op(
        name, forward,
        input=lambda g, beta: g * conj(beta),
        x=lambda g, x_shape, y, alpha: left_gradient(g * conj(alpha), x_shape, y),
        y=lambda g, x, y_shape, alpha: right_gradient(g * conj(alpha), x, y_shape),
        jvp=lambda t_input, t_x, t_y, x, y, beta, alpha: (
            t_input * beta + (matmul_row(t_x, y) + matmul_row(x, t_y)) * alpha
        ),
    )  # fmt: skip


addmm_row = _affine("addmm", 2, 2)
addmv_row = _affine("addmv", 2, 1)
baddbmm_row = _affine("baddbmm", 3, 3)


def _given(result, out):
    return result if out is None else write_out(result, out)


def addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * (mat1 @ mat2); where beta is 0, `input` is ignored, NaN and all."""
    return _given(addmm_row(input, mat1, mat2, beta, alpha), out)


def addmv(input, mat, vec, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * (mat @ vec); where beta is 0, `input` is ignored, NaN and all."""
    return _given(addmv_row(input, mat, vec, beta, alpha), out)


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * bmm(batch1, batch2); where beta is 0, `input` is ignored, NaN and all."""
    return _given(baddbmm_row(input, batch1, batch2, beta, alpha), out)


def addbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * bmm(batch1, batch2).sum(0); where beta is 0, `input` is ignored, NaN and all."""
    if batch1.ndim != 3 or batch2.ndim != 3 or batch1.shape[0] != batch2.shape[0]:
        raise RuntimeError(
            "addbmm: expected two batches of matrices, equally many, but got "
            f"{list(batch1.shape)} and {list(batch2.shape)} [RG044]"
        )
    b, n, k = batch1.shape
    left = reshape_row(permute_row(batch1, (1, 0, 2)), (n, b * k))  # side by side: their product is the sum
    right = reshape_row(batch2, (b * batch2.shape[1], batch2.shape[2]))
    return _given(addmm_row(input, left, right, beta, alpha), out)


def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * outer(vec1, vec2); where beta is 0, `input` is ignored, NaN and all."""
    if vec1.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"addr: expected two 1-D tensors, but got {vec1.ndim}-D and {vec2.ndim}-D [RG038]")
    kinds = [arrays.from_numpy_dtype(t._array.dtype) for t in (input, vec1, vec2)]
    kind = arrays.result_dtype([t._array for t in (input, vec1, vec2)])
    _check_factors(kind, beta, alpha)
    if kind.category > arrays.BOOL and kinds == [kind] * 3:
        return _given(addmm_row(input, column(vec1), row(vec2), beta, alpha), out)
    outer = mul(column(vec1), row(vec2))
    outer = outer if alpha is True or alpha == 1 else mul(outer, alpha)
    if beta == 0:  # input's shape and dtype count, its values don't
        return _given(cast_row(outer, kind.numpy), out)
    scaled = input if beta is True or beta == 1 else mul(input, beta)
    return _given(cast_row(add_row(scaled, outer), kind.numpy), out)


def _check_factors(kind, *factors):
    """Which numbers may scale results of a dtype."""
    for name, factor in zip(("beta", "alpha"), factors, strict=True):
        if isinstance(factor, bool) and kind.category != arrays.BOOL:
            raise RuntimeError(f"Boolean {name} only supported for Boolean results. [RG132]")
        if isinstance(factor, float) and kind.category < arrays.FLOAT:
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number. [RG132]"
            )
        if isinstance(factor, complex) and kind.category < arrays.COMPLEX:
            raise RuntimeError(
                f"For non-complex input tensors, argument {name} must not be a complex number. [RG132]"
            )


# --- linear -------------------------------------------------------------------------------------------------


def _linear(xp, x, weight, bias=None):
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"the last size of the input, {x.shape[-1] if x.ndim else 'none'}, must be in_features, "
            f"the last size of the weight, {weight.shape[-1]} [RG031]"
        )
    out = product(xp, x, weight.T)
    if bias is not None:
        if bias.dtype != out.dtype:
            raise RuntimeError(
                f"expected bias to have dtype {out.dtype.name}, but got {bias.dtype.name} [RG040]"
            )
        out = xp.add(out, bias, out=out) if out.ndim else out + bias
    return out


linear = Op(
    "linear", _linear,
    x=lambda g, x_shape, weight: left_gradient(g, x_shape, weight if weight.ndim == 1 else swapped(weight)),
    weight=lambda g, x, weight_shape: _weight_gradient(g, x, weight_shape),
    bias=lambda g, bias_shape: sum_row(flat_rows(g), (0,), False) if len(bias_shape) == 1 and g.ndim else g,
    jvp=lambda t_x, t_weight, t_bias, x, weight: linear(t_x, weight, t_bias) + linear(x, t_weight, None),
    node="AddmmBackward0",
)  # fmt: skip


def _weight_gradient(g, x, weight_shape):
    if len(weight_shape) == 1:
        return right_gradient(g, x, weight_shape)
    return matmul_row(swapped(flat_rows(g)), conj(flat_rows(x)))


def bilinear(input1, input2, weight, bias=None):
    """input1 @ weight[o] @ input2 for each o: (..., D1), (..., D2) and weight (O, D1, D2) give (..., O)."""
    sizes = (input1.shape[-1], input2.shape[-1])
    if input1.shape[:-1] != input2.shape[:-1] or sizes != tuple(weight.shape[1:]):
        raise RuntimeError(
            f"bilinear(): inputs of shapes {list(input1.shape)} and {list(input2.shape)} don't fit a weight "
            "of shape "
            f"{list(weight.shape)}, (out, in1, in2) [RG059]"
        )
    o, d1, d2 = weight.shape
    left = mm(flat_rows(input1), reshape_row(permute_row(weight, (1, 0, 2)), (d1, o * d2)))
    left = reshape_row(left, (left.shape[0], o, d2))
    out = reshape_row(bmm(left, column(flat_rows(input2))), (*input1.shape[:-1], o))
    return out if bias is None else out + bias


def _operator(reflected):
    def method(self, other):
        if not isinstance(other, Tensor):
            return NotImplemented
        return matmul(other, self) if reflected else matmul(self, other)

    return method


OPERATORS = {"__matmul__": _operator(False), "__rmatmul__": _operator(True)}
