"""The one door: run a row, record a Node.

Every operation on Tensors passes through `apply`. Interpreters (forward mode, vmap, tracing) stand here
too: while one is on the stack, it is handed the row and its arguments instead.

The common path of what is here, and of `Op.__call__`, is there a second time in C++ (native/door.h): a
change to one wants the same change to the other, and tests/test_door.py holds them against each other.
"""

import functools

import numpy as np

from . import arrays
from .arrays import quiet
from .compiled import compiled
from .graph import Freed, Node, View, next_number, untracked
from .location import describe_location, user_location
from .modes import modes
from .saved import Packed, SavedTensor, check_kept, complain, pack, rebuild, unpack_packed
from .tensor import Tensor, wrap

ndarray = np.ndarray
INPUT, INPUTS, OUTPUT, SHAPE, DTYPE = range(5)  # what kind of thing a row saves (a parameter counts as INPUT)


@compiled
def apply(op, args):
    """Run `op` on `args`, Tensors or not, in the order of its forward's parameters; Tensors out."""
    if modes.interpreters:
        return interpret(op, args)
    return execute(op, args)


def interpret(op, args):
    """Hand the row to the innermost interpreter, which stands aside while it works."""
    outer, stack = modes.interpreters[:-1], modes.interpreters
    modes.interpreters = outer
    try:
        return stack[-1].process(op, args)
    finally:
        modes.interpreters = stack


def by_example(function):
    """Decorate a function that computes with values outside of rows: inside vmap it runs on one example
    at a time."""
    return _by_interpreter(function, "by_example")


def drawing(function):
    """Decorate a function that draws random numbers: inside vmap the user says whether examples share
    them."""
    return _by_interpreter(function, "draw")


def in_likeness(function):
    """Decorate a function that makes a new tensor like another: inside vmap the new one is batched as
    that is."""
    return _by_interpreter(function, "fill")


def _by_interpreter(function, method):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        stack = modes.interpreters
        if not stack or not stack[-1].batching:
            return function(*args, **kwargs)
        modes.interpreters = stack[:-1]
        try:
            return getattr(stack[-1], method)(wrapped, args, kwargs)
        finally:
            modes.interpreters = stack

    return wrapped


def execute(op, args):
    """Run `op` on real arrays and record its node."""
    values = [a._array if isinstance(a, Tensor) else a for a in args]
    token = quiet.enter()
    try:
        narrow = op.promote_arguments(values) if op.promote is not None else None
        out = op.run(*values)
        if narrow is not None and out.dtype == np.float32:
            out = out.astype(narrow)
    except Exception as error:
        raise op.explain(error, args) from error
    finally:
        quiet.leave(token)
    if op.outputs is None:
        result = wrap(out if type(out) is ndarray else np.asarray(out))
    else:
        result = tuple([wrap(o if type(o) is ndarray else np.asarray(o)) for o in out])
    node = record(op, args, result) if modes.grad and op.inputs else None
    if op.view:
        _mark_views(op, args, result, node)
    if modes.inference and not op.view:
        for r in result if type(result) is tuple else (result,):
            r._version_counter = untracked
    return result


def needed(op, args):
    """The gradients that are wanted: a bit per differentiable input, in the order of the edges."""
    needs, bit = 0, 1
    for i in op.inputs if op.first_variadic is None else op.input_positions(args):
        a = args[i]
        if isinstance(a, Tensor) and (
            a._grad_fn is not None or a._requires or (a._view is not None and a.requires_grad)
        ):
            needs |= bit
        bit <<= 1
    return needs


def record(op, args, result):
    """Make the node of `result = op(*args)` if one of the inputs wants a gradient; give it back, or None."""
    needs = needed(op, args)
    if not needs:
        return None
    many = op.outputs is not None
    if not (
        any(op.is_differentiable_output(i, r) for i, r in enumerate(result))
        if many
        else result._array.dtype.kind in "fcV"
    ):
        return None
    plan = op._plans.get(needs) or op.plan(needs)
    node = object.__new__(op._node_class or op.node_class())
    node.plan = plan
    node.where = user_location()
    edges, bit = [], 1
    for i in op.inputs if op.first_variadic is None else op.input_positions(args):
        edges.append(args[i]._edge() if needs & bit else _NO_EDGE)
        bit <<= 1
    node.edges = edges
    node.number = (
        next_number()
    )  # after the edges: a leaf's AccumulateGrad may have been made just now, and is older
    if many and len(result) == 1:  # of a variable number, as in split
        (only,) = result
        node.shape = only._array.shape
        node.dtype = only._array.dtype
        only._grad_fn = node
    elif many:
        node.outputs = len(result)
        node.shape = [r._array.shape for r in result]
        node.dtype = [r._array.dtype for r in result]
        for i, r in enumerate(result):
            if op.is_differentiable_output(i, r):
                r._grad_fn = node
                r._output_nr = i
    else:
        array = result._array
        node.shape = array.shape
        node.dtype = array.dtype
        result._grad_fn = node
    if plan.entries:
        _save(node, plan, args, result)
    return node


