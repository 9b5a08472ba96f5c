"""Window functions of signal processing: weights that taper a signal's ends before a Fourier transform.

`periodic` windows are those of `window_length` + 1 points without the last: what fits a spectrum's period.
"""

import numpy as np

from .creation import finish, kind_of

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]
METHODS = []
INPLACE = []


def _window(name, shape, window_length, periodic, dtype=None, layout=None, device=None, requires_grad=False,
            pin_memory=False):  # fmt: skip
    """`shape(x, n)` at x = 0 ... window_length - 1 of n points."""
    kind = kind_of(dtype)
    if kind.kind not in "fV":
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype} [RG041]")
    if window_length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={window_length} [RG049]"
        )
    if window_length <= 1:
        values = np.ones(window_length)
    else:
        values = shape(np.arange(window_length), window_length + bool(periodic) - 1)
    return finish(values.astype(kind), requires_grad, device, layout, pin_memory)


def bartlett_window(window_length, periodic=True, **options):
    """A triangle: 1 - |2 x / n - 1|."""
    return _window("bartlett_window", lambda x, n: 1 - abs(2 * x / n - 1), window_length, periodic, **options)


def hann_window(window_length, periodic=True, **options):
    """A raised cosine: 1/2 - 1/2 cos(2 pi x / n)."""
    return _window("hann_window", _cosines(0.5, 0.5), window_length, periodic, **options)


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, **options):
    """A cosine on a pedestal: alpha - beta cos(2 pi x / n)."""
    return _window("hamming_window", _cosines(alpha, beta), window_length, periodic, **options)


def blackman_window(window_length, periodic=True, **options):
    """0.42 - 0.5 cos(2 pi x / n) + 0.08 cos(4 pi x / n)."""
    return _window("blackman_window", _cosines(0.42, 0.5, 0.08), window_length, periodic, **options)


def kaiser_window(window_length, periodic=True, beta=12.0, **options):
    """I0(beta sqrt(1 - (2 x / n - 1)^2)) / I0(beta), with the Bessel function I0."""

    def shape(x, n):
        return np.i0(beta * np.sqrt(np.maximum(1 - (2 * x / n - 1) ** 2, 0))) / np.i0(beta)

    return _window("kaiser_window", shape, window_length, periodic, **options)


def _cosines(*weights):
    """weights[0] - weights[1] cos(t) + weights[2] cos(2 t) ..., over a period of n points."""

    def shape(x, n):
        return sum([(-1) ** k * w * np.cos(2 * np.pi * k * x / n) for k, w in enumerate(weights)])

    return shape
