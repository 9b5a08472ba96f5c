"""Linear systems: inverse, solve, triangular solve, determinant, Cholesky and LU factors.

Formulas: Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008); for Cholesky, Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from math import prod

import numpy as np

from ..core.op import Op, is_complex
from ..core.tensor import Tensor
from .diagonals import tril_row, triu_row
from .join import cat_row
from .pointwise import conj, masked, real_part
from .product import column, matmul_row, swapped
from .reduce import sum_row
from .shape import reshape_row


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite, or otherwise without the result that was asked for."""


__all__ = []
METHODS = INPLACE = []


def adjoint(x):
    """The conjugate transpose."""
    return conj(swapped(x))


def check_matrices(name, *tensors, square=True):
    """PyTorch's errors for what is no batch of (square) matrices of float or double precision."""
    for x in tensors:
        kind = x._array.dtype
        if kind.kind not in "fcV":
            raise RuntimeError(
                f"{name}: Expected a floating point or complex tensor as input. Got {x.dtype} [RG041]"
            )
        if kind.itemsize < 4:
            raise RuntimeError(
                f"{name}: Low precision dtypes not supported. Got {x.dtype}; convert with .float() first "
                "[RG041]"
            )
        if x.ndim < 2:
            raise RuntimeError(
                f"{name}: The input tensor A must have at least 2 dimensions, but its shape is "
                f"{list(x.shape)} [RG129]"
            )
        if square and x.shape[-1] != x.shape[-2]:
            raise RuntimeError(
                f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} "
                "matrices [RG129]"
            )


# --- on arrays ----------------------------------------------------------------------------------------


def _batches(x, kept=2):
    """`x` as a list of matrices, in order."""
    return x.reshape(-1, *x.shape[x.ndim - kept :]) if x.size else []


def _which(x, failed):
    """PyTorch's words for the first matrix of a batch that `failed`."""
    if x.ndim == 2:
        return ""
    return next((f"(Batch element {i}): " for i, m in enumerate(_batches(x)) if failed(m)), "")


def _singular(m):
    try:
        np.linalg.inv(m)
    except np.linalg.LinAlgError:
        return True
    return False


def _zero_pivot(m):
    """The place, from 1, of the first zero that elimination meets on the diagonal; 0 if there is none."""
    zeros = np.diagonal(_lu(np, m)[2]) == 0
    return int(zeros.argmax()) + 1 if zeros.any() else 0


def zero_pivots(x):
    """`_zero_pivot` of each of a batch of matrices, int32."""
    try:
        np.linalg.inv(x)
        return np.zeros(x.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        found = [_zero_pivot(m) if _singular(m) else 0 for m in _batches(x)]
        return np.array(found, np.int32).reshape(x.shape[:-2])


def _inv(xp, a, check):
    try:
        return xp.linalg.inv(a)
    except np.linalg.LinAlgError:
        if check:
            place = next(_zero_pivot(m) for m in _batches(a) if _singular(m))
            raise LinAlgError(
                f"linalg.inv: {_which(a, _singular)}The diagonal element {place} is zero, the inversion "
                "could not be completed because the input matrix is singular. [RG128]"
            ) from None
    out = xp.full_like(a, xp.inf)
    for m, result in zip(_batches(a), _batches(out), strict=True):
        if not _singular(m):
            result[...] = np.linalg.inv(m)
    return out


def _solve(xp, a, b):
    try:
        return xp.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            f"linalg.solve: {_which(a, _singular)}The solver failed because the input matrix is singular. "
            "[RG128]"
        ) from None


def _triangle(xp, a, upper, unitriangular):
    """The triangle that is meant, with ones on the diagonal if they are."""
    a = xp.triu(a, int(unitriangular)) if upper else xp.tril(a, -int(unitriangular))
    return a + xp.eye(a.shape[-1], dtype=a.dtype) if unitriangular else a


def _solve_triangular(xp, a, b, upper, unitriangular):
    if a.ndim == 2 and b.ndim > 2 and b.size:  # one matrix for all: decomposed once, not once for each
        columns = xp.moveaxis(b, -2, 0)
        solved = _solve_triangular(xp, a, columns.reshape(len(a), -1), upper, unitriangular)
        return xp.ascontiguousarray(xp.moveaxis(solved.reshape(columns.shape), 0, -2))
    try:
        return xp.linalg.solve(_triangle(xp, a, upper, unitriangular), b)
    except np.linalg.LinAlgError:  # BLAS divides by the zero on the diagonal
        shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return xp.full((*shape, *b.shape[-2:]), xp.nan, b.dtype)


