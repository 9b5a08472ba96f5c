"""Random rotations, affine maps and perspectives as objects, for pipelines."""

import numbers
from collections.abc import Sequence

import retrograd
from retrograd import nn
from retrograd.vision.transforms import _warp
from retrograd.vision.transforms import functional as F
from retrograd.vision.transforms._arguments import InterpolationMode, as_interpolation
from retrograd.vision.transforms._random_transforms import happens, uniform

__all__ = ["ElasticTransform", "RandomAffine", "RandomPerspective", "RandomRotation"]


def sequence_of(value, name, *lengths):
    """`value`, which must be a sequence of one of `lengths`."""
    expected = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of {expected} numbers, got {value!r} [RG096]")
    if len(value) not in lengths:
        raise ValueError(
            f"{name} should be a sequence of {expected} numbers, got {len(value)}: {value} [RG096]"
        )
    return value


def angle_range(value, name, *lengths):
    """[least, largest] in degrees; a single number stands for both directions."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"{name} must not be negative where it is a single number, got {value} [RG096]")
        value = [-value, value]
    return [float(degrees) for degrees in sequence_of(value, name, *lengths)]


def check_affine(translate, scale):
    """Errors for wrong ranges of RandomAffine."""
    if translate is not None and not all(
        0.0 <= part <= 1.0 for part in sequence_of(translate, "translate", 2)
    ):
        raise ValueError(f"translate should be parts of the image between 0 and 1, got {translate} [RG096]")
    if scale is not None and min(sequence_of(scale, "scale", 2)) <= 0:
        raise ValueError(f"scale should be positive, got {scale} [RG096]")


def _checked_fill(fill):
    if fill is not None and not isinstance(fill, (Sequence, numbers.Number)):
        raise TypeError(f"fill should be a number or a sequence of numbers, got {fill!r} [RG096]")
    return 0 if fill is None else fill


class RandomRotation(nn.Module):
    """Turns an image by a random angle; `degrees` is (min, max) or the largest in both directions.

    interpolation, expand, center and fill are those of `functional.rotate`.
    """

    def __init__(self, degrees, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
        super().__init__()
        self.degrees = angle_range(degrees, "degrees", 2)
        self.center = None if center is None else sequence_of(center, "center", 2)
        self.interpolation = as_interpolation(interpolation)
        self.expand = expand
        self.fill = _checked_fill(fill)

    @staticmethod
    def get_params(degrees):
        """A random angle."""
        return uniform(*degrees)

    def forward(self, img):
        angle = self.get_params(self.degrees)
        return _warp.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self):
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, interpolation={self.interpolation.value}, "
            f"expand={self.expand}{center}, fill={self.fill})"
        )


class RandomAffine(nn.Module):
    """Turns, moves, scales and shears an image at random.

    degrees: as in RandomRotation. translate: the largest moves (horizontal, vertical) as parts of the image.
    scale: (min, max). shear: degrees along x, a number or (min, max), or (min x, max x, min y, max y).
    """

    def __init__(
        self,
        degrees,
        translate=None,
        scale=None,
        shear=None,
        interpolation=InterpolationMode.NEAREST,
        fill=0,
        center=None,
    ):
        super().__init__()
        check_affine(translate, scale)
        self.degrees = angle_range(degrees, "degrees", 2)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angle_range(shear, "shear", 2, 4)
        self.interpolation = as_interpolation(interpolation)
        self.fill = _checked_fill(fill)
        self.center = None if center is None else sequence_of(center, "center", 2)

    @staticmethod
    def get_params(degrees, translate, scale_ranges, shears, img_size):
        """(angle, (right, down), scale, (shear x, shear y)); `img_size` is (width, height)."""
        angle = uniform(*degrees)
        moves = (0, 0)
        if translate is not None:
            reach = [part * size for part, size in zip(translate, img_size, strict=True)]
            moves = tuple([round(uniform(-most, most)) for most in reach])
        scale = 1.0 if scale_ranges is None else uniform(*scale_ranges)
        shear_x = 0.0 if shears is None else uniform(*shears[:2])
        shear_y = 0.0 if shears is None or len(shears) == 2 else uniform(*shears[2:])
        return angle, moves, scale, (shear_x, shear_y)

    def forward(self, img):
        size = F.get_image_size(img)
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return _warp.affine(img, *params, self.interpolation, self.fill, self.center)

    def __repr__(self):
        shown = [f"degrees={self.degrees}"]
        shown += [
            f"{n}={getattr(self, n)}" for n in ("translate", "scale", "shear") if getattr(self, n) is not None
        ]
        if self.interpolation is not InterpolationMode.NEAREST:
            shown.append(f"interpolation={self.interpolation.value}")
        shown += [f"fill={self.fill}"] if self.fill != 0 else []
        shown += [] if self.center is None else [f"center={self.center}"]
        return f"{type(self).__name__}({', '.join(shown)})"


class RandomPerspective(nn.Module):
    """Moves the corners of an image inwards at random, by at most `distortion_scale` of half its size."""

    def __init__(self, distortion_scale=0.5, p=0.5, interpolation=InterpolationMode.BILINEAR, fill=0):
        super().__init__()
        self.p = p
        self.interpolation = as_interpolation(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _checked_fill(fill)

    @staticmethod
    def get_params(width, height, distortion_scale):
        """(startpoints, endpoints) for `functional.perspective`."""
        reach_x, reach_y = (int(distortion_scale * (size // 2)) + 1 for size in (width, height))
        left, right = (0, reach_x), (width - reach_x, width)
        top, bottom = (0, reach_y), (height - reach_y, height)
        endpoints = [
            [retrograd.randint(*span, size=(1,)).item() for span in corner]
            for corner in ((left, top), (right, top), (right, bottom), (left, bottom))
        ]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], endpoints

    def forward(self, img):
        width, height = F.get_image_size(img)
        if not happens(self.p):
            return img
        points = self.get_params(width, height, self.distortion_scale)
        return _warp.perspective(img, *points, self.interpolation, self.fill)

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p})"


def pair_of_floats(value, name):
    """Two floats, along x and y; a single number stands for both."""
    if isinstance(value, numbers.Number):
        return [float(value)] * 2
    pair = [float(part) for part in sequence_of(value, name, 1, 2)]
    return pair * 2 if len(pair) == 1 else pair


class ElasticTransform(nn.Module):
    """Distorts an image like jelly, by random displacements that are smoothed.

    alpha: their size, in pixels. sigma: the standard deviation of the smoothing, in pixels. Either may be two
    numbers, along x and y. fill: what stands outside the image.
    """

    def __init__(self, alpha=50.0, sigma=5.0, interpolation=InterpolationMode.BILINEAR, fill=0):
        super().__init__()
        self.alpha = pair_of_floats(alpha, "alpha")
        self.sigma = pair_of_floats(sigma, "sigma")
        self.interpolation = as_interpolation(interpolation)
        self.fill = [float(part) for part in ([fill] if isinstance(fill, numbers.Number) else fill)]

    @staticmethod
    def get_params(alpha, sigma, size):
        """A displacement (1, H, W, 2) for `functional.elastic_transform`; size: [H, W]."""
        moves = []
        for i in range(2):
            move = retrograd.rand([1, 1, *size]) * 2 - 1
            if sigma[i] > 0.0:
                length = int(8 * sigma[i] + 1) | 1  # odd
                move = F.gaussian_blur(move, [length, length], list(sigma))
            moves.append(move * alpha[i] / size[1 - i])
        return retrograd.cat(moves, 1).permute([0, 2, 3, 1])

    def forward(self, tensor):
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self):
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
