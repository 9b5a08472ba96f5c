"""Short-time Fourier transforms: of a signal's overlapping frames, and back."""

import warnings

import numpy as np

from ..core.op import is_complex
from ..core.tensor import wrap
from .complex_numbers import view_as_real
from .fourier import to_half, to_real, transform
from .padding import pad
from .shape import permute, reshape
from .unfolding import fold
from .view import narrow

__all__ = ["istft", "stft"]
METHODS = __all__
INPLACE = []


def _frame_sizes(name, n_fft, hop_length, win_length, window):
    """(hop, window length) with their defaults, n_fft / 4 and n_fft."""
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop} [RG145]")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={length} [RG145]")
    if window is not None and tuple(window.shape) != (length,):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={length}, but got window with "
            f"size {list(window.shape)} [RG145]"
        )
    return hop, length


def _centred(window, n_fft):
    """`window` with zeros on both sides, n_fft long."""
    missing = n_fft - window.shape[0]
    return pad(window, (missing // 2, missing - missing // 2)) if missing else window


def stft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect",
    normalized=False, onesided=None, return_complex=None, align_to_window=None,
):  # fmt: skip
    """Fourier transforms of the frames of `n_fft` samples that begin every `hop_length` samples of a signal.

    input: (L,) or (B, L). window: weights of the middle `win_length` of each frame.
    center: the signal is padded (by `pad_mode`) so that frame t is centred at t * hop_length.
    normalized: divided by sqrt(n_fft). onesided: without the mirror image that real signals have.
    align_to_window: without `center`, frames may begin where only the window has to fit.

    Gives (B, frequencies, frames), complex, or with a last axis of two if not `return_complex`.
    """
    hop, length = _frame_sizes("stft", n_fft, hop_length, win_length, window)
    if return_complex is None and not (is_complex(input) or (window is not None and is_complex(window))):
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further require "
            "that return_complex=True in a future PyTorch release. [RG145]"
        )
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false [RG145]")
    if input.ndim not in (1, 2):
        raise RuntimeError(
            f"stft: expected a 1D or 2D tensor of signals, but got shape {list(input.shape)} [RG145]"
        )
    x = input if input.ndim == 2 else reshape(input, (1, -1))
    around = n_fft // 2 if center else (n_fft - length) // 2 if align_to_window else 0
    if around:
        mode = pad_mode if center else "constant"
        x = reshape(pad(reshape(x, (1, *x.shape)), (around, around), mode), (x.shape[0], -1))
    if not 0 < n_fft <= x.shape[1]:
        raise RuntimeError(f"stft: expected 0 < n_fft <= {x.shape[1]}, but got n_fft={n_fft} [RG145]")
    if window is None:
        warnings.warn(
            "stft: without a window the frames' ends leak into all frequencies; give one, such as "
            "hann_window(n_fft), or ones(n_fft) to be rid of this warning.",
            stacklevel=2,
        )
        window = wrap(np.ones(length, x._array.real.dtype))
    frames = x.unfold(1, n_fft, hop) * _centred(window, n_fft)
    complex_ = is_complex(frames)
    onesided = not complex_ if onesided is None else onesided
    if complex_ and onesided:
        raise RuntimeError("stft: onesided=True needs a real input and window, but one is complex [RG145]")
    norm = "ortho" if normalized else None
    spectrum = (to_half if onesided else transform)(frames, (n_fft,), (2,), norm, True, "stft")
    result = permute(spectrum, (0, 2, 1))
    result = result if input.ndim == 2 else reshape(result, result.shape[1:])
    return view_as_real(result.contiguous()) if return_complex is False else result


def istft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
    length=None, return_complex=False,
):  # fmt: skip
    """The signal whose `stft` is `input`, by least squares: frames are added, over their windows' squares.

    input: complex, (frequencies, frames) or (B, frequencies, frames). length: that of the signal.
    """
    hop, win = _frame_sizes("istft", n_fft, hop_length, win_length, window)
    if not is_complex(input):
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft [RG145]"
        )
    if input.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, but got {input.ndim} [RG145]")
    if hop > win:
        raise RuntimeError(f"istft: expected hop_length <= win_length, but got {hop} and {win} [RG145]")
    x = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    onesided = x.shape[1] != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if x.shape[1] != wanted:
        raise RuntimeError(
            f"istft: expected the frequency dimension to be {wanted}, but got {x.shape[1]} [RG145]"
        )
    if return_complex and onesided:
        raise RuntimeError("istft: cannot have onesided output if window or input is complex [RG145]")
    if window is None:
        window = wrap(np.ones(win, x._array.real.dtype))
    window, count = _centred(window, n_fft), x.shape[2]
    norm = "ortho" if normalized else None
    spectrum = permute(x, (0, 2, 1))
    if onesided:
        frames = to_real(spectrum, (n_fft,), (2,), norm, False, "istft")
    else:
        frames = transform(spectrum, (n_fft,), (2,), norm, False, "istft")
        frames = frames if return_complex else frames.real
    total = n_fft + hop * (count - 1)
    signal = _overlapped(frames * window, total, hop)
    weight = _overlapped((window * window).expand(1, count, n_fft), total, hop)
    start = n_fft // 2 if center else 0
    end = total - (n_fft // 2 if center else 0) if length is None else min(start + length, total)
    signal, weight = narrow(signal, 1, start, end - start), narrow(weight, 1, start, end - start)
    if np.abs(weight.detach()._array).min(initial=1) < 1e-11:
        raise RuntimeError(
            "istft: the windows' squares sum to zero somewhere: the signal is not determined there [RG145]"
        )
    signal = signal / weight
    if length is not None and end < start + length:
        signal = pad(signal, (0, start + length - end))
    return signal if input.ndim == 3 else reshape(signal, (-1,))


def _overlapped(frames, total, hop):
    """Frames (B, count, n) added up, each `hop` after the one before: (B, total)."""
    added = fold(permute(frames, (0, 2, 1)), (1, total), (1, frames.shape[2]), stride=(1, hop))
    return reshape(added, (added.shape[0], total))
