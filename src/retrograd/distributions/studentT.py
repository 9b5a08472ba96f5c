"""Student's t distribution."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import broadcast_all, standard_normal


class StudentT(Distribution):
    """Student's t distribution of `df` degrees of freedom, scaled by `scale` and moved to `loc`."""

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return self._expanded(batch_shape, _instance, ["df", "loc", "scale"], nested=["_chi2"])

    mean = property(lambda self: self.loc.masked_fill(self.df <= 1, math.nan))
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        spread = self.scale.pow(2) * self.df / (self.df - 2)
        spread = spread.masked_fill(self.df <= 2, math.inf)
        return spread.masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        normal = standard_normal(self._extended_shape(sample_shape), self.df)
        chi2 = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * normal * retrograd.rsqrt(chi2 / self.df)

    def log_prob(self, value):
        standard = (self._checked(value) - self.loc) / self.scale
        return -0.5 * (self.df + 1.0) * (standard**2.0 / self.df).log1p() - self._log_constant()

    def _log_constant(self):
        half = 0.5 * self.df
        beta = half.lgamma() - (half + 0.5).lgamma()
        return self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + beta

    def entropy(self):
        half = 0.5 * self.df
        rise = (half + 0.5).digamma() - half.digamma()
        return (half + 0.5) * rise + self._log_constant()
