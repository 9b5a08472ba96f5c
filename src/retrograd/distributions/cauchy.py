"""The Cauchy distribution."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .utils import batch_shape_of, broadcast_all, full_like_shape


class Cauchy(Distribution):
    """The Cauchy (Lorentz) distribution of median `loc` and half width at half maximum `scale`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(batch_shape_of(self.loc, loc, scale), validate_args=validate_args)

    mean = property(lambda self: full_like_shape(self._extended_shape(), math.nan, self.loc))
    mode = property(lambda self: self.loc)
    variance = property(lambda self: full_like_shape(self._extended_shape(), math.inf, self.loc))

    def rsample(self, sample_shape=Size()):  # noqa: B008
        noise = retrograd.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).cauchy_()
        return self.loc + noise * self.scale

    def log_prob(self, value):
        standard = (self._checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (standard**2).log1p()

    def cdf(self, value):
        return retrograd.atan((self._checked(value) - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value):
        return retrograd.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()
