"""Functions of matrices: pseudo-inverse, power, exponential; norms, rank, condition number; cross product."""

import math

import numpy as np

from ..core.apply import by_example
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from .arguments import deliver, normal_axis
from .decompositions import svd_row
from .extremes import amax, amin
from .linear_systems import adjoint, check_matrices, inv_row
from .mask import masked_fill
from .norms import vector_norm
from .pointwise import absolute, conj
from .product import matmul, matmul_row
from .reduce import numpy_names, sum
from .shape import permute, reshape

__all__ = []
METHODS = INPLACE = []


# --- pseudo-inverse -----------------------------------------------------------------------------------


def _pinv(xp, a, atol, rtol, hermitian):
    """`atol` and `rtol` are arrays that broadcast to the batch."""
    if not a.size:
        return xp.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    if hermitian:
        values, u = xp.linalg.eigh(a)
        vh = xp.conj(u.swapaxes(-1, -2))
    else:
        u, values, vh = xp.linalg.svd(a, full_matrices=False)
    size = xp.abs(values)
    kept = size > xp.maximum(atol, rtol * size.max(axis=-1))[..., None]
    inverse = xp.where(kept, 1 / xp.where(kept, values, 1), 0)
    v, uh = xp.conj(vh.swapaxes(-1, -2)), xp.conj(u.swapaxes(-1, -2))
    return xp.matmul(v * inverse[..., None, :], uh)


def _pinv_gradient(g, a, out):
    """Golub and Pereyra (1973): three terms, for the inverse and for both projections."""
    ph = adjoint(out)
    gh = adjoint(g)
    rows = gh - matmul_row(matmul_row(a, out), gh)  # (I - a p) g^H
    columns = gh - matmul_row(matmul_row(gh, out), a)  # g^H (I - p a)
    return (
        matmul_row(matmul_row(rows, out), ph)
        + matmul_row(matmul_row(ph, out), columns)
        - matmul_row(matmul_row(ph, g), ph)
    )


def _pinv_tangent(t_a, a, out):
    ph, th = adjoint(out), adjoint(t_a)
    rows = th - matmul_row(matmul_row(th, a), out)  # t^H (I - a p)
    columns = th - matmul_row(out, matmul_row(a, th))  # (I - p a) t^H
    return (
        matmul_row(out, matmul_row(ph, rows))
        + matmul_row(matmul_row(columns, ph), out)
        - matmul_row(matmul_row(out, t_a), out)
    )


pinv_row = Op(
    "linalg_pinv", lambda xp, a, atol, rtol, hermitian: _pinv(xp, a, atol, rtol, hermitian),
    a=lambda g, a, out: _pinv_gradient(g, a, out),
    jvp=lambda t_a, a, out: _pinv_tangent(t_a, a, out),
)  # fmt: skip


def tolerances(a, atol, rtol):
    """`atol` and `rtol` as arrays in the precision of `a`; by default 0 and max(m, n) * eps, or `atol`."""
    kind = a._array.real.dtype
    if rtol is None:
        given = atol is not None and bool(np.any(_raw(atol) > 0))
        rtol = 0.0 if given else max(a.shape[-2:]) * np.finfo(kind).eps
    return np.asarray(_raw(0.0 if atol is None else atol), kind), np.asarray(_raw(rtol), kind)


def _raw(x):
    return x._array if isinstance(x, Tensor) else x


def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """The Moore-Penrose inverse; singular values up to max(atol, rtol * the largest) count as zero.

    rcond: NumPy's name for `rtol`.
    """
    rtol = rcond if rtol is None else rtol
    check_matrices("linalg.pinv", A, square=False)
    return deliver(pinv_row(A, *tolerances(A, atol, rtol), bool(hermitian)), out)


@by_example
def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """How many singular values are above max(atol, rtol * the largest)."""
    check_matrices("linalg.matrix_rank", A, square=False)
    absolute_tolerance, relative = tolerances(A, tol if tol is not None else atol, rtol)
    values = np.abs(np.linalg.eigvalsh(A._array)) if hermitian else np.linalg.svd(A._array, compute_uv=False)
    if not values.shape[-1]:
        return deliver(wrap(np.zeros(A.shape[:-2], np.int64)), out)
    limit = np.maximum(absolute_tolerance, relative * values.max(axis=-1))
    return deliver(wrap(np.asarray((values > limit[..., None]).sum(axis=-1))), out)