def _cholesky(xp, a, check):
    try:
        return xp.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        if check:
            order = next(minor for minor in map(_bad_minor, _batches(a)) if minor)
            raise LinAlgError(
                f"linalg.cholesky: {_which(a, _indefinite)}The factorization could not be completed because "
                f"the input is not positive-definite (the leading minor of order {order} is not "
                "positive-definite). [RG128]"
            ) from None
    out = xp.full_like(a, xp.nan)
    for m, factor in zip(_batches(a), _batches(out), strict=True):
        if not _indefinite(m):
            factor[...] = np.linalg.cholesky(m)
    return out


def _bad_minor(m):
    """The order of the first leading minor that isn't positive-definite; 0 if all are."""
    return next((k for k in range(1, len(m) + 1) if _indefinite(m[:k, :k])), 0) if _indefinite(m) else 0


def bad_minors(x):
    """`_bad_minor` of each of a batch of matrices, int32."""
    try:
        np.linalg.cholesky(x)
        return np.zeros(x.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        return np.array([_bad_minor(m) for m in _batches(x)], np.int32).reshape(x.shape[:-2])


def _indefinite(m):
    try:
        np.linalg.cholesky(m)
    except np.linalg.LinAlgError:
        return True
    return False


def _cofactor(xp, a):
    """The conjugate transpose of the adjugate det(a) * inv(a): the gradient of det, for singular a too."""
    try:
        inverse = xp.linalg.inv(a)
        if (xp.abs(a).max(axis=(-2, -1)) * xp.abs(inverse).max(axis=(-2, -1)) < 1e8).all():
            return xp.conj(xp.linalg.det(a)[..., None, None] * inverse.swapaxes(-1, -2))
    except (np.linalg.LinAlgError, ValueError):  # singular; or empty, with no maximum
        pass
    u, s, vh, phase = _phased_svd(xp, a)
    others = xp.where(xp.eye(s.shape[-1], dtype=bool), xp.ones((), s.dtype), s[..., None, :]).prod(axis=-1)
    return phase[..., None, None] * xp.matmul(u * others[..., None, :], vh)


def _phased_svd(xp, a):
    """The singular value decomposition, and conj(det(u) * det(vh))."""
    u, s, vh = xp.linalg.svd(a)
    return u, s, vh, xp.conj(xp.linalg.det(u) * xp.linalg.det(vh))


def _cofactor_backward(xp, g, a):
    """The gradient of `_cofactor`, from that of a diagonal matrix: products of all elements but two."""
    u, s, vh, phase = _phased_svd(xp, a)
    eye = xp.eye(s.shape[-1], dtype=bool)
    left_out = eye[:, None, :] | eye[None, :, :]
    pairs = xp.where(left_out, xp.ones((), s.dtype), s[..., None, None, :]).prod(axis=-1)
    pairs = xp.where(eye, 0, pairs)
    inner = xp.matmul(xp.matmul(xp.conj(u.swapaxes(-1, -2)), g), xp.conj(vh.swapaxes(-1, -2)))
    diagonal = xp.matmul(pairs, xp.diagonal(inner, axis1=-2, axis2=-1)[..., None])
    inner = xp.where(eye, diagonal, 0) - pairs * inner.swapaxes(-1, -2)
    return phase[..., None, None] * xp.matmul(xp.matmul(u, xp.conj(inner)), vh)


def _lu(xp, a):
    """(P, L, U) of a batch of matrices, by elimination with partial pivoting."""
    m, n = a.shape[-2:]
    k = min(m, n)
    work = xp.array(a).reshape(prod(a.shape[:-2]), m, n)
    order = xp.broadcast_to(xp.arange(m), work.shape[:2]).copy()
    rows = xp.arange(len(work))
    for j in range(k):
        below = work[:, j:, j]
        size = xp.abs(below.real) + xp.abs(below.imag) if a.dtype.kind == "c" else xp.abs(below)  # as LAPACK
        pivot = j + size.argmax(axis=1) if len(work) else rows
        for table in (work, order):
            table[rows, j], table[rows, pivot] = table[rows, pivot], table[rows, j].copy()
        divisor = work[:, j, j]
        factor = work[:, j + 1 :, j] / xp.where(divisor == 0, 1, divisor)[:, None]
        work[:, j + 1 :, j] = factor
        work[:, j + 1 :, j + 1 :] -= factor[:, :, None] * work[:, j, None, j + 1 :]
    p = (order[:, None, :] == xp.arange(m)[:, None]).astype(a.dtype)
    lower = xp.tril(work[:, :, :k], -1) + xp.eye(m, k, dtype=a.dtype)
    upper = xp.triu(work[:, :k])
    lead = a.shape[:-2]
    return p.reshape(*lead, m, m), lower.reshape(*lead, m, k), upper.reshape(*lead, k, n)


# --- in formulas --------------------------------------------------------------------------------------


def half_lower(x):
    """The lower triangle, with half of the diagonal."""
    return (tril_row(x, 0) + tril_row(x, -1)) / 2


def _of_triangle(x, upper, unitriangular):
    return triu_row(x, int(unitriangular)) if upper else tril_row(x, -int(unitriangular))


def solve_right(triangle, x, upper):
    """x @ inv(triangle)."""
    return adjoint(triangular_row(adjoint(triangle), adjoint(x), not upper, False))


# --- the rows -----------------------------------------------------------------------------------------

inv_row = Op(
    "linalg_inv", lambda xp, a, check: _inv(xp, a, check),
    a=lambda g, out: -matmul_row(matmul_row(adjoint(out), g), adjoint(out)),
    jvp=lambda t_a, out: -matmul_row(matmul_row(out, t_a), out), node="LinalgInvExBackward0",
)  # fmt: skip


def _solve_gradient(g, needs, a, out):
    gb = solve_row(adjoint(a), g)
    return -matmul_row(gb, adjoint(out)) if needs[0] else None, gb


solve_row = Op(
    "linalg_solve", lambda xp, a, b: _solve(xp, a, b),
    joint=("a b", lambda g, needs, a, out: _solve_gradient(g, needs, a, out)),
    jvp=lambda t_a, t_b, a, out: solve_row(a, t_b - matmul_row(t_a, out)), node="LinalgSolveExBackward0",
)  # fmt: skip


def _triangular_gradient(g, needs, a, out, upper, unitriangular):
    gb = triangular_row(adjoint(a), g, not upper, unitriangular)
    ga = -_of_triangle(matmul_row(gb, adjoint(out)), upper, unitriangular) if needs[0] else None
    return ga, gb


triangular_row = Op(
    "linalg_solve_triangular",
    lambda xp, a, b, upper, unitriangular: _solve_triangular(xp, a, b, upper, unitriangular),
    joint=("a b", lambda g, needs, a, out, upper, unitriangular: (
        _triangular_gradient(g, needs, a, out, upper, unitriangular)
    )),
    jvp=lambda t_a, t_b, a, out, upper, unitriangular: triangular_row(
        a, t_b - matmul_row(_of_triangle(t_a, upper, unitriangular), out), upper, unitriangular
    ),
)  # fmt: skip


cofactor_backward_row = Op("cofactor_backward", lambda xp, g, a: _cofactor_backward(xp, g, a))


def _cofactor_gradient(g, a):
    """On arrays by a row; Tensors want a third derivative, which is had by the inverse."""
    if not isinstance(a, Tensor) and not isinstance(g, Tensor):
        return cofactor_backward_row(g, a)
    x, d = inv_row(a, True), det_row(a)
    inner = matmul_row(x, g)
    along = sum_row(on_eye(inner), (a.ndim - 2, a.ndim - 1), True)
    whole = along * x - matmul_row(inner, x)
    return adjoint(whole * column(column(d)))


def on_eye(x):
    """`x` with everything off the diagonal put to zero."""
    return masked(x, np.broadcast_to(np.eye(x.shape[-1], dtype=bool), x.shape))


cofactor_row = Op("cofactor", lambda xp, a: _cofactor(xp, a), a=lambda g, a: _cofactor_gradient(g, a))

det_row = Op(
    "linalg_det", lambda xp, a: xp.linalg.det(a), a=lambda g, a: column(column(g)) * cofactor_row(a),
    jvp=lambda t_a, a: sum_row(conj(cofactor_row(a)) * t_a, (t_a.ndim - 2, t_a.ndim - 1), False),
)  # fmt: skip


def _slogdet_gradient(g_sign, g_logabsdet, a, sign):
    total = g_logabsdet
    if is_complex(a) and g_sign is not None:
        turned = (g_sign * conj(sign) - conj(g_sign) * sign) / 2
        total = turned if total is None else total + turned
    return None if total is None else column(column(total)) * adjoint(inv_row(a, False))


def _slogdet_tangent(t_a, a, sign):
    """The trace of inv(a) @ t_a is the logarithm's tangent: real part the size's, the rest phase's."""
    turned = sum_row(on_eye(solve_row(a, t_a)), (a.ndim - 2, a.ndim - 1), False)
    if not is_complex(a):
        return sign * 0, turned
    return sign * (turned - real_part(turned)), real_part(turned)


slogdet_row = Op(
    "linalg_slogdet", lambda xp, a: tuple(xp.linalg.slogdet(a)), outputs="sign logabsdet",
    a=lambda g_sign, g_logabsdet, a, sign: _slogdet_gradient(g_sign, g_logabsdet, a, sign),
    jvp=lambda t_a, a, sign: _slogdet_tangent(t_a, a, sign),
)  # fmt: skip


def _cholesky_gradient(g, out):
    inner = half_lower(matmul_row(adjoint(out), g))
    left = triangular_row(adjoint(out), inner, True, False)
    whole = solve_right(out, left, False)
    return (whole + adjoint(whole)) / 2


def _cholesky_tangent(t_a, out):
    left = triangular_row(out, (t_a + adjoint(t_a)) / 2, False, False)
    return matmul_row(out, half_lower(adjoint(triangular_row(out, adjoint(left), False, False))))


cholesky_row = Op(
    "linalg_cholesky", lambda xp, a, check=True: _cholesky(xp, a, check),
    a=lambda g, out: _cholesky_gradient(g, out),
    jvp=lambda t_a, out: _cholesky_tangent(t_a, out), node="LinalgCholeskyExBackward0",
)  # fmt: skip


def _lu_gradient(g_L, g_U, P, L, U):
    """From the square part; the rest of a wide or tall matrix is solved for, which passes gradients on."""
    m, n, k = L.shape[-2], U.shape[-1], L.shape[-1]
    if g_L is None and g_U is None:
        return None
    rest = None
    if n > k:
        if g_U is not None:
            rest = triangular_row(adjoint(L), g_U[..., k:], True, True)
            pulled = -matmul_row(rest, adjoint(U[..., k:]))
            g_L = pulled if g_L is None else g_L + pulled
            g_U = g_U[..., :k]
        U = U[..., :k]
    elif m > k:
        if g_L is not None:
            rest = solve_right(adjoint(U), g_L[..., k:, :], False)
            pulled = -matmul_row(adjoint(L[..., k:, :]), rest)
            g_U = pulled if g_U is None else g_U + pulled
            g_L = g_L[..., :k, :]
        L = L[..., :k, :]
    inner = None
    if g_L is not None:
        inner = tril_row(matmul_row(adjoint(L), g_L), -1)
    if g_U is not None:
        upper = triu_row(matmul_row(g_U, adjoint(U)), 0)
        inner = upper if inner is None else inner + upper
    left = triangular_row(adjoint(L), inner, True, True)
    total = solve_right(adjoint(U), left, False)
    if m != n:
        rest = zeros_beside(total, abs(m - n), n > k) if rest is None else rest
        axis = total.ndim - (1 if n > k else 2)
        total = cat_row(axis, (k, abs(m - n)), total, rest)
    return matmul_row(P, total)


def zeros_beside(x, count, columns):
    """`count` columns or rows of zeros that fit next to the matrices `x`."""
    part = x[..., :1] * 0 if columns else x[..., :1, :] * 0
    axis = x.ndim - (1 if columns else 2)
    return cat_row(axis, (1,) * count, *[part] * count)


lu_row = Op(
    "linalg_lu", lambda xp, a: _lu(xp, a), outputs="P L U", nondiff=(0,),
    a=lambda g_L, g_U, P, L, U: _lu_gradient(g_L, g_U, P, L, U),
)  # fmt: skip


def as_columns(a, b):
    """`b` as a batch of matrices to solve for, and whether it was a batch of vectors."""
    is_vector = b.ndim == 1 or (a.ndim - 1 == b.ndim and tuple(b.shape) == tuple(a.shape[:-1]))
    return (column(b) if is_vector else b), is_vector


def dropped_column(x):
    return reshape_row(x, x.shape[:-1])
