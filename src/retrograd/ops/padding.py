"""Padding: constants around a tensor, or its own elements reflected, repeated or wrapped round."""

import numpy as np

from ..core.op import LINEAR, Op
from .arguments import as_sizes
from .picking import add_along_axis

__all__ = ["constant_pad_nd"]
METHODS = []
INPLACE = []


def _padded(xp, x, widths, value):
    shape = tuple([n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)])
    out = xp.empty(shape, x.dtype)
    out[...] = value
    source = tuple([slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True)])
    target = tuple([slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, widths, strict=True)])
    out[target] = x[source]
    return out


constant_pad_row = Op(
    "constant_pad_nd", _padded,
    x=lambda g, widths: constant_pad_row(g, tuple([(-a, -b) for a, b in widths]), 0),
    jvp=lambda t_x, widths: constant_pad_row(t_x, widths, 0),
)  # fmt: skip


def _taken(xp, x, shape, indices):
    for axis, index in indices:
        x = xp.take(x, index, axis)
    return x


def _given_back(xp, g, shape, indices):
    for axis, index in reversed(indices):
        out = xp.zeros((*g.shape[:axis], shape[axis], *g.shape[axis + 1 :]), g.dtype)
        add_along_axis(out, axis, index, g)
        g = out
    return g


# Padding with the tensor's own elements: along each axis of `indices`, the elements that its index array
# names.
own_pad_row = Op(
    "own_pad", _taken, x=lambda g, shape, indices: own_pad_back_row(g, shape, indices), jvp=LINEAR,
    node="PadBackward0",
)  # fmt: skip

own_pad_back_row = Op(
    "own_pad_backward", _given_back, g=lambda g, shape, indices: own_pad_row(g, shape, indices), jvp=LINEAR,
)  # fmt: skip


def constant_pad_nd(input, pad, value=0):
    """`input` with constants around it; see `torch.nn.functional.pad` for the order of `pad`."""
    return constant_pad_row(input, _widths(input, pad), value)


def _widths(input, pad):
    """(before, after) for each dimension, from the flat list that begins with the last dimension."""
    pad = as_sizes((pad,))
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)} [RG061]")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {input.ndim} dimensions. [RG061]"
        )
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2) + [
        (pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)
    ]
    for d, (n, (a, b)) in enumerate(zip(input.shape, pairs, strict=True)):
        if n + a + b < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {a} and {b} resulted in a negative output size, "
                "which is invalid. "
                f"Check dimension {d} of your input. [RG061]"
            )
    return tuple(pairs)


def pad(input, pad, mode="constant", value=None):
    """`input` padded at both ends of its last dimensions.

    pad: (left, right, top, bottom, ...): two widths for the last dimension, then two for the one before;
    negative ones crop. mode: "constant" (`value`, 0), or for the last 1, 2 or 3 dimensions "reflect"
    (mirrored at the edge element, which isn't repeated), "replicate" (the edge element repeated), "circular".
    """
    pad = as_sizes((pad,))
    if mode == "constant":
        return constant_pad_row(input, _widths(input, pad), 0 if value is None else value)
    if mode not in _PLACES:
        raise NotImplementedError(
            f"Unrecognised padding mode {mode}; expected constant, {', '.join(_PLACES)} [RG048]"
        )
    if value not in (None, 0):
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument [RG048]')
    spatial = len(pad) // 2
    if len(pad) not in (2, 4, 6) or not spatial + 1 <= input.ndim <= spatial + 2:
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: the last 1, 2 or 3 "
            "dimensions "
            f"of a tensor with one or two more; got {len(pad)} widths for {input.ndim} dimensions [RG061]"
        )
    indices = []
    for axis, (before, after) in enumerate(_widths(input, pad)):
        if before or after:
            n = input.shape[axis]
            _check(mode, n, before, after, axis, input)
            indices.append((axis, _PLACES[mode](n, before, after)))
    return own_pad_row(input, tuple(input.shape), tuple(indices)) if indices else input.clone()


def _wrapped(n, before, after):
    """What is cropped at one end doesn't come in at the other."""
    start, left = max(-before, 0), n - max(-before, 0) - max(-after, 0)
    return start + np.arange(-max(before, 0), left + max(after, 0)) % max(left, 1)


_PLACES = {
    "reflect": lambda n, before, after: n - 1 - abs(n - 1 - abs(np.arange(-before, n + after))),
    "replicate": lambda n, before, after: np.clip(np.arange(-before, n + after), 0, n - 1),
    "circular": _wrapped,
}


def _check(mode, n, before, after, axis, input):
    if not n and mode != "circular":
        raise RuntimeError(
            f"{mode} padding: dimension {axis} of the input {list(input.shape)} is empty [RG048]"
        )
    if mode == "reflect" and max(before, after) >= n:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: "
            "padding "
            f"({before}, {after}) at dimension {axis} of input {list(input.shape)} [RG061]"
        )
    if mode == "circular" and max(before, after) > n:
        raise RuntimeError(
            f"Padding value causes wrapping around more than once: ({before}, {after}) at dimension {axis} "
            "of input "
            f"{list(input.shape)} [RG061]"
        )
