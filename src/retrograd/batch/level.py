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
from ..core.tensor import Tensor, wrap

RULES = {}  # row name -> rule(level, op, args): the result, or None where the rule doesn't hold; see rules.py


class Placeholder(np.ndarray):
    """The array of a `Batched`: a shape, strides and a dtype. Its values, the first example's, stand for
    nothing."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        _refuse_to_read()

    def __array_function__(self, function, types, args, kwargs):
        if function not in _OF_SHAPES:
            _refuse_to_read()
        return function(*[a.view(np.ndarray) if isinstance(a, Placeholder) else a for a in args], **kwargs)

    def _read(self, *args, **kwargs):
        _refuse_to_read()

    item = tolist = astype = copy = tobytes = argmax = argmin = nonzero = argsort = _read
    __bool__ = __int__ = __float__ = __complex__ = __index__ = __iter__ = __contains__ = _read


_OF_SHAPES = {
    np.zeros_like, np.empty_like, np.ones_like, np.full_like, np.shape, np.ndim, np.size, np.result_type,
    np.can_cast,
    np.may_share_memory, np.shares_memory, np.broadcast_to, np.broadcast_shapes, np.moveaxis, np.transpose,
}  # fmt: skip


def _refuse_to_read(*args, **kwargs):
    raise RuntimeError(
        "vmap: It looks like you're attempting to use a Tensor's values in Python (.item(), bool(), an `if` "
        "or data-dependent "
        "control flow, nonzero, a boolean mask that selects...). Inside vmap a tensor stands for a whole "
        "batch and has no one "
        "value. Use torch.where for choices, or do it outside vmap."
    )


def _of_whole(name, doc=None):
    """An attribute that a `Batched` shares with the tensor it wraps."""

    def get(self):
        return getattr(self._value, name)

    def put(self, value):
        setattr(self._value, name, value)

    return property(get, put, doc=doc)


class Batched(Tensor):
    """One example's view of `value`, a Tensor whose dimension `dim` the vmap `level` hides."""

    def __new__(cls, value, dim, level):
        self = object.__new__(cls)
        self._value = value
        self._dim = dim
        self._level = level
        array = value._array
        if array.shape[dim]:
            self._array = array[(slice(None),) * dim + (0, Ellipsis)].view(Placeholder)
        else:
            self._array = np.zeros(array.shape[:dim] + array.shape[dim + 1 :], array.dtype).view(Placeholder)
        return self

    _requires = _of_whole("_requires")
    _grad_fn = _of_whole("_grad_fn")
    grad_fn = _of_whole("grad_fn")
    requires_grad = _of_whole("requires_grad")
    _output_nr = _of_whole("_output_nr")
    _version_counter = _of_whole("_version_counter")
    _view = _of_whole("_view")
    _inference = _of_whole("_inference")
    _retains = _of_whole("_retains")
    _accumulator = _of_whole("_accumulator")

    @property
    def _tangents(self):
        tangents = self._value._tangents
        return tangents and {level: Batched(t, self._dim, self._level) for level, t in tangents.items()}

    @_tangents.setter
    def _tangents(self, tangents):
        self._value._tangents = tangents and {
            level: _split(aligned(t, self), self._level) for level, t in tangents.items()
        }

    @property
    def _whole(self):
        """The tensor of all examples of all levels."""
        return self._value._whole

    def _versions(self):
        return self._value._versions()

    def _edge(self):
        return self._value._edge()

    def _alias(self):
        """The old value, for an in-place operation: a copy where rules will look at it from another side, as
        the graph must not save a view of memory that is overwritten next."""
        value = self._value._alias() if self._dim == 0 else TABLE["clone"](self._value)
        return Batched(value, self._dim, self._level)

    def detach(self):
        return Batched(self._value.detach(), self._dim, self._level)

    @property
    def data(self):
        return Batched(self._value.data, self._dim, self._level)

    def requires_grad_(self, requires_grad=True):
        raise RuntimeError(
            "requires_grad_() inside vmap is not supported: use torch.func.grad, vjp, jacrev or the like "
            "there, or call "
            "requires_grad_() outside"
        )

    def register_hook(self, hook, *, prepend=False):
        level, dim = self._level, self._dim

        def whole(g):
            new = hook(Batched(g, dim, level))
            return None if new is None else _split(aligned(new, self), level)

        return self._value.register_hook(whole, prepend=prepend)

    def __repr__(self, **kwargs):
        inner = "\n".join("    " + line for line in repr(self._value).splitlines())
        return f"BatchedTensor(lvl={self._level.depth}, bdim={self._dim}, value=\n{inner}\n)"

    def __format__(self, spec):
        return object.__format__(self, spec) if self.ndim else self.item()

    item = tolist = numpy = nonzero = __array__ = __dlpack__ = _refuse_to_read
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __contains__ = _refuse_to_read


def _split(x, level):
    """What `x`, whose outermost wrapper is of `level`, wraps."""
    if not (isinstance(x, Batched) and x._level is level):
        raise RuntimeError("vmap: a tensor of an inner vmap was used where one of an outer vmap was expected")
    return x._value


# --- hidden dimensions
# ----------------------------------------------------------------------------------------


def layout(x):
    """(the whole tensor, {level: its axis}, the axes of one example in order) of any Tensor."""
    wrappers = []
    while isinstance(x, Batched):
        wrappers.append(x)
        x = x._value
    axes, hidden = list(range(x._array.ndim)), {}
    for w in reversed(wrappers):
        hidden[w._level] = axes.pop(w._dim)
    return x, hidden, axes


