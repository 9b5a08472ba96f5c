"""vmap: an interpreter at the door that hides a dimension.

Inside `vmap`, a tensor with a batch dimension is a `Batched`: it looks like one example and stands for all.
When a row meets one, the level at the door runs the row once on the whole batch, by the rule in `RULES`, or,
where there is none, once per example.

There is one graph, and it knows whole batches only: nodes, saved values and tangents belong to the tensors
that the `Batched` wrap. So levels of vmap stand nearer to the door than those of forward mode, whatever the
order in which they were entered, and derivatives inside vmap are derivatives of whole batches.
"""

import numpy as np

from .. import engine
from ..core import inplace
from ..core.apply import apply
from ..core.graph import GradientEdge, modes
from ..core.op import ELEMENTWISE, PAIR, PAIR_FLOAT, TABLE
from ..core.tensor import Tensor, sequence_of, wrap
from .batched import Batched, aligned, hidden_as, hidden_by, hide, layout, spread, to_front

RULES = {}  # row name -> rule(level, op, args): the result, or None where the rule doesn't hold; see rules.py


def levels():
    """The levels of vmap at the door, the outermost first."""
    return [i for i in modes.interpreters if isinstance(i, BatchLevel)]


# --- the interpreter --------------------------------------------------------------------


class BatchLevel:
    """One vmap in progress over `size` examples; see `func.vmap`."""

    batching = True  # stands nearer to the door than levels of forward mode

    def __init__(self, size, randomness="error"):
        self.size = size
        self.randomness = randomness
        self.depth = 0
        self.ended = False

    def __enter__(self):
        self.depth = 1 + max([level.depth for level in levels()], default=0)
        modes.interpreters = (*modes.interpreters, self)
        return self

    def __exit__(self, *exc):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])
        self.ended = True

    def hides(self, x):
        """Whether `x` is batched at this level."""
        return isinstance(x, Batched) and x._level is self

    def process(self, op, args):
        """What the door calls: run the row on whole batches."""
        if not any([isinstance(a, Batched) and a._level is self for a in args]):
            return apply(op, args)
        args = self.with_tangents(args)
        rule = RULES.get(op.name)
        if rule is None and (op.jvp == ELEMENTWISE or op.promote in (PAIR, PAIR_FLOAT)):
            rule = RULES[ELEMENTWISE]
        if rule is not None:
            found = rule(self, op, args)
            if found is not None:
                return found
        return self.one_by_one(op, args)

    def with_tangents(self, args):
        """`args`, tensors that are the same for all examples but for their tangents batched too."""
        stack = modes.interpreters
        if not stack or stack[0].batching:  # levels of forward mode come first
            return args
        duals = [level for level in stack if not level.batching]
        return [
            spread(a, [self])
            if isinstance(a, Tensor)
            and not self.hides(a)
            and any([self in hidden_by(level.tangent(a)) for level in duals])
            else a
            for a in args
        ]

    def one_by_one(self, function, args, kwargs=None):
        """The fall-back: `function` on each example, the results stacked."""
        kwargs = kwargs or {}
        if not self.size:
            return self._on_nothing(function, args, kwargs)
        results = [
            function(
                *[self.example(a, i) for a in args], **{k: self.example(v, i) for k, v in kwargs.items()}
            )
            for i in range(self.size)
        ]
        return self.stack(results)

    def _on_nothing(self, function, args, kwargs):
        """Results of no example: an example of zeros says what shape they have."""
        zeros = lambda a: wrap(np.zeros(a._array.shape, a._array.dtype)) if self.hides(a) else a
        result = function(*[zeros(a) for a in args], **{k: zeros(v) for k, v in kwargs.items()})
        empty = lambda r: self.wrap(wrap(np.empty((0, *r._array.shape), r._array.dtype)))
        return tuple([empty(r) for r in result]) if isinstance(result, tuple) else empty(result)

    def example(self, x, i):
        """Example number `i` of what is batched here, other things as they are; looks into lists and
        tuples."""
        if self.hides(x):
            return TABLE["select"](x._value, (*(slice(None),) * x._dim, i, Ellipsis))
        if type(x) in (list, tuple):
            return type(x)([self.example(v, i) for v in x])
        return x

    def stack(self, results):
        """The results of all examples, Tensors or tuples of them, as one batch."""
        first = results[0]
        if isinstance(first, tuple):
            columns = [self.stack(column) for column in zip(*results, strict=True)]
            return sequence_of(type(first), columns)
        if len({r._array.shape for r in results}) > 1:
            raise RuntimeError(
                "vmap: the results of the examples differ in shape ("
                f"{', '.join(str(list(r._array.shape)) for r in results[:3])}...): operators whose output "
                "shape depends on "
                "values can't be batched [RG101]"
            )
        return self.wrap(TABLE["stack"](0, *results))

    def fill(self, function, args, kwargs):
        """A function that makes a tensor in the likeness of another: where that is batched, one of the
        batch's size."""
        result = function(*args, **kwargs)
        if any([self.hides(a) for a in (*args, *kwargs.values())]):
            return self.wrap(TABLE["clone"](self.whole(result)))
        return result

    def by_example(self, function, args, kwargs):
        """`function` on each example if one of its arguments is batched here; what `by_example` in
        core/apply calls."""
        values = [*args, *kwargs.values()]
        values += [v for a in values if type(a) in (list, tuple) for v in a]
        if any([self.hides(v) for v in values]):
            return self.one_by_one(function, self.with_tangents(args), kwargs)
        return function(*args, **kwargs)

    def inside(self):
        """A context in which this level is at the door again: for rules that are made of other rows."""
        return _Inside(self)

    def wrap(self, value, dim=0):
        return Batched(value, dim, self)

    def front(self, x):
        """The value of `x` with this level's dimension first; other things as they are."""
        return to_front(x._value, x._dim) if self.hides(x) else x

    def whole(self, x):
        """`front`, and where `x` is a Tensor or array without this dimension, with one that is expanded."""
        if self.hides(x):
            return to_front(x._value, x._dim)
        return TABLE["broadcast_to"](x, (self.size, *x.shape)) if hasattr(x, "shape") else x


