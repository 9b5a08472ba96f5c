"""TorchDispatchMode, and `__torch_dispatch__` of classes: the user's own interpreters at the door.

A mode sees every operation that is computed, a class those on its instances. Both stand furthest from the
user, behind levels of vmap and of forward mode, and below the graph: `__torch_dispatch__` runs without a
graph, and what it returns becomes the operation's result, whose gradient is the operation's own. Operations
are seen as PyTorch's operators where there is one (see `_ops.py`); writes in place are seen as the operations
that make the new values.
"""

import threading

from ._ops import operator_of
from .core.apply import _mark_views, apply, record
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

    def ask(self, function, kinds, given, kwargs):
        return self.mode.__torch_dispatch__(function, kinds, given, kwargs)

    def process(self, op, args):
        return self.answered(op, args, ())

    def answered(self, op, args, kinds):
        """The row's result as the user's code gives it, recorded as the row's."""
        function, given, kwargs = operator_of(op, args)
        before, modes.grad = modes.grad, False
        try:
            out = self.ask(function, kinds, given, kwargs)
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
            f"__torch_dispatch__ must return a Tensor for {function}, but it returned "
            f"{type(out).__name__} [RG107]"
        )
    result = wrap(out._array)
    if type(out) is not Tensor:  # with what the user keeps in it
        result.__class__ = type(out)
        own = {k: v for k, v in vars(out).items() if not (k.startswith("_") and hasattr(Tensor, k))}
        result.__dict__.update(own)
    result._version_counter = out._version_counter
    return result


class SubclassLevel(DispatchLevel):
    """Stands at the door while a function runs that was given tensors of classes that answer for
    operations."""

    def __init__(self):
        super().__init__(None)

    def __enter__(self):
        self.enter()

    def __exit__(self, *exc):
        self.exit()

    def process(self, op, args):
        kinds = tuple(dict.fromkeys([type(a) for a in args if answers(type(a))]))
        if not kinds:
            return apply(op, args)
        return self.answered(op, args, kinds)

    def ask(self, function, kinds, given, kwargs):
        for kind in kinds:
            out = kind.__torch_dispatch__(function, kinds, given, kwargs)
            if out is not NotImplemented:
                return out
        raise TypeError(
            f"Multiple dispatch failed for '{function}'; all __torch_dispatch__ handlers returned "
            f"NotImplemented: those of {[k.__name__ for k in kinds]} [RG107]"
        )


_answering = {}  # class -> whether it has a __torch_dispatch__ of its own


def answers(kind):
    """Whether the class defines what its instances' operations do."""
    found = _answering.get(kind)
    if found is None:
        defined = getattr(kind, "__torch_dispatch__", None)
        found = _answering[kind] = issubclass(kind, Tensor) and callable(defined)
    return found


class TorchDispatchMode:
    """A context in which each operation is handed to `__torch_dispatch__(self, func, types, args, kwargs)`.

    func: an operator, as `torch.ops.aten.mm.default`. What is computed in `__torch_dispatch__` is not handed
    to it again, but to the mode around it: `func(*args, **kwargs)` does what would have been done.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"{type(self).__name__} must define __torch_dispatch__ [RG107]")

    def __enter__(self):
        levels = self.__dict__.setdefault("_levels", [])
        levels.append(DispatchLevel(self))
        levels[-1].enter()
        return self

    def __exit__(self, *exc):
        self._levels.pop().exit()


class _Off(threading.local):
    off = False


_state = _Off()


class without_modes:
    """A context in which no TorchDispatchMode, and no class, answers for what is computed."""

    def __enter__(self):
        self._before = modes.interpreters, _state.off
        modes.interpreters = tuple([i for i in modes.interpreters if not isinstance(i, DispatchLevel)])
        _state.off = True

    def __exit__(self, *exc):
        modes.interpreters, _state.off = self._before


def anybody_answers(values):
    """Whether a class of `values`, or of those in lists among them, answers for operations."""
    return not _state.off and _any_answers(values)


def _any_answers(values):
    return any(
        _any_answers(v) if type(v) in (list, tuple) else type(v) is not Tensor and answers(type(v))
        for v in values
    )


def current_modes():
    """The modes that hold, the innermost last."""
    return [i.mode for i in modes.interpreters if isinstance(i, DispatchLevel) and i.mode is not None]
