"""Distributions of transformed draws."""

import retrograd
from retrograd import Size

from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost


class TransformedDistribution(Distribution):
    """The distribution of f(x), x drawn from `base_distribution`, for a transform f or a list of them.

    The density follows by the change of variables: log p(f(x)) = log p(x) - log |df/dx|.
    """

    arg_constraints = {}

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        listed = isinstance(self.transforms, list)
        if not listed or not all(isinstance(t, Transform) for t in self.transforms):
            raise ValueError(f"transforms must be a Transform or list, but was {transforms} [RG154]")
        whole, base = ComposeTransform(self.transforms), base_distribution
        shape, events = (*base.batch_shape, *base.event_shape), len(base.event_shape)
        into = whole.domain.event_dim
        if len(shape) < into:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {into}, but got {shape}. [RG154]"
            )
        out_shape = whole.forward_shape(Size(shape))
        in_shape = tuple(whole.inverse_shape(out_shape))
        if in_shape != shape:
            base = base.expand(in_shape[: len(in_shape) - events])
        self.base_dist = Independent(base, into - events) if into > events else base
        out_of = whole.codomain.event_dim
        kept = len(out_shape) - max(out_of, events + out_of - into)
        super().__init__(out_shape[:kept], out_shape[kept:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        names = [n for n in self.arg_constraints if n in self.__dict__]
        whole = ComposeTransform(self.transforms)
        shape = tuple(whole.inverse_shape(Size((*batch_shape, *self.event_shape))))
        base = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return self._expanded(batch_shape, _instance, names, base_dist=base)

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    @constraints.dependent_property(is_discrete=False)
    def support(self):
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        more = len(self.event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    def sample(self, sample_shape=Size()):  # noqa: B008
        with retrograd.no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=Size()):  # noqa: B008
        return self._forward(self.base_dist.rsample(sample_shape))

    def _forward(self, x):
        for t in self.transforms:
            x = t(x)
        return x

    def log_prob(self, value):
        y, dims, total = self._checked(value), len(self.event_shape), 0.0
        for t in reversed(self.transforms):
            x = t.inv(y)
            dims += t.domain.event_dim - t.codomain.event_dim
            total = total - _sum_rightmost(t.log_abs_det_jacobian(x, y), dims - t.domain.event_dim)
            y = x
        return total + _sum_rightmost(self.base_dist.log_prob(y), dims - len(self.base_dist.event_shape))

    def _sign(self):
        sign = 1
        for t in self.transforms:
            sign = sign * t.sign
        return sign

    def cdf(self, value):
        value = self._checked(value)
        for t in reversed(self.transforms):
            value = t.inv(value)
        return self._turned(self.base_dist.cdf(value))

    def icdf(self, value):
        return self._forward(self.base_dist.icdf(self._turned(value)))

    def _turned(self, probability):
        """1 - probability where the transforms reverse the order."""
        sign = self._sign()
        if isinstance(sign, int) and sign == 1:
            return probability
        return sign * (probability - 0.5) + 0.5

    def __repr__(self):
        return super().__repr__() if self.arg_constraints else f"{type(self).__name__}()"