_NO_EDGE = (None, 0)


_INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
    "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
    "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`. [RG011]"
)


def _save(node, plan, args, result):
    """Keep what the formulas name; of Tensors also which version of their memory it was."""
    saved, versions, holds = [], None, False
    hooked = modes.saving
    for slot, (kind, i) in enumerate(plan.entries):
        if kind == INPUT:
            a = args[i]
            if isinstance(a, Tensor):
                holds = True
                if hooked:
                    a = pack(a)
                elif a._version_counter is not None and a._version_counter.n:
                    if a._version_counter is untracked:
                        raise RuntimeError(_INFERENCE)
                    versions = versions or {}
                    versions[slot] = a._version_counter.n
            saved.append(a)
        elif kind == OUTPUT:
            holds = True
            r = result if node.op.outputs is None else result[i]
            if hooked:
                saved.append(pack(r, i))
            else:
                counter = r._versions()
                saved.append((r._array, counter))
                if counter.n:
                    versions = versions or {}
                    versions[slot] = counter.n
        elif kind == SHAPE:
            a = args[i]
            saved.append(a._array.shape if isinstance(a, Tensor) else np.shape(a))
        elif kind == DTYPE:
            a = args[i]
            saved.append(a._array.dtype if isinstance(a, Tensor) else np.asarray(a).dtype)
        else:
            many, holds = args[i:], True
            if hooked:
                many = tuple([pack(a) if isinstance(a, Tensor) else a for a in many])
            else:
                versions = versions or {}
                counters = [a._version_counter if isinstance(a, Tensor) else None for a in many]
                versions[slot] = [0 if c is None else c.n for c in counters]
            saved.append(many)
    node.saved = saved
    node.versions = versions
    node.holds = holds


def saved_before(op, args):
    """The tensors that `op(*args)` will save, as far as they are known before it runs: up to the first
    output."""
    needs = needed(op, args) if modes.grad else 0
    tensors = []
    for kind, i in op.plan(needs).entries if needs else ():
        if kind == OUTPUT:
            break
        if kind in (INPUT, INPUTS):
            tensors.extend([a for a in (args[i:] if kind == INPUTS else (args[i],)) if isinstance(a, Tensor)])
    return tensors


