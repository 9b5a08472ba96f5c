"""The graph that backward walks: nodes, edges, views and version counters."""

import re
import weakref
from collections import OrderedDict
from typing import NamedTuple

from . import arrays
from .compiled import compiled
from .device import cpu
from .location import anomaly as anomaly
from .location import describe_location as describe_location
from .location import user_location as user_location
from .modes import enable_grad as enable_grad
from .modes import inference_mode as inference_mode
from .modes import is_grad_enabled as is_grad_enabled
from .modes import is_inference_mode_enabled as is_inference_mode_enabled
from .modes import modes as modes
from .modes import no_grad as no_grad
from .modes import set_grad_enabled as set_grad_enabled
from .size import Size
from .threads import count, making

# --- memory shared by views -----------------------------------------------------------------------


class Version:
    """Counts the in-place writes to one piece of memory; shared by all views of it."""

    __slots__ = ("n", "where")

    def __init__(self):
        self.n = 0
        self.where = None

    @compiled
    def bump(self):
        self.n += 1
        self.where = user_location()


class _Untracked(Version):
    """The counter of all tensors made in inference mode: counts nothing, and is never at a version that
    was saved."""

    __slots__ = ()

    def bump(self):
        pass


untracked = _Untracked()
untracked.n = -1

_VIEW_MODES = {
    "no_grad": ("no_grad", "with grad mode enabled", "no_grad"),
    "inference": ("inference", "in normal mode", "inference_mode"),
}


class View:
    """How a tensor came to be a view: its base, the view rows that lead there, and the version its
    grad_fn is for.

    `kind` says why an in-place write with history would be wrong, if it would: "multi" for one of
    several outputs, "no_grad" or "inference" for a view made in that mode, "custom" for what a custom
    Function returned.
    """

    __slots__ = ("base", "chain", "version", "kind", "dual")

    def __init__(self, base, chain, version, kind=None, dual=None):
        self.base = base
        self.chain = chain
        self.version = version
        self.kind = kind
        self.dual = dual

    def for_tangents(self):
        """(base, chain) for the tangents of forward mode: they end at the dual tensor that this is a
        view of, if any.

        `dual` is (that tensor, how much of the chain leads to it); for the dual tensor itself (None, all
        of it).
        """
        if self.dual is None:
            return self.base, self.chain
        tensor, steps = self.dual
        return tensor, self.chain[steps:]

    def refusal(self, x, by=None):
        """Why `x`, this view, may not be written to by `by`; without `by`: may not be used after its
        base was."""
        node = x._grad_fn
        made = (
            "It is"
            if node is None
            else f"Output {x._output_nr} of {re.sub('Backward[0-9]*$', '', node.name())} is"
        )
        happened = "is being" if by else "its base or another view of its base has been"
        if self.kind in _VIEW_MODES:
            mode, here, block = _VIEW_MODES[self.kind]
            made = "A view was" if node is None else made + " a view of a view which was"
            text = f"{made} created in {mode} mode and {happened} modified inplace {here}."
            reason = (
                "Given that this use case is ambiguous and error-prone, it is forbidden. Move both the view "
                "and the "
                f"inplace either both inside the {block} block (if you don't want the inplace to be tracked) "
                "or both outside (if you do)."
            )
        elif self.kind == "multi":
            text = f"{made} a view and {happened} modified inplace."
            reason = (
                "This view is the output of a function that returns multiple views. Such functions do not "
                "allow the "
                "output views to be modified inplace: use the out-of-place operation instead."
            )
        else:
            text = f"{made} a view and {happened} modified inplace."
            reason = (
                "This view was created inside a custom Function (or because an input was returned as-is): a "
                "write to it "
                "would override the Function's backward. clone() the output of the custom Function."
            )
        return f"{text} {reason}" + (f" (in {by})" if by else "")

    def check_leads_to(self, x, array):
        """Check that the chain, applied to the base, still gives `x`'s array; the base may have been
        reshaped in place."""
        a, b = x._array.__array_interface__, array.__array_interface__
        if a["shape"] != b["shape"] or (a["data"] != b["data"] and x._array.size):
            raise RuntimeError(
                f"a view of shape {list(x._array.shape)} is used after its base was reshaped in place (by "
                "unsqueeze_, "
                "transpose_ and the like): make the view after that, or use the out-of-place form [RG004]"
            )


