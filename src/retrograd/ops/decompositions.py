"""Decompositions of matrices with orthogonal factors: QR, eigenvalues, singular values.

Formulas: Giles (2008) for eigenvalues; Townsend, "Differentiating the singular value decomposition" (2016),
and Wan and Zhang, "Automatic differentiation for complex valued SVD" (2019); Roberts and Roberts, "QR and LQ
decomposition matrix backpropagation algorithms" (2020).
"""

import numpy as np

from ..core.op import Op, is_complex
from .diagonals import tril_row
from .join import cat_row
from .linear_systems import LinAlgError, adjoint, inv_row, on_eye, solve_right, zeros_beside
from .pointwise import conj, masked, real_part, where_row
from .product import column, matmul_row, row
from .reduce import sum_row
from .view import on_diagonal_row

__all__ = []
METHODS = INPLACE = []


def _eye(n):
    return np.eye(n, dtype=bool)


def _on_diagonal(x):
    """Matrices with the vectors `x` on their diagonals."""
    n = x.shape[-1]
    return on_diagonal_row(x, (*x.shape, n), 0, x.ndim - 1, x.ndim)


def _over_gaps(x, values):
    """x[i, j] / (values[j] - values[i]), and zero on the diagonal."""
    off = np.broadcast_to(~_eye(x.shape[-1]), x.shape)
    gaps = where_row(row(values) - column(values), 1, off)
    return masked(x / gaps, off)


def _converged(function, a, *how):
    """The results of NumPy's `function`; LinAlgError where it gives up."""
    if function.__name__ == "eig" and not np.isfinite(a).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs. [RG128]")
    try:
        return tuple(function(a, *how))
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"the algorithm failed to converge: {error} [RG128]") from None


# --- QR -----------------------------------------------------------------------------------------------


def _qr(xp, a, mode):
    if mode == "r":
        r = xp.linalg.qr(a, mode="r")
        return xp.zeros((0,), a.dtype), r
    return xp.linalg.qr(a, mode=mode)


def _tall_qr_gradient(g_Q, g_R, Q, R):
    """For Q with as many columns as R, which is square."""
    inner = None if g_R is None else matmul_row(R, adjoint(g_R))
    if g_Q is not None:
        pulled = matmul_row(adjoint(g_Q), Q)
        inner = -pulled if inner is None else inner - pulled
    lower = tril_row(inner, -1)
    diagonal = on_eye(inner)
    if is_complex(inner):
        diagonal = (diagonal + conj(diagonal)) / 2
    total = matmul_row(Q, lower + adjoint(lower) + diagonal)
    if g_Q is not None:
        total = g_Q + total
    return solve_right(adjoint(R), total, False)


def _qr_gradient(g_Q, g_R, shape, Q, R, mode):
    m, n = shape[-2:]
    _check_qr(m, n, mode)
    if g_Q is None and g_R is None:
        return None
    if m >= n:
        return _tall_qr_gradient(g_Q, g_R, Q, R)
    right = matmul_row(Q, R[..., m:])
    if g_R is not None:
        pulled = matmul_row(right, adjoint(g_R[..., m:]))
        g_Q = pulled if g_Q is None else g_Q + pulled
    first = _tall_qr_gradient(g_Q, None if g_R is None else g_R[..., :m], Q, R[..., :m])
    second = right * 0 if g_R is None else matmul_row(Q, g_R[..., m:])
    return cat_row(len(shape) - 1, (m, n - m), first, second)


def _qr_tangent(t_a, Q, R, mode):
    """From Q^H t_a R^-1 = Q^H t_Q + t_R R^-1: skew-Hermitian and upper triangular."""
    m, n = t_a.shape[-2:]
    _check_qr(m, n, mode)
    wide, k = m < n, min(m, n)
    first, square = (t_a[..., :k], R[..., :k]) if wide else (t_a, R)
    moved = solve_right(square, first, True)
    inner = matmul_row(adjoint(Q), moved)
    lower = tril_row(inner, -1)
    skew = lower - adjoint(lower)
    if is_complex(inner):
        diagonal = on_eye(inner)
        skew = skew + (diagonal - conj(diagonal)) / 2
    upper = inner - skew
    t_q = moved - matmul_row(Q, upper)
    t_r = matmul_row(upper, square)
    if wide:
        rest = matmul_row(adjoint(t_q), matmul_row(Q, R[..., k:])) + matmul_row(adjoint(Q), t_a[..., k:])
        t_r = cat_row(t_r.ndim - 1, (k, n - k), t_r, rest)
    return t_q, t_r


def _check_qr(m, n, mode):
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. [RG027]"
        )
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols; use "
            "mode='reduced' [RG027]"
        )


qr_row = Op(
    "linalg_qr", lambda xp, a, mode: _qr(xp, a, mode), outputs="Q R",
    a=lambda g_Q, g_R, a_shape, Q, R, mode: _qr_gradient(g_Q, g_R, a_shape, Q, R, mode),
    jvp=lambda t_a, Q, R, mode: _qr_tangent(t_a, Q, R, mode),
)  # fmt: skip


# --- eigenvalues --------------------------------------------------------------------------------------


def _eigh_gradient(g_L, g_V, L, V):
    if g_L is None and g_V is None:
        return None
    turned = None if g_L is None else V * row(g_L)
    if g_V is not None:
        term = matmul_row(V, _over_gaps(matmul_row(adjoint(V), g_V), L))
        turned = term if turned is None else turned + term
    return matmul_row(turned, adjoint(V))


