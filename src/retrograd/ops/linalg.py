"""The functions of `torch.linalg` that solve and decompose; those of `matrix_functions` complete them."""

from math import prod

import numpy as np

from ..core.apply import by_example
from ..core.tensor import wrap
from . import return_types
from .arguments import deliver, normal_axis
from .contraction import chain
from .decompositions import eig_row, eigh_row, qr_row, svd_row
from .diagonals import tril_row
from .linear_systems import (
    LinAlgError,
    adjoint,
    as_columns,
    bad_minors,
    check_matrices,
    cholesky_row,
    det_row,
    dropped_column,
    inv_row,
    lu_row,
    slogdet_row,
    solve_row,
    triangular_row,
    zero_pivots,
)  # fmt: skip
from .matrix_functions import pinv
from .pointwise import conj, real_part
from .product import matmul, matmul_row, swapped
from .reduce import sum
from .shape import movedim, reshape

__all__ = []
METHODS = INPLACE = []


# --- systems ------------------------------------------------------------------------------------------


def inv(A, *, out=None):
    """The inverse of square matrices; LinAlgError where one is singular."""
    check_matrices("linalg.inv", A)
    return deliver(inv_row(A, True), out)


@by_example
def inv_ex(A, *, check_errors=False, out=None):
    """The inverse, and `info`, 0 where it exists: elsewhere the place of the first zero on the diagonal of U
    in the matrix's LU decomposition, and the result is infinite."""
    check_matrices("linalg.inv_ex", A)
    result = inv_row(A, bool(check_errors))
    return deliver(return_types.linalg_inv_ex((result, wrap(zero_pivots(A._array)))), out)


def _left(function, A, B, left):
    """function(A, B) for A X = B, and by transposes for X A = B."""
    if left:
        return function(A, B)
    return swapped(function(swapped(A), swapped(B)))


def solve(A, B, *, left=True, out=None):
    """The X of A X = B, or of X A = B where not `left`; B: vectors or matrices. Batches broadcast."""
    check_matrices("linalg.solve", A)
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but got {A.dtype} and {B.dtype} [RG040]"
        )
    columns, is_vector = as_columns(A, B)
    if is_vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. [RG038]"
        )
    if columns.shape[-2 if left else -1] != A.shape[-1]:
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({list(A.shape)} and {list(B.shape)}) [RG044]"
        )
    result = _left(solve_row, A, columns, left)
    return deliver(dropped_column(result) if is_vector else result, out)


@by_example
def solve_ex(A, B, *, left=True, check_errors=False, out=None):
    """`solve`, and `info` as of `inv_ex`: where A is singular the result is infinite."""
    check_matrices("linalg.solve_ex", A)
    info = zero_pivots(A._array)
    if check_errors or not info.any():
        result = solve(A, B, left=left)
    else:
        columns, is_vector = as_columns(A, B)
        x = inv_row(A, False)
        result = matmul(x, columns) if left else matmul(columns, x)
        result = dropped_column(result) if is_vector else result
    return deliver(return_types.linalg_solve_ex((result, wrap(info))), out)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """The X of A X = B (or X A = B) where one triangle of A counts, if so told with ones as diagonal."""
    check_matrices("linalg.solve_triangular", A)
    if not left:
        result = swapped(triangular_row(swapped(A), swapped(B), not upper, unitriangular))
    else:
        result = triangular_row(A, B, bool(upper), bool(unitriangular))
    return deliver(result, out)


def det(A, *, out=None):
    """The determinant. Singular matrices have first and second derivatives, but no third here."""
    check_matrices("linalg.det", A)
    return deliver(det_row(A), out)


def slogdet(A, *, out=None):
    """The determinant's sign (of complex matrices: its phase), and the logarithm of its absolute value."""
    check_matrices("linalg.slogdet", A)
    return deliver(return_types.linalg_slogdet(slogdet_row(A)), out)


def cholesky(A, *, upper=False, out=None):
    """Lower triangular L with A = L L^H, or with `upper` L^H; LinAlgError if A isn't positive-definite."""
    check_matrices("linalg.cholesky", A)
    return deliver(_cholesky_factor(A, upper, True), out)


def _cholesky_factor(A, upper, check):
    factor = cholesky_row(adjoint(A) if upper else A, check)
    return adjoint(factor) if upper else factor


@by_example
def cholesky_ex(A, *, upper=False, check_errors=False, out=None):
    """`cholesky`, and `info`, 0 for positive-definite matrices: for others the order of the first leading
    minor that isn't, and the factor is NaN (PyTorch's is what was computed so far)."""
    check_matrices("linalg.cholesky_ex", A)
    factor = _cholesky_factor(A, upper, bool(check_errors))
    return deliver(return_types.linalg_cholesky_ex((factor, wrap(bad_minors(A._array)))), out)


