"""Distribution: what all distributions have in common."""

import warnings

import retrograd
from retrograd import Size, Tensor
from retrograd.autograd import grad, no_grad

from . import constraints
from .utils import lazy_property


def _lacks(distribution, what):
    return NotImplementedError(f"{type(distribution).__name__} has no {what} [RG152]")


class Distribution:
    """A batch of probability distributions over events of one shape.

    `sample(shape)` and `rsample(shape)` (with gradients to the parameters) give tensors of shape
    `shape + batch_shape + event_shape`; `log_prob(value)` one number per event.

    arg_constraints: {name of a parameter: its constraint}; checked when made, unless `validate_args=False`.
    support: the constraint of the samples, which `log_prob` and `cdf` check.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @property
    def arg_constraints(self):
        raise _lacks(self, "arg_constraints")

    @staticmethod
    def set_default_validate_args(value):
        """Whether parameters and samples are checked, in distributions made from now on that aren't told."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args expects a bool, got {value!r} [RG047]")
        Distribution._validate_args = value

    def __init__(self, batch_shape=Size(), event_shape=Size(), validate_args=None):  # noqa: B008
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self):
        try:
            parameters = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for name, constraint in parameters.items():
            derived = name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property)
            if constraints.is_dependent(constraint) or derived:
                continue  # the one can't be checked, the other follows from a parameter that is
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid "
                    f"values:\n{value} [RG150]"
                )

    # --- shapes ---

    @property
    def batch_shape(self):
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one sample of one distribution."""
        return self._event_shape

    def _extended_shape(self, sample_shape=()):
        if isinstance(sample_shape, int):
            raise TypeError(f"sample_shape must be a tuple such as ({sample_shape},), not an int [RG047]")
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape, _instance=None):
        """The same distribution with its batch dimensions expanded: parameters share memory."""
        return self._expanded(batch_shape, _instance, [n for n in self.arg_constraints if n in self.__dict__])

    def _expanded(self, batch_shape, instance, names, nested=(), **more):
        """A copy whose parameters `names`, and distributions `nested`, are expanded."""
        new = object.__new__(type(self)) if instance is None else instance
        lazy = lambda name: isinstance(getattr(type(self), name, None), lazy_property)
        kept = {k: v for k, v in self.__dict__.items() if not lazy(k)}
        new.__dict__.update(kept, _batch_shape=Size(batch_shape), **more)
        for name in names:
            value = self.__dict__[name]
            events = value.shape[value.ndim - self._event_dims(name) :]
            new.__dict__[name] = value.expand(*batch_shape, *events)
        for name in nested:
            new.__dict__[name] = self.__dict__[name].expand(batch_shape)
        return new

    def _get_checked_instance(self, cls, _instance=None):
        """`_instance`, or a new object; a subclass with an `__init__` of its own must define `expand` too."""
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method "
                "must also define a custom .expand() method. [RG144]"
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def _event_dims(self, name):
        constraint = self.arg_constraints[name]
        return 0 if constraints.is_dependent(constraint) else constraint.event_dim

    # --- moments ---

    @property
    def support(self):
        raise _lacks(self, "support")

    @property
    def mean(self):
        raise _lacks(self, "mean")

    @property
    def mode(self):
        raise NotImplementedError(f"{type(self)} does not implement mode [RG152]")

    @property
    def variance(self):
        raise _lacks(self, "variance")

    @property
    def stddev(self):
        """The square root of the variance."""
        return self.variance.sqrt()

    # --- samples and probabilities ---

    def sample(self, sample_shape=Size()):  # noqa: B008
        """Samples, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=Size()):  # noqa: B008
        """Samples through which gradients flow to the parameters (where `has_rsample`)."""
        raise NotImplementedError(
            f"{type(self).__name__} has no reparameterized samples: use sample() [RG152]"
        )

    def sample_n(self, n):
        """`sample((n,))`. Deprecated."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2
        )
        return self.sample((n,))

    def log_prob(self, value):
        """The logarithm of the density, or of the probability, of each event in `value`."""
        raise _lacks(self, "log_prob")

    def cdf(self, value):
        """The probability of values up to `value`."""
        raise _lacks(self, "cdf")

    def icdf(self, value):
        """The inverse of `cdf`."""
        raise _lacks(self, "icdf")

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution, along a new first dimension."""
        raise _lacks(self, "enumerate_support")

    def _enumerated(self, values, expand):
        values = values.view(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    def entropy(self):
        """The entropy, in nats."""
        raise _lacks(self, "entropy")

    def perplexity(self):
        """exp(entropy)."""
        return self.entropy().exp()

    def _validate_sample(self, value):
        """ValueError for a value of the wrong shape or outside of the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor [RG151]")
        first = value.ndim - len(self._event_shape)
        if value.shape[first:] != self._event_shape or first < 0:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs "
                f"{self._event_shape}. [RG151]"
            )
        expected = (*self._batch_shape, *self._event_shape)
        for n, m in zip(reversed(value.shape), reversed(expected)):
            if n != m and n != 1 and m != 1:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                    f"{Size(expected)}. [RG151]"
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be "
                f"within the support ({support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value} [RG151]"
            )

    def _checked(self, value):
        """`value`, checked if this distribution checks."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self):
        shown = {n: self.__dict__[n] for n in self.arg_constraints if n in self.__dict__}
        inner = [f"{n}: {v if v.numel() == 1 else v.shape}" for n, v in shown.items()]
        return f"{type(self).__name__}({', '.join(inner)})"


class ExponentialFamily(Distribution):
    """A distribution with the density exp(<t(x), natural parameters> - log normalizer + k(x)).

    Its entropy follows from the log normalizer's gradient, the mean of t (Nielsen and Nock, 2010).
    """

    @property
    def _mean_carrier_measure(self):
        """The mean of k(x)."""
        raise NotImplementedError(f"{type(self).__name__} has no entropy in closed form [RG152]")

    @property
    def _natural_params(self):
        raise _lacks(self, "natural parameters")

    def _log_normalizer(self, *natural_params):
        raise _lacks(self, "log normalizer")

    def entropy(self):
        natural = [p.detach().requires_grad_() for p in self._natural_params]
        with retrograd.enable_grad():
            normalizer = self._log_normalizer(*natural)
            means = grad(normalizer.sum(), natural, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for p, mean in zip(natural, means, strict=True):
            result = result - (p * mean).reshape(*self._batch_shape, -1).sum(-1)
        return result
