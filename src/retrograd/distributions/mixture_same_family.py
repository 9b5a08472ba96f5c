"""Mixtures of distributions of one family."""

import retrograd
from retrograd import Size

from . import constraints
from .categorical import Categorical
from .constraints import Constraint
from .distribution import Distribution


class _OfAnyPart(Constraint):
    """What the supports of a mixture's parts allow; values lack the dimension of the parts."""

    def __init__(self, base):
        self.base = base

    is_discrete = property(lambda self: self.base.is_discrete)
    event_dim = property(lambda self: self.base.event_dim)

    def check(self, value):
        place = -1 - self.event_dim
        where = self.base.check(value.unsqueeze(place))
        n = value.ndim - self.event_dim
        return where if where.ndim <= n else where.all(-1)

    def __repr__(self):
        return f"MixtureSameFamilyConstraint({self.base!r})"


class MixtureSameFamily(Distribution):
    """A draw from one of K components: which one, `mixture_distribution` (a Categorical) says.

    component_distribution: K is its last batch dimension.
    """

    arg_constraints = {}

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                "The Mixture distribution needs to be an instance of torch.distributions.Categorical [RG153]"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of torch.distributions.Distribution "
                "[RG153]"
            )
        ours, theirs = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        for n, m in zip(reversed(ours), reversed(theirs)):
            if n != m and n != 1 and m != 1:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({ours}) is not compatible with "
                    f"`component_distribution.batch_shape` ({theirs}) [RG153]"
                )
        parts, others = mixture_distribution._num_events, component_distribution.batch_shape[-1]
        if parts != others:
            raise ValueError(
                f"`mixture_distribution component` ({parts}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({others}) [RG153]"
            )
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        self._num_component = parts
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(theirs, component_distribution.event_shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        components = self.component_distribution.expand((*batch_shape, self._num_component))
        mixture = self.mixture_distribution.expand(batch_shape)
        return self._expanded(
            batch_shape, _instance, (), component_distribution=components, mixture_distribution=mixture
        )

    @constraints.dependent_property
    def support(self):
        return _OfAnyPart(self.component_distribution.support)

    def _weights(self):
        """The parts' probabilities, in a shape that broadcasts with the parts' means."""
        probs = self.mixture_distribution.probs
        return probs.reshape(*probs.shape, *[1] * self._event_ndims)

    def _over_parts(self, values):
        return values.sum(-1 - self._event_ndims)

    @property
    def mean(self):
        return self._over_parts(self._weights() * self.component_distribution.mean)

    @property
    def variance(self):
        weights, parts = self._weights(), self.component_distribution
        away = parts.mean - self._pad(self.mean)
        return self._over_parts(weights * parts.variance) + self._over_parts(weights * away.pow(2.0))

    def _pad(self, x):
        return x.unsqueeze(-1 - self._event_ndims)

    def cdf(self, x):
        return (self.component_distribution.cdf(self._pad(x)) * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, x):
        each = self.component_distribution.log_prob(self._pad(self._checked(x)))
        weights = retrograd.log_softmax(self.mixture_distribution.logits, -1)
        return (each + weights).logsumexp(-1)

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            which = self.mixture_distribution.sample(sample_shape)
            parts = self.component_distribution.sample(sample_shape)
            dim = len(sample_shape) + len(self.batch_shape)
            which = which.reshape(*which.shape, *[1] * (1 + self._event_ndims))
            index = which.expand(*parts.shape[:dim], 1, *self.event_shape)
            return parts.gather(dim, index).squeeze(dim)

    def __repr__(self):
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
