"""Rotations, affine maps and perspectives as functions, on PIL images and on tensor images (..., H, W).

Every output pixel looks up where it comes from. On tensors gradients flow through to the pixels.
"""

import math
import numbers

import numpy as np

import retrograd
from retrograd.core.tensor import Tensor, wrap
from retrograd.vision.transforms import _pil, _tensor
from retrograd.vision.transforms._arguments import InterpolationMode, as_interpolation, pil_modes_mapping

__all__ = ["affine", "elastic_transform", "perspective", "rotate"]


def rotate(img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=None):
    """An image turned counter-clockwise by `angle` degrees.

    expand: enlarge the result to hold the whole image. center: (x, y) in pixels, by default the middle. fill:
    what stands outside the image, one number or one per channel. Tensors know nearest and bilinear
    interpolation.
    """
    interpolation = as_interpolation(interpolation)
    _check_numbers("angle", angle)
    if _pil.is_pil_image(img):
        colour = _pil.fill_colour(img, fill)
        return img.rotate(angle, pil_modes_mapping[interpolation], expand, center, fillcolor=colour)
    height, width = _require_tensor(img, interpolation)
    matrix = _inverse_matrix(_from_middle(center, width, height), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    size = _enclosing_size(matrix, width, height) if expand else (height, width)
    return _map_affine(img, matrix, size, interpolation, fill)


def affine(
    img, angle, translate, scale, shear, interpolation=InterpolationMode.NEAREST, fill=None, center=None
):
    """An image turned clockwise by `angle` degrees, scaled, sheared and moved.

    translate: (right, down) in pixels. shear: degrees, along x or (along x, along y). center, fill,
    interpolation: as in `rotate`.
    """
    interpolation = as_interpolation(interpolation)
    _check_numbers("angle", angle)
    if not isinstance(translate, (list, tuple)) or not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError(
            f"translate should be two numbers and shear one or two, got {translate!r}, {shear!r} [RG096]"
        )
    shear = (shear, 0.0) if isinstance(shear, numbers.Number) else tuple(shear)
    shear = shear * 2 if len(shear) == 1 else shear
    if len(translate) != 2 or len(shear) != 2:
        raise ValueError(
            f"translate should be two numbers and shear one or two, got {translate}, {shear} [RG096]"
        )
    if scale <= 0.0:
        raise ValueError(f"scale should be positive, got {scale} [RG096]")
    if _pil.is_pil_image(img):
        center = (img.width * 0.5, img.height * 0.5) if center is None else center
        matrix = _inverse_matrix(center, angle, translate, scale, shear)
        return _pil_transform(img, "AFFINE", matrix, interpolation, fill)
    height, width = _require_tensor(img, interpolation)
    matrix = _inverse_matrix(_from_middle(center, width, height), angle, translate, scale, shear)
    return _map_affine(img, matrix, (height, width), interpolation, fill)


def perspective(img, startpoints, endpoints, interpolation=InterpolationMode.BILINEAR, fill=None):
    """An image moved so that the four corners `startpoints` come to lie on `endpoints`.

    Points are [x, y], in the order top left, top right, bottom right, bottom left. fill, interpolation: as in
    `rotate`.
    """
    interpolation = as_interpolation(interpolation)
    coefficients = _perspective_coefficients(startpoints, endpoints)
    if _pil.is_pil_image(img):
        return _pil_transform(img, "PERSPECTIVE", coefficients, interpolation, fill)
    height, width = _require_tensor(img, interpolation)
    a, b, c, d, e, f, g, h = np.asarray(coefficients, _kind(img))
    x, y = np.meshgrid(np.arange(width, dtype=a.dtype) + 0.5, np.arange(height, dtype=a.dtype) + 0.5)
    below = g * x + h * y + 1
    return _sample(
        img, (a * x + b * y + c) / below - 0.5, (d * x + e * y + f) / below - 0.5, interpolation, fill
    )


def elastic_transform(img, displacement, interpolation=InterpolationMode.BILINEAR, fill=None):
    """An image whose pixel at each place comes from there plus `displacement`.

    displacement: a tensor (1, H, W, 2) of (right, down), in halves of the image's size. fill, interpolation:
    as in `rotate`; PIL images are sampled as tensors too.
    """
    interpolation = as_interpolation(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError(f"displacement should be a tensor, got {type(displacement).__name__} [RG095]")
    if _pil.is_pil_image(img):
        array = np.array(img)
        planes = wrap(np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1)))
        moved = elastic_transform(planes, displacement, interpolation, fill)._array.transpose(1, 2, 0)
        return _pil.from_array(np.ascontiguousarray(moved.reshape(array.shape)), img.mode)
    height, width = _require_tensor(img, interpolation)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"displacement should have the shape {(1, height, width, 2)}, got {tuple(displacement.shape)} "
            "[RG096]"
        )
    moves = displacement._array[0].astype(_kind(img))
    x, y = np.meshgrid(np.arange(width, dtype=moves.dtype), np.arange(height, dtype=moves.dtype))
    return _sample(
        img, x + moves[..., 0] * (width / 2), y + moves[..., 1] * (height / 2), interpolation, fill
    )


def _check_numbers(name, value):
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} should be a number, got {value!r} [RG096]")


