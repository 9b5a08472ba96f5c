"""Window functions, as `torch.signal.windows`: weights that taper a signal of `M` points.

Each is symmetric, or with `sym=False` periodic: the first M of M + 1 points of the symmetric one.
"""

import numpy as np

from ..ops.bessel import i0
from ..ops.creation import finish, kind_of

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming",
    "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _window(name, shape, M, sym, dtype=None, layout=None, device=None, requires_grad=False):
    """`shape(n, last)` at the points n = 0 ... M - 1, where the window ends at `last`."""
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M} [RG049]")
    kind = kind_of(dtype)
    if kind.kind not in "fV" or kind.itemsize < 4:
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype} [RG041]")
    if M <= 1:
        values = np.ones(M)
    else:
        values = shape(np.arange(M, dtype=np.float64), M - 1 if sym else M)
    return finish(values.astype(kind), requires_grad, device, layout)


def exponential(M, *, center=None, tau=1.0, sym=True, **options):
    """exp(-|n - center| / tau); the centre is the middle by default, and must be where `sym`."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead. [RG049]")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows [RG120]")
    return _window(
        "exponential",
        lambda n, last: np.exp(-abs(n - (last / 2 if center is None else center)) / tau),
        M,
        sym,
        **options,
    )


def cosine(M, *, sym=True, **options):
    """sin(pi (n + 1/2) / M): half a period of a cosine."""
    return _window("cosine", lambda n, last: np.sin(np.pi * (n + 0.5) / (last + 1)), M, sym, **options)


def gaussian(M, *, std=1.0, sym=True, **options):
    """exp(-(n - middle)^2 / (2 std^2))."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead. [RG049]")
    return _window("gaussian", lambda n, last: np.exp(-(((n - last / 2) / std) ** 2) / 2), M, sym, **options)


def kaiser(M, *, beta=12.0, sym=True, **options):
    """I0(beta sqrt(1 - (2 n / last - 1)^2)) / I0(beta), with the Bessel function I0."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead. [RG049]")

    def shape(n, last):
        inner = beta * np.sqrt(np.maximum(1 - (2 * n / last - 1) ** 2, 0))
        return i0(inner) / i0(np.asarray(float(beta)))

    return _window("kaiser", shape, M, sym, **options)


def bartlett(M, *, sym=True, **options):
    """A triangle: 1 - |2 n / last - 1|."""
    return _window("bartlett", lambda n, last: 1 - abs(2 * n / last - 1), M, sym, **options)


def _cosines(name, weights, M, sym, options):
    def shape(n, last):
        terms = [(-1) ** k * w * np.cos(2 * np.pi * k * n / last) for k, w in enumerate(weights)]
        return sum(terms)

    return _window(name, shape, M, sym, **options)


def general_cosine(M, *, a, sym=True, **options):
    """a[0] - a[1] cos(t) + a[2] cos(2 t) ..., t from 0 to 2 pi."""
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple [RG047]")
    if not a:
        raise ValueError("Coefficients cannot be empty [RG047]")
    return _cosines("general_cosine", a, M, sym, options)


def general_hamming(M, *, alpha=0.54, sym=True, **options):
    """alpha - (1 - alpha) cos(t), t from 0 to 2 pi."""
    return _cosines("general_hamming", [alpha, 1 - alpha], M, sym, options)


def hamming(M, *, sym=True, **options):
    """0.54 - 0.46 cos(t), t from 0 to 2 pi."""
    return _cosines("hamming", [0.54, 0.46], M, sym, options)


def hann(M, *, sym=True, **options):
    """(1 - cos(t)) / 2, t from 0 to 2 pi."""
    return _cosines("hann", [0.5, 0.5], M, sym, options)


def blackman(M, *, sym=True, **options):
    """0.42 - 0.5 cos(t) + 0.08 cos(2 t), t from 0 to 2 pi."""
    return _cosines("blackman", [0.42, 0.5, 0.08], M, sym, options)


def nuttall(M, *, sym=True, **options):
    """0.3635819 - 0.4891775 cos(t) + 0.1365995 cos(2 t) - 0.0106411 cos(3 t), t from 0 to 2 pi."""
    return _cosines("nuttall", [0.3635819, 0.4891775, 0.1365995, 0.0106411], M, sym, options)
