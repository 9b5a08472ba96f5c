"""The backward walk: from the roots' gradients down to the leaves, newest node first.

Nodes are numbered as they are made and a consumer is younger than what it consumes, so a heap on that
number is a topological order: when a node comes up, everything that will ever add to its gradient
already has. No counting pass, no recursion, and sums are formed in the same order in each run.

The common path of `_walk` and what it calls is there a second time in C++ (native/walk.cpp): a change to one
wants the same change to the other, and tests/test_door.py holds them against each other.
"""

import sys
import threading
from heapq import heappop, heappush

import numpy as np

from .core.anomaly import run_watched
from .core.apply import RowNode
from .core.arrays import quiet
from .core.compiled import compiled
from .core.graph import AccumulateGrad, Freed
from .core.location import anomaly, describe_location
from .core.modes import modes
from .core.op import ELEMENTWISE, TABLE, zeros_like
from .core.tensor import Tensor, wrap
from .core.threads import count

_accumulating = threading.Lock()  # several threads may add to one leaf
# autograd/watch.py adds itself: called before and after `.grad` of a leaf is added to
accumulation_watchers = []


class Task:
    """One backward walk, for the hooks and formulas that run in it and ask about it.

    `node` is the one that runs now, or whose hooks do; `callbacks` are called at the end of the walk.
    """

    __slots__ = (
        "_reached", "accumulate", "callbacks", "graph", "keep", "needed", "node", "number", "roots",
        "targets",
    )  # fmt: skip
    next_number = count(1).__next__

    def __init__(self, roots, needed, targets, accumulate, keep, graph):
        self.number = Task.next_number()
        self.roots, self.needed, self.targets = roots, needed, targets
        self.accumulate, self.keep, self.graph = accumulate, keep, graph
        self.callbacks, self.node, self._reached = [], None, None

    def reached(self):
        """The nodes that this walk goes to."""
        if self._reached is None:
            self._reached, stack = set(), [node for node, _ in self.roots]
            while stack:
                node = stack.pop()
                if node in self._reached or node is None or not (self.needed is None or node in self.needed):
                    continue
                self._reached.add(node)
                stack.extend([target for target, _ in node.edges])
        return self._reached

    def order(self):
        """The nodes that are still to run, in the order in which they will; the first is running now."""
        left = [n for n in self.reached() if self.node is None or n.number <= self.node.number]
        return sorted(left, key=lambda n: -n.number)


def walk(roots, gradients, *, keep=False, graph=False, tensors=False, targets=None, accumulate=True):
    """Run the graph backward from `roots`, edges (node, output number), with their `gradients`, Tensors.

    keep: don't free what the nodes saved. graph: record the walk itself, for second derivatives.
    tensors: let Tensors pass through the formulas, not arrays, as interpreters at the door want.
    targets: a dict from edges to None, filled with the gradients that arrive there; only nodes on the
    way to them run. accumulate: add to `.grad` of the leaves (those among the targets, if there are
    targets).
    """
    if modes.walks and modes.walks % _DEPTH == 0:  # formulas that walk, and so on: Python's stack has an end
        options = {
            "keep": keep,
            "graph": graph,
            "tensors": tensors,
            "targets": targets,
            "accumulate": accumulate,
        }
        return in_thread(walk, roots, gradients, **options)
    needed = _on_the_way(roots, targets, accumulate) if targets is not None else None
    token, before = quiet.enter(), (modes.grad, modes.task, modes.node, modes.saving)
    modes.grad, modes.task = graph, Task(roots, needed, targets, accumulate, keep, graph)
    modes.walks += 1
    try:
        _walk(roots, gradients, needed, None if keep else Freed(), graph or tensors, targets, accumulate)
        while modes.task.callbacks:
            modes.task.callbacks.pop(0)()
    finally:
        modes.walks -= 1
        modes.grad, modes.task, modes.node, modes.saving = before
        quiet.leave(token)


