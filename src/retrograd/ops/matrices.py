"""Linear algebra under the older names that `torch` itself has."""

import numpy as np

from ..core.apply import by_example
from ..core.tensor import wrap
from . import linalg, matrix_functions, return_types
from .arguments import deliver
from .join import flip
from .linear_systems import adjoint, triangular_row
from .matrix_functions import matrix_exp, matrix_power
from .pointwise import where
from .product import swapped
from .shape import expand

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "cross", "det", "frobenius_norm", "inverse", "logdet",
    "lu_solve", "lu_unpack", "matrix_exp", "matrix_power", "nuclear_norm", "orgqr", "pinverse", "qr",
    "slogdet", "svd", "triangular_solve", "vander",
]  # fmt: skip
METHODS = [name for name in __all__ if name not in ("frobenius_norm", "lu_unpack", "nuclear_norm", "vander")]
INPLACE = []


def det(input):
    """`linalg.det`."""
    return linalg.det(input)


def slogdet(input):
    """`linalg.slogdet`."""
    return return_types.slogdet(linalg.slogdet(input))


def logdet(input):
    """The logarithm of the determinant; NaN where that is negative."""
    sign, logabsdet = linalg.slogdet(input)
    if input._array.dtype.kind == "c":
        return logabsdet + sign.log()
    return where(sign == -1.0, np.nan, logabsdet)


def inverse(input, *, out=None):
    """`linalg.inv`."""
    return linalg.inv(input, out=out)


def pinverse(input, rcond=1e-15):
    """`linalg.pinv` with rtol=rcond."""
    return matrix_functions.pinv(input, rtol=rcond)


def cholesky(input, upper=False, *, out=None):
    """`linalg.cholesky`."""
    return linalg.cholesky(input, upper=upper, out=out)


def cholesky_solve(input, L, upper=False, *, out=None):
    """The X of A X = input, from the Cholesky factor of A."""
    lower = adjoint(L) if upper else L
    inner = triangular_row(lower, input, False, False)
    return deliver(triangular_row(adjoint(lower), inner, True, False), out)


def cholesky_inverse(L, upper=False, *, out=None):
    """The inverse of A, from its Cholesky factor."""
    return cholesky_solve(L * 0 + wrap(np.eye(L.shape[-1], dtype=L._array.dtype)), L, upper, out=out)


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False, *, out=None):
    """`linalg.solve_triangular` with its arguments reversed; also gives A back."""
    matrix, upper = (swapped(A), not upper) if transpose else (A, upper)
    solution = triangular_row(matrix, b, bool(upper), bool(unitriangular))
    copy = expand(A, (*solution.shape[:-2], *A.shape[-2:])) * 1
    return deliver(return_types.triangular_solve((solution, copy)), out)


def lu_solve(b, LU_data, LU_pivots, *, out=None):
    """`linalg.lu_solve` with its arguments in another order."""
    return linalg.lu_solve(LU_data, LU_pivots, b, out=out)


@by_example
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True, *, out=None):
    """P, L and U from the result of `linalg.lu_factor`; empty tensors for what isn't unpacked."""
    m, n = LU_data.shape[-2:]
    k, kind = min(m, n), LU_data._array.dtype
    empty = wrap(np.zeros(0, kind))
    lower = upper = p = empty
    if unpack_data:
        lower = LU_data[..., :k].tril(-1) + wrap(np.eye(m, k, dtype=kind))
        upper = LU_data[..., :k, :].triu()
    if unpack_pivots:
        p = wrap(linalg.permutation(LU_pivots._array, m, kind))
    return deliver(return_types.lu_unpack((p, lower, upper)), out)


def qr(input, some=True, *, out=None):
    """`linalg.qr`, reduced where `some`, else complete."""
    return deliver(return_types.qr(linalg.qr(input, "reduced" if some else "complete")), out)


def svd(input, some=True, compute_uv=True, *, out=None):
    """`linalg.svd`, but V instead of its conjugate transpose; zeros for U and V where not `compute_uv`."""
    u, s, vh = linalg.svd(input, not some)
    if not compute_uv:
        m, n = input.shape[-2:]
        lead, kind = tuple(input.shape[:-2]), input._array.dtype
        u, v = wrap(np.zeros((*lead, m, m), kind)), wrap(np.zeros((*lead, n, n), kind))
    else:
        v = adjoint(vh)
    return deliver(return_types.svd((u, s, v)), out)


def orgqr(input, tau, *, out=None):
    """`linalg.householder_product`."""
    return linalg.householder_product(input, tau, out=out)


def cross(input, other, dim=None, *, out=None):
    """`linalg.cross`; by default along the first dimension of size 3."""
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"no dimension of size 3 in input of shape {list(input.shape)} [RG038]")
    return matrix_functions.cross(input, other, dim=dim, out=out)


def nuclear_norm(input, dim=(-2, -1), keepdim=False, *, out=None):
    """The sum of the singular values."""
    return matrix_functions.matrix_norm(input, "nuc", dim, keepdim, out=out)


def frobenius_norm(input, dim=(-2, -1), keepdim=False, *, out=None):
    """The root of the sum of squares over `dim`."""
    return matrix_functions.norm(input, None, dim, keepdim, out=out)


def vander(x, N=None, increasing=False):
    """The matrix of powers of the vector `x`, falling from N - 1 unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, got one of shape {list(x.shape)}. [RG038]")
    if N is not None and N < 0:
        raise RuntimeError(f"N must be non-negative. Got {N} [RG049]")
    count = x.shape[0] if N is None else N
    powers = x[:, None] ** wrap(np.arange(count))
    return powers if increasing else flip(powers, 1)
