"""The graph in the user's hands: nodes and edges, and what happens to tensors that are saved for backward."""

import abc
import weakref

from ..core import graph as core_graph
from ..core.graph import GradientEdge
from ..core.modes import modes
from ..core.tensor import Tensor, wrap
from ..engine import queue_callback
from .function import FunctionCtx

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version", "region_activation_memory_budget",
    "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks", "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]  # fmt: skip


class Node(abc.ABC):  # noqa: B024
    """What `grad_fn` is an instance of, and a custom Function's `ctx` too: for `isinstance` alone."""


Node.register(core_graph.Node)
Node.register(FunctionCtx)


def get_gradient_edge(tensor):
    """The edge that the gradient of `tensor` goes to: an input for `grad` and `backward` that keeps no
    tensor."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients [RG005]"
        )
    return GradientEdge(*tensor._whole._edge())


def increment_version(tensor):
    """Count a write to the memory of a tensor (or of several), as if it had been changed in place.

    For code that writes behind the library's back, as through `numpy()`: backward then notices.
    """
    if isinstance(tensor, Tensor):
        tensor = (tensor,)
    try:
        tensors = list(tensor)
    except TypeError:
        tensors = [None]
    if not all(isinstance(t, Tensor) for t in tensors):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input [RG047]")
    for t in tensors:
        if not t._inference:
            t._versions().bump()


# --- saved tensors -------------------------------------------------------------------------


class saved_tensors_hooks:
    """A context in which tensors are packed when they are saved for backward, and unpacked when backward
    wants them.

    pack_hook(tensor) gives anything, unpack_hook(that) a tensor of the same values. Of several contexts
    around each other the innermost one's hooks are called. A tensor that a node made is handed over
    detached.
    """

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self):
        if not (callable(self.pack_hook) and callable(self.unpack_hook)):
            raise TypeError(
                "saved_tensors_hooks: pack_hook and unpack_hook must be callable, but they are "
                f"{type(self.pack_hook).__name__} and {type(self.unpack_hook).__name__} [RG017]"
            )
        if modes.saving_disabled is not None:
            raise RuntimeError(modes.saving_disabled)
        modes.saving = (*modes.saving, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc):
        modes.saving = modes.saving[:-1]


class save_on_cpu(saved_tensors_hooks):
    """A context in which tensors are kept in main memory until backward, and then brought back to their
    device.

    pin_memory and device_type are accepted: where all tensors are in main memory there is nothing to
    pin.
    """

    def __init__(self, pin_memory=False, device_type="cuda"):
        super().__init__(lambda t: (t.device, t.cpu()), lambda packed: packed[1].to(packed[0]))


class disable_saved_tensors_hooks:
    """A context in which hooks on saved tensors are an error, with the message `error_message`."""

    def __init__(self, error_message):
        self.error_message = error_message

    def __enter__(self):
        if modes.saving:
            raise RuntimeError(self.error_message)
        self._before = modes.saving_disabled
        modes.saving_disabled = self.error_message

    def __exit__(self, *exc):
        modes.saving_disabled = self._before


class _Handle:
    """Stands in a node for a tensor that it saved; keeps the counter of writes, so that its id stays
    taken."""

    __slots__ = ("counter", "__weakref__")

    def __init__(self, counter):
        self.counter = counter


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """A context in which tensors that were saved for backward may be changed in place: backward sees the
    old values.

    A saved tensor is copied when it, or something that shares its memory, is first written to. Gives an
    object whose `clear()` lets what was saved go. Backward must run within the context. It can't be
    nested.
    """

    def __init__(self):
        super().__init__(self._keep, self._find)
        # entries live as long as some node has the handle
        self.original = weakref.WeakKeyDictionary()  # handle -> the saved tensor's values
        self.cloned = weakref.WeakKeyDictionary()  # handle -> a copy of them, where the memory was written to
        self.tid_to_weakhandle = weakref.WeakValueDictionary()  # which memory at which version -> handle
        # id of a counter of writes -> the entries of tid_to_weakhandle that it counts for
        self._by_counter = {}

    def __enter__(self):
        if modes.before_write is not None:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested [RG021]")
        super().__enter__()
        modes.before_write = self._save_values
        return self

    def __exit__(self, *exc):
        modes.before_write = None
        super().__exit__(*exc)
        self.clear()

    def clear(self):
        """Let what was saved go: the graph that was recorded so far can't go backward any more."""
        self.original.clear()
        self.cloned.clear()
        self.tid_to_weakhandle.clear()
        self._by_counter.clear()

    def _keep(self, tensor):
        counter, array = tensor._versions(), tensor._array
        tid = (id(counter), counter.n, array.__array_interface__["data"][0], array.shape, array.strides)
        handle = self.tid_to_weakhandle.get(tid)
        if handle is None:
            handle = self.tid_to_weakhandle[tid] = _Handle(counter)
            self.original[handle] = wrap(array)
            self._by_counter.setdefault(id(counter), []).append(tid)
        return handle

    def _save_values(self, tensor):
        """Before `tensor` is written to: copy what was saved of its memory."""
        for tid in self._by_counter.pop(id(tensor._version_counter), ()):
            handle = self.tid_to_weakhandle.pop(tid, None)
            if handle in self.original:
                self.cloned[handle] = wrap(self.original.pop(handle)._array.copy())

    def _find(self, handle):
        kept = self.cloned.get(handle, self.original.get(handle))
        if kept is None:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the "
                "graph was "
                "originally recorded. [RG021]"
            )
        return kept