@compiled
def _walk(roots, gradients, needed, freed, graph, targets, accumulate):
    """The walk itself. graph: whether Tensors pass through the formulas."""
    pending, owned, heap = {}, set(), []
    zeros_stay, task = modes.zero_gradient == "always", modes.task
    for (node, output), g in zip(roots, gradients, strict=True):
        if needed is None or node in needed:
            _deliver(node, output, g if graph else g._array, pending, owned, heap, graph, None)
    while heap:
        node = task.node = heappop(heap)[1]
        g = pending.pop(node)
        owned.discard(node)
        if node.outputs > 1:
            owned.difference_update([(node, i) for i in range(node.outputs)])
        if node.tensor_hooks or node.retained:
            g = _run_tensor_hooks(node, g, graph)
        leaf = type(node) is AccumulateGrad
        if targets is not None:
            _capture(node, g, targets, graph)
            if not (accumulate if leaf else needed[node]):
                continue
        if node.pre_hooks:
            g = _run_hooks_before(node, g, graph)
        if leaf:
            _accumulate(node, g, graph)
            continue
        try:
            wanted = None if needed is None else [target in needed for target, _ in node.edges]
            if isinstance(node, RowNode) and (g is None or (node.outputs > 1 and not _any(g))):
                grads = [None] * len(node.edges)
            elif anomaly.on:
                grads = run_watched(node, g, graph, wanted)
            else:
                grads = node.run(g, graph, wanted)
        except Exception as error:
            _add_note(error, node)
            raise
        if zeros_stay:
            grads = _zero_where_zero(node, g, grads, graph)
        if node.post_hooks:
            grads = _run_hooks_after(node, grads, g, graph)
        if freed is not None:
            node.free(freed)
        g = None  # whoever gets the array next may then be its only holder (see _is_ours)
        for edge, gx in zip(node.edges, grads, strict=True):
            target = edge[0]
            if target is None or (needed is not None and target not in needed):
                continue
            if gx is None:
                _announce(target, pending, heap)
            else:
                _deliver(target, edge[1], gx, pending, owned, heap, graph, node)
        grads = gx = None


def _add_note(error, node):
    """Say in whose backward `error` was raised, where no node nearer to it has said so."""
    if node.where is not None and not getattr(error, "__notes__", None):
        error.add_note(f"in the backward of {node.name()}, made at {describe_location(node.where)}")


_DEPTH = 25  # how many walks inside each other one thread takes


def in_thread(function, *args, **kwargs):
    """Call `function` in a thread of its own, in the modes of this one."""
    state, result = dict(vars(modes)), {}

    def call():
        vars(modes).update(state, walks=state.get("walks", 0) + 1)
        try:
            result["value"] = function(*args, **kwargs)
        except BaseException as error:
            result["error"] = error

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if "error" in result:
        raise result["error"]
    return result["value"]


def queue_callback(callback):
    """Call `callback()` when the backward walk that runs now is done."""
    if modes.task is None:
        raise RuntimeError("Final callbacks can only be installed during backward pass. [RG029]")
    modes.task.callbacks.append(callback)


def _deliver(node, output, g, pending, owned, heap, graph, source):
    """Add `g`, from the node `source`, to what waits for `node`, in the shape and dtype of the node's
    output."""
    if node.outputs == 1:
        shape, kind = node.shape, node.dtype
    else:
        shape, kind = node.shape[output], node.dtype[output]
    if g.shape != shape or ((g._array.dtype if graph else g.dtype) != kind and kind is not None):
        g = _fit(g, shape, kind, graph, (source, node, output))
    if node not in pending:
        _announce(node, pending, heap)
    waiting = pending[node]
    if node.outputs == 1:
        pending[node] = g if waiting is None else _add(waiting, g, node, owned, graph)
    else:
        before = waiting[output]
        waiting[output] = g if before is None else _add(before, g, (node, output), owned, graph)


def _announce(node, pending, heap):
    """Let `node` run, though no gradient has come for it yet, or none will: its hooks see None, and a custom
    Function zeros."""
    if node not in pending:
        pending[node] = None if node.outputs == 1 else [None] * node.outputs
        heappush(heap, (-node.number, node))


def _any(grads):
    """Whether any of several gradients is there."""
    return any(g is not None for g in grads)


def _add(a, b, key, owned, graph):
    """a + b; in place only into a buffer that an earlier sum of this walk made, as other arrays may be
    someone's."""
    if graph:
        return TABLE["add"](a, b)
    if key in owned and type(a) is np.ndarray:
        np.add(a, b, out=a)
        return a
    owned.add(key)
    return np.asarray(a + b)


