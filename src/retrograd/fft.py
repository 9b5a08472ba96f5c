"""Discrete Fourier transforms, as `torch.fft`.

`n` or `s`: so many entries are transformed, cut or zero-padded. norm: which direction is divided by the
number of
entries: "backward" (the inverse, default), "forward", or "ortho" (both by its root).
"""

from .core import arrays
from .core.tensor import Tensor  # noqa: F401  PyTorch's module has the name too
from .ops import fourier
from .ops.arguments import deliver
from .ops.fourier import to_half, to_real, transform
from .ops.sequences import arange

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "ihfft2",
    "ihfftn",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
    "Tensor",
]


def _one(n):
    return None if n is None else [n]


def fft(input, n=None, dim=-1, norm=None, *, out=None):
    """The transform along one dimension: y[k] = sum_j x[j] exp(-2 pi i j k / n). Complex."""
    return deliver(transform(input, _one(n), (dim,), norm, True, "fft"), out)


def ifft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `fft`."""
    return deliver(transform(input, _one(n), (dim,), norm, False, "ifft"), out)


def fft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`fft` along two dimensions."""
    return deliver(transform(input, s, dim, norm, True, "fft2"), out)


def ifft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """The inverse of `fft2`."""
    return deliver(transform(input, s, dim, norm, False, "ifft2"), out)


def fftn(input, s=None, dim=None, norm=None, *, out=None):
    """`fft` along several dimensions, by default all."""
    return deliver(transform(input, s, dim, norm, True, "fftn"), out)


def ifftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `fftn`."""
    return deliver(transform(input, s, dim, norm, False, "ifftn"), out)


def rfft(input, n=None, dim=-1, norm=None, *, out=None):
    """`fft` of real input: the first n // 2 + 1 entries, as the others are their mirror image."""
    return deliver(to_half(input, _one(n), (dim,), norm, True, "rfft"), out)


def irfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `rfft`; n: the length of the real result (default: even)."""
    return deliver(to_real(input, _one(n), (dim,), norm, False, "irfft"), out)


def rfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`rfft` along the last of two dimensions, `fft` along the other."""
    return deliver(to_half(input, s, dim, norm, True, "rfft2"), out)


def irfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """The inverse of `rfft2`."""
    return deliver(to_real(input, s, dim, norm, False, "irfft2"), out)


def rfftn(input, s=None, dim=None, norm=None, *, out=None):
    """`rfft` along the last of several dimensions, `fft` along the others."""
    return deliver(to_half(input, s, dim, norm, True, "rfftn"), out)


def irfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `rfftn`."""
    return deliver(to_real(input, s, dim, norm, False, "irfftn"), out)


def hfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The (real) transform of a signal that is its conjugate's mirror image, given by its first half."""
    return deliver(to_real(input, _one(n), (dim,), norm, True, "hfft"), out)


def ihfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `hfft`."""
    return deliver(to_half(input, _one(n), (dim,), norm, False, "ihfft"), out)


def _hermitian(input, s, dim, norm, name):
    axes, sizes = fourier._dims(input, s, dim, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis [RG145]")
    if len(axes) > 1:
        input = transform(input, [-1 if n is None else n for n in sizes[:-1]], axes[:-1], norm, True, name)
    return to_real(input, [-1 if sizes[-1] is None else sizes[-1]], axes[-1:], norm, True, name)


def _inverse_hermitian(input, s, dim, norm, name):
    axes, sizes = fourier._dims(input, s, dim, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis [RG145]")
    half = to_half(input, [-1 if sizes[-1] is None else sizes[-1]], axes[-1:], norm, False, name)
    if len(axes) == 1:
        return half
    return transform(half, [-1 if n is None else n for n in sizes[:-1]], axes[:-1], norm, False, name)


def hfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`hfft` along the last of two dimensions, `fft` along the other."""
    return deliver(_hermitian(input, s, dim, norm, "hfft2"), out)


def ihfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """The inverse of `hfft2`."""
    return deliver(_inverse_hermitian(input, s, dim, norm, "ihfft2"), out)


def hfftn(input, s=None, dim=None, norm=None, *, out=None):
    """`hfft` along the last of several dimensions, `fft` along the others."""
    return deliver(_hermitian(input, s, dim, norm, "hfftn"), out)


def ihfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `hfftn`."""
    return deliver(_inverse_hermitian(input, s, dim, norm, "ihfftn"), out)


def fftshift(input, dim=None):
    """Frequency 0 moved to the middle of each dimension of `dim` (default: all)."""
    return fourier.shifted(input, dim, 0)


def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return fourier.shifted(input, dim, 1)


def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, out=None):
    """The frequencies of `fft`'s entries for `n` samples that are `d` apart: 0, 1, ..., -1 over n d."""
    dtype = arrays.get_default_dtype() if dtype is None else dtype
    k = arange(n, dtype=dtype)
    k[(n + 1) // 2 :] = arange(-(n // 2), 0, dtype=dtype)
    return _delivered(k * (1.0 / (n * d)), requires_grad, out)


def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, out=None):
    """The frequencies of `rfft`'s entries for `n` samples that are `d` apart: 0, 1, ..., n // 2 over n d."""
    dtype = arrays.get_default_dtype() if dtype is None else dtype
    return _delivered(arange(n // 2 + 1, dtype=dtype) * (1.0 / (n * d)), requires_grad, out)


def _delivered(x, requires_grad, out):
    result = deliver(x, out)
    return result.requires_grad_() if requires_grad else result
