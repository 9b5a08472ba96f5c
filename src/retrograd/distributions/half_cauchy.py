"""The half-Cauchy distribution."""

import math

from .cauchy import Cauchy
from .half_normal import Halved
from .utils import full_like_shape


class HalfCauchy(Halved):
    """The distribution of |x|, x from the Cauchy distribution around 0 of this `scale`."""

    def __init__(self, scale, validate_args=None):
        super().__init__(Cauchy(0, scale, validate_args=False), validate_args)

    mean = property(lambda self: full_like_shape(self._extended_shape(), math.inf, self.scale))
    variance = property(lambda self: self.base_dist.variance)
