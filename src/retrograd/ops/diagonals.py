"""Triangles and diagonals of matrices: copies with the rest left out or put to zero."""

from ..core.op import LINEAR, Op
from .arguments import deliver, normal_axis
from .shape import clone, flatten
from .view import diagonal as diagonal_view
from .view import on_diagonal_row

__all__ = ["diag", "diag_embed", "diagflat", "tril", "triu"]
METHODS = [*__all__, "fill_diagonal_"]
INPLACE = ["tril", "triu"]

tril_row, triu_row = [
    Op(
        name, lambda xp, x, diagonal, keep=keep: xp.where(keep(xp, x, diagonal), x, xp.zeros((), x.dtype)),
        x=formula, jvp=LINEAR,
    )
    for name, keep, formula in (
        (
            "tril", lambda xp, x, k: xp.tri(x.shape[-2], x.shape[-1], k, bool),
            lambda g, diagonal: tril_row(g, diagonal),
        ),
        (
            "triu", lambda xp, x, k: ~xp.tri(x.shape[-2], x.shape[-1], k - 1, bool),
            lambda g, diagonal: triu_row(g, diagonal),
        ),
    )
]  # fmt: skip


def _check_matrix(name, input):
    if input.ndim < 2:
        raise RuntimeError(
            f"{name}: input tensor must have at least 2 dimensions, but got shape {list(input.shape)} [RG038]"
        )


def tril(input, diagonal=0, *, out=None):
    """The lower triangles of matrices up to the diagonal number `diagonal` (above 0: above the main one),
    else zeros."""
    _check_matrix("tril", input)
    return deliver(tril_row(input, diagonal), out)


def triu(input, diagonal=0, *, out=None):
    """The upper triangles of matrices from the diagonal number `diagonal` on, else zeros."""
    _check_matrix("triu", input)
    return deliver(triu_row(input, diagonal), out)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices, in dimensions `dim1` and `dim2`, with the last dimension of `input` on a diagonal, else
    zeros."""
    n = input.ndim + 1
    axis1, axis2 = normal_axis(dim1, n), normal_axis(dim2, n)
    if axis1 == axis2:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2} [RG039]")
    size = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple([size if d in (axis1, axis2) else next(rest) for d in range(n)])
    return on_diagonal_row(input, shape, offset, axis1, axis2)


def diag(input, diagonal=0, *, out=None):
    """Of a vector the matrix with it on a diagonal; of a matrix a copy of a diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D [RG038]")
    return deliver(
        diag_embed(input, diagonal) if input.ndim == 1 else clone(diagonal_view(input, diagonal)), out
    )


def diagflat(input, offset=0):
    """The matrix with all elements of `input` on a diagonal."""
    return diag_embed(flatten(input), offset)


def fill_diagonal_(self, fill_value, wrap=False):
    """Write one value to the main diagonal, in place; `wrap` starts it again below a tall matrix's square
    part."""
    if self.ndim < 2:
        raise RuntimeError("dimensions must larger than 1 [RG038]")
    shape = self.shape
    if self.ndim > 2 and len(set(shape)) != 1:
        raise RuntimeError(f"all dimensions of input must be of equal length, but got {list(shape)} [RG044]")
    step, size = sum(self.stride()), min(shape)
    self.as_strided((size,), (step,)).fill_(fill_value)
    if wrap and self.ndim == 2 and shape[0] > shape[1] + 1:
        period = shape[1] + 1
        rows = [r for r in range(period, shape[0]) if r % period < shape[1]]
        self[rows, [r % period for r in rows]] = fill_value
    return self
