"""The geometric distribution."""

import retrograd
from retrograd import Size
from retrograd.nn.functional import binary_cross_entropy_with_logits

from . import constraints
from .distribution import Distribution
from .parametrized import ByProbsOrLogits, the_one
from .utils import batch_shape_of, broadcast_all


class Geometric(ByProbsOrLogits, Distribution):
    """How many trials, each of success probability `probs`, fail before the first success: 0, 1, 2..."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        name, given = the_one(probs, logits)
        (value,) = broadcast_all(given)
        setattr(self, name, value)
        super().__init__(batch_shape_of(value, given), validate_args=validate_args)
        if self._validate_args and name == "probs" and not (value > 0).all():
            raise ValueError(
                f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{value[value <= 0]} [RG150]"
            )

    mean = property(lambda self: 1.0 / self.probs - 1.0)
    mode = property(lambda self: retrograd.zeros_like(self.probs))
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)

    def sample(self, sample_shape=Size()):  # noqa: B008
        u = retrograd.empty(self._extended_shape(sample_shape), dtype=self.probs.dtype)
        with retrograd.no_grad():
            u.uniform_(retrograd.finfo(u.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        value, probs = broadcast_all(self._checked(value), self.probs)
        certain = (probs == 1) & (value == 0)  # 0 * log(0) is none
        return value * (-probs.masked_fill(certain, 0)).log1p() + self.probs.log()

    def entropy(self):
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
