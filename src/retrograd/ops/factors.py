"""Factors of matrices in LAPACK's packed forms (reflections, LDL^T), and of low rank by random projection.

LDL: Bunch and Kaufman, "Some stable methods for calculating inertia and solving symmetric linear systems"
(1977).
Low rank: Halko, Martinsson and Tropp, "Finding structure with randomness" (2011).
"""

import math

import numpy as np

from ..core import random
from ..core.apply import by_example, drawing
from ..core.tensor import wrap
from . import linalg, return_types
from .arguments import deliver
from .diagonals import tril_row
from .linear_systems import LinAlgError, adjoint, check_matrices
from .product import matmul, matmul_row
from .reduce import mean
from .shape import reshape

__all__ = ["geqrf", "lu", "ormqr", "pca_lowrank", "svd_lowrank"]
METHODS = ["geqrf", "lu", "ormqr"]
INPLACE = []


# --- packed factors -----------------------------------------------------------------------------------


@by_example
def geqrf(input, *, out=None):
    """R, with the reflections whose product is Q below its diagonal, and their factors `tau`. No gradient.

    See `ormqr`.
    """
    check_matrices("geqrf", input, square=False)
    packed, tau = np.linalg.qr(input._array, mode="raw")
    packed = np.ascontiguousarray(packed.swapaxes(-1, -2))
    return deliver(return_types.geqrf((wrap(packed), wrap(tau))), out)


def ormqr(input, tau, other, left=True, transpose=False, *, out=None):
    """Q @ other, or other @ Q where not `left`, for the product Q of the reflections 1 - tau[i] v v^H.

    v: the columns of `input` below the diagonal, with 1 on it. transpose: Q^H instead of Q.
    """
    check_matrices("ormqr", input, square=False)
    m, n = input.shape[-2:]
    if other.shape[-2 if left else -1] != m:
        raise RuntimeError(
            f"ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2], but they are "
            f"{other.shape[-2 if left else -1]} and {m} [RG044]"
        )
    lower = tril_row(input, -1) + wrap(np.eye(m, n, dtype=input._array.dtype))
    result = other if left else adjoint(other)
    turned = bool(transpose) == bool(left)  # other @ Q is (Q^H @ other^H)^H
    count = tau.shape[-1]
    for i in range(count) if turned else reversed(range(count)):
        v = lower[..., i : i + 1]
        factor = reshape(tau[..., i], (*tau.shape[:-1], 1, 1))
        factor = factor.conj() if turned else factor
        result = result - matmul_row(v * factor, matmul_row(adjoint(v), result))
    result = result if left else adjoint(result)
    return deliver(result * 1 if result is other else result, out)


def lu(A, pivot=True, get_infos=False, out=None):
    """`linalg.lu_factor`, and with `get_infos` the third result of `linalg.lu_factor_ex`."""
    result = linalg.lu_factor_ex(A, pivot=pivot)
    return deliver(result if get_infos else result[:2], out)


# --- LDL^T --------------------------------------------------------------------------------------------

_GROWTH = (1 + math.sqrt(17)) / 8  # keeps the elements small: Bunch and Kaufman's alpha


def _size(x):
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def _pivot(a, k, hermitian):
    """(the row to exchange, the size 1 or 2 of the block) at step `k`; None where the column is zero."""
    n = len(a)
    own = abs(a[k, k].real) if hermitian else _size(a[k, k])
    column = _size(a[k + 1 :, k])
    if not max(own, column.max(initial=0)) > 0:
        return None
    if k == n - 1:
        return k, 1
    at = k + 1 + int(column.argmax())
    most = column.max()
    if own >= _GROWTH * most:
        return k, 1
    row_most = max(_size(a[at, k:at]).max(), _size(a[at + 1 :, at]).max(initial=0))
    if own >= _GROWTH * most * (most / row_most):
        return k, 1
    there = abs(a[at, at].real) if hermitian else _size(a[at, at])
    return (at, 1) if there >= _GROWTH * row_most else (at, 2)


def _ldl(a, hermitian):
    """(packed, pivots, info) of one matrix, whose lower triangle is read, in the form of LAPACK's sytrf."""
    n = len(a)
    turned = np.conj if hermitian else lambda x: x
    a = np.tril(a) + turned(np.tril(a, -1).T)
    if hermitian and a.dtype.kind == "c":
        a[np.arange(n), np.arange(n)] = a.diagonal().real
    pivots, info, k = np.zeros(n, np.int32), 0, 0
    while k < n:
        found = _pivot(a, k, hermitian)
        if found is None:
            info = info or k + 1
            pivots[k] = k + 1
            k += 1
            continue
        at, step = found
        last = k + step - 1
        if at != last:  # among what is left to factor
            a[[last, at], k:] = a[[at, last], k:]
            a[k:, [last, at]] = a[k:, [at, last]]
        rest = a[k + step :, k : k + step].copy()
        block = a[k : k + step, k : k + step]
        factor = rest / block[0, 0] if step == 1 else np.linalg.solve(block.T, rest.T).T
        a[k + step :, k + step :] -= factor @ turned(rest.T)
        a[k + step :, k : k + step] = factor
        pivots[k : k + step] = at + 1 if step == 1 else -(at + 1)
        k += step
    return np.tril(a), pivots, info


