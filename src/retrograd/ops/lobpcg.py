"""The largest or smallest eigenpairs of symmetric matrices, under the name of PyTorch's iterative method."""

from .linalg import cholesky, eigh, solve_triangular

__all__ = ["lobpcg"]
METHODS = []
INPLACE = []


def lobpcg(
    A, k=None, B=None, X=None, n=None, iK=None, niter=None, tol=None, largest=None, method=None, tracker=None,
    ortho_iparams=None, ortho_fparams=None, ortho_bparams=None,
):  # fmt: skip
    """The `k` largest (or smallest) eigenvalues of A, or of A x = lambda B x, and eigenvectors (columns).

    A: (*, m, m), symmetric; B: the same, positive definite. k: 1 if neither it nor X is given, else the
    number of columns of X. Found directly, by `linalg.eigh`: X, a first guess, and the arguments of the
    iteration have no further effect, and `tracker` is not called.
    """
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"lobpcg: A must be a batch of square matrices, got shape {list(A.shape)} [RG129]")
    m = A.shape[-1]
    k = n if k is None else k
    k = (1 if X is None else X.shape[-1]) if k is None else k
    if not 1 <= k <= m:
        raise ValueError(f"lobpcg: k must be from 1 to {m}, the number of rows of A, got {k} [RG049]")
    A = (A + A.mT) / 2
    if B is not None:
        factor = cholesky((B + B.mT) / 2)
        half = solve_triangular(factor, A, upper=False)
        A = solve_triangular(factor, half.mT, upper=False)
        A = (A + A.mT) / 2
    values, vectors = eigh(A)
    if largest is None or largest:
        values, vectors = values[..., m - k :].flip(-1), vectors[..., m - k :].flip(-1)
    else:
        values, vectors = values[..., :k], vectors[..., :k]
    if B is not None:
        vectors = solve_triangular(factor.mT, vectors, upper=True)
    return values, vectors
