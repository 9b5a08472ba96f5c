"""The graph that backward walks: nodes, edges, version counters, and the modes that say whether it is recorded."""

import functools
import inspect
import os
import sys
import threading
import weakref
from collections import OrderedDict
from itertools import count
from typing import NamedTuple

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class _Modes(threading.local):
    """What holds for this thread: is the graph recorded, which interpreters stand at the door."""

    grad = True
    inference = False
    interpreters = ()  # forward mode, vmap, tracing: see apply.py
    saving = ()  # (pack, unpack) pairs of saved_tensors_hooks
    saving_disabled = None  # the message of disable_saved_tensors_hooks


modes = _Modes()


class Mode:
    """A switch of a mode: sets it on entry, restores it on exit; also decorates functions and generators."""

    def __enter__(self):
        self.before = modes.grad
        modes.grad = self.value

    def __exit__(self, *exc):
        modes.grad = self.before

    def clone(self):
        return type(self)()

    def __call__(self, function):
        if inspect.isclass(function):
            raise TypeError(f"{type(self).__name__} decorates functions, not the class {function.__name__}")
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return wrapped

    def _wrap_generator(self, function):
        """The mode holds while the generator runs, and not while it is suspended."""

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            inner = function(*args, **kwargs)
            step = functools.partial(next, inner)
            try:
                while True:
                    with self.clone():
                        value = step()
                    try:
                        sent = yield value
                        step = functools.partial(inner.send, sent)
                    except GeneratorExit:
                        with self.clone():
                            inner.close()
                        raise
                    except BaseException as error:
                        step = functools.partial(inner.throw, error)
            except StopIteration as stop:
                return stop.value

        return wrapped


class no_grad(Mode):
    """Record no graph: results don't require gradients. A context manager and a decorator (`@no_grad`, `@no_grad()`)."""

    value = False

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)


class enable_grad(no_grad):
    """Record the graph again inside `no_grad`. A context manager and a decorator."""

    value = True


class set_grad_enabled(Mode):
    """Record the graph or not, by the bool `mode`; holds at once when called, and until the end as a context."""

    def __init__(self, mode):
        self.outside = modes.grad
        self.value = bool(mode)
        modes.grad = self.value

    def __enter__(self):
        modes.grad = self.value

    def __exit__(self, *exc):
        modes.grad = self.outside

    def __call__(self, function):
        modes.grad = self.outside  # as a decorator it holds inside the function only
        return super().__call__(function)

    def clone(self):
        return set_grad_enabled(self.value)

    def __repr__(self):
        return f"set_grad_enabled(mode={self.value})"


class inference_mode(Mode):
    """Record no graph, count no writes: tensors made here may not enter a graph later. A context and a decorator."""

    def __new__(cls, mode=True):
        self = super().__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        self.mode = mode
        return self

    def __enter__(self):
        self.before = modes.grad, modes.inference
        modes.inference = self.mode
        modes.grad = not self.mode

    def __exit__(self, *exc):
        modes.grad, modes.inference = self.before

    def clone(self):
        return inference_mode(self.mode)


def is_inference_mode_enabled():
    """Whether this thread is inside `inference_mode`."""
    return modes.inference


def is_grad_enabled():
    """Whether this thread records the graph."""
    return modes.grad


# --- the user's line -------------------------------------------------------------------------------------------


def user_location():
    """Where in the user's code we are, cheaply: (code, instruction) of the nearest frame outside retrograd."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_ROOT):
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def describe_location(location):
    """`file.py:12 in train: y = x * 2`, for messages; takes what `user_location` gave."""
    if location is None:
        return "an unknown line"
    import linecache

    code, instruction = location
    line = next((n for start, end, n in code.co_lines() if start <= instruction < end), code.co_firstlineno)
    text = linecache.getline(code.co_filename, line).strip()
    return f"{code.co_filename}:{line} in {code.co_name}" + (f": {text}" if text else "")


# --- memory shared by views ------------------------------------------------------------------------------------


class Version:
    """Counts the in-place writes to one piece of memory; shared by all views of it."""

    __slots__ = ("n", "where")

    def __init__(self):
        self.n = 0
        self.where = None

    def bump(self):
        self.n += 1
        self.where = user_location()


_VIEW_MODES = {"no_grad": ("no_grad", "with grad mode enabled"), "inference": ("inference", "in normal mode")}


class View:
    """How a tensor came to be a view: its base, the view rows that lead there, and the version its grad_fn is for.

    `kind` says why an in-place write with history would be wrong, if it would: "multi" for one of several outputs,
    "no_grad" or "inference" for a view made in that mode, "custom" for what a custom Function returned.
    """

    __slots__ = ("base", "chain", "version", "kind")

    def __init__(self, base, chain, version, kind=None):
        self.base = base
        self.chain = chain
        self.version = version
        self.kind = kind

    def refusal(self, x, by=None):
        """Why `x`, this view, may not be written to by `by`; without `by`: may not be used after its base was."""
        node = x._grad_fn
        made = f"Output {x._output_nr} of {node.name()} is" if node is not None else "It is"
        happened = "is being" if by else "its base or another view of its base has been"
        if self.kind in _VIEW_MODES:
            mode, here = _VIEW_MODES[self.kind]
            made = "A view was" if node is None else made + " a view of a view which was"
            text = f"{made} created in {mode} mode and {happened} modified inplace {here}."
            reason = (
                "Given that this use case is ambiguous and error-prone, it is forbidden. Move both the view and the "
                f"inplace either inside the {mode.replace(' ', '_')} block (if you don't want the inplace to be tracked) "
                "or outside (if you do)."
            )
        elif self.kind == "multi":
            text = f"{made} a view and {happened} modified inplace."
            reason = (
                "This view is the output of a function that returns multiple views. Such functions do not allow the "
                "output views to be modified inplace: use the out-of-place operation instead."
            )
        else:
            text = f"{made} a view and {happened} modified inplace."
            reason = (
                "This view was created inside a custom Function (or because an input was returned as-is): a write to it "
                "would override the Function's backward. clone() the output of the custom Function."
            )
        return f"{text} {reason}" + (f" (in {by})" if by else "")

    def check_leads_to(self, x, array):
        """Check that the chain, applied to the base, still gives `x`'s array; the base may have been reshaped in place."""
        a, b = x._array.__array_interface__, array.__array_interface__
        if a["shape"] != b["shape"] or (a["data"] != b["data"] and x._array.size):
            raise RuntimeError(
                f"a view of shape {list(x._array.shape)} is used after its base was reshaped in place (by unsqueeze_, "
                "transpose_ and the like): make the view after that, or use the out-of-place form"
            )


