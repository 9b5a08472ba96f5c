"""The continuous Bernoulli distribution."""

import math

import retrograd
from retrograd import Size
from retrograd.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .distribution import ExponentialFamily
from .parametrized import the_one
from .utils import (
    batch_shape_of,
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)


class ContinuousBernoulli(ExponentialFamily):
    """The density C p^x (1 - p)^(1 - x) on [0, 1]: the reconstruction loss of VAEs, normalised.

    Loaiza-Ganem and Cunningham (2019). Between `lims`, near p = 1/2, where the closed forms are 0 / 0, Taylor
    series take their place.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        name, given = the_one(probs, logits)
        (value,) = broadcast_all(given)
        if name == "probs":
            if validate_args and not self.arg_constraints["probs"].check(value).all():
                raise ValueError("The parameter probs has invalid values [RG150]")
            value = clamp_probs(value)
        setattr(self, name, value)
        self._lims = lims
        super().__init__(batch_shape_of(value, given), validate_args=validate_args)

    @lazy_property
    def probs(self):
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    @lazy_property
    def logits(self):
        return probs_to_logits(self.probs, is_binary=True)

    @property
    def param_shape(self):
        """The shape of the parameter."""
        return self.probs.shape

    def _stable(self):
        """(where the closed forms hold, p there and elsewhere something harmless)."""
        low, high = self._lims
        holds = (self.probs <= low) | (self.probs > high)
        return holds, retrograd.where(holds, self.probs, low)

    def _cont_bern_log_norm(self):
        holds, p = self._stable()
        gap = retrograd.where(p <= 0.5, 1.0 - 2.0 * p, 2.0 * p - 1.0)
        closed = ((-p).log1p() - p.log()).abs().log() - gap.log()
        x = (self.probs - 0.5) ** 2
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x
        return retrograd.where(holds, closed, series)

    @property
    def mean(self):
        holds, p = self._stable()
        closed = p / (2.0 * p - 1.0) + 1.0 / ((-p).log1p() - p.log())
        x = self.probs - 0.5
        return retrograd.where(holds, closed, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x**2) * x)

    @property
    def variance(self):
        holds, p = self._stable()
        closed = p * (p - 1.0) / (1.0 - 2.0 * p) ** 2 + 1.0 / ((-p).log1p() - p.log()) ** 2
        x = (self.probs - 0.5) ** 2
        return retrograd.where(holds, closed, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        return self.icdf(retrograd.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self._checked(value))
        return self._cont_bern_log_norm() - binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value):
        value = self._checked(value)
        holds, p = self._stable()
        closed = (p**value * (1.0 - p) ** (1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = retrograd.where(holds, closed, value)
        return retrograd.where(value <= 0.0, 0.0, retrograd.where(value >= 1.0, 1.0, inside))

    def icdf(self, value):
        holds, p = self._stable()
        rest = (-p).log1p()
        closed = ((-p + value * (2.0 * p - 1.0)).log1p() - rest) / (p.log() - rest)
        return retrograd.where(holds, closed, value)

    def entropy(self):
        zero, one = (-self.probs).log1p(), self.probs.log()
        return self.mean * (zero - one) - self._cont_bern_log_norm() - zero

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        low, high = self._lims[0] - 0.5, self._lims[1] - 0.5
        holds = (x <= low) | (x > high)
        safe = retrograd.where(holds, x, low)
        closed = safe.expm1().abs().log() - safe.abs().log()
        return retrograd.where(holds, closed, 0.5 * x + x**2 / 24.0 - x**4 / 2880.0)