# --- hooks on several tensors --------------------------------------------------------------


class _MultiHandle:
    """Takes the hook away from all its tensors: `remove()`, or at the end of a `with` block."""

    def __init__(self, handles):
        self.handles = tuple(handles)

    def remove(self):
        for handle in self.handles:
            handle.remove()

    def __getstate__(self):
        return self.handles

    def __setstate__(self, state):
        self.handles = state

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call `fn` in each backward that reaches `tensors`; returns a handle with `remove()`.

    mode: "all" calls fn(gradients) once all that this backward computes are known, with None for those
    it doesn't reach; that is with the last of them where it reaches all, else at the end of the backward
    (PyTorch: with the last one that it reaches). "any" calls fn(gradient) with the first one.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode} [RG048]")
    for t in tensors:
        if not t.requires_grad:
            raise AssertionError(
                "Expected gradient function to be set: a tensor does not require gradients [RG005]"
            )
    group = _Group(len(tensors), fn)
    register = group.first if mode == "any" else group.collector
    return _MultiHandle([t.register_hook(register(i)) for i, t in enumerate(tensors)])


class _Group:
    """The gradients of several tensors that have arrived in the backward walks that run now."""

    def __init__(self, size, fn):
        self.size = size
        self.fn = fn
        self.walks = {}  # number of a walk -> what has arrived

    def _arrived(self):
        """The gradients of the walk that runs now, by number; None once they were handed over."""
        walk = modes.task.number
        if walk not in self.walks:
            self.walks[walk] = {}
            queue_callback(lambda: self._end(walk))
        return self.walks[walk]

    def _end(self, walk):
        gradients = self.walks.pop(walk)
        if gradients and len(gradients) < self.size:
            self.fn([gradients.get(i) for i in range(self.size)])

    def collector(self, i):
        """The hook of tensor number `i` that hands over the gradients together."""

        def hook(g):
            gradients = self._arrived()
            gradients[i] = g
            if len(gradients) == self.size:
                self.fn([gradients[k] for k in range(self.size)])

        return hook

    def first(self, i):
        """The hook of each tensor where the first gradient counts."""

        def hook(g):
            gradients = self._arrived()
            if not gradients:
                gradients.update(dict.fromkeys(range(self.size)))
                self.fn(g)

        return hook


# --- of compilers and devices --------------------------------------------------------------


def region_activation_memory_budget(budget):
    """In PyTorch, how much a compiled region may keep for backward; an error outside of one, so always
    here.

    For a budget without a compiler see `utils.checkpoint`.
    """
    raise RuntimeError(
        "torch.autograd.graph.region_activation_memory_budget can only be used inside a torch.compile "
        "region; it has no "
        "effect in eager mode. See torch.utils.checkpoint [RG137]"
    )


def set_warn_on_accumulate_grad_stream_mismatch(enabled):
    """Accepted, and without effect: there are no streams here whose order could be mistaken."""


def set_override_stale_capture_stream(enabled):
    """Accepted, and without effect: there are no streams here."""
