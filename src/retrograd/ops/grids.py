"""Images sampled at any points: grid_sample and affine_grid."""

import warnings
from itertools import product as combinations
from math import prod

import numpy as np

from ..core.apply import by_example
from ..core.tensor import wrap
from .pointwise import clamp
from .pooling import pick_row
from .product import matmul, swapped
from .shape import reshape

__all__ = ["affine_grid_generator", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"]
METHODS = INPLACE = []

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


# --- coordinates --------------------------------------------------------------------------------------


def _unnormalised(x, size, align_corners):
    """From -1 ... 1 to elements: these are the centres of the corner elements, or their outer edges."""
    return (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2


def _reflected(x, size, align_corners):
    """`x` mirrored at the borders until it is inside."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return x * 0
    at = x._array - low
    flips = np.floor(np.abs(at) / span)
    sign = np.where(at < 0, -1.0, 1.0)
    odd = flips % 2 == 1
    # |at| - flips * span, or from the other end
    slope = np.where(odd, -sign, sign).astype(at.dtype)
    shift = np.where(odd, (flips + 1) * span, -flips * span).astype(at.dtype)
    return (x - low) * wrap(slope) + wrap(shift) + low


def _inside(x, size, padding, align_corners):
    """Coordinates as the padding mode has them: as they are, clipped, or reflected and clipped."""
    if padding == "zeros":
        return x
    if padding == "reflection":
        x = _reflected(x, size, align_corners)
    return clamp(x, 0, size - 1)


# --- taps ---------------------------------------------------------------------------------------------


def _cubic_weights(t):
    """Keys' cubic convolution weights of the four elements around a fraction `t`, with a = -0.75."""
    a = -0.75

    def near(d):
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d):
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _axis_taps(x, size, mode, padding, align_corners):
    """The (indices, weights) along one axis: integer arrays, and Tensors or 1."""
    if mode == "bicubic":
        low = np.floor(x._array)
        weights = _cubic_weights(x - wrap(low))
        places = [_inside(wrap(low + k), size, padding, align_corners)._array for k in range(-1, 3)]
        return [(p.astype(np.int64), w) for p, w in zip(places, weights, strict=True)]
    x = _inside(x, size, padding, align_corners)
    if mode == "nearest":
        return [(np.rint(x._array).astype(np.int64), 1)]
    low = np.floor(x._array)
    share = x - wrap(low)
    low = low.astype(np.int64)
    return [(low, 1 - share), (low + 1, share)]


def _sample(input, grid, mode, padding, align_corners):
    n = input.ndim - 2
    size, lead, out = input.shape[2:], input.shape[:2], grid.shape[1:-1]
    taps = []
    for axis in range(n):  # the grid has x first, the image last
        x = _unnormalised(grid[..., n - 1 - axis], size[axis], align_corners)
        taps.append(_axis_taps(x, size[axis], mode, padding, align_corners))
    total = None
    for corner in combinations(*taps):
        flat, inside, weight = 0, True, None
        for axis, (index, w) in enumerate(corner):
            inside = inside & (index >= 0) & (index < size[axis])
            flat = flat * size[axis] + np.clip(index, 0, size[axis] - 1)
            weight = w if weight is None else weight * w
        value = pick_row(input, np.broadcast_to(flat[:, None], (*lead, *out)), n)
        mask = wrap(inside[:, None].astype(input._array.dtype))
        value = value * (mask if mode == "nearest" else reshape(weight, (lead[0], 1, *out)) * mask)
        total = value if total is None else total + value
    return total


# --- public -------------------------------------------------------------------------------------------


def _warn_of_default(name):
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
        "specify "
        f"align_corners=True in {name} if the old behavior is desired.",
        stacklevel=3,
    )


@by_example
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The values of images (N, C, H, W) or (N, C, D, H, W) at the points of `grid` (N, ..., 2 or 3).

    Points are (x, y) or (x, y, z), -1 ... 1 from the left, top, front border to the right, bottom, back: the
    outer edges of the elements there, or with `align_corners` their centres. mode: bilinear, nearest or
    bicubic (images only); padding_mode says what lies outside: zeros, border or reflection.
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be one of {_MODES}, but got: {mode!r} [RG048]"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be one of {_PADDINGS}, but got: "
            f"{padding_mode!r} [RG048]"
        )
    if align_corners is None:
        _warn_of_default("grid_sample")
    n = input.ndim - 2
    if n not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != n or grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected input (N, C, H, W) and grid (N, H, W, 2), or input (N, C, D, H, W) and "
            "grid "
            f"(N, D, H, W, 3), but got {list(input.shape)} and {list(grid.shape)} [RG058]"
        )
    if mode == "bicubic" and n == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input [RG058]")
    if min(input.shape[2:]) < 1:
        raise RuntimeError(
            f"grid_sampler(): expected input to have non-empty spatial dimensions: {list(input.shape)} "
            "[RG061]"
        )
    return _sample(input, grid, mode, padding_mode, bool(align_corners))


@by_example
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`nn.functional.grid_sample`, with modes as numbers, in the order bilinear, nearest, bicubic and zeros,
    border, reflection."""
    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], bool(align_corners))


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid(theta, size, align_corners=None):
    """The grid (N, H, W, 2) for `grid_sample` that affine maps `theta` (N, 2, 3) make of images of `size`.

    `size` is (N, C, H, W), or (N, C, D, H, W) with `theta` (N, 3, 4) and a grid (N, D, H, W, 3).
    """
    if align_corners is None:
        _warn_of_default("affine_grid")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(f"affine_grid only supports 4D and 5D sizes. Got size {size}. [RG058]")
    if theta._array.dtype.kind not in "fV":
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype} [RG041]")
    if tuple(theta.shape) != (size[0], n, n + 1):
        raise ValueError(
            f"Expected theta of shape {[size[0], n, n + 1]} for size {size}. Got {list(theta.shape)}. [RG058]"
        )
    if min(size) < 1:
        raise ValueError(f"Expected non-zero, positive output size. Got {size} [RG061]")
    kind = theta._array.dtype
    axes = []
    for m in size[2:]:
        at = np.linspace(-1, 1, m) if m > 1 else np.zeros(1)
        axes.append(at if align_corners else at * (m - 1) / m)
    points = [*reversed(np.meshgrid(*axes, indexing="ij")), np.ones(tuple(size[2:]))]
    base = np.stack(points, axis=-1).reshape(1, prod(size[2:]), n + 1).astype(kind)
    return reshape(matmul(wrap(base), swapped(theta)), (size[0], *size[2:], n))


def affine_grid_generator(theta, size, align_corners):
    """`nn.functional.affine_grid`."""
    return affine_grid(theta, size, bool(align_corners))