def _fit(g, shape, kind, graph, way):
    """`g` in the form of the output it is the gradient of: broadcasting undone, dtype cast, the real
    part of a real one's."""
    if tuple(g.shape) != shape:
        _check_fits(way, tuple(g.shape), shape)
        g = TABLE["sum_to"](g, shape)
    if graph:
        if g._array.dtype != kind and kind is not None:
            g = TABLE["cast"](g, kind)
        return g
    if g.dtype != kind and kind is not None:
        g = (g.real if g.dtype.kind == "c" and kind.kind != "c" else g).astype(kind)
    return g


def _check_fits(way, given, shape):
    extra = len(given) - len(shape)
    if extra < 0 or any(n != 1 and n != given[i + extra] for i, n in enumerate(shape)):
        source, *edge = way
        name = "given to backward" if source is None else source.name()
        index = 0 if source is None else source.edges.index(tuple(edge))
        raise RuntimeError(
            f"Function {name} returned an invalid gradient at index {index} - got {list(given)} but expected "
            "shape "
            f"compatible with {list(shape)} [RG019]"
        )


def _zero_where_zero(node, g, grads, graph):
    """The gradients of an elementwise row with zeros wherever `g` is zero, though the derivative may be
    infinite."""
    op = getattr(node, "op", None)
    if op is None or op.jvp != ELEMENTWISE:
        return grads
    where = TABLE["where"]
    return [where(zeros_like(x), x, g == 0) if x is not None and x.shape == g.shape else x for x in grads]


def _on_the_way(roots, targets, accumulate):
    """Which nodes lead to a target: {node: whether it must run, or is only where a gradient is read}.

    Depth first with a stack of our own: graphs can be deeper than Python's.
    """
    ends = {node for node, _ in targets}
    found = {}
    lowest = min((node.number for node in ends), default=0)
    stack = [(node, None) for node, _ in roots]
    while stack:
        node, children = stack.pop()
        if children is None:
            if node in found:
                continue
            found[node] = False
            children = [e[0] for e in node.edges if e[0] is not None and e[0].number >= lowest]
            stack.append((node, children))
            stack.extend([(c, None) for c in children if c not in found])
        else:
            found[node] = (accumulate and node in ends) or any(found.get(c) or c in ends for c in children)
    return {node: runs for node, runs in found.items() if runs or node in ends}


# --- hooks ----------------------------------------------------------------------------------------


def _as_tensor(g, graph):
    return g if graph or g is None else wrap(np.asarray(g))


def _as_carrier(g, graph):
    return g if graph or g is None else g._array


def _run_tensor_hooks(node, g, graph):
    """Hooks on the gradients of the node's outputs, and then what retain_grad wants."""
    many = node.outputs > 1
    grads = [_as_tensor(x, graph) for x in (g if many else [g])]
    for output, hooks in (node.tensor_hooks or {}).items():
        for hook in list(hooks.values()):
            grads[output] = _checked(hook(grads[output]), grads[output], node)
    for output, ref in (node.retained or {}).items():
        tensor, x = ref(), grads[output]
        if tensor is not None and x is not None:
            before = tensor._grad
            tensor._grad = TABLE["clone"](x) if before is None else TABLE["add"](before, x)
    out = [_as_carrier(x, graph) for x in grads]
    return out if many else out[0]


def _run_hooks_before(node, g, graph):
    """Hooks on the node that see the gradients of its outputs and may replace them."""
    many = node.outputs > 1
    grads = [_as_tensor(x, graph) for x in (g if many else [g])]
    for hook in list(node.pre_hooks.values()):
        new = hook(tuple(grads))
        if new is not None:
            new = new if isinstance(new, tuple) else (new,)
            grads = [None if n is None else _checked(n, old, node) for n, old in zip(new, grads, strict=True)]
    out = [_as_carrier(x, graph) for x in grads]
    return out if many else out[0]


