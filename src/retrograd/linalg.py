"""Linear algebra under the names of `torch.linalg`."""

from functools import wraps as _wraps

from .ops.factors import ldl_factor, ldl_factor_ex, ldl_solve  # noqa: F401
from .ops.linalg import (  # noqa: F401
    LinAlgError,
    cholesky,
    cholesky_ex,
    det,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    householder_product,
    inv,
    inv_ex,
    lstsq,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    multi_dot,
    qr,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    svd,
    tensorinv,
    tensorsolve,
)  # fmt: skip
from .ops.matrix_functions import (  # noqa: F401
    cond,
    cross,
    matrix_exp,
    matrix_norm,
    matrix_power,
    matrix_rank,
    norm,
    pinv,
    svdvals,
    vander,
    vecdot,
)  # fmt: skip
from .ops.norms import vector_norm  # noqa: F401
from .ops.product import matmul  # noqa: F401
from .ops.view import diagonal as _diagonal


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """A view of the diagonals of the last two dimensions."""
    return _diagonal(A, offset, dim1, dim2)


def _by_input(function):
    """Take the first argument by the names that PyTorch's functions have for it besides `A`."""

    @_wraps(function)
    def named(*args, **kwargs):
        if not args:
            given = [name for name in ("input", "x") if name in kwargs]
            args = (kwargs.pop(given[0]),) if given else ()
        if "b" in kwargs:
            kwargs["B"] = kwargs.pop("b")
        return function(*args, **kwargs)

    return named


for _name in (
    "cholesky cholesky_ex cond eig eigh eigvals eigvalsh ldl_factor ldl_factor_ex lstsq matrix_exp "
    "matrix_norm matrix_power matrix_rank norm pinv tensorinv vector_norm"
).split():
    globals()[_name] = _by_input(globals()[_name])
