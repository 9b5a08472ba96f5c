"""Forward mode: an interpreter at the door that carries a tangent beside each value.

While a `DualLevel` stands at the door, every row that is given tensors with tangents of that level gives its
result
one too. A row says how (see core/op.py): ELEMENTWISE rows reuse their gradient formulas, LINEAR rows are run
again on
the tangents, some have a written rule, and what has none of these is transposed: the gradient formula is
linear in g,
so differentiating it with respect to g gives the tangent's formula.
"""

import weakref

from . import engine
from .batch import hidden_by, spread
from .core import inplace
from .core.apply import DTYPE, INPUT, OUTPUT, SHAPE, apply
from .core.arrays import quiet
from .core.graph import enable_grad, modes
from .core.op import ELEMENTWISE, LINEAR, TABLE, is_complex, zeros_like
from .core.tensor import Tensor


class DualLevel:
    """One level of forward mode. `enter()` puts it at the door of this thread, `exit()` takes it away."""

    batching = False  # levels of vmap stand nearer to the door: see batch.py

    def __init__(self):
        self.nodes = []  # weak references to those that know tangents of their outputs

    def enter(self):
        first = [i for i in modes.interpreters if not i.batching]
        modes.interpreters = (*first, self, *modes.interpreters[len(first) :])
        return self

    def exit(self):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])
        for ref in self.nodes:
            node = ref()
            if node is not None:
                node.tangents = {
                    output: {level: t for level, t in tangents.items() if level is not self}
                    for output, tangents in node.tangents.items()
                }
        self.nodes = []

    __enter__ = enter

    def __exit__(self, *exc):
        self.exit()

    def tangent(self, x):
        """The tangent of `x` at this level, or None."""
        if not isinstance(x, Tensor):
            return None
        found = x._tangents.get(self) if x._tangents else None
        if found is None and x._view is not None and self._see_base(x._whole):
            found = x._tangents[self]
        return found

    def _see_base(self, x):
        """Give the view `x` its part of the tangent that the tensor it looks into was given since; whether
        there is one."""
        base, chain = x._view.for_tangents()
        under = None if base is None or not base._tangents else base._tangents.get(self)
        if under is None:
            return False
        stack = modes.interpreters
        modes.interpreters = with_levels_of([under])
        try:
            x._tangents = {**(x._tangents or {}), self: inplace.look(under, chain)}
        finally:
            modes.interpreters = stack
        return True

    def attach(self, x, tangent):
        """Give `x` this tangent, of its shape and dtype."""
        x._tangents = {**(x._tangents or {}), self: fit(tangent, x)}

    def attach_output(self, x, tangent):
        """`attach`, for a result: its node is told too, as it may have saved `x` as an array and rebuild
        it."""
        self.attach(x, tangent)
        node = x._grad_fn
        if node is not None:
            node.tangents = {**(node.tangents or {}), x._output_nr: x._tangents}
            self.nodes.append(weakref.ref(node))

    def process(self, op, args):
        """What the door calls: run the row, and its tangent's rule where there are tangents."""
        result = apply(op, args)
        tangents = [self.tangent(a) for a in args]
        if modes.forward and op.inputs and any(t is not None for t in tangents):
            token, stack = quiet.enter(), modes.interpreters
            modes.interpreters = with_levels_of(tangents)
            try:
                self._attach_all(op, result, push_forward(op, args, tangents, result))
            except NotImplementedError as error:
                raise NotImplementedError(
                    f"Trying to use forward AD with {op.name} that does not support it because it has not "
                    f"been implemented yet: {error} [RG027]"
                ) from error
            finally:
                modes.interpreters = stack
                quiet.leave(token)
        return result

    def _attach_all(self, op, result, tangents):
        if op.outputs is None:
            if tangents is not None and result._array.dtype.kind in "fcV":
                self.attach_output(result, tangents)
            return
        for i, (r, t) in enumerate(zip(result, tangents, strict=True)):
            if t is not None and op.is_differentiable_output(i, r):
                self.attach_output(r, t)


def with_levels_of(tangents):
    """The interpreters at the door, and the levels of vmap that only tangents are batched at."""
    among = {level for t in tangents for level in hidden_by(t) if level not in modes.interpreters}
    return (*modes.interpreters, *sorted(among, key=lambda level: level.depth))


def on_its_own(x):
    """`x`, whose tangents from now on have nothing to do with those of the tensor that it is a view of."""
    if x._view is not None:
        x._view.dual = (None, len(x._view.chain))
    return x


def fit(tangent, x):
    """`tangent` in the shape and dtype of `x`: broadcast, cast, the real part where `x` is real."""
    if tangent._array.dtype != x._array.dtype:
        tangent = TABLE["cast"](tangent, x._array.dtype)
    if tangent._array.shape != x._array.shape:
        tangent = TABLE["broadcast_to"](tangent, x._array.shape)
    return tangent


def push_forward(op, args, tangents, result):
    """The tangent of `result = op(*args)`; a list of them where the row has several outputs."""
    rule = op.jvp
    if rule == ELEMENTWISE:
        return _elementwise(op, args, tangents, result)
    if rule == LINEAR:
        inputs = op.input_positions(args)
        return op(
            *[
                _or_zero(a, t) if i in inputs else a
                for i, (a, t) in enumerate(zip(args, tangents, strict=True))
            ]
        )
    if rule is not None:
        return _written(op, rule, args, tangents, result)
    return _transposed(op, args, tangents)