# --- nodes -----------------------------------------------------------------------------------------------------

next_number = count(1).__next__


class Freed:
    """Stands in a node where saved values were; remembers the line of the backward that let them go."""

    __slots__ = ("where",)

    def __init__(self):
        self.where = user_location()


class Node:
    """One step of the backward walk: takes the gradient of an output, gives the gradients of the inputs.

    `edges` has an entry per differentiable input: (node, output number), or (None, 0) where no gradient is wanted.
    `shape` and `dtype` are those of the output (lists of them where `outputs` > 1): gradients that arrive are
    brought to that form. `number` counts up as nodes are made: a consumer is always younger than what it consumes.
    """

    edges = ()
    saved = ()
    outputs = 1
    where = None
    tensor_hooks = None  # {output number: OrderedDict of hooks on that gradient}
    pre_hooks = None
    post_hooks = None
    retained = None  # {output number: weak reference to the Tensor whose .grad is wanted}
    tangents = None  # {output number: {level of forward mode: Tensor}}, see forward.py
    _metadata = None

    def run(self, g, graph):
        """The gradients of the inputs, one per edge (None where there is none).

        `g` is the gradient of the output (a list where there are several): arrays when `graph` is false, Tensors
        when it is true.
        """
        raise NotImplementedError

    def free(self, freed):
        """Let the saved values go."""
        if self.saved:
            self.saved = freed

    def name(self):
        return type(self).__name__

    @property
    def metadata(self):
        """A dictionary for the user's notes."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @property
    def next_functions(self):
        return tuple(self.edges)

    @property
    def _sequence_nr(self):
        return self.number

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after this node ran; it may return other grad_inputs."""
        if self.post_hooks is None:
            self.post_hooks = OrderedDict()
        return Handle(self.post_hooks, hook)

    def register_prehook(self, hook):
        """Call `hook(grad_outputs)` before this node runs; it may return other grad_outputs."""
        if self.pre_hooks is None:
            self.pre_hooks = OrderedDict()
        return Handle(self.pre_hooks, hook)

    def hooks_of(self, output):
        """The ordered hooks on the gradient of output number `output`, made when first asked for."""
        if self.tensor_hooks is None:
            self.tensor_hooks = {}
        return self.tensor_hooks.setdefault(output, OrderedDict())

    def __repr__(self):
        return f"<{self.name()} object at {id(self):#x}>"


class GradientEdge(NamedTuple):
    """One gradient in the graph: the node it goes into, and which output's gradient of that node it is."""

    node: Node
    output_nr: int
    ownership_token: object = None


class AccumulateGrad(Node):
    """Where the walk ends: adds what arrives to a leaf's `.grad`."""

    post_accumulate = None

    def __init__(self, variable):
        self.variable = variable
        self.number = next_number()
        self.shape = variable._array.shape
        self.dtype = variable._array.dtype

    @property
    def tensor_hooks(self):
        hooks = self.variable._hooks
        return None if hooks is None else {0: hooks}

    @tensor_hooks.setter
    def tensor_hooks(self, value):
        raise AttributeError("hooks on a leaf's gradient belong to the leaf: use Tensor.register_hook")

    def hooks_of(self, output):
        if self.variable._hooks is None:
            self.variable._hooks = OrderedDict()
        return self.variable._hooks


def accumulator(leaf):
    """The leaf's AccumulateGrad, the same one as long as some graph holds it."""
    node = leaf._accumulator and leaf._accumulator()
    if node is None:
        node = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(node)
    return node


class Handle:
    """What registering a hook returns; `remove()` takes the hook away. Also a context manager."""

    next_id = count().__next__

    def __init__(self, hooks, hook, prepend=False, extra=()):
        self.id = Handle.next_id()
        self.hooks_dict_ref = weakref.ref(hooks)
        self.extra = [weakref.ref(d) for d in extra]
        hooks[self.id] = hook
        if prepend:
            hooks.move_to_end(self.id, last=False)

    def remove(self):
        for ref in (self.hooks_dict_ref, *self.extra):
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return self.hooks_dict_ref(), self.id, [ref() for ref in self.extra]

    def __setstate__(self, state):
        hooks, self.id, extra = state
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra = [weakref.ref(d) for d in extra if d is not None]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()