# --- nodes ----------------------------------------------------------------------------------------

next_number = count(1).__next__


class Freed:
    """Stands in a node where saved values were; remembers the line of the backward that let them go."""

    __slots__ = ("where",)

    def __init__(self):
        self.where = user_location()


class Node:
    """One step of the backward walk: takes the gradient of an output, gives the gradients of the inputs.

    `edges` has an entry per differentiable input: (node, output number), or (None, 0) where no gradient
    is wanted. `shape` and `dtype` are those of the output (lists of them where `outputs` > 1): gradients
    that arrive are brought to that form. `number` counts up as nodes are made: a consumer is always
    younger than what it consumes.
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
    is_view = False  # of a custom Function that only makes a view: writes go past it

    def run(self, g, graph, wanted=None):
        """The gradients of the inputs, one per edge (None where there is none).

        `g` is the gradient of the output (a list where there are several): arrays when `graph` is false,
        Tensors when it is true. wanted: a bool per edge, False where the gradient would not be used
        (None: all are).
        """
        raise NotImplementedError(f"{type(self).__name__} must define run(g, graph) [RG144]")

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
    def requires_grad(self):
        return True

    @property
    def _input_metadata(self):
        """The shapes and dtypes of the gradients that this node takes: those of its outputs."""
        if self.outputs == 1:
            return (InputMetadata(self.shape, self.dtype),)
        return tuple([InputMetadata(s, d) for s, d in zip(self.shape, self.dtype, strict=True)])

    def _sequence_nr(self):
        return self.number

    def _set_sequence_nr(self, number):
        """Set the number by which the walk takes nodes, highest first; a consumer's must stay above its
        inputs'."""
        self.number = number

    def __call__(self, *grads):
        """Run this node alone: the gradients of its inputs, from Tensors that are the gradients of its
        outputs."""
        if len(grads) != self.outputs:
            raise TypeError(f"expected {self.outputs} arguments, got {len(grads)} instead [RG134]")
        results = tuple(self.run(list(grads) if self.outputs > 1 else grads[0], True))
        return results[0] if len(results) == 1 else results

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


class InputMetadata:
    """Shape and dtype of a gradient that a node takes."""

    is_nested_tensor = False
    is_cpp_nested_tensor = False
    device = cpu

    def __init__(self, shape, dtype):
        self.shape = Size(shape)
        self.dtype = arrays._FROM_NUMPY[dtype]


class GradientEdge(NamedTuple):
    """One gradient in the graph: the node it goes into, and which output's gradient of that node it is."""

    node: Node
    output_nr: int
    ownership_token: object = None


class AccumulateGrad(Node):
    """Where the walk ends: adds what arrives to a leaf's `.grad`."""

    def __init__(self, variable):
        self.variable = variable
        self.number = next_number()
        self.shape = variable._array.shape
        self.dtype = variable._array.dtype if variable._grad_dtype is False else variable._grad_dtype

    def name(self):
        return "torch::autograd::AccumulateGrad"

    @property
    def tensor_hooks(self):
        hooks = self.variable._hooks
        return None if hooks is None else {0: hooks}

    @tensor_hooks.setter
    def tensor_hooks(self, value):
        raise AttributeError(
            "hooks on a leaf's gradient belong to the leaf: use Tensor.register_hook [RG017]"
        )

    def hooks_of(self, output):
        if self.variable._hooks is None:
            self.variable._hooks = OrderedDict()
        return self.variable._hooks


def accumulator(leaf):
    """The leaf's AccumulateGrad, the same one as long as some graph holds it."""
    node = leaf._accumulator and leaf._accumulator()
    if node is None:
        with making:
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
