"""Discrete Fourier transforms: three rows (complex to complex, real to complex, complex to real), each the
others' gradient.

The rows take the scaling as a number: 0 for none, 1 for 1/sqrt(n), 2 for 1/n.
"""

import math

from ..core import arrays
from ..core.op import LINEAR, Op, is_complex
from .arguments import normal_axis
from .join import roll
from .padding import constant_pad_nd
from .pointwise import conj, real_part
from .shape import cast_row, in_order
from .view import narrow

__all__ = []
METHODS = INPLACE = []


def _scaled(y, shape, axes, scale):
    if scale == 0:
        return y
    n = math.prod(shape[a] for a in axes)
    factor = 1 / n if scale == 2 else 1 / math.sqrt(n)
    return y * y.real.dtype.type(factor)


def _whole(xp, x, axes, scale, forward):
    x = in_order(x)
    y = xp.fft.fftn(x, axes=axes) if forward else xp.fft.ifftn(x, axes=axes, norm="forward")
    return _scaled(y, x.shape, axes, scale)


def _half(xp, x, axes, scale):
    return _scaled(xp.fft.rfftn(in_order(x), axes=axes), x.shape, axes, scale)


def _real(xp, x, axes, scale, size):
    sizes = [x.shape[a] for a in axes[:-1]] + [size]
    y = xp.fft.irfftn(x, s=sizes, axes=axes, norm="forward")
    return _scaled(y, y.shape, axes, scale)


# Complex to complex over `axes`.
complex_row = Op(
    "fft_c2c",
    _whole,
    x=lambda g, axes, scale, forward: complex_row(g, axes, scale, not forward),
    jvp=LINEAR,
    node="FftC2CBackward0",
)

# Real to complex; of the last of `axes` only the first half, as the other is its mirror image.
half_row = Op(
    "fft_r2c",
    _half,
    x=lambda g, x_shape, axes, scale: _half_gradient(g, x_shape[axes[-1]], axes, scale),
    jvp=LINEAR,
    node="FftR2CBackward0",
)

# Half of a complex spectrum to real; the last of `axes` gets `size` entries.
real_row = Op(
    "fft_c2r",
    _real,
    x=lambda g, x_shape, axes, scale: _real_gradient(g, x_shape, axes, scale),
    jvp=LINEAR,
    node="FftC2RBackward0",
)


def _half_gradient(g, size, axes, scale):
    """The half spectrum's gradient is a whole one's with zeros in the other half; the input is real."""
    return real_part(complex_row(lengthened_row(g, axes[-1], size), axes, scale, False))


lengthened_row = Op(
    "fft_lengthen", lambda xp, x, axis, size: _resized(xp, x, axis, size),
    x=lambda g, x_shape, axis: lengthened_row(g, axis, x_shape[axis]), jvp=LINEAR,
)  # fmt: skip


def _resized(xp, x, axis, size):
    """Zeros appended, or entries cut off, along `axis`."""
    n = x.shape[axis]
    if size <= n:
        return x[(slice(None),) * axis + (slice(0, size),)].copy()
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    out = xp.zeros(shape, x.dtype)
    out[(slice(None),) * axis + (slice(0, n),)] = x
    return out


def _real_gradient(g, shape, axes, scale):
    """Entries of the half spectrum that stand for two count twice."""
    return doubled_row(half_row(g, axes, scale), axes[-1], g.shape[axes[-1]])


def _doubled(xp, x, axis, size):
    out = x.copy()
    half = out.shape[axis]
    out[(slice(None),) * axis + (slice(1, 1 + size - half),)] *= 2
    return out


# The entries 1 to size - (half's length) of a half spectrum, times two.
doubled_row = Op("fft_double", _doubled, x=lambda g, axis, size: doubled_row(g, axis, size), jvp=LINEAR)


# --- public
# ----------------------------------------------------------------------------------------------------


def _scale_of(norm, forward, name):
    scales = (
        {None: 0, "backward": 0, "ortho": 1, "forward": 2}
        if forward
        else {None: 2, "backward": 2, "ortho": 1, "forward": 0}
    )
    if norm not in scales:
        raise RuntimeError(
            f"{name}: invalid normalization mode: {norm!r}; expected 'backward', 'ortho' or 'forward' [RG145]"
        )
    return scales[norm]