def hide(x, hidden):
    """The whole tensor `x` with the axes in `hidden` ({level: axis}) hidden, the outermost vmap's
    innermost."""
    axes = list(range(x._array.ndim))
    for level in sorted(hidden, key=lambda level: level.depth):
        dim = axes.index(hidden[level])
        axes.pop(dim)
        x = Batched(x, dim, level)
    return x


def aligned(t, like):
    """`t`, of the shape of `like`, with its hidden axes where `like` has them; levels that `like` lacks
    stay around it."""
    if not isinstance(t, Batched) and not isinstance(like, Batched):
        return t
    whole, hidden, axes = layout(t)
    target, hidden_there, axes_there = layout(like)
    level_at = {axis: level for level, axis in hidden_there.items()}
    further = [level for level in hidden if level not in hidden_there]
    order = [hidden[level] for level in further]
    missing = []
    for i in range(target._array.ndim):
        source = hidden.get(level_at[i]) if i in level_at else axes[axes_there.index(i)]
        if source is None:
            missing.append(len(further) + i)
        else:
            order.append(source)
    if order != list(range(len(order))):
        whole = TABLE["permute"](whole, tuple(order))
    if missing:
        shape = (*[level.size for level in further], *target._array.shape)
        whole = TABLE["broadcast_to"](TABLE["unsqueeze"](whole, tuple(missing)), shape)
    places = {level: len(further) + axis for level, axis in hidden_there.items()}
    return hide(whole, {**{level: i for i, level in enumerate(further)}, **places})


def levels():
    """The levels of vmap at the door, the outermost first."""
    return [i for i in modes.interpreters if isinstance(i, BatchLevel)]


def hidden_by(x):
    """The levels that hide a dimension of `x`."""
    found = []
    while isinstance(x, Batched):
        found.append(x._level)
        x = x._value
    return found


def spread(x, among):
    """`x` with a dimension of its own, expanded, hidden by each of the levels `among` that doesn't hide
    one yet."""
    whole, hidden, _ = layout(x)
    missing = [level for level in among if level not in hidden]
    if not missing:
        return x
    n = len(missing)
    whole = TABLE["broadcast_to"](whole, (*[level.size for level in missing], *whole._array.shape))
    return hide(
        whole,
        {**{level: i for i, level in enumerate(missing)}, **{level: n + d for level, d in hidden.items()}},
    )


# --- the interpreter
# ------------------------------------------------------------------------------------------


class BatchLevel:
    """One vmap in progress over `size` examples; see `func.vmap`."""

    batching = True  # stands nearer to the door than levels of forward mode

    def __init__(self, size, randomness="error"):
        self.size = size
        self.randomness = randomness
        self.depth = 0

    def __enter__(self):
        self.depth = 1 + max([level.depth for level in levels()], default=0)
        modes.interpreters = (*modes.interpreters, self)
        return self

    def __exit__(self, *exc):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])

    def hides(self, x):
        """Whether `x` is batched at this level."""
        return isinstance(x, Batched) and x._level is self

    def process(self, op, args):
        """What the door calls: run the row on whole batches."""
        if not any([isinstance(a, Batched) and a._level is self for a in args]):
            return apply(op, args)
        rule = RULES.get(op.name)
        if rule is None and (op.jvp == ELEMENTWISE or op.promote in (PAIR, PAIR_FLOAT)):
            rule = RULES[ELEMENTWISE]
        if rule is not None:
            found = rule(self, op, args)
            if found is not None:
                return found
        return self.one_by_one(op, args)

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
            return first._make(columns) if hasattr(first, "_make") else type(first)(columns)
        if len({r._array.shape for r in results}) > 1:
            raise RuntimeError(
                "vmap: the results of the examples differ in shape ("
                f"{', '.join(str(list(r._array.shape)) for r in results[:3])}...): operators whose output "
                "shape depends on "
                "values can't be batched"
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
            return self.one_by_one(function, args, kwargs)
        return function(*args, **kwargs)

    def draw(self, function, args, kwargs):
        """A function that draws random numbers: once for all examples, once for each, or not at all."""
        if self.randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' "
                "or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )
        if self.randomness == "different":
            return self.one_by_one(function, args, kwargs)
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


def to_front(value, dim):
    if dim == 0:
        return value
    return TABLE["permute"](value, (dim, *[i for i in range(value._array.ndim) if i != dim]))


# --- writing in place
# -----------------------------------------------------------------------------------------


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
            "(x.new_zeros(...))"
        )
    if tuple(result.shape) != tuple(x.shape):
        raise RuntimeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(result.shape)} "
            f"({name} can't grow its "
            "tensor)"
        )
    whole = layout(x)[0]
    inplace.check_distinct(whole, name)
    return whole, layout(aligned(result, x))[0]


inplace.whole_writers.append(write_whole)


# --- derivatives
# ----------------------------------------------------------------------------------------------


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
                "argument"
            )
        results.append(None if g is None else _hidden_as(g, x))
    return results


def _edge(x):
    return (x.node, x.output_nr) if isinstance(x, GradientEdge) else layout(x)[0]._edge()


def _hidden_as(g, x):
    """`g`, of the shape of the whole of `x`, with the same axes hidden as in `x`."""
    whole, further, axes = layout(g)
    return hide(whole, {**further, **{level: axes[axis] for level, axis in layout(x)[1].items()}})
