"""Covariances and correlations of several variables."""

import warnings

from ..core.apply import by_example
from ..core.op import is_complex
from ..core.tensor import Tensor
from .complex_numbers import complex as join_complex
from .complex_numbers import imag, real
from .pointwise import clamp, conj
from .power import sqrt
from .product import matmul
from .reduce import sum_row
from .shape import permute_row, reshape_row
from .view import diagonal

__all__ = ["corrcoef", "cov"]
METHODS = __all__
INPLACE = []


def _weights(name, w, n, floating):
    if not isinstance(w, Tensor) or w._array.ndim != 1 or w._array.size != n:
        raise RuntimeError(f"cov(): expected {name} to be a 1D tensor of the {n} observations [RG038]")
    if (w._array.dtype.kind in "fV") != floating:
        raise RuntimeError(
            f"cov(): expected {name} to be {'floating' if floating else 'whole numbers'}, got {w.dtype} "
            "[RG041]"
        )
    if (w._whole._array < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative [RG049]")
    return w


def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariances of variables, the rows of `input`, over observations, its columns.

    fweights: how often each observation occurred, whole numbers. aweights: how much each counts.
    """
    function = _cov if fweights is None and aweights is None else _weighted_cov
    return function(input, correction, fweights, aweights)


def _cov(input, correction, fweights, aweights):
    if input._array.ndim > 2:
        raise RuntimeError(
            "cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input._array.ndim} [RG038]"
        )
    x = input if input._array.ndim == 2 else reshape_row(input, (1, -1))
    n = x._array.shape[1]
    w = None
    if fweights is not None:
        w = _weights("fweights", fweights, n, False)
    if aweights is not None:
        a = _weights("aweights", aweights, n, True)
        w = a if w is None else w * a
    if w is None:
        total = n
        centred = x - sum_row(x, (1,), True) / n
        weighted = centred
    else:
        total = w.sum()
        centred = x - (x * w).sum(1, True) / total
        weighted = centred * w
    if w is None or aweights is None or correction == 0:
        left = total - correction
    else:
        left = total - correction * (w * aweights).sum() / total
    if float(left) <= 0:
        warnings.warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number "
            "of observations.",
            stacklevel=3,
        )
        left = 0
    out = matmul(weighted, permute_row(conj(centred), (1, 0))) / left
    return reshape_row(out, ()) if x._array.shape[0] == 1 else out


_weighted_cov = by_example(_cov)


def corrcoef(input):
    """The correlation coefficients of variables, the rows of `input`, over observations, its columns."""
    if input._array.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input._array.ndim} [RG038]"
        )
    c = cov(input)
    if c._array.ndim == 0:
        return c / c
    size = sqrt(real(diagonal(c)))
    c = c / reshape_row(size, (-1, 1)) / size
    if is_complex(c):
        return join_complex(clamp(real(c), -1, 1), clamp(imag(c), -1, 1))
    return clamp(c, -1, 1)
