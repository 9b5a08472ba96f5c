"""Complex numbers: parts, angles, and views of them as pairs of real numbers."""

import numpy as np

from ..core import arrays, inplace
from ..core.op import FLOAT, LINEAR, Op, as_tensor, is_complex, zeros_like
from .arguments import deliver
from .elementary import cos, sin
from .pointwise import absolute, conj, masked, real_part
from .shape import view_or_copy

__all__ = [
    "angle", "complex", "imag", "is_conj", "is_neg", "polar", "real", "resolve_conj", "resolve_neg",
    "view_as_complex", "view_as_real", "view_as_complex_copy", "view_as_real_copy",
]  # fmt: skip
METHODS = ["angle", "is_conj", "is_neg", "resolve_conj", "resolve_neg"]
INPLACE = []

_real_row = Op("real", lambda xp, x: x.real, x=lambda g: g, jvp=LINEAR, view=True)

_imag_row = Op("imag", lambda xp, x: x.imag, x=lambda g: g * 1j, jvp=LINEAR, view=True)


def real(input):
    """The real part, a view; a real tensor itself."""
    return _real_row(input) if is_complex(input) else input


def imag(input):
    """The imaginary part of a complex tensor, a view."""
    if not is_complex(input):
        raise RuntimeError(
            "imag is not implemented for tensors with non-complex dtypes, such as this one's "
            f"{input.dtype} [RG041]"
        )
    return _imag_row(input)


def _writing(part):
    """The setter of `x.real` or `x.imag`: a Tensor or a number is copied into that part of x."""
    return lambda self, value: inplace.copy_from(part(self), as_tensor(value))


real_property = property(real, _writing(real))
imag_property = property(imag, _writing(imag))


def is_conj(input):
    """False: here the conjugate is always computed, PyTorch may put it off."""
    return False


def is_neg(input):
    """False: here the negative is always computed, PyTorch may put it off."""
    return False


def resolve_conj(input):
    """The tensor itself, as no conjugate is ever put off here."""
    return input


def resolve_neg(input):
    """The tensor itself, as no negation is ever put off here."""
    return input


def _angle(xp, x):
    if x.dtype.kind == "c":
        return xp.angle(x)
    return xp.where(x != x, x, xp.where(x < 0, xp.asarray(np.pi, x.dtype), xp.zeros((), x.dtype)))


def _angle_slope(x):
    """What a change of x along 1j * x / |x|**2 does to the angle is 1."""
    size = absolute(x)
    return masked(1j * x / (size * size), size != 0)


angle = Op(
    "angle", _angle, x=lambda g, x: g * _angle_slope(x) if is_complex(x) else zeros_like(g),
    jvp=lambda t_x, x: real_part(t_x * conj(_angle_slope(x))) if is_complex(x) else zeros_like(t_x),
    promote=FLOAT,
    doc="The angle of a complex number in radians; of a real one 0, or pi where it is negative.",
)  # fmt: skip


def _join(xp, x, y):
    out = xp.empty(xp.broadcast_shapes(x.shape, y.shape), xp.result_type(x, y, np.complex64))
    out.real, out.imag = x, y
    return out


_complex_row = Op(
    "complex", _join, x=lambda g: real(g), y=lambda g: imag(g), jvp=lambda t_x, t_y: _complex_row(t_x, t_y)
)


def complex(real, imag, *, out=None):
    """real + imag * 1j, from two floating tensors of one dtype."""
    _check_parts(real, imag)
    if out is not None and out.dtype != real.dtype.to_complex():
        expected, found = [arrays.scalar_name(d) for d in (real.dtype.to_complex(), out.dtype)]
        raise RuntimeError(
            f"Expected object of scalar type {expected} but got scalar type {found} for argument 'out' "
            "[RG035]"
        )
    return _complex_row(real, imag, out=out)


def _check_parts(first, second):
    a, b = [arrays.scalar_name(t.dtype) for t in (first, second)]
    if any(t.dtype not in (arrays.float16, arrays.float32, arrays.float64) for t in (first, second)):
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {a} and {b} [RG040]"
        )
    if a != b:
        raise RuntimeError(
            f"Expected object of scalar type {a} but got scalar type {b} for second argument [RG040]"
        )


def polar(abs, angle, *, out=None):
    """abs * exp(1j * angle), from two floating tensors of one dtype."""
    _check_parts(abs, angle)
    return complex(abs * cos(angle), abs * sin(angle), out=out)


def _as_complex(xp, x):
    return x.view(np.result_type(x.dtype, np.complex64))[..., 0]


# The gradients of the views come in any memory layout: they are joined and parted by copying rows.
_pairs_row = Op(
    "complex_to_pairs",
    lambda xp, x: xp.stack([x.real, x.imag], axis=-1),
    x=lambda g: _unpairs_row(g),
    jvp=LINEAR,
)
_unpairs_row = Op(
    "pairs_to_complex", lambda xp, x: _join(xp, x[..., 0], x[..., 1]), x=lambda g: _pairs_row(g), jvp=LINEAR
)

_as_real_row = Op(
    "view_as_real",
    lambda xp, x: x[..., None].view(x.real.dtype),
    x=lambda g: _unpairs_row(g),
    jvp=LINEAR,
    view=True,
)
_as_complex_row = Op(
    "view_as_complex", _as_complex, x=lambda g: _pairs_row(g), view=True,
    jvp=lambda t_x: view_or_copy(_as_complex_row, _unpairs_row, t_x),
)  # fmt: skip


def view_as_real(input):
    """A complex tensor seen as real pairs: the shape gets a last dimension of 2, the memory is shared."""
    if not is_complex(input):
        raise RuntimeError(f"view_as_real is only supported for complex tensors, got {input.dtype} [RG041]")
    return _as_real_row(input)


def view_as_complex(input):
    """Pairs of real numbers (last dimension 2, contiguous) seen as complex numbers; the memory is shared."""
    if input.dtype not in (arrays.float32, arrays.float64):
        raise RuntimeError(
            f"view_as_complex is only supported for float32 and float64 tensors, but got {input.dtype} "
            "[RG041]"
        )
    shape, strides = input._array.shape, input._array.strides
    if not shape:
        raise RuntimeError(
            "Input tensor must have one or more dimensions, the last of them of size 2 [RG046]"
        )
    if shape[-1] != 2:
        raise RuntimeError(f"Tensor must have a last dimension of size 2, got shape {list(shape)} [RG046]")
    if strides[-1] != input.itemsize or any(s % (2 * input.itemsize) for s in strides[:-1]):
        raise RuntimeError(
            "Tensor must have a last dimension with stride 1, and even strides before it; call "
            "contiguous() first [RG046]"
        )
    return _as_complex_row(input)


def view_as_real_copy(input, *, out=None):
    """`view_as_real`, as a copy."""
    return deliver(view_as_real(input).clone(), out)


def view_as_complex_copy(input, *, out=None):
    """`view_as_complex`, as a copy."""
    return deliver(view_as_complex(input).clone(), out)
