"""The Bernoulli distribution."""

import math

import retrograd
from retrograd import Size
from retrograd.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .distribution import ExponentialFamily
from .parametrized import ByProbsOrLogits, the_one
from .utils import batch_shape_of, broadcast_all


class Bernoulli(ByProbsOrLogits, ExponentialFamily):
    """1 with probability `probs` (or of log odds `logits`), else 0."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        name, given = the_one(probs, logits)
        (value,) = broadcast_all(given)
        setattr(self, name, value)
        super().__init__(batch_shape_of(value, given), validate_args=validate_args)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @property
    def mode(self):
        likely = (self.probs >= 0.5).to(self.probs.dtype)
        return likely.masked_fill(self.probs == 0.5, math.nan)

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            return retrograd.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand=True):
        return self._enumerated(retrograd.arange(2, dtype=self._param.dtype), expand)

    @property
    def _natural_params(self):
        return (retrograd.logit(self.probs),)

    def _log_normalizer(self, x):
        return x.exp().log1p()
