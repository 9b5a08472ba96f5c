"""The negative binomial distribution."""

import retrograd
from retrograd import Size
from retrograd.nn.functional import logsigmoid

from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .parametrized import ByProbsOrLogits, the_one
from .utils import broadcast_all


class NegativeBinomial(ByProbsOrLogits, Distribution):
    """How many trials of success probability `probs` succeed before `total_count` of them fail."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(self, total_count, probs=None, logits=None, validate_args=None):
        name, given = the_one(probs, logits)
        count, value = broadcast_all(total_count, given)
        setattr(self, name, value)
        self.total_count = count.to(value.dtype)
        super().__init__(value.shape, validate_args=validate_args)

    mean = property(lambda self: self.total_count * self.logits.exp())
    mode = property(lambda self: ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0))
    variance = property(lambda self: self.mean / retrograd.sigmoid(-self.logits))

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            rates = Gamma(self.total_count, (-self.logits).exp(), validate_args=False)
            return retrograd.poisson(rates.sample(sample_shape))

    def log_prob(self, value):
        value, n = self._checked(value), self.total_count
        ways = (n + value).lgamma() - (1.0 + value).lgamma() - n.lgamma()
        ways = ways.masked_fill(n + value == 0.0, 0.0)  # of no trials there is one, but lgamma(0) is infinite
        return n * logsigmoid(-self.logits) + value * logsigmoid(self.logits) + ways