class RowNode(Node):
    """The node of a row: its formulas, applied to what they named."""

    versions = None
    holds = False  # saved values of tensors, and not only shapes and parameters

    def free(self, freed):
        if self.holds:
            self.saved = freed

    def run(self, g, graph, wanted=None):
        values = self.unpack(graph)
        plan = self.plan
        if plan.several and self.outputs == 1:
            g = [g]
        values.append(g)
        if plan.several:
            values.extend(g)
        if plan.joint is not None:
            formula, arguments = plan.joint
            values.append(
                plan.wanted
                if wanted is None
                else tuple([w and p for w, p in zip(wanted, plan.wanted, strict=True)])
            )
            return formula(*arguments(values))
        if plan.variadic:
            return self._run_variadic(values)
        steps = plan.steps
        if wanted is not None:
            steps = [step if w else None for step, w in zip(steps, wanted, strict=True)]
        return [None if step is None else step[0](*step[1](values)) for step in steps]

    def _run_variadic(self, values):
        grads = []
        *steps, (formula, arguments) = self.plan.steps
        for step in steps:
            grads.append(None if step is None else step[0](*step[1](values)))
        grads.extend(formula(*arguments(values)))
        return grads

    def unpack(self, graph):
        """The saved values as the formulas want them: arrays, or Tensors with their history where `graph`."""
        saved = self.saved
        if type(saved) is Freed:
            check_kept(self, saved)
        versions = self.versions
        values = []
        for slot, (kind, position) in enumerate(self.plan.entries):
            s = saved[slot]
            if kind == INPUT:
                if isinstance(s, Tensor):
                    counter = s._version_counter
                    if counter is not None:
                        expected = 0 if versions is None else versions.get(slot, 0)
                        if counter.n != expected:
                            complain(self, s._array.shape, s.dtype, counter, expected)
                    if graph and s._detached:
                        self._check_attached(s, position)
                    values.append(s if graph else s._array)
                else:
                    values.append(self._unpack_packed(s, graph) if type(s) is Packed else s)
            elif kind == OUTPUT:
                if type(s) is Packed:
                    values.append(self._unpack_packed(s, graph))
                    continue
                array, counter = s
                expected = 0 if versions is None else versions.get(slot, 0)
                if counter.n != expected:
                    complain(self, array.shape, arrays._FROM_NUMPY[array.dtype], counter, expected)
                values.append(rebuild(self, array, self.plan.entries[slot][1], counter) if graph else array)
            elif kind == INPUTS:
                many = []
                for i, a in enumerate(s):
                    if isinstance(a, Tensor):
                        counter, expected = a._version_counter, versions[slot][i] if versions else 0
                        if counter is not None and counter.n != expected:
                            complain(self, a._array.shape, a.dtype, counter, expected)
                        many.append(a if graph else a._array)
                    else:
                        many.append(self._unpack_packed(a, graph) if type(a) is Packed else a)
                values.append(tuple(many))
            else:
                values.append(s)
        return values

    def _check_attached(self, saved, position):
        """Check that an input that `detach_` took out of its graph had none when it was saved."""
        inputs = self.op.inputs
        had_history = position in inputs and self.edges[inputs.index(position)][0] is not None
        if had_history and not saved.requires_grad:
            raise RuntimeError(
                "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(): its "
                "derivative would be lost. Use the out-of-place .detach() instead "
                f"(saved by {self.name()}, made at {describe_location(self.where)}) [RG002]"
            )

    def differentiates(self, output, tensor):
        """Whether `tensor`, this node's output number `output`, has a gradient."""
        return self.op.is_differentiable_output(output, tensor)

    def _unpack_packed(self, packed, graph):
        value = unpack_packed(packed, self)
        return value if graph else value._array

    def saved_output(self, slot):
        """Which of the node's outputs is kept in a slot."""
        return self.plan.entries[slot][1]

    def __getattr__(self, attribute):
        """`_saved_x`, `_saved_result`: what the node keeps; `_raw_saved_x`: the same, as SavedTensors."""
        if attribute.startswith(("_saved_", "_raw_saved_")) and "plan" in self.__dict__:
            raw = attribute.startswith("_raw")
            slot = self.plan.slot_of(attribute.partition("saved_")[2])
            if slot is not None:
                return self._raw(slot) if raw else self.unpack(True)[slot]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{attribute}' [RG136]")

    def _raw(self, slot):
        check_kept(self, self.saved)
        value = self.saved[slot]
        if self.plan.entries[slot][0] != INPUTS:
            return SavedTensor.of(self, slot)
        kept = self.saved[slot] = list(value)
        return tuple([SavedTensor.of(self, i, kept) for i in range(len(kept))])


# --- views ----------------------------------------------------------------------------------------


def _mark_views(op, args, result, node):
    """Tie the outputs of a view row to the memory and the history of the input that they look into."""
    source = args[0]
    if not isinstance(source, Tensor):
        return
    counter = source._versions()
    # no gradient flows (bytes read as another dtype), no history follows
    if not op.inputs or counter is untracked:
        for r in (result,) if op.outputs is None else result:
            r._version_counter, r._grad_fn = counter, None
        return
    seen = source._view
    base = source if seen is None else seen.base
    kind = None if seen is None else seen.kind
    dual = None if seen is None else seen.dual
    if dual is not None and dual[0] is None:
        dual = (source, dual[1])
    if modes.inference:
        kind = "inference"
    elif not modes.grad:
        kind = "no_grad"
    rest = args[1:]
    many = op.outputs is not None
    for i, r in enumerate(result if many else (result,)):
        r._version_counter = counter
        step = (op.pick(i) if many else op, rest)
        chain = (step,) if seen is None else (*seen.chain, step)
        r._view = View(base, chain, counter.n, "multi" if many and kind is None else kind, dual)
