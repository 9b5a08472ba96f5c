"""The binomial distribution."""

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .parametrized import ByProbsOrLogits, the_one
from .utils import broadcast_all


class Binomial(ByProbsOrLogits, Distribution):
    """How many of `total_count` trials, each of probability `probs`, succeed."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        name, given = the_one(probs, logits)
        count, value = broadcast_all(total_count, given)
        setattr(self, name, value)
        self.total_count = count.to(value.dtype)
        super().__init__(value.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self.total_count)

    mean = property(lambda self: self.total_count * self.probs)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    @property
    def mode(self):
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    def sample(self, sample_shape=Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with retrograd.no_grad():
            return retrograd.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        value, n, logits = self._checked(value), self.total_count, self.logits
        # log(1 + e^logit) = max(logit, 0) + log(1 + e^-|logit|), of gradient 1/2 in its first part at 0
        above = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2
        misses = n * above + n * (-logits.abs()).exp().log1p() - (n + 1).lgamma()
        return value * logits - (value + 1).lgamma() - (n - value + 1).lgamma() - misses

    def entropy(self):
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand=True):
        most = int(self.total_count.max())
        if self.total_count.min() != most:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support` and `entropy`. [RG152]"
            )
        return self._enumerated(retrograd.arange(1 + most, dtype=self._param.dtype), expand)