def _checked(new, old, node):
    """A hook's replacement for a gradient, if it is fit to be one."""
    if new is None:
        return old
    if not isinstance(new, Tensor):
        raise TypeError(
            f"a hook on {node.name()} must return a Tensor or None, not {type(new).__name__} [RG017]"
        )
    if old is None:
        raise RuntimeError(
            f"hook on {node.name()}: can't replace a None gradient with a non-None value [RG017]"
        )
    if new._array.shape != old._array.shape:
        raise RuntimeError(
            f"hook on {node.name()} has changed the size of value: from {list(old._array.shape)} to "
            f"{list(new._array.shape)} [RG017]"
        )
    if new._array.dtype != old._array.dtype:
        raise RuntimeError(
            f"hook on {node.name()} has changed the type of value: from {old.dtype} to {new.dtype} [RG017]"
        )
    return new


def _run_hooks_after(node, grads, g, graph):
    """Hooks on the node that see the gradients of the inputs and may replace them."""
    grads_in = tuple(_as_tensor(x, graph) for x in grads)
    grads_out = tuple(_as_tensor(x, graph) for x in (g if node.outputs > 1 else [g]))
    for hook in list(node.post_hooks.values()):
        new = hook(grads_in, grads_out)
        if new is not None:
            new = new if isinstance(new, tuple) else (new,)
            if len(new) != len(grads_in):
                raise RuntimeError(
                    f"hook on {node.name()} returned {len(new)} gradients, expected {len(grads_in)} [RG017]"
                )
            grads_in = new
    return [_as_carrier(x, graph) for x in grads_in]


def _capture(node, g, targets, graph):
    if node.outputs == 1:
        if (node, 0) in targets:
            targets[node, 0] = _as_tensor(g, graph)
    else:
        for output, x in enumerate(g):
            if (node, output) in targets:
                targets[node, output] = _as_tensor(x, graph)


# --- leaves ---------------------------------------------------------------------------------------


def _accumulate(node, g, graph):
    """Add `g` to the leaf's `.grad`: into the same Tensor, so that whoever holds it sees the sum."""
    leaf = node.variable
    if g is None:
        _run_hooks_of_leaf(node, g, graph)
        return
    for watcher in accumulation_watchers:
        watcher(leaf, True)
    with _accumulating:
        before = leaf._grad
        if graph:
            # a copy: the gradient may be a Tensor of the user's, whose later change must not reach .grad
            leaf._grad = TABLE["copy"](wrap(g._array), g) if before is None else TABLE["add"](before, g)
        elif before is None:
            if g.strides != leaf._array.strides and modes.grad_layout:
                g = _laid_out(g, leaf._array)
            leaf._grad = wrap(g if _is_ours(g) else np.array(g))
        else:
            np.add(before._array, g, out=before._array, casting="unsafe")
            before._versions().bump()
    for watcher in accumulation_watchers:
        watcher(leaf, False)
    if leaf._post_hooks:
        for hook in list(leaf._post_hooks.values()):
            if hook(leaf) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None. [RG017]")
    _run_hooks_of_leaf(node, g, graph)


def _run_hooks_of_leaf(node, g, graph):
    if node.post_hooks:
        for hook in list(node.post_hooks.values()):
            hook((), (_as_tensor(g, graph),))


def _laid_out(g, like):
    """`g` in the memory layout of the array `like` where that has no gaps, else in C order."""
    axes = np.argsort([-s for s in like.strides], kind="stable")
    if not like.transpose(axes).flags.c_contiguous:
        return np.ascontiguousarray(g)
    if g.transpose(axes).flags.c_contiguous:
        return g  # the strides of axes of length 1 are free
    out = np.empty(g.shape, g.dtype).reshape([like.shape[a] for a in axes]).transpose(np.argsort(axes))
    out[...] = g
    return out


def _is_ours(g):
    """Whether nobody else holds this array, so that `.grad` may keep it without a copy.

    Its holders then are: the caller's two variables on the way here, this one, and the call of
    getrefcount.
    """
    return (
        type(g) is np.ndarray
        and g.base is None
        and g.flags.owndata
        and g.flags.writeable
        and sys.getrefcount(g) <= _HOLDERS
    )


_HOLDERS = 0


def _measure_holders():
    """How many references an array has in `_is_ours` when nobody but the walk holds it, on this Python."""
    global _HOLDERS
    seen = []

    class Leaf:
        pass

    def probe(g):
        seen.append(sys.getrefcount(g))

    def accumulate(node, g, graph):
        probe(g)

    pending = {0: np.zeros(1)}
    g = pending.pop(0)
    accumulate(Leaf, g, False)
    _HOLDERS = seen[0]


_measure_holders()