@by_example
def lstsq(A, B, rcond=None, *, driver=None):
    """The X that minimises |A X - B|, of least norm where several do.

    Residuals are given where A has full rank and more rows than columns, but not by the driver "gelsy" (the
    default); singular values by "gelsd" and "gelss".
    """
    check_matrices("linalg.lstsq", A, square=False)
    drivers = (None, "gels", "gelsy", "gelsd", "gelss")
    if driver not in drivers:
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of {drivers[1:]}, got {driver!r} [RG048]"
        )
    is_vector = A.ndim - 1 == B.ndim
    columns = reshape(B, (*B.shape, 1)) if is_vector else B
    rtol = max(A.shape[-2:]) * float(np.finfo(A._array.dtype).eps) if rcond is None else rcond
    solution = matmul(pinv(A, rtol=rtol), columns)
    values = np.linalg.svd(A._array, compute_uv=False)
    rank = (values > rtol * values.max(axis=-1, keepdims=True, initial=0)).sum(axis=-1)
    m, n = A.shape[-2:]
    empty = wrap(np.zeros(0, A._array.real.dtype))
    residuals = real_part(reshape(solution, -1)[:0])
    if m > n and driver not in (None, "gelsy") and (rank == n).all():
        residual = matmul(A, solution) - columns
        residuals = sum(real_part(residual * conj(residual)), -2)
    return return_types.linalg_lstsq((
        dropped_column(solution) if is_vector else solution, residuals,
        wrap(np.asarray(rank, np.int64)) if driver != "gels" else wrap(np.zeros(0, np.int64)),
        wrap(values) if driver in ("gelsd", "gelss") else empty,
    ))  # fmt: skip


# --- LU -----------------------------------------------------------------------------------------------


def lu(A, *, pivot=True, out=None):
    """The permutation P, unit lower triangular L and upper triangular U with A = P L U."""
    check_matrices("linalg.lu", A, square=False)
    _need_pivots("linalg.lu", pivot)
    return deliver(return_types.linalg_lu(lu_row(A)), out)


def _need_pivots(name, pivot):
    if not pivot:
        raise NotImplementedError(f"{name}: pivot=False is not supported [RG048]")


def _transpositions(p):
    """LAPACK's pivots, row exchanges counted from 1, of a permutation matrix P."""
    lead, m = p.shape[:-2], p.shape[-1]
    rows = p.argmax(axis=-2) if m else np.zeros((*lead, 0), int)  # which row of A comes to each place
    rows = rows.reshape(prod(lead), m)
    pivots = np.empty(rows.shape, np.int32)
    for order, out in zip(rows, pivots, strict=True):
        now = list(range(len(order)))
        for i, wanted in enumerate(order):
            j = now.index(wanted)
            now[i], now[j] = now[j], now[i]
            out[i] = j + 1
    return pivots.reshape(p.shape[:-1])


@by_example
def lu_factor(A, *, pivot=True, out=None):
    """L and U in one matrix, and the row exchanges (int32, from 1) that `lu_solve` takes."""
    check_matrices("linalg.lu_factor", A, square=False)
    _need_pivots("linalg.lu_factor", pivot)
    p, lower, upper = lu_row(A)
    m, n = A.shape[-2:]
    k = min(m, n)
    strict = tril_row(lower, -1)
    if m < n:
        strict = matmul_row(strict, wrap(np.eye(k, n, dtype=A._array.dtype)))
    if m > n:
        upper = matmul_row(wrap(np.eye(m, k, dtype=A._array.dtype)), upper)
    packed = strict + upper
    pivots = wrap(_transpositions(p._array)[..., :k].copy())
    return deliver(return_types.linalg_lu_factor((packed, pivots)), out)


@by_example
def lu_factor_ex(A, *, pivot=True, check_errors=False, out=None):
    """lu_factor, and for each matrix 0, or the place of the first zero on U's diagonal."""
    packed, pivots = lu_factor(A, pivot=pivot)
    zero = np.diagonal(packed._array, axis1=-2, axis2=-1) == 0
    first = zero.argmax(axis=-1) + 1 if zero.shape[-1] else 0
    info = np.where(zero.any(axis=-1), first, 0).astype(np.int32)
    if check_errors and info.any():
        raise LinAlgError(
            f"linalg.lu_factor: U has a zero on its diagonal, at place {info[info > 0].flat[0]} [RG128]"
        )
    return deliver(return_types.linalg_lu_factor_ex((packed, pivots, wrap(np.asarray(info)))), out)


def permutation(pivots, m, kind):
    """The permutation matrices P that row exchanges stand for."""
    flat = pivots.reshape(prod(pivots.shape[:-1]), pivots.shape[-1])
    out = np.zeros((len(flat), m, m), kind)
    for exchanges, p in zip(flat, out, strict=True):
        order = list(range(m))
        for i, j in enumerate(exchanges):
            order[i], order[j - 1] = order[j - 1], order[i]
        p[order, range(m)] = 1
    return out.reshape(*pivots.shape[:-1], m, m)


