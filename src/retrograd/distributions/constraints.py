"""Constraints: the sets of values that parameters and samples may have.

`constraint.check(value)` says where `value` lies in the set: a bool for each event of `event_dim`
dimensions.
"""

import retrograd

__all__ = [
    "Constraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property", "greater_than",
    "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer",
    "one_hot", "positive", "positive_definite", "positive_integer", "positive_semidefinite", "real",
    "real_vector", "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip

_SLACK = 1e-6  # how far sums may be off 1


class Constraint:
    """A set of values; those of `event_dim` dimensions are in it or not as a whole."""

    is_discrete = False
    event_dim = 0

    def check(self, value):
        """Where `value` is in the set."""
        raise NotImplementedError(f"{type(self).__name__} must define check(value) [RG144]")

    def __repr__(self):
        return f"{type(self).__name__}()"


def _named(check, name, event_dim=0, is_discrete=False):
    """The one instance of a constraint without parameters."""
    members = {"check": lambda self, value: check(value), "event_dim": event_dim, "is_discrete": is_discrete}
    return type(name, (Constraint,), members)()


# --- intervals --------------------------------------------------------------------------------------------


def _bounded(name, words, check, is_discrete=False):
    """A class of constraints with bounds, which `words` names."""
    names = words.split()

    def __init__(self, *args, **kwargs):
        values = dict(zip(names, args, strict=False), **kwargs)
        if sorted(values) != sorted(names):
            raise TypeError(f"{name}() takes {', '.join(names)}, but got {', '.join(values)} [RG154]")
        vars(self).update(values)

    def __repr__(self):
        return f"{name}({', '.join(f'{n}={getattr(self, n)}' for n in names)})"

    members = {
        "__init__": __init__, "__repr__": __repr__, "is_discrete": is_discrete,
        "check": lambda self, value: check(value, *[getattr(self, n) for n in names]),
    }  # fmt: skip
    return type(name, (Constraint,), members)


def _whole(value):
    return value % 1 == 0


greater_than = _bounded("GreaterThan", "lower_bound", lambda v, low: v > low)
greater_than_eq = _bounded("GreaterThanEq", "lower_bound", lambda v, low: v >= low)
less_than = _bounded("LessThan", "upper_bound", lambda v, high: v < high)
interval = _bounded("Interval", "lower_bound upper_bound", lambda v, low, high: (v >= low) & (v <= high))
half_open_interval = _bounded(
    "HalfOpenInterval", "lower_bound upper_bound", lambda v, low, high: (v >= low) & (v < high)
)
integer_interval = _bounded(
    "IntegerInterval",
    "lower_bound upper_bound",
    lambda v, low, high: _whole(v) & (v >= low) & (v <= high),
    True,
)
_integer_greater_than = _bounded(
    "IntegerGreaterThan", "lower_bound", lambda v, low: _whole(v) & (v >= low), True
)


# --- of several dimensions --------------------------------------------------------------------------------


def _is_lower(value):
    return (value.tril() == value).flatten(-2).all(-1)


def _diagonal_positive(value):
    return (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _is_corr_cholesky(value):
    norms = value.detach().norm(dim=-1)
    slack = retrograd.finfo(value.dtype).eps * value.shape[-1] * 10
    return _is_lower(value) & _diagonal_positive(value) & ((norms - 1).abs() <= slack).all(-1)


def _is_square(value):
    return value.new_full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=retrograd.bool)


def _is_symmetric(value):
    return _is_square(value) & retrograd.isclose(value, value.mT, atol=_SLACK).flatten(-2).all(-1)


def _is_semidefinite(value):
    return _is_symmetric(value) & (retrograd.linalg.eigvalsh(value) >= 0).all(-1)


def _is_definite(value):
    return _is_symmetric(value) & (retrograd.linalg.cholesky_ex(value).info == 0)


def _is_one_hot(value):
    return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Multinomial(Constraint):
    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)

    def __repr__(self):
        return f"Multinomial(upper_bound={self.upper_bound})"


class _Independent(Constraint):
    """A constraint of which the last `reinterpreted_batch_ndims` batch dimensions count as one event."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    is_discrete = property(lambda self: self.base_constraint.is_discrete)
    event_dim = property(lambda self: self.base_constraint.event_dim + self.reinterpreted_batch_ndims)

    def check(self, value):
        result = self.base_constraint.check(value)
        n = self.reinterpreted_batch_ndims
        if result.ndim < n:
            raise ValueError(
                f"Expected value.dim() >= {self.event_dim} but got {value.ndim}: {n} batch dimensions count "
                "as one event [RG154]"
            )
        return result.reshape(*result.shape[: result.ndim - n], -1).all(-1) if n else result

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class _Parts(Constraint):
    """Different constraints for parts of one dimension."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq, self.dim = list(cseq), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))
    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))


class cat(_Parts):
    """Constraints of stretches of a dimension, of the given lengths."""

    def check(self, value):
        parts = value.split(self.lengths, self.dim)
        checks = [c.check(v) for c, v in zip(self.cseq, parts, strict=True)]
        return retrograd.cat(checks, self.dim)


class stack(_Parts):
    """Constraints of the slices along a dimension."""

    def check(self, value):
        checks = [c.check(v) for c, v in zip(self.cseq, value.unbind(self.dim), strict=True)]
        return retrograd.stack(checks, self.dim)


# --- dependent on others ----------------------------------------------------------------------------------


class _Dependent(Constraint):
    """A constraint that depends on other values, such as a support on the parameters: it can't be checked
    alone."""

    def __init__(self, *, is_discrete=None, event_dim=None):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _known(self, name):
        value = getattr(self, "_" + name)
        if value is None:
            raise NotImplementedError(f".{name} cannot be determined statically [RG154]")
        return value

    is_discrete = property(lambda self: self._known("is_discrete"))
    event_dim = property(lambda self: self._known("event_dim"))

    def __call__(self, *, is_discrete=None, event_dim=None):
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is None else is_discrete,
            event_dim=self._event_dim if event_dim is None else event_dim,
        )

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint [RG154]")


class dependent_property(property, _Dependent):
    """A property that gives a constraint; on the class it is `dependent`. May be used as a decorator with
    `is_discrete=` and `event_dim=`."""

    def __init__(self, fn=None, *, is_discrete=None, event_dim=None):
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn):
        return dependent_property(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint):
    """Whether a constraint depends on other values."""
    return isinstance(constraint, _Dependent)


dependent = _Dependent()
independent = _Independent
multinomial = _Multinomial
boolean = _named(lambda v: (v == 0) | (v == 1), "Boolean", is_discrete=True)
one_hot = _named(_is_one_hot, "OneHot", 1, True)
real = _named(lambda v: v == v, "Real")
real_vector = independent(real, 1)
positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer, positive_integer = _integer_greater_than(0), _integer_greater_than(1)
simplex = _named(
    lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < _SLACK), "Simplex", 1
)  # fmt: skip
lower_triangular = _named(_is_lower, "LowerTriangular", 2)
lower_cholesky = _named(lambda v: _is_lower(v) & _diagonal_positive(v), "LowerCholesky", 2)
corr_cholesky = _named(_is_corr_cholesky, "CorrCholesky", 2)
square = _named(_is_square, "Square", 2)
symmetric = _named(_is_symmetric, "Symmetric", 2)
positive_semidefinite = _named(_is_semidefinite, "PositiveSemidefinite", 2)
positive_definite = _named(_is_definite, "PositiveDefinite", 2)
