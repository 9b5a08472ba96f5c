"""Samples of the Fourier transforms."""

import numpy as np

from . import Sample, arr


def z(*shape, seed=0):
    """Complex values."""
    return arr(*shape, dtype="complex128", seed=seed)


SAMPLES = [
    *[Sample(f"fft.{name}", x) for name in ("fft", "ifft", "fftn", "ifftn") for x in (arr(5), z(4, 3))],
    *[Sample(f"fft.{name}", z(3, 4), norm=norm) for name in ("fft", "ifft") for norm in ("ortho", "forward", "backward")],
    Sample("fft.fft", z(3, 4), 6, 0),
    Sample("fft.fft", z(3, 4), 2, -2, "ortho"),
    Sample("fft.fft2", z(2, 3, 4)),
    Sample("fft.ifft2", z(2, 3, 4), (2, 5)),
    Sample("fft.fftn", z(2, 3, 4), (3, 3), (0, 2)),
    Sample("fft.ifftn", z(2, 3), None, (1,), "forward"),
    *[Sample("fft.rfft", arr(2, n), norm=norm) for n in (4, 5) for norm in (None, "ortho")],
    Sample("fft.rfft", arr(3, 4), 7, 0),
    Sample("fft.rfft2", arr(3, 5)),
    Sample("fft.rfftn", arr(2, 3, 4), dim=(1, 0)),
    *[Sample("fft.irfft", z(2, 4), n) for n in (None, 7, 5, 6)],
    Sample("fft.irfft2", z(3, 4), norm="ortho"),
    Sample("fft.irfftn", z(2, 3, 3), (4, 3), (0, 2)),
    *[Sample("fft.hfft", z(2, 4), n, norm=norm) for n, norm in ((None, None), (7, "ortho"), (5, "forward"))],
    Sample("fft.ihfft", arr(2, 5)),
    Sample("fft.ihfft", arr(2, 5), 4, 0, "ortho"),
    Sample("fft.hfft2", z(3, 4)),
    Sample("fft.hfftn", z(2, 3, 4), (2, 6), (0, 2)),
    Sample("fft.ihfft2", arr(3, 4)),
    Sample("fft.ihfftn", arr(2, 3, 4), None, (0, 1), "forward"),
    Sample("fft.fftshift", arr(4, 5)),
    Sample("fft.fftshift", z(4, 5), 1),
    Sample("fft.ifftshift", arr(4, 5), (0,)),
    Sample("fft.fftfreq", 5, 0.5),
    Sample("fft.fftfreq", 4),
    Sample("fft.rfftfreq", 5),
    Sample("fft.rfftfreq", 4, 2.0),
    Sample("fft.fft", np.arange(4)),
]
