"""The recorder: a listener that keeps an event for everything that ran; and `record_function`."""

import contextlib
import threading
import time

import numpy as np

from ..core.location import user_location
from ..core.op import Op
from ..core.tensor import Tensor
from . import observing
from .events import FunctionEvent

active = []  # the recorders that are at work


class Recorder:
    """Makes events while it is at work. shapes, memory: whether to note these."""

    def __init__(self, shapes=False, memory=False):
        self.shapes = shapes
        self.memory = memory
        self.events = []
        self._open = threading.local()
        self.started = time.perf_counter_ns()

    def start(self):
        self.started = time.perf_counter_ns()
        active.append(self)
        observing.listen(self)

    def stop(self):
        observing.leave(self)
        active.remove(self)

    # --- what the observed code calls ---

    def begin(self, what, given):
        if isinstance(what, Op):
            event = self._new(f"aten::{what.name}", "operation", user_location())
            if self.shapes:
                event.input_shapes = shapes_of(given)
        elif hasattr(what, "edges") or hasattr(what, "variable"):
            event = self._new(what.name(), "backward", getattr(what, "where", None))
            event.sequence_nr = what.number
            if self.shapes:
                event.input_shapes = shapes_of(given if isinstance(given, (list, tuple)) else [given])
        else:
            name = type(what).__name__
            event = self._new(f"Optimizer.step#{name}.step", "optimizer", user_location())
        event.start = time.perf_counter_ns()

    def end(self, result):
        now = time.perf_counter_ns()
        if not self._stack():
            return
        event = self._stack().pop()
        event.end = now
        if self.memory:
            event.own_bytes = new_bytes(result)
        first = result[0] if isinstance(result, tuple) and result else result
        node = first._grad_fn if isinstance(first, Tensor) else None
        if node is not None and event.kind == "operation":
            event.sequence_nr = node.number

    def begin_user(self, name, args):
        event = self._new(name, "user", user_location())
        event.input_shapes = [] if args is None else [args]
        event.start = time.perf_counter_ns()
        return event

    def end_user(self, event):
        now, stack = time.perf_counter_ns(), self._stack()
        if event not in stack:
            return
        while stack.pop() is not event:  # events that an error left open
            pass
        event.end = now

    def _stack(self):
        if not hasattr(self._open, "stack"):
            self._open.stack = []
        return self._open.stack

    def _new(self, name, kind, where):
        stack = self._stack()
        event = FunctionEvent(name, kind, where, threading.get_ident(), stack[-1] if stack else None)
        stack.append(event)
        self.events.append(event)
        return event


def arrays_of(value):
    """The arrays in a Tensor, an array, or a list or tuple of these."""
    if isinstance(value, Tensor):
        yield value._array
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays_of(item)


def shapes_of(given):
    """The shapes of the arrays and Tensors among arguments, [] for others, as PyTorch lists them."""
    return [list(a._array.shape if isinstance(a, Tensor) else getattr(a, "shape", ())) for a in given]


def new_bytes(result):
    """The bytes that a result takes beyond what it was made of; views take none."""
    return sum(array.nbytes for array in arrays_of(result) if array.base is None)


class record_function(contextlib.ContextDecorator):
    """Names what runs inside, in profiles: a context manager, and a decorator of functions.

    name: of the event. args: text that is shown in place of its shapes.
    """

    def __init__(self, name, args=None):
        self.name = name
        self.args = args
        self.events = []

    def _recreate_cm(self):
        return type(self)(self.name, self.args)

    def __enter__(self):
        self.events = [(r, r.begin_user(self.name, self.args)) for r in active]
        return self

    def __exit__(self, *exc):
        for recorder, event in self.events:
            recorder.end_user(event)
        self.events = []
