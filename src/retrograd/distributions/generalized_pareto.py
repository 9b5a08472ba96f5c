"""The generalized Pareto distribution."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .utils import batch_shape_of, broadcast_all


class GeneralizedPareto(Distribution):
    """The distribution of what exceeds a high threshold `loc`; `concentration` 0 is the exponential one."""

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        shape = batch_shape_of(self.loc, loc, scale, concentration)
        super().__init__(shape, validate_args=validate_args)

    def _shape(self):
        """(where the concentration is 0, the concentration and there 1)."""
        zero = retrograd.isclose(self.concentration, retrograd.zeros_like(self.concentration))
        return zero, self.concentration.masked_fill(zero, 1.0)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        return self.icdf(retrograd.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def _standard(self, value):
        return (self._checked(value) - self.loc) / self.scale

    def log_prob(self, value):
        z = self._standard(value)
        zero, c = self._shape()
        power = 1 / c + retrograd.ones_like(z)
        other = retrograd.where(power == 0, power, power * (c * z).log1p())
        return -self.scale.log() - retrograd.where(zero, z, other)

    def log_survival_function(self, value):
        """log(1 - cdf(value))."""
        z = self._standard(value)
        zero, c = self._shape()
        return retrograd.where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value):
        """log(cdf(value))."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value):
        return self.log_cdf(value).exp()

    def icdf(self, value):
        zero, c = self._shape()
        left = (-value).log1p()
        other = self.loc + self.scale / c * (-c * left).expm1()
        return retrograd.where(zero, self.loc - self.scale * left, other)

    mode = property(lambda self: self.loc)

    @property
    def mean(self):
        valid = self.concentration < 1
        c = retrograd.where(valid, self.concentration, 0.5)
        return retrograd.where(valid, self.loc + self.scale / (1 - c), math.nan)

    @property
    def variance(self):
        valid = self.concentration < 0.5
        c = retrograd.where(valid, self.concentration, 0.25)
        return retrograd.where(valid, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def entropy(self):
        return (self.scale.log() + self.concentration + 1).expand(self._batch_shape)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, retrograd.where(self.concentration < 0, end, math.inf))
