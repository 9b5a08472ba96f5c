"""Transforms by constraint: `biject_to(c)` and `transform_to(c)` map unconstrained values into `c`."""

from . import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table of factories, by the class of constraint that they take; called with a constraint, it gives its
    transform."""

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Let `factory(constraint)` make the transforms of this class of constraints; a decorator without
        one."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = constraint if isinstance(constraint, type) else type(constraint)
        if not issubclass(kind, constraints.Constraint):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint} [RG154]"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint):
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints: register a factory for them "
                "[RG154]"
            )
        return factory(constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _both(*kinds):
    def register(factory):
        for kind in kinds:
            biject_to.register(kind, factory)
            transform_to.register(kind, factory)
        return factory

    return register


_both(constraints.real)(lambda c: transforms.identity_transform)
_both(constraints.positive, constraints.nonnegative)(lambda c: _from(c.lower_bound))
_both(constraints.less_than)(
    lambda c: transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(c.upper_bound, -1)]
    )
)
_both(constraints.corr_cholesky)(lambda c: transforms.CorrCholeskyTransform())
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda c: transforms.PositiveDefiniteTransform())


def _from(low):
    return transforms.ComposeTransform([transforms.ExpTransform(), transforms.AffineTransform(low, 1)])


@_both(constraints.interval, constraints.half_open_interval)
def _between(c):
    sigmoid, low, high = transforms.SigmoidTransform(), c.lower_bound, c.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return sigmoid
    return transforms.ComposeTransform([sigmoid, transforms.AffineTransform(low, high - low)])


for _table in (biject_to, transform_to):

    @_table.register(constraints.independent)
    def _of_events(c, table=_table):
        return transforms.IndependentTransform(table(c.base_constraint), c.reinterpreted_batch_ndims)

    @_table.register(constraints.cat)
    def _of_stretches(c, table=_table):
        return transforms.CatTransform([table(part) for part in c.cseq], c.dim, c.lengths)

    @_table.register(constraints.stack)
    def _of_slices(c, table=_table):
        return transforms.StackTransform([table(part) for part in c.cseq], c.dim)