def _ldl_solve(packed, pivots, b, hermitian):
    """The X of P L D L^T P^T X = b for one matrix."""
    n, x = len(packed), b.copy()
    turned = np.conj if hermitian else lambda y: y
    blocks, k = [], 0
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        blocks.append((k, step))
        last, at = k + step - 1, abs(int(pivots[k])) - 1
        x[[last, at]] = x[[at, last]]
        x[k + step :] -= packed[k + step :, k : k + step] @ x[k : k + step]
        block = packed[k : k + step, k : k + step].copy()
        if step == 2:
            block[0, 1] = turned(block[1, 0])
        x[k : k + step] = np.linalg.solve(block, x[k : k + step])
        k += step
    for k, step in reversed(blocks):
        x[k : k + step] -= turned(packed[k + step :, k : k + step].T) @ x[k + step :]
        last, at = k + step - 1, abs(int(pivots[k])) - 1
        x[[last, at]] = x[[at, last]]
    return x


@by_example
def ldl_factor_ex(A, *, hermitian=False, check_errors=False, out=None):
    """ldl_factor, and for each matrix 0, or the place of the first zero in D. No gradient."""
    check_matrices("linalg.ldl_factor_ex", A)
    array, n = A._array, A.shape[-1]
    packed = np.zeros(array.shape, array.dtype)
    pivots, info = np.zeros(array.shape[:-1], np.int32), np.zeros(array.shape[:-2], np.int32)
    for i in np.ndindex(array.shape[:-2]):
        packed[i], pivots[i], info[i] = _ldl(array[i], hermitian)
    if check_errors and info.any():
        raise LinAlgError(
            f"linalg.ldl_factor: D has a zero on its diagonal, at place {info[info > 0].flat[0]} of {n} "
            "[RG128]"
        )
    return deliver(return_types.linalg_ldl_factor_ex((wrap(packed), wrap(pivots), wrap(info))), out)


def ldl_factor(A, *, hermitian=False, out=None):
    """L and D of A = P L D L^T P^T in one matrix, D in blocks of 1 or 2, and the pivots. No gradient.

    A: symmetric, or with `hermitian` Hermitian (then L^H is meant); the lower triangle is read. Pivots as
    LAPACK's sytrf gives them: row exchanges from 1, negative for blocks of 2.
    """
    packed, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return deliver(return_types.linalg_ldl_factor((packed, pivots)), out)


@by_example
def ldl_solve(LD, pivots, B, *, hermitian=False, out=None):
    """The X of A X = B, from the result of `ldl_factor`. No gradient."""
    check_matrices("linalg.ldl_solve", LD)
    lead = np.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    packed = np.broadcast_to(LD._array, (*lead, *LD.shape[-2:]))
    exchanges = np.broadcast_to(pivots._array, (*lead, pivots.shape[-1]))
    b = np.broadcast_to(B._array, (*lead, *B.shape[-2:]))
    x = np.zeros(b.shape, b.dtype)
    for i in np.ndindex(lead):
        x[i] = _ldl_solve(packed[i], exchanges[i], b[i], hermitian)
    return deliver(wrap(x), out)


# --- low rank -----------------------------------------------------------------------------------------


@drawing
def _random_directions(A, q):
    return wrap(random.normal((*A.shape[:-2], A.shape[-1], q), A._array.dtype))


def _range_of(A, q, niter):
    """An orthonormal basis of about what A's `q` largest singular vectors span."""
    basis = linalg.qr(matmul(A, _random_directions(A, q)))[0]
    for _ in range(niter):
        basis = linalg.qr(matmul(adjoint(A), basis))[0]
        basis = linalg.qr(matmul(A, basis))[0]
    return basis


def svd_lowrank(A, q=6, niter=2, M=None):
    """About the `q` largest singular values of A (or A - M) and their vectors: (U, S, V), A = U diag(S) V^H.

    `niter` rounds of power iteration make it more exact.
    """
    q = 6 if q is None else q
    A = A if M is None else A - M
    if A.shape[-2] < A.shape[-1]:
        v, s, u = svd_lowrank(adjoint(A), q, niter)
        return u, s, v
    basis = _range_of(A, q, niter)
    u, s, vh = linalg.svd(matmul(adjoint(basis), A), False)
    return matmul(basis, u), s, adjoint(vh)


def pca_lowrank(A, q=None, center=True, niter=2):
    """The principal components of the rows of A: `svd_lowrank`, with `center` of A less its columns' means.

    q: 6 by default, or the smaller of A's sizes.
    """
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)} [RG049]"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer [RG049]")
    return svd_lowrank(A - mean(A, -2, True) if center else A, q, niter)
