"""TorchDispatchMode: the user's own interpreter at the door, which sees every operation that is computed.

It stands furthest from the user, behind levels of vmap and of forward mode, and below the graph: its
`__torch_dispatch__` runs without a graph, and what it returns becomes the operation's result, whose gradient
is the operation's own. Operations are seen as PyTorch's operators where there is one (see `_ops.py`);
writes in place are seen as the operations that make the new values.
"""

from ._ops import operator_of
from .core.apply import _mark_views, record
from .core.modes import modes
from .core.tensor import Tensor, wrap


class DispatchLevel:
    """What stands at the door for a mode."""

    batching = False

    def __init__(self, mode):
        self.mode = mode

    def enter(self):
        stack = modes.interpreters
        first = [i for i in stack if isinstance(i, DispatchLevel)]
        modes.interpreters = (*first, self, *[i for i in stack if not isinstance(i, DispatchLevel)])

    def exit(self):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])

    def process(self, op, args):
        function, given, kwargs = operator_of(op, args)
        before, modes.grad = modes.grad, False
        try:
            out = self.mode.__torch_dispatch__(function, (), given, kwargs)
        finally:
            modes.grad = before
        if op.outputs is None:
            result = _fresh(function, out)
        else:
            result = tuple([_fresh(function, o) for o in out])
        node = record(op, args, result) if modes.grad and op.inputs else None
        if op.view:
            _mark_views(op, args, result, node)
        return result

    def process_function(self, cls, args, kwargs):
        """A custom Function is no operation; those in it are."""
        modes.interpreters = (*modes.interpreters, self)
        return cls._call(args, kwargs)


def _fresh(function, out):
    if not isinstance(out, Tensor):
        raise TypeError(
            f"__torch_dispatch__ must return a Tensor for {function}, but it returned {type(out).__name__}"
        )
    result = wrap(out._array)
    result._version_counter = out._version_counter
    return result


class TorchDispatchMode:
    """A context in which each operation is handed to `__torch_dispatch__(self, func, types, args, kwargs)`.

    func: an operator, as `torch.ops.aten.mm.default`. What is computed in `__torch_dispatch__` is not handed
    to it again, but to the mode around it: `func(*args, **kwargs)` does what would have been done.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} must define __torch_dispatch__")

    def __enter__(self):
        levels = self.__dict__.setdefault("_levels", [])
        levels.append(DispatchLevel(self))
        levels[-1].enter()
        return self

    def __exit__(self, *exc):
        self._levels.pop().exit()


class without_modes:
    """A context in which no TorchDispatchMode sees what is computed."""

    def __enter__(self):
        self._before = modes.interpreters
        modes.interpreters = tuple([i for i in self._before if not isinstance(i, DispatchLevel)])

    def __exit__(self, *exc):
        modes.interpreters = self._before


def current_modes():
    """The modes that hold, the innermost last."""
    return [i.mode for i in modes.interpreters if isinstance(i, DispatchLevel)]