def _or_zero(x, tangent):
    """The tangent of `x`, zero if it has none."""
    if tangent is not None:
        return tangent
    return zeros_like(x) if hasattr(x, "shape") else 0 * x


def _value(op, name, args, result):
    """What a formula or rule means by `name`: an input or parameter, an output, a shape or dtype."""
    if name == op.variadic:
        return tuple(args[len(op.parameters) :])
    kind, i = op._entry(name)
    if kind == INPUT:
        return args[i]
    if kind == OUTPUT:
        return result if op.outputs is None else result[i]
    array = args[i]._array if isinstance(args[i], Tensor) else args[i]
    return array.shape if kind == SHAPE else array.dtype if kind == DTYPE else None


def _names(formula):
    return formula.__code__.co_varnames[: formula.__code__.co_argcount]


def _elementwise(op, args, tangents, result):
    """The sum of the formulas with tangents in the place of g. (f' is conjugated for g in the complex case,
    hence conj.)"""
    total = None
    conj = TABLE["conj"]
    for i in op.inputs:
        t = tangents[i]
        if t is None:
            continue
        formula = op.formulas[op.parameters[i]]
        t = conj(t) if is_complex(t) else t
        if is_complex(result) and not is_complex(t):
            t = TABLE["cast"](t, result._array.dtype)
        out = formula(*[t if n == "g" else _value(op, n, args, result) for n in _names(formula)])
        if out is None:
            continue
        out = conj(out) if is_complex(out) else out
        total = out if total is None else total + out
    return total


def _written(op, rule, args, tangents, result):
    values = []
    for n in _names(rule):
        if n.startswith("t_"):
            i = op.parameters.index(n[2:]) if n[2:] in op.parameters else None
            if i is None:  # the variadic input: a tuple, one tangent each
                rest = range(len(op.parameters), len(args))
                values.append(
                    tuple([zeros_like(args[j]) if tangents[j] is None else tangents[j] for j in rest])
                )
                continue
            t = tangents[i]
            values.append(zeros_like(args[i]) if t is None and hasattr(args[i], "shape") else t)
        else:
            values.append(_value(op, n, args, result))
    return rule(*values)


def _transposed(op, args, tangents):
    """Differentiate the gradient formulas, which are linear in g, with respect to g."""
    inputs = set(op.input_positions(args))
    tracked = modes.grad and any(isinstance(v, Tensor) and v.requires_grad for v in (*args, *tangents))
    with enable_grad():
        given = []
        for i, a in enumerate(args):
            if i in inputs and isinstance(a, Tensor) and not a.requires_grad and tangents[i] is not None:
                a = TABLE["alias"](a)  # with its tangents of other levels
                a._view, a._requires = None, True
            given.append(a)
        again = op(*given)
        several = op.outputs is not None
        outs = list(again) if several else [again]
        node = next(o._grad_fn for o in outs if o._grad_fn is not None)
        probes = [zeros_like(o) for o in outs]
        for p in probes:
            p._requires = p._array.dtype.kind in "fcV"
        grads = node.run(probes if node.outputs > 1 else probes[0], True)
        wanted = [(g, tangents[i]) for g, i in zip(grads, op.input_positions(args), strict=True)]
        wanted = [
            (g, fit(t, g))
            for g, t in wanted
            if g is not None and t is not None and isinstance(g, Tensor) and g.requires_grad
        ]
        edges = [p._edge() if p._requires else None for p in probes]
        targets = dict.fromkeys(e for e in edges if e is not None)
        if wanted:
            engine.walk(
                [g._edge() for g, _ in wanted],
                [t for _, t in wanted],
                keep=True,
                graph=tracked,
                tensors=True,
                targets=targets,
                accumulate=False,
            )
    found = [targets.get(e) for e in edges]
    if not several:
        return zeros_like(again) if found[0] is None else found[0]
    return [zeros_like(o) if f is None else f for f, o in zip(found, outs, strict=True)]


def _takes_writes(tangent, new):
    """Whether `new` can be written to a tangent: it is no leaf, its elements lie in places of their own, and
    it is batched where `new` is."""
    array = tangent._whole._array
    return (
        not tangent._requires
        and array.flags.writeable
        and (0 not in array.strides or not array.size)
        and set(hidden_by(new)) <= set(hidden_by(tangent))
    )


def write_tangents(x, result):
    """After an in-place write: `x` takes the result's tangents, and the base it is a view of takes them
    there."""
    levels = {*(x._tangents or ()), *(result._tangents or ())}
    for level in levels.intersection(modes.interpreters):
        new = (result._tangents or {}).get(level)
        new = zeros_like(x) if new is None else fit(new, x)
        base, chain = (None, ()) if x._view is None else x._view.for_tangents()
        if base is None:
            old = (x._tangents or {}).get(level)
            if old is None or not _takes_writes(old, new):
                x._tangents = {**(x._tangents or {}), level: new}
            else:
                inplace.copy_from(old, new)
            continue
        under = (base._tangents or {}).get(level)
        if under is None or not _takes_writes(under, new):
            under = spread(zeros_like(base) if under is None else under, hidden_by(new))
            under = TABLE["clone"](under)
            base._tangents = {**(base._tangents or {}), level: under}
        seen = inplace.look(under, chain)
        inplace.copy_from(seen, new)
        x._tangents = {**(x._tangents or {}), level: seen}


inplace.tangent_writers.append(write_tangents)