def _require_tensor(img, interpolation):
    """(height, width) of a tensor image that can be sampled with this interpolation."""
    if not isinstance(img, Tensor):
        raise TypeError(f"expected a PIL image or a tensor, got {type(img).__name__} [RG095]")
    if interpolation not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(
            f"tensors can be warped with nearest or bilinear, not with {interpolation.value} [RG095]"
        )
    return _tensor.dimensions(img)[1:]


def _pil_transform(img, method, data, interpolation, fill):
    method = getattr(_pil.pillow().Image.Transform, method)
    colour = _pil.fill_colour(img, fill)
    return img.transform(img.size, method, data, pil_modes_mapping[interpolation], fillcolor=colour)


def _from_middle(center, width, height):
    """`center` relative to the middle of the image."""
    return (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)


def _inverse_matrix(center, angle, translate, scale, shear):
    """[a, b, c, d, e, f]: output (x, y) comes from (a x + b y + c, d x + e y + f).

    The inverse of: move `center` to the origin, shear, scale, rotate, move back and on by `translate`.
    """
    turn, shear_x, shear_y = map(math.radians, (angle, *shear))
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    b = -a * math.tan(shear_x) - math.sin(turn)
    d = -c * math.tan(shear_x) + math.cos(turn)
    # [[a, b], [c, d]] has determinant 1.
    x_to_x, y_to_x, x_to_y, y_to_y = (value / scale for value in (d, -b, -c, a))
    x, y = -center[0] - translate[0], -center[1] - translate[1]
    return [
        x_to_x, y_to_x, x_to_x * x + y_to_x * y + center[0],
        x_to_y, y_to_y, x_to_y * x + y_to_y * y + center[1],
    ]  # fmt: skip


def _enclosing_size(matrix, width, height):
    """(height, width) of the smallest image that holds the corners, which `matrix` maps about the middle."""
    x, y = np.array([-0.5, -0.5, 0.5, 0.5]) * width, np.array([-0.5, 0.5, 0.5, -0.5]) * height
    a, b, c, d, e, f = matrix
    sizes = []
    for corner, size in ((d * x + e * y + f, height), (a * x + b * y + c, width)):
        corner = np.trunc((corner.astype(np.float32) + np.float32(size * 0.5)) / 1e-4) * 1e-4
        sizes.append(int(np.ceil(corner.max()) - np.floor(corner.min())))
    return tuple(sizes)


def _map_affine(img, matrix, size, interpolation, fill):
    """Coordinates are measured from the middles of the input and of the output, which has `size`."""
    a, b, c, d, e, f = np.asarray(matrix, _kind(img))
    height, width = img.shape[-2:]
    x, y = (np.arange(n, dtype=a.dtype) - (n - 1) * 0.5 for n in (size[1], size[0]))
    x, y = np.meshgrid(x, y)
    return _sample(
        img,
        a * x + b * y + c + (width - 1) * 0.5,
        d * x + e * y + f + (height - 1) * 0.5,
        interpolation,
        fill,
    )


def _kind(img):
    return np.float64 if img.dtype == retrograd.float64 else np.float32


def _sample(img, x, y, interpolation, fill):
    """The image at the points (x, y), arrays of pixel coordinates; `fill` (0 for None) outside."""
    values = img if img.dtype in (retrograd.float32, retrograd.float64) else img.to(retrograd.float32)
    colour = None
    if fill is not None:
        colour = np.asarray(fill, x.dtype).reshape(-1, 1, 1)
        channels = _tensor.dimensions(img)[0]
        if len(colour) not in (1, channels):
            raise ValueError(f"fill has {len(colour)} numbers but the image has {channels} channels [RG095]")
        colour = wrap(colour if img.ndim > 2 else colour[0])
    if interpolation is InterpolationMode.NEAREST:
        pixels, inside = _pixels(values, np.rint(x), np.rint(y))
        out = retrograd.where(wrap(inside), pixels, 0.0 if colour is None else colour)
    else:
        left, top = np.floor(x), np.floor(y)
        right, bottom = x - left, y - top  # the weights of the further pixels
        out, covered = 0.0, np.zeros_like(x)
        for column, row, weight in (
            (left, top, (1 - right) * (1 - bottom)), (left + 1, top, right * (1 - bottom)),
            (left, top + 1, (1 - right) * bottom), (left + 1, top + 1, right * bottom),
        ):  # fmt: skip
            pixels, inside = _pixels(values, column, row)
            weight = weight * inside
            out = out + pixels * wrap(weight)
            covered += weight
        if colour is not None:
            out = out * wrap(covered) + wrap(1 - covered) * colour
    return _tensor.back_to(out, img.dtype)


def _pixels(values, column, row):
    """The pixels at whole-numbered places, those outside being arbitrary, and which are inside."""
    height, width = values.shape[-2:]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    row, column = (np.where(inside, place, 0).astype(np.int64) for place in (row, column))
    return values[..., wrap(row), wrap(column)], inside


def _perspective_coefficients(startpoints, endpoints):
    """[a ... h]: output (x, y) comes from (a x + b y + c, d x + e y + f) / (g x + h y + 1)."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"expected four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints "
            "[RG096]"
        )
    rows, values = [], []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solution = np.linalg.lstsq(np.array(rows, np.float64), np.array(values, np.float64), rcond=None)[0]
    return solution.astype(np.float32).tolist()
