"""Tensor: an array and its place in the graph. No maths here: `retrograd.methods` hangs the rows on it."""

import importlib
import weakref
from collections import OrderedDict

from . import arrays
from .compiled import compiled, native
from .device import cpu, device_of
from .graph import Handle, Version, accumulator, modes, untracked
from .size import Size
from .threads import making


class Tensor:
    """An n-dimensional array whose operations can be differentiated.

    Make one with `tensor(data)`, `zeros(shape)` and the like. `requires_grad=True` asks for gradients: after
    `loss.backward()` they are in `.grad`.
    """

    # Everything but the array has a default here, so that making a Tensor sets one or two attributes.
    _requires = False  # set on leaves only
    _grad = None
    _grad_fn = None
    _output_nr = 0
    _version_counter = None  # None: never written in place and never viewed
    _view = None
    _hooks = None  # of a leaf; those of a result live in its node
    _post_hooks = None
    _accumulator = None
    _retains = False
    _detached = False  # by detach_, from a graph
    _grad_dtype = False  # that of `.grad`: False for the tensor's own, None for any
    _restructured = False  # its layout in memory is the user's choice: unsqueeze_, transpose_ and the like
    _tangents = None  # {level of forward mode: Tensor}
    _pending = None  # in place of an array that waits to be made, or must not change: native/pending.h
    _twin = None  # of a detach() or .data: the Tensor it shares its array with, see ops/shape.py's view
    name = None

    __array_priority__ = 1000  # ndarray * Tensor asks the Tensor

    # --- subclasses: see overrides.py ---

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if not cls.__module__.startswith("retrograd."):
            importlib.import_module("retrograd.overrides").meet(cls)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """What a function does that is given instances of a subclass: its results are of that class."""
        return importlib.import_module("retrograd.overrides").default(cls, func, types, args, kwargs)

    @staticmethod
    def _make_subclass(cls, data, require_grad=False, dispatch_sizes_strides_policy=None):
        """A tensor of class `cls` with the memory of `data`, outside its graph."""
        return importlib.import_module("retrograd.overrides").make_subclass(cls, data, require_grad)

    @staticmethod
    def _make_wrapper_subclass(
        cls, size, strides=None, storage_offset=None, memory_format=None, dtype=None, layout=None,
        device=None, pin_memory=False, requires_grad=False, *args, **kwargs,
    ):  # fmt: skip
        """A tensor of class `cls` that looks like one of this size and dtype; it has no memory of its own."""
        overrides = importlib.import_module("retrograd.overrides")
        return overrides.make_wrapper_subclass(cls, size, dtype, requires_grad)

    # --- what it is ---

    @property
    def shape(self):
        return tuple.__new__(Size, self._array.shape)

    @property
    def ndim(self):
        return self._array.ndim

    @property
    def dtype(self):
        return arrays._FROM_NUMPY[self._array.dtype]

    @property
    def device(self):
        return cpu if self._array.base is None else device_of(self._array)

    @property
    def layout(self):
        return strided

    @property
    def itemsize(self):
        return self._array.itemsize

    @property
    def _whole(self):
        """Itself; inside vmap, where `_array` has the shape of one example and no values, the tensor of
        all."""
        return self

    @property
    def nbytes(self):
        return self._array.nbytes

    # --- its place in the graph ---

    @property
    def requires_grad(self):
        """Whether gradients flow to this tensor. May be set on leaves of floating or complex dtype."""
        return (
            self._requires
            or self._grad_fn is not None
            or (self._view is not None and self._view.base.requires_grad)
        )

    @requires_grad.setter
    def requires_grad(self, value):
        value = bool(value)
        if self.grad_fn is not None:
            if not value:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a "
                    "computed "
                    "variable in a subgraph that doesn't require differentiation use var_no_grad = "
                    "var.detach(). [RG022]"
                )
            return
        if value and self._array.dtype.kind not in "fcV":
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients, this one is "
                f"{self.dtype}; "
                "convert it first, for instance with .float() [RG009]"
            )
        if value and self._inference and not modes.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed. [RG011]"
            )
        self._requires = value

    @property
    def is_leaf(self):
        """True where no operation of the graph made it: the user did, or it requires no gradient."""
        return self.grad_fn is None

    @property
    def grad_fn(self):
        """The node that made this tensor, or None for a leaf."""
        view = self._view
        if view is not None and view.version != self._version_counter.n:
            self._follow_base(view)
        return self._grad_fn

    def _follow_base(self, view):
        """After a write to the shared memory: derive this view's node anew from what its base has become."""
        if not view.base.requires_grad:
            return
        if view.kind is not None and view.kind != "multi":
            raise RuntimeError(view.refusal(self) + " [RG004]")
        before = modes.grad
        modes.grad = True
        try:
            fresh = view.base
            for op, args in view.chain:
                fresh = op(fresh, *args)
        finally:
            modes.grad = before
        view.check_leads_to(self, fresh._array)
        if self._retains and self._grad_fn is not None and self._grad_fn.retained:
            self._grad_fn.retained.pop(self._output_nr, None)
        self._grad_fn, self._output_nr = fresh._grad_fn, fresh._output_nr
        view.version = self._version_counter.n
        if self._retains and self._grad_fn is not None:
            self._retain_on_node()

    @property
    def output_nr(self):
        return self._output_nr

    @property
    def _version(self):
        if self._version_counter is untracked:
            raise RuntimeError("Inference tensors do not track version counter. [RG011]")
        return 0 if self._version_counter is None else self._version_counter.n

    @property
    def _base(self):
        return None if self._view is None else self._view.base

    def _is_view(self):
        return self._view is not None

    @property
    def _inference(self):
        """Whether it was made in inference mode."""
        return self._version_counter is untracked

    @compiled
    def _versions(self):
        """The counter of writes to this tensor's memory, made when it is first needed."""
        if self._version_counter is None:
            with making:
                if self._version_counter is None:
                    self._version_counter = Version()
        return self._version_counter

    @property
    def grad(self):
        """The gradient accumulated here by backward: None, or a Tensor of this one's shape and dtype."""
        if self._grad is None and not self._requires and not self._retains and self.grad_fn is not None:
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
                "attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be "
                "populated "
                "for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the "
                "non-leaf Tensor "
                "by mistake, make sure you access the leaf Tensor instead.",
                UserWarning,
                stacklevel=2,
            )
        if self._grad is not None:
            self._grad._array  # noqa: B018  a gradient that waits (core/deferred.py) is an ordinary one from here on
        return self._grad

    @grad.setter
    @compiled
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got {type(value).__name__} [RG014]"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad [RG014]")
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: the tensor is {list(self._array.shape)}, "
                    f"the gradient {list(value._array.shape)} [RG014]"
                )
            expected = self._array.dtype if self._grad_dtype is False else self._grad_dtype
            if expected is not None and value._array.dtype != expected:
                raise RuntimeError(
                    f"assigned grad has data of a different type: attempting to assign a gradient with dtype "
                    f"'{value.dtype}' to a tensor with grad_dtype '{arrays._FROM_NUMPY[expected]}' "
                    f"({_type_name(expected)}); convert it, or set the tensor's grad_dtype [RG014]"
                )
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    @property
    def grad_dtype(self):
        """The dtype that gradients are brought to as they are added to `.grad` of this leaf; None keeps
        theirs."""
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors. [RG022]")
        if self._grad_dtype is None:
            return None
        return self.dtype if self._grad_dtype is False else arrays._FROM_NUMPY[self._grad_dtype]

    @grad_dtype.setter
    def grad_dtype(self, value):
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors. [RG022]")
        if self._grad is not None and value is not None and value != self._grad.dtype:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{value}' because there is already a gradient of dtype "
                f"'{self._grad.dtype}'; "
                "set grad to None first [RG022]"
            )
        self._grad_dtype = None if value is None else value.numpy
        node = self._accumulator and self._accumulator()
        if node is not None:
            node.dtype = self._grad_dtype

    @property
    def volatile(self):
        import warnings

        warnings.warn("volatile was removed (Variable.volatile is always False)", UserWarning, stacklevel=2)
        return False

    @property
    def retains_grad(self):
        return self._retains

    def retain_grad(self):
        """Keep this result's gradient in `.grad` too, as if it were a leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False [RG017]")
        if self.is_leaf or self._retains:
            return
        self._retains = True
        self._retain_on_node()

    def _retain_on_node(self):
        node = self._grad_fn
        if node.retained is None:
            node.retained = {}
        node.retained[self._output_nr] = weakref.ref(self)

    def register_hook(self, hook, *, prepend=False):
        """Call `hook(grad)` when this tensor's gradient is known; what it returns, if not None, replaces it.

        Returns a handle with `remove()`.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient [RG017]")
        node = self.grad_fn
        if node is not None:
            hooks = node.hooks_of(self._output_nr)
        else:
            hooks = self._hooks = OrderedDict() if self._hooks is None else self._hooks
        return Handle(hooks, hook, prepend=prepend)

    @property
    def _backward_hooks(self):
        return self._hooks

    @_backward_hooks.setter
    def _backward_hooks(self, hooks):
        self._hooks = hooks

    def __delattr__(self, name):
        if name in ("data", "requires_grad", "_grad_fn", "_backward_hooks"):
            raise RuntimeError(f"{name} of a tensor can't be deleted [RG022]")
        object.__delattr__(self, name)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(leaf)` after backward has added to this leaf's `.grad`. Returns a handle with
        `remove()`."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient [RG017]")
        if not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors [RG017]")
        if self._post_hooks is None:
            self._post_hooks = OrderedDict()
        return Handle(self._post_hooks, hook)

    def _edge(self):
        """(node, output number) that this tensor's gradient goes to; its own AccumulateGrad if it is a
        leaf."""
        node = self._grad_fn if self._view is None else self.grad_fn
        return (accumulator(self), 0) if node is None else (node, self._output_nr)

    # --- the same memory, outside the graph ---

    @compiled
    def detach(self):
        """The same values, outside the graph: shares memory and its count of writes, requires no gradient."""
        out = self._outside()
        out._version_counter = self._versions()
        return out

    @compiled
    def _outside(self):
        """A Tensor of the same array outside the graph, which knows this one where the memory may be laid out
        anew."""
        out = wrap(self._array)
        if not self._array.flags.c_contiguous:
            out._twin = weakref.ref(self)
        return out

    @property
    def data(self):
        """The same memory outside the graph; writes through it are not noticed by backward. Prefer
        `detach()`."""
        return self._outside()

    @data.setter
    @compiled
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__} [RG022]")
        array = value._array
        if array.dtype.kind not in "fcV" and self.requires_grad:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype [RG009]"
            )
        self._array = array
        self._accumulator = None  # its shape or dtype may be another now

    def _alias(self):
        """Another Tensor for the same place in the graph: what an in-place operation takes as its old
        input."""
        out = wrap(self._array)
        self.grad_fn  # noqa: B018  a stale view follows its base first
        out._grad_fn, out._output_nr, out._requires = self._grad_fn, self._output_nr, self._requires
        out._version_counter = self._versions()
        out._tangents = self._tangents
        if self._grad_fn is None and self._requires:
            out._grad_fn, out._output_nr = accumulator(self), 0
        return out


if native is not None:
    Tensor._array = native.array_when_looked_at


def wrap(array, _new=object.__new__):
    """A Tensor around `array`, sharing its memory; outside the graph."""
    t = _new(Tensor)
    t._array = array
    return t


def sequence_of(kind, members):
    """A list or tuple of the class `kind`, which may be a named tuple's, with these members."""
    return getattr(kind, "_make", kind)(members)


def _type_name(kind):
    """`HalfTensor` for float16: PyTorch's older names of tensors by dtype."""
    name = {"float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double"}.get(
        kind.name, kind.name
    )
    return name + "Tensor"


class _Layout:
    """How a tensor lies in memory. All are strided here; `compat` has the names of the others."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return self.name


strided = _Layout("strided")