def _eigh_tangent(t_a, L, V):
    turned = matmul_row(matmul_row(adjoint(V), t_a), V)
    return real_part(_diagonal_of(turned)), matmul_row(V, _over_gaps(turned, L))


def _diagonal_of(x):
    """The diagonals of matrices."""
    return sum_row(on_eye(x), (x.ndim - 1,), False)


eigh_row = Op(
    "linalg_eigh", lambda xp, a, uplo: _converged(xp.linalg.eigh, a, uplo), outputs="L V",
    a=lambda g_L, g_V, L, V: _eigh_gradient(g_L, g_V, L, V),
    jvp=lambda t_a, L, V: _eigh_tangent(t_a, L, V),
)  # fmt: skip


def _eig(xp, a):
    values, vectors = _converged(xp.linalg.eig, a)
    kind = np.result_type(a.dtype, np.complex64)
    return values.astype(kind, copy=False), vectors.astype(kind, copy=False)


def _eig_gradient(g_L, g_V, L, V):
    """The eigenvectors have length 1, whence the second term in the brackets."""
    inner = None if g_L is None else _on_diagonal(g_L)
    if g_V is not None:
        pulled = matmul_row(adjoint(V), g_V)
        along = on_eye(pulled)
        pulled = pulled - matmul_row(matmul_row(adjoint(V), V), (along + conj(along)) / 2)
        turned = _over_gaps(pulled, conj(L))
        inner = turned if inner is None else inner + turned
    if inner is None:
        return None
    return matmul_row(matmul_row(adjoint(inv_row(V, True)), inner), adjoint(V))


eig_row = Op(
    "linalg_eig", _eig, outputs="L V",
    a=lambda g_L, g_V, L, V: _eig_gradient(g_L, g_V, L, V),
)  # fmt: skip


# --- singular values ----------------------------------------------------------------------------------


def _svd_gradient(g_U, g_S, g_Vh, shape, U, S, Vh):
    m, n = shape[-2:]
    k = S.shape[-1]  # the rest of full matrices' bases is arbitrary and gets no gradient
    if U.shape[-1] > k or Vh.shape[-2] > k:
        U, Vh = U[..., :k], Vh[..., :k, :]
        g_U = None if g_U is None else g_U[..., :k]
        g_Vh = None if g_Vh is None else g_Vh[..., :k, :]
    if g_U is None and g_Vh is None:
        return None if g_S is None else matmul_row(U * row(g_S), Vh)
    square = S * S
    inner = None if g_S is None else _on_diagonal(g_S)
    gauge = None
    if g_U is not None:
        along = matmul_row(adjoint(U), g_U)
        turned = _over_gaps(along - adjoint(along), square) * row(S)
        inner = turned if inner is None else inner + turned
        gauge = on_eye(along - adjoint(along))
    if g_Vh is not None:
        across = matmul_row(Vh, adjoint(g_Vh))
        turned = column(S) * _over_gaps(across - adjoint(across), square)
        inner = turned if inner is None else inner + turned
    if gauge is not None and is_complex(gauge):
        inner = inner + gauge / (row(S) * 2)
    total = matmul_row(matmul_row(U, inner), Vh)
    if g_U is not None and m > k:
        outside = g_U - matmul_row(U, matmul_row(adjoint(U), g_U))
        total = total + matmul_row(outside / row(S), Vh)
    if g_Vh is not None and n > k:
        outside = g_Vh - matmul_row(matmul_row(g_Vh, adjoint(Vh)), Vh)
        total = total + matmul_row(U / row(S), outside)
    return total


def _svd_tangent(t_a, U, S, Vh):
    m, n = t_a.shape[-2:]
    k = S.shape[-1]
    if not k:  # the bases of full matrices are then constants
        return None, None, None
    more_u, more_v = U.shape[-1] - k, Vh.shape[-2] - k
    U, Vh = U[..., :k], Vh[..., :k, :]
    V = adjoint(Vh)
    inner = matmul_row(matmul_row(adjoint(U), t_a), V)
    square = S * S
    turn_u = _over_gaps(inner * row(S) + column(S) * adjoint(inner), square)
    turn_v = _over_gaps(column(S) * inner + adjoint(inner) * row(S), square)
    if is_complex(inner):  # of the common phase of a pair of vectors, which is arbitrary, U takes all
        diagonal = on_eye(inner)
        turn_u = turn_u + (diagonal - conj(diagonal)) / (row(S) * 2)
    t_u, t_v = matmul_row(U, turn_u), matmul_row(V, turn_v)
    if m > k:
        moved = matmul_row(t_a, V)
        t_u = t_u + (moved - matmul_row(U, inner)) / row(S)
    if n > k:
        moved = matmul_row(adjoint(t_a), U)
        t_v = t_v + (moved - matmul_row(V, adjoint(inner))) / row(S)
    t_vh = adjoint(t_v)
    if more_u:
        t_u = cat_row(t_u.ndim - 1, (k, more_u), t_u, zeros_beside(t_u, more_u, True))
    if more_v:
        t_vh = cat_row(t_vh.ndim - 2, (k, more_v), t_vh, zeros_beside(t_vh, more_v, False))
    return t_u, real_part(_diagonal_of(inner)), t_vh


svd_row = Op(
    "linalg_svd", lambda xp, a, full: _converged(xp.linalg.svd, a, full), outputs="U S Vh",
    a=lambda g_U, g_S, g_Vh, a_shape, U, S, Vh: _svd_gradient(g_U, g_S, g_Vh, a_shape, U, S, Vh),
    jvp=lambda t_a, U, S, Vh: _svd_tangent(t_a, U, S, Vh),
)  # fmt: skip
