"""The von Mises distribution, on circles."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


class VonMises(Distribution):
    """Angles around `loc`: density exp(concentration * cos(x - loc)) / (2 pi I0(concentration)).

    Drawn by Best and Fisher's rejection (1979), in float64.
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc, concentration, validate_args=None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        """The circular variance."""
        k = self.concentration
        return 1 - retrograd.special.i1e(k) / retrograd.special.i0e(k)

    def log_prob(self, value):
        k = self.concentration
        normalizer = math.log(2 * math.pi) + k + retrograd.special.i0e(k).log()
        return k * retrograd.cos(self._checked(value) - self.loc) - normalizer

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            return self._drawn(self._extended_shape(sample_shape)).to(self.loc.dtype)

    def _drawn(self, shape):
        k, loc = self.concentration.double(), self.loc.double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        r = retrograd.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))
        x = retrograd.zeros(shape, dtype=retrograd.float64)
        done = retrograd.zeros(shape, dtype=retrograd.bool)
        while not done.all():
            u1, u2, u3 = retrograd.rand((3, *shape), dtype=retrograd.float64).unbind()
            z = (math.pi * u1).cos()
            f = (1 + r * z) / (r + z)
            c = k * (r - f)
            accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
            if accept.any():
                x = retrograd.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
        return (x + math.pi + loc) % (2 * math.pi) - math.pi
