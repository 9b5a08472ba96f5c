"""A watch for two slips of training loops: sums of losses that hold graphs, and gradients that nobody
reset."""

import warnings
import weakref

from .. import engine
from ..core.apply import apply
from ..core.graph import Freed
from ..core.location import describe_location, line_of, user_location
from ..core.modes import modes
from ..core.tensor import Tensor

__all__ = ["watch"]

_DEPTH = 32  # how many nodes of a graph are looked at in search of one that backward has been through


class watch:
    """A context that warns, with the line of the user's code, of what makes training slow, big or wrong.

    - `total += loss` where the loss is a tensor of a graph that backward has been through: the sum keeps
    every step's
      graph and its tensors alive. Add `loss.item()` or `loss.detach()`.
    - a backward that adds to gradients which a step of the optimizer has already used: `zero_grad()` was
    forgotten.

    Each line is named once. It watches this thread, at the cost of some microseconds per operation.
    """

    batching = False

    def __init__(self):
        self.named = set()
        # id of a leaf -> (weak reference to it, its state when its gradient was last added to)
        self.seen = {}

    def __enter__(self):
        modes.interpreters = (self, *modes.interpreters)
        engine.accumulation_watchers.append(self._accumulates)
        return self

    def __exit__(self, *exc):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])
        engine.accumulation_watchers.remove(self._accumulates)

    def process(self, op, args):
        """What the door calls."""
        result = apply(op, args)
        if type(result) is not tuple and result._grad_fn is not None and result._array.size == 1:
            self._check_history(args)
        return result

    def process_function(self, cls, args, kwargs):
        return cls.apply(*args, **kwargs)

    def _check_history(self, args):
        for a in args:
            node = _freed_behind(a) if isinstance(a, Tensor) and a._array.size == 1 else None
            if node is not None:
                self._warn(
                    "a value of an earlier step goes into a new graph, which keeps all tensors of that step "
                    "alive: backward "
                    f"has already been through the graph of {node.name()}, made at "
                    f"{describe_location(node.where)}. "
                    "Add a number instead, loss.item(), or loss.detach()."
                )

    def _accumulates(self, leaf, before_adding):
        """Called before a gradient is added to the leaf's `.grad`, and after."""
        if not before_adding:
            self.seen[id(leaf)] = weakref.ref(leaf), _state(leaf)
            return
        ref, before = self.seen.get(id(leaf), (None, None))
        now = _state(leaf)
        if ref is None or ref() is not leaf or leaf._grad is None:
            return
        if before[0] != now[0] and before[1:] == now[1:]:
            self._warn(
                "a gradient is added to what an earlier step left in .grad: this leaf of shape "
                f"{list(leaf.shape)} was "
                "updated since, and its .grad was not reset. Call optimizer.zero_grad() in each step, before "
                "backward()."
            )

    def _warn(self, text):
        where = user_location()
        if where is None or where in self.named:
            return
        self.named.add(where)
        code, line = where[0], line_of(where)
        warnings.warn_explicit(text, UserWarning, code.co_filename, line)


def _state(leaf):
    """(version of the leaf, which gradient it has, version of that)."""
    grad = leaf._grad
    return leaf._versions().n, id(grad), 0 if grad is None else grad._versions().n


def _freed_behind(x):
    """A node behind `x` that backward has been through, among the nearest ones."""
    stack, count = [x.grad_fn], 0
    while stack and count < _DEPTH:
        node = stack.pop()
        count += 1
        if node is None:
            continue
        if type(node.saved) is Freed:
            return node
        stack.extend([target for target, _ in node.edges])
    return None