class _Inside:
    def __init__(self, level):
        self.level = level

    def __enter__(self):
        modes.interpreters = (*modes.interpreters, self.level)

    def __exit__(self, *exc):
        modes.interpreters = modes.interpreters[:-1]


# --- writing in place -------------------------------------------------------------------


def write_whole(x, result, name):
    """What `inplace.write` does inside vmap: (the whole of x, the result for it)."""
    lacking = [level for level in hidden_by(result) if level not in hidden_by(x)]
    if lacking:
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor "
            "`other` in extra_args "
            f"that has more elements than `self` ({name}): `other` is vmapped over, `self` is not. Please "
            "use an out-of-place "
            "operator, or make `self` with the batch's size, for instance from the vmapped tensor "
            "(x.new_zeros(...)) [RG103]"
        )
    if tuple(result.shape) != tuple(x.shape):
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(result.shape)} "
            f"({name} can't grow its "
            "tensor) [RG103]"
        )
    whole = layout(x)[0]
    inplace.check_distinct(whole, name)
    return whole, layout(aligned(result, x))[0]


inplace.whole_writers.append(write_whole)


# --- derivatives ------------------------------------------------------------------------


def pull_back(outputs, inputs, cotangents, *, keep, graph):
    """The gradients of `inputs` for `cotangents` of `outputs`, Tensors or None: on whole batches, per
    example.

    Cotangents that are batched where the outputs aren't give gradients that are batched there too.
    """
    roots = [_edge(o) for o in outputs]
    starts = []
    for o, g in zip(outputs, cotangents, strict=True):
        whole, hidden, _ = layout(g if isinstance(o, GradientEdge) else aligned(g, o))
        further = [level for level in hidden_by(g) if level not in hidden_by(o)]
        starts.append(hide(whole, {level: hidden[level] for level in further}))
    edges = [_edge(x) for x in inputs]
    targets = dict.fromkeys(e for e in edges if e[0] is not None)
    engine.walk(roots, starts, keep=keep, graph=graph, tensors=True, targets=targets, accumulate=False)
    over = {level for o in outputs for level in hidden_by(o)}
    results = []
    for e, x in zip(edges, inputs, strict=True):
        g = targets.get(e)
        if g is not None and not over.issubset(hidden_by(x)):
            raise RuntimeError(
                "vmap: the gradient of a batched output with respect to a tensor that is not batched would "
                "be a sum over the "
                "examples, not a gradient for each: use torch.func.grad or vjp, with the tensor as an "
                "argument [RG103]"
            )
        results.append(None if g is None else hidden_as(g, x))
    return results


def _edge(x):
    return (x.node, x.output_nr) if isinstance(x, GradientEdge) else layout(x)[0]._edge()
