"""The modes of a thread: whether the graph is recorded, and what else stands at the door; the switches
of them."""

import functools
import inspect
import threading
import warnings


class _Modes(threading.local):
    """What holds for this thread: is the graph recorded, which interpreters stand at the door."""

    grad = True
    inference = False
    interpreters = ()  # forward mode, vmap, tracing: see apply.py
    saving = ()  # (pack, unpack) pairs of saved_tensors_hooks
    saving_disabled = None  # the message of disable_saved_tensors_hooks
    task = None  # the backward walk that runs now: a Task of engine.py
    walks = 0  # how many backward walks run inside each other
    before_write = None  # called with a tensor whose memory is written to next
    node = None  # in anomaly mode: the node that runs now
    zero_gradient = "powers"  # where a gradient of zero wins over an infinite derivative
    plain_functions = False  # custom Functions need no vmap rule: see autograd/function_call.py
    multithreading = True
    forward = True  # tangents are carried on
    grad_layout = True  # `.grad` is laid out in memory as its leaf is


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
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only "
                "decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can "
                "directly decorate "
                "the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            function.__init__ = self(function.__init__)
            return function
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
    """Record no graph: results don't require gradients. A context manager and a decorator (`@no_grad`,
    `@no_grad()`)."""

    value = False

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)


class enable_grad(no_grad):
    """Record the graph again inside `no_grad`. A context manager and a decorator."""

    value = True


class set_grad_enabled(Mode):
    """Record the graph or not, by the bool `mode`; holds at once when called, and until the end as a
    context."""

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
    """Record no graph, count no writes: tensors made here may not enter a graph later. A context and a
    decorator."""

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


class Switch(Mode):
    """A mode that holds at once when called, and until the end as a context; `field` is its name in
    `modes`."""

    def __init__(self, mode):
        self.outside = getattr(modes, self.field)
        self.mode = mode
        setattr(modes, self.field, mode)

    def __enter__(self):
        setattr(modes, self.field, self.mode)

    def __exit__(self, *exc):
        setattr(modes, self.field, self.outside)

    def __call__(self, function):
        setattr(modes, self.field, self.outside)
        return super().__call__(function)

    def clone(self):
        return type(self)(self.mode)


class set_multithreading_enabled(Switch):
    """Say whether backward may use threads of its own, by the bool `mode`. It uses none on the CPU,
    either way."""

    field = "multithreading"


class zero_gradient_rule(Switch):
    """Say where a gradient of zero stays zero though the derivative is infinite, as that of `sqrt` at 0
    is.

    mode: "powers" (the default): in sqrt, pow, std and norms; "never", as in PyTorch: 0 * inf is NaN;
    "always": in every elementwise operation, so that the branch that `where` did not select never makes
    NaN.
    """

    field = "zero_gradient"

    def __init__(self, mode):
        if mode not in ("powers", "never", "always"):
            raise ValueError(
                f"zero_gradient_rule: expected 'powers', 'never' or 'always', got {mode!r} [RG048]"
            )
        super().__init__(mode)


class enforce_grad_layout_policy(Switch):
    """Say whether `.grad` is laid out in memory as its leaf is (True, the default), or as it comes."""

    field = "grad_layout"

    def __init__(self, enable=True):
        super().__init__(enable)


def is_multithreading_enabled():
    """Whether this thread lets backward use threads of its own."""
    return modes.multithreading


def is_inference_mode_enabled():
    """Whether this thread is inside `inference_mode`."""
    return modes.inference


def is_grad_enabled():
    """Whether this thread records the graph."""
    return modes.grad