@by_example
def lu_solve(LU, pivots, B, *, left=True, adjoint=False, out=None):
    """The X of A X = B (X A = B), or with `adjoint` of A^H X = B, from the result of `lu_factor`."""
    check_matrices("linalg.lu_solve", LU)
    p = wrap(permutation(pivots._array, LU.shape[-1], LU._array.dtype))

    def solved(b):
        if adjoint == left:  # A^H X = B and (X A = B)^T need the factors in turn, transposed
            h = _conjugate_transpose if adjoint else swapped
            inner = triangular_row(h(LU), b, False, False)
            return matmul_row(p, triangular_row(h(LU), inner, True, True))
        inner = triangular_row(LU, matmul_row(swapped(p), b), False, True)
        return triangular_row(LU, inner, True, False)

    if left:
        return deliver(solved(B), out)
    if adjoint:  # X A^H = B is A conj(X^T) = conj(B^T)
        return deliver(_conjugate_transpose(solved(_conjugate_transpose(B))), out)
    return deliver(swapped(solved(swapped(B))), out)


def _conjugate_transpose(x):
    return conj(swapped(x))


# --- decompositions -----------------------------------------------------------------------------------


def qr(A, mode="reduced", *, out=None):
    """Q with orthonormal columns and upper triangular R with A = Q R.

    mode: "reduced", "complete" (Q is square) or "r" (Q is empty, and there is no gradient).
    """
    check_matrices("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced', 'r', 'complete' [RG048]"
        )
    return deliver(return_types.linalg_qr(qr_row(A, mode)), out)


def svd(A, full_matrices=True, *, driver=None, out=None):
    """U, S and V^H with A = U diag(S) V^H, the singular values S in falling order."""
    check_matrices("linalg.svd", A, square=False)
    return deliver(return_types.linalg_svd(svd_row(A, bool(full_matrices))), out)


def _triangle_used(name, UPLO):
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO} [RG048]")
    return UPLO.upper()


def eigh(A, UPLO="L", *, out=None):
    """The rising eigenvalues and the eigenvectors (columns) of Hermitian matrices; one triangle is read."""
    check_matrices("linalg.eigh", A)
    return deliver(return_types.linalg_eigh(eigh_row(A, _triangle_used("linalg.eigh", UPLO))), out)


def eigvalsh(A, UPLO="L", *, out=None):
    """The rising eigenvalues of Hermitian matrices."""
    check_matrices("linalg.eigvalsh", A)
    return deliver(eigh_row(A, _triangle_used("linalg.eigvalsh", UPLO))[0], out)


def eig(A, *, out=None):
    """The eigenvalues and eigenvectors (columns of length 1) of square matrices, always complex."""
    check_matrices("linalg.eig", A)
    return deliver(return_types.linalg_eig(eig_row(A)), out)


def eigvals(A, *, out=None):
    """The eigenvalues of square matrices, always complex."""
    check_matrices("linalg.eigvals", A)
    return deliver(eig_row(A)[0], out)


# --- products and tensors -----------------------------------------------------------------------------


def multi_dot(tensors, *, out=None):
    """The product of several matrices in the cheapest order; the first and last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)} [RG049]")
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = reshape(tensors[0], (1, -1))
    if last:
        tensors[-1] = reshape(tensors[-1], (-1, 1))
    for i, t in enumerate(tensors):
        if t.ndim != 2:
            ends = {0: "the first tensor", len(tensors) - 1: "the last tensor"}
            wanted = f"{ends[i]} must be 1D or 2D" if i in ends else f"tensor {i} must be 2D"
            raise RuntimeError(f"multi_dot(): {wanted} but got {t.ndim}D [RG038]")
    result = chain(tensors)
    shape = [n for n, gone in zip(result.shape, (first, last), strict=True) if not gone]
    return deliver(reshape(result, shape) if first or last else result, out)


def tensorinv(A, ind=2, *, out=None):
    """The inverse of `A` as a map from its axes from `ind` on to those before."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind' [RG049]")
    n, m = prod(A.shape[ind:]), prod(A.shape[:ind])
    if n != m:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            f"got {n} != {m} [RG044]"
        )
    return deliver(reshape(inv(reshape(A, (m, n))), (*A.shape[ind:], *A.shape[:ind])), out)


def tensorsolve(A, B, dims=None, *, out=None):
    """The X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    if dims is not None:
        last = [normal_axis(d, A.ndim) for d in dims]
        A = movedim(A, last, list(range(A.ndim - len(last), A.ndim)))
    shape = A.shape[B.ndim :]
    if prod(shape) != prod(B.shape):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            "prod(self.shape[:other.ndim]), "
            f"but got {prod(shape)} != {prod(B.shape)} [RG044]"
        )
    solution = solve(reshape(A, (prod(B.shape), prod(shape))), reshape(B, (-1,)))
    return deliver(reshape(solution, shape), out)


def householder_product(A, tau, *, out=None):
    """The first columns of the product of the reflections 1 - tau[i] v v^H, with v the columns of A."""
    check_matrices("linalg.householder_product", A, square=False)
    m, n = A.shape[-2:]
    lower = tril_row(A, -1) + wrap(np.eye(m, n, dtype=A._array.dtype))
    result = A * 0 + wrap(np.eye(m, n, dtype=A._array.dtype))
    for i in reversed(range(tau.shape[-1])):
        v = lower[..., i : i + 1]
        scaled = v * reshape(tau[..., i], (*tau.shape[:-1], 1, 1))
        result = result - matmul_row(scaled, matmul_row(conj(swapped(v)), result))
    return deliver(result, out)