# --- power and exponential ----------------------------------------------------------------------------


def matrix_power(A, n, *, out=None):
    """A @ A @ ... @ A; of a negative `n`, the inverse's power."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but it is {list(A.shape)} [RG129]"
        )
    if n < 0:
        check_matrices("linalg.matrix_power", A)
        A, n = inv_row(A, True), -n
    result = None
    while n:
        if n & 1:
            result = A if result is None else matmul(result, A)
        n >>= 1
        A = matmul(A, A) if n else A
    if result is None:
        result = A * 0 + wrap(np.eye(A.shape[-1], dtype=A._array.dtype))
    return deliver(result * 1 if result is A else result, out)


# Of Higham, "The scaling and squaring method for the matrix exponential revisited" (2005).
_PADE = [
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
]  # fmt: skip
_PADE_BOUND = 5.371920351148152


def _matrix_exp(xp, a):
    if not a.size:
        return xp.array(a)
    kind = a.dtype
    wide = a.astype(np.complex128 if kind.kind == "c" else np.float64)
    norm = xp.abs(wide).sum(axis=-2).max(axis=-1)
    halvings = xp.maximum(0, xp.ceil(xp.log2(xp.maximum(norm, 1e-300) / _PADE_BOUND))).astype(int)
    x = wide / 2.0 ** halvings[..., None, None]
    eye, c = xp.eye(a.shape[-1]), _PADE
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x @ (x6 @ (c[13] * x6 + c[11] * x4 + c[9] * x2) + c[7] * x6 + c[5] * x4 + c[3] * x2 + c[1] * eye)
    even = x6 @ (c[12] * x6 + c[10] * x4 + c[8] * x2) + c[6] * x6 + c[4] * x4 + c[2] * x2 + c[0] * eye
    out = xp.linalg.solve(even - odd, even + odd)
    for i in range(int(halvings.max())):
        out = xp.where((halvings > i)[..., None, None], out @ out, out)
    return out.astype(kind)


def _exp_derivative(a, direction):
    """The derivative of exp at `a`: a block of exp([[a, direction], [0, a]])."""
    n = a.shape[-1]
    top, bottom = np.eye(n, 2 * n), np.eye(n, 2 * n, n)
    kind = getattr(a, "_array", a).dtype
    top, bottom = top.astype(kind), bottom.astype(kind)
    block = _placed(a, top, top) + _placed(direction, top, bottom) + _placed(a, bottom, bottom)
    return matmul_row(matmul_row(top, matrix_exp_row(block)), np.ascontiguousarray(bottom.T))


def _placed(x, rows, columns):
    return matmul_row(matmul_row(np.ascontiguousarray(rows.T), x), columns)


matrix_exp_row = Op(
    "linalg_matrix_exp", lambda xp, a: _matrix_exp(xp, a),
    a=lambda g, a: _exp_derivative(adjoint(a), g),
    jvp=lambda t_a, a: _exp_derivative(a, t_a),
)  # fmt: skip


def matrix_exp(A):
    """The matrix exponential, the sum of A^k / k!."""
    check_matrices("linalg.matrix_exp", A)
    return matrix_exp_row(A)


# --- norms --------------------------------------------------------------------------------------------


def _last_two(x, dim):
    """`x` with the two axes `dim` moved to the end, and where they were."""
    axes = tuple(normal_axis(d, x.ndim) for d in dim)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise RuntimeError(
            f"linalg.matrix_norm: dim must be a 2-tuple of different dimensions. Got {dim} [RG129]"
        )
    rest = [i for i in range(x.ndim) if i not in axes]
    return permute(x, (*rest, *axes)), axes


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """A norm of matrices: "fro", "nuc", by rows (inf, -inf), columns (1, -1), singular values (2, -2)."""
    if A.ndim < 2:
        raise RuntimeError(
            f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, not {A.ndim} [RG129]"
        )
    A = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(A, 2, tuple(dim), keepdim, out=out)
    x, axes = _last_two(A, dim)
    if ord == "nuc" or (ord in (2, -2) and not isinstance(ord, str)):
        values = svdvals(x)
        result = sum(values, -1) if ord == "nuc" else (amax if ord > 0 else amin)(values, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        result = (amax if ord > 0 else amin)(sum(absolute(x), -2 if abs(ord) == 1 else -1), -1)
    else:
        raise ValueError(f"linalg.matrix_norm: Order {ord} not supported. [RG049]")
    if keepdim:
        result = reshape(result, [1 if i in axes else n for i, n in enumerate(A.shape)])
    return deliver(result, out)


def svdvals(A, *, driver=None, out=None):
    """The singular values, in falling order."""
    check_matrices("linalg.svdvals", A, square=False)
    return deliver(svd_row(A, False)[1], out)


@numpy_names
def norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """A vector norm over one axis or all, or a matrix norm over two: see `vector_norm` and `matrix_norm`."""
    if dim is None and ord is not None:
        if A.ndim not in (1, 2):
            raise RuntimeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{A.ndim}D. [RG129]"
            )
        dim = tuple(range(A.ndim))
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is not None and pair:
        return matrix_norm(A, ord, dim, keepdim, dtype=dtype, out=out)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: order {ord!r} needs a matrix, but dim is {dim} [RG129]")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


def cond(A, p=None, *, out=None):
    """The condition number norm(A, p) * norm(inv(A), p); by singular values for p = None, 2 and -2."""
    check_matrices("linalg.cond", A, square=False)
    if p is None or (p in (2, -2) and not isinstance(p, str)):
        values = svdvals(A)
        high, low = values[..., 0], values[..., -1]
        return deliver(low / high if p == -2 else high / low, out)
    check_matrices("linalg.cond", A)
    inverse = inv_row(A, False)
    singular = ~np.isfinite(inverse._whole._array).all(axis=(-2, -1))
    if not singular.any():
        return deliver(matrix_norm(A, p) * matrix_norm(inverse, p), out)
    finite = masked_fill(inverse, wrap(np.asarray(singular[..., None, None])), 0)
    product = matrix_norm(A, p) * matrix_norm(finite, p)
    return deliver(masked_fill(product, wrap(np.asarray(singular)), np.inf), out)


# --- vectors ------------------------------------------------------------------------------------------


def _cross(xp, x, y, axis):
    def turned(a, by):
        return xp.take(a, [by % 3, (by + 1) % 3, (by + 2) % 3], axis)

    return turned(x, 1) * turned(y, 2) - turned(x, 2) * turned(y, 1)


cross_row = Op(
    "linalg_cross", lambda xp, x, y, axis: _cross(xp, x, y, axis),
    x=lambda g, y, axis: cross_row(conj(y), g, axis),
    y=lambda g, x, axis: cross_row(g, conj(x), axis),
    jvp=lambda t_x, t_y, x, y, axis: cross_row(t_x, y, axis) + cross_row(x, t_y, axis), promote="pair",
)  # fmt: skip


def cross(input, other, *, dim=-1, out=None):
    """The cross product of 3-vectors along `dim`; the other axes broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and "
            f"{other.ndim} [RG129]"
        )
    axis = normal_axis(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and "
            f"{other.shape[axis]} [RG044]"
        )
    return deliver(cross_row(input, other, axis), out)


def vecdot(x, y, *, dim=-1, out=None):
    """The inner products of vectors along `dim`, the first conjugated."""
    return deliver(sum(conj(x) * y, dim), out)


def vander(x, N=None):
    """The matrix of powers x[..., None] ** (0, 1, ..., N - 1); N is the number of elements by default."""
    x = reshape(x, (1,)) if x.ndim == 0 else x
    count = x.shape[-1] if N is None else N
    if count <= 1 and N is not None:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got N={N} [RG049]")
    return reshape(x, (*x.shape, 1)) ** wrap(np.arange(count))
