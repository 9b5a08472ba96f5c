"""Samples of the Fourier transforms."""

import numpy as np

from . import Sample, arr, const


def z(*shape, seed=0):
    """Complex values."""
    return arr(*shape, dtype="complex128", seed=seed)


SAMPLES = [
    *[Sample(f"fft.{name}", x) for name in ("fft", "ifft", "fftn", "ifftn") for x in (arr(5), z(4, 3))],
    *[
        Sample(f"fft.{name}", z(3, 4), norm=norm)
        for name in ("fft", "ifft")
        for norm in ("ortho", "forward", "backward")
    ],
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
    *[
        Sample("stft", arr(2, 20), 8, 3, 6, arr(6), center=center, normalized=not center, return_complex=True)
        for center in (True, False)
    ],
    Sample("stft", arr(20), 8, window=arr(8), onesided=False, return_complex=False),
    Sample("stft", z(20), 7, 2, window=arr(7), pad_mode="constant", return_complex=True),
    Sample("stft", arr(20), 8, 3, 6, arr(6), center=False, return_complex=True, align_to_window=True),
    Sample("Tensor.stft", arr(20), 8, window=np.ones(8), return_complex=True),
    Sample("istft", z(2, 5, 6), 8, 3, window=const(arr(8, low=0.5))),
    Sample("istft", z(5, 6), 8, 3, 7, const(arr(7, low=0.5)), normalized=True, length=13),
    Sample(
        "istft", z(8, 6), 8, window=const(arr(8, low=0.5)), center=False, onesided=False, return_complex=True
    ),
    Sample("istft", z(4, 6), 7, 2, window=const(arr(7, low=0.5)), onesided=True),
]