def _promoted(input, complex_):
    """`input` in a dtype that can be transformed: whole numbers in the default float, 16-bit floats in
    float32.
    """
    kind = input.dtype
    if kind.category < arrays.FLOAT:
        kind = arrays.get_default_dtype()
    if kind.itemsize == 2:
        kind = arrays.float32
    if complex_:
        kind = kind.to_complex()
    return input if kind is input.dtype else cast_row(input, kind.numpy)


def _checked_size(n, name):
    if n is not None and n < 1:
        raise RuntimeError(f"{name}: Invalid number of data points ({n}) specified [RG145]")
    return n


def _fit(input, axis, n):
    """Zero-padded or cut to `n` entries along `axis`."""
    size = input.shape[axis]
    if n is None or n == size:
        return input
    if n < size:
        return narrow(input, axis, 0, n)
    return constant_pad_nd(input, [0, 0] * (input.ndim - 1 - axis) + [0, n - size])


def _check_data(input, axes, name):
    for a in axes:
        if input.shape[a] < 1:
            raise RuntimeError(f"{name}: Invalid number of data points ({input.shape[a]}) specified [RG145]")


def transform(input, s, dims, norm, forward, name):
    """Complex to complex over `dims`, each resized to its entry of `s`."""
    input = _promoted(input, True)
    dims, sizes = _dims(input, s, dims, name)
    for a, n in zip(dims, sizes, strict=True):
        input = _fit(input, a, n)
    if not dims:
        return input
    _check_data(input, dims, name)
    return complex_row(input, dims, _scale_of(norm, forward, name), forward)


def _dims(input, s, dims, name):
    """(axes, sizes): the last len(s) dimensions, or all, where `dims` is None; -1 and None keep a size."""
    s = (s,) if isinstance(s, int) else s
    if dims is None:
        dims = range(input.ndim - len(s), input.ndim) if s is not None else range(input.ndim)
        if s is not None and len(s) > input.ndim:
            raise RuntimeError(
                f"{name}: got shape with {len(s)} values but input tensor only has {input.ndim} "
                "dimensions. [RG145]"
            )
    dims = (dims,) if isinstance(dims, int) else dims
    axes = tuple(normal_axis(d, input.ndim) for d in dims)
    if len(set(axes)) != len(axes):
        raise RuntimeError(f"{name}: FFT dims must be unique [RG145]")
    sizes = [None] * len(axes) if s is None else [None if n == -1 else n for n in s]
    if len(sizes) != len(axes):
        raise RuntimeError(f"{name}: When given, dim and shape arguments must have the same length [RG145]")
    for n in sizes:
        _checked_size(n, name)
    return axes, sizes


def to_half(input, s, dims, norm, forward, name):
    """Real to complex over `dims`; `forward` false: the conjugate (ihfft)."""
    if is_complex(input):
        kind, several = arrays.scalar_name(input.dtype), name[-1] in "2n"
        raise RuntimeError(
            f"{name[:-1]}n expects a real-valued input tensor, but got {kind} [RG145]"
            if several
            else f"{name} expects a real input tensor, but got {kind} [RG145]"
        )
    input = _promoted(input, False)
    axes, sizes = _dims(input, s, dims, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis [RG145]")
    for a, n in zip(axes, sizes, strict=True):
        input = _fit(input, a, n)
    _check_data(input, axes, name)
    out = half_row(input, axes, _scale_of(norm, forward, name))
    return out if forward else conj(out)


def to_real(input, s, dims, norm, forward, name):
    """Half a spectrum to real over `dims`; `forward` true: of the conjugate (hfft)."""
    input = _promoted(input, True)
    axes, sizes = _dims(input, s, dims, name)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis [RG145]")
    last = 2 * (input.shape[axes[-1]] - 1) if sizes[-1] is None else sizes[-1]
    _checked_size(last, name)
    for a, n in zip(axes, [*sizes[:-1], last // 2 + 1], strict=True):
        input = _fit(input, a, n)
    if forward:
        input = conj(input)
    return real_row(input, axes, _scale_of(norm, forward, name), last)


def shifted(input, dim, inverse):
    """Rolled by half its size along each of `dim`, so that frequency 0 is in the middle (or back)."""
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [normal_axis(d, input.ndim) for d in dims]
    return roll(input, [(input.shape[d] + inverse) // 2 for d in dims], dims)
