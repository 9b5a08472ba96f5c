"""What distributions share: parameters as tensors of one shape, probabilities and logits, lazy properties."""

import functools
import numbers

import retrograd
from retrograd import Tensor
from retrograd.autograd import enable_grad

euler_constant = 0.57721566490153286060


def is_number(x):
    """Whether a parameter was given as a Python number, so that the distribution is a single one."""
    return isinstance(x, numbers.Number)


def broadcast_all(*values):
    """Numbers and tensors as tensors of one shape; numbers take the dtype of the first tensor, if any."""
    for v in values:
        if not isinstance(v, Tensor) and not is_number(v):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                f"__torch_function__, but got {type(v).__name__}. [RG047]"
            )
    given = [v.dtype for v in values if isinstance(v, Tensor)]
    dtype = given[0] if given else retrograd.get_default_dtype()
    return retrograd.broadcast_tensors(
        *[v if isinstance(v, Tensor) else retrograd.tensor(v, dtype=dtype) for v in values]
    )


def batch_shape_of(parameter, *given):
    """() where all were given as numbers, else the parameters' common shape."""
    return retrograd.Size() if all(is_number(g) for g in given) else parameter.shape


def clamp_probs(probs):
    """Probabilities brought off 0 and 1 by the dtype's eps."""
    eps = retrograd.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits, is_binary=False):
    """Probabilities from log odds, or along the last dimension from log probabilities."""
    return retrograd.sigmoid(logits) if is_binary else retrograd.softmax(logits, -1)


def probs_to_logits(probs, is_binary=False):
    """Log odds of probabilities, or their logarithms; those of 0 and 1 are finite."""
    inner = clamp_probs(probs)
    return inner.log() - (-inner).log1p() if is_binary else inner.log()


def _sum_rightmost(value, dims):
    """The sum over the last `dims` dimensions."""
    return value if not dims else value.reshape(*value.shape[: value.ndim - dims], -1).sum(-1)


def full_like_shape(shape, value, like):
    """A tensor of one value in the dtype of `like`."""
    return retrograd.full(tuple(shape), value, dtype=like.dtype)


def standard_normal(shape, like):
    """Standard normal numbers in the dtype of `like`."""
    return retrograd.empty(tuple(shape), dtype=like.dtype).normal_()


class lazy_property(functools.cached_property):
    """A property computed when first asked for, with gradients, and then kept."""

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with enable_grad():
            return super().__get__(instance, owner)


def _standard_normal(shape, dtype, device):
    """Normal numbers: the name by which other packages import this."""
    return standard_normal(shape, retrograd.empty((), dtype=dtype, device=device))


def tril_matrix_to_vec(mat, diag=0):
    """The elements on and below the diagonal `diag`, in row order."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}]. [RG153]")
    return mat[..., retrograd.ones(n, n, dtype=retrograd.bool).tril(diag)]


def vec_to_tril_matrix(vec, diag=0):
    """The square matrix with these elements on and below the diagonal `diag`, in row order, zeros above."""
    length, n = vec.shape[-1], 0
    while retrograd.ones(n, n).tril(diag).sum() < length:
        n += 1
    mask = retrograd.ones(n, n, dtype=retrograd.bool).tril(diag)
    if int(mask.sum()) != length:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as the lower triangular part "
            "of a square D x D matrix. [RG153]"
        )
    out = vec.new_zeros(*vec.shape[:-1], n, n)
    out[..., mask] = vec
    return out
