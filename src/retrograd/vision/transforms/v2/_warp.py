"""The v2 transforms that rotate, map affinely and change the perspective."""

from retrograd.vision.transforms import _warp_transforms as v1
from retrograd.vision.transforms._warp_transforms import angle_range, check_affine, sequence_of
from retrograd.vision.transforms.v2 import functional as F
from retrograd.vision.transforms.v2._transform import RandomApplyTransform, Transform

__all__ = ["ElasticTransform", "RandomAffine", "RandomPerspective", "RandomRotation"]


class RandomRotation(Transform):
    """Turns an image by a random angle; see v1's."""

    def __init__(self, degrees, interpolation="nearest", expand=False, center=None, fill=0):
        super().__init__()
        self.degrees = angle_range(degrees, "degrees", 2)
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        self.center = None if center is None else sequence_of(center, "center", 2)

    get_params = staticmethod(v1.RandomRotation.get_params)

    def make_params(self, flat_inputs):
        return {"angle": self.get_params(self.degrees)}

    def transform(self, inpt, params):
        return F.rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Turns, moves, scales and shears an image at random; see v1's."""

    def __init__(
        self, degrees, translate=None, scale=None, shear=None, interpolation="nearest", fill=0, center=None
    ):
        super().__init__()
        check_affine(translate, scale)
        self.degrees = angle_range(degrees, "degrees", 2)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angle_range(shear, "shear", 2, 4)
        self.interpolation = interpolation
        self.fill = fill
        self.center = None if center is None else sequence_of(center, "center", 2)

    get_params = staticmethod(v1.RandomAffine.get_params)

    def make_params(self, flat_inputs):
        height, width = F.get_size(flat_inputs[0])
        size = (width, height)
        return {"affine": self.get_params(self.degrees, self.translate, self.scale, self.shear, size)}

    def transform(self, inpt, params):
        return F.affine(inpt, *params["affine"], self.interpolation, self.fill, self.center)


class RandomPerspective(RandomApplyTransform):
    """Moves the corners of an image inwards at random; see v1's."""

    def __init__(self, distortion_scale=0.5, p=0.5, interpolation="bilinear", fill=0):
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"distortion_scale should be between 0 and 1, got {distortion_scale} [RG096]")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill

    get_params = staticmethod(v1.RandomPerspective.get_params)

    def make_params(self, flat_inputs):
        height, width = F.get_size(flat_inputs[0])
        return {"points": self.get_params(width, height, self.distortion_scale)}

    def transform(self, inpt, params):
        return F.perspective(inpt, *params["points"], self.interpolation, self.fill)


class ElasticTransform(Transform):
    """Distorts an image like jelly; see v1's."""

    def __init__(self, alpha=50.0, sigma=5.0, interpolation="bilinear", fill=0):
        super().__init__()
        self.alpha = v1.pair_of_floats(alpha, "alpha")
        self.sigma = v1.pair_of_floats(sigma, "sigma")
        self.interpolation = interpolation
        self.fill = fill

    get_params = staticmethod(v1.ElasticTransform.get_params)

    def make_params(self, flat_inputs):
        size = list(F.get_size(flat_inputs[0]))
        return {"displacement": self.get_params(self.alpha, self.sigma, size)}

    def transform(self, inpt, params):
        return F.elastic(inpt, params["displacement"], self.interpolation, self.fill)
