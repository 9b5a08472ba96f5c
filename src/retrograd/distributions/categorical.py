"""The categorical distribution."""

import math

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .parametrized import ByProbsOrLogits, the_one
from .utils import full_like_shape


class Categorical(ByProbsOrLogits, Distribution):
    """The numbers 0 to K - 1 with probabilities in proportion to `probs`, or to exp(`logits`): (..., K)."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    is_binary = False

    def __init__(self, probs=None, logits=None, validate_args=None):
        name, given = the_one(probs, logits)
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional. [RG153]")
        if name == "probs":
            self.probs = given / given.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self):
        return constraints.integer_interval(0, self._num_events - 1)

    mean = property(lambda self: full_like_shape(self._extended_shape(), math.nan, self.probs))
    mode = property(lambda self: self.probs.argmax(-1))
    variance = property(lambda self: full_like_shape(self._extended_shape(), math.nan, self.probs))

    def sample(self, sample_shape=Size()):  # noqa: B008
        shape = self._extended_shape(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        return retrograd.multinomial(rows, math.prod(sample_shape), True).T.reshape(shape)

    def log_prob(self, value):
        value = self._checked(value).long().unsqueeze(-1)
        value, logits = retrograd.broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        finite = self.logits.clamp(min=retrograd.finfo(self.logits.dtype).min)
        return -(finite * self.probs).sum(-1)

    def enumerate_support(self, expand=True):
        return self._enumerated(retrograd.arange(self._num_events), expand)
