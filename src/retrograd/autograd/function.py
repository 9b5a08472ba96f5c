"""Function: a differentiable operation of the user's, with its own backward."""

import functools
import inspect
import warnings
import weakref

import numpy as np

from ..core import inplace
from ..core.graph import Node, View, modes, next_number, no_grad, user_location
from ..core.saved import Packed, SavedTensor, check_kept, complain, pack, rebuild, unpack_packed
from ..core.tensor import Tensor, wrap
from ..forward import DualLevel

__all__ = [
    "BackwardCFunction", "Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction",
    "once_differentiable",
]  # fmt: skip


class FunctionCtx:
    """What `forward` and `backward` of a Function share: `ctx`, for the user's attributes and for what is
    said here.

    The node in the graph (`grad_fn`) holds it, and shows its attributes; what else it is asked for, it asks
    the node.
    """

    materialize_grads = True
    _materialize_non_diff_grads = True
    _is_pure_view = False
    needs_input_grad = ()
    to_save = ()
    dirty_tensors = ()
    non_differentiable = ()
    saved_for_forward = ()
    _in_jvp = False

    def __init__(self, node=None):
        self._node = None if node is None else weakref.ref(node)

    def __getattr__(self, name):
        # an AttributeError of the user's unpack hook led here
        if name in ("saved_tensors", "saved_variables"):
            return getattr(FunctionCtx, name).fget(self)
        node = self.__dict__.get("_node")
        node = node and node()
        if node is None or name.startswith("__") or name == "ctx":
            raise AttributeError(f"this ctx has no attribute '{name}'; set it in forward or setup_context")
        return object.__getattribute__(node, name)

    @property
    def saved_tensors(self):
        """What `save_for_backward` kept, with its history; in `jvp`, what `save_for_forward` kept."""
        if self._in_jvp:
            return self.saved_for_forward
        node = self._node and self._node()
        if node is None:
            raise RuntimeError(
                "saved_tensors: the graph of this ctx is gone, and with it what was saved (as when backward "
                "goes through "
                "the graph a second time)"
            )
        return node.unpack()

    @property
    def saved_variables(self):
        """Deprecated: `saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs, outputs or others, or None) for backward: `ctx.saved_tensors` there."""
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        """Keep tensors for the function's `jvp`: `ctx.saved_tensors` there."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_forward can only save tensors or None, got {type(t).__name__}")
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors):
        """Say which inputs `forward` changed in place; each must also be returned."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        """Say which outputs have no gradient."""
        self.non_differentiable = tensors

    def mark_shared_storage(self, *pairs):
        """Deprecated, does nothing: sharing of memory is noticed."""
        warnings.warn(
            "mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked.",
            FutureWarning,
            stacklevel=2,
        )

    def set_materialize_grads(self, value):
        """Whether backward gets zeros (True, the default) or None for outputs that nothing depends on."""
        self.materialize_grads = bool(value)


class FunctionNode(Node):
    """The node of one call of a Function. It has an edge for each tensor among the arguments."""

    function = None  # the user's class
    saved_outputs = ()  # for each saved tensor: its number where it is an output, else None
    versions = ()
    tensor_outputs = ()
    differentiable_outputs = ()
    dirty_outputs = ()
    is_tensor = ()  # for each argument of forward: whether it was a tensor
    _accessed = False

    def __getattr__(self, name):
        ctx = self.__dict__.get("ctx")
        if ctx is None or name.startswith("__"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return object.__getattribute__(ctx, name)

    def unpack(self):
        """The saved tensors, with their history."""
        check_kept(self, self.saved)
        if self.function.clear_saved_tensors_on_access:
            if self._accessed:
                raise RuntimeError(
                    "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set "
                    "on the "
                    "autograd.Function. Either access saved_tensors only once, or set "
                    "clear_saved_tensors_on_access=False."
                )
            self._accessed = True
        values = tuple([self._unpack(slot) for slot in range(len(self.saved))])
        if self._accessed:
            self.saved = []
        return values

    def _unpack(self, slot):
        value, output = self.saved[slot], self.saved_outputs[slot]
        if value is None:
            return None
        if type(value) is Packed:
            return unpack_packed(value, self)
        array, counter = value if type(value) is tuple else (value._array, value._version_counter)
        if counter.n != self.versions[slot]:
            complain(self, array.shape, wrap(array).dtype, counter, self.versions[slot])
        return value if output is None else rebuild(self, array, output, counter)

    @property
    def _raw_saved_tensors(self):
        check_kept(self, self.saved)
        return tuple([SavedTensor.of(self, slot) for slot in range(len(self.saved))])

    def saved_output(self, slot):
        """Which of the node's outputs is kept in a slot."""
        return self.saved_outputs[slot]

    def differentiates(self, output, tensor):
        """Whether `tensor`, this node's output number `output`, has a gradient."""
        return output in self.differentiable_outputs

    def run(self, g, graph, wanted=None):
        grads = list(g) if self.outputs > 1 else [g]
        if not graph:
            grads = [None if x is None else wrap(np.asarray(x)) for x in grads]
        if self.ctx.materialize_grads:
            grads = [self._zeros(i) if x is None and self._wants_zeros(i) else x for i, x in enumerate(grads)]
        result = self._user_backward()(self.ctx, *grads)
        return self._checked(list(result) if isinstance(result, (tuple, list)) else [result], graph)

    def _wants_zeros(self, output):
        if output in self.differentiable_outputs:
            return True
        return self.ctx._materialize_non_diff_grads and output in self.tensor_outputs

    def _zeros(self, output):
        if self.outputs == 1:
            return wrap(np.zeros(self.shape, self.dtype))
        return wrap(np.zeros(self.shape[output], self.dtype[output]))

    def _user_backward(self):
        """The user's `backward` or `vjp`."""
        cls = self.function
        backward = cls.backward is not Function.backward
        if backward and cls.vjp is not Function.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only "
                f"implement one of them ({cls.__name__})."
            )
        return cls.backward if backward else cls.vjp

    def _checked(self, grads, graph):
        """The gradients for the tensors among the arguments, from what backward returned for all
        arguments."""
        count = len(self.is_tensor)
        if len(grads) > count and all(x is None for x in grads[count:]):
            del grads[count:]
        if len(grads) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got "
                f"{len(grads)}): backward must return one for each argument of forward, None for those that "
                "need none"
            )
        kept = []
        for i, (x, is_tensor) in enumerate(zip(grads, self.is_tensor, strict=True)):
            if x is None:
                if is_tensor:
                    kept.append(None)
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {i + 1}, "
                    "but the "
                    "corresponding forward input was not a Variable"
                )
            if not isinstance(x, Tensor):
                raise RuntimeError(
                    f"expected Variable or None (got {type(x).__name__}), at position {i + 1} of what the "
                    "backward of "
                    f"{self.name()} returned"
                )
            kept.append(x if graph else x._array)
        return kept

    def name(self):
        return type(self).__name__


BackwardCFunction = FunctionNode


class _FunctionMeta(type):
    """Gives each Function the class of its nodes, which looks up what the user's class defines."""

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._backward_cls = type(name + "Backward", (FunctionNode,), {"function": cls, "_forward_cls": cls})


_NO_BACKWARD = (
    "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
    "backward "
    "mode AD."
)
_INSTANCE = frozenset(
    "next_functions name register_hook register_prehook _register_hook_dict _sequence_nr _set_sequence_nr "
    "_input_metadata metadata".split()
)


class Function(metaclass=_FunctionMeta):
    """Base class of custom operations: define static `forward(ctx, *args)` and `backward(ctx,
    *grad_outputs)`.

    Or, apart: `forward(*args)` and `setup_context(ctx, inputs, output)`. Call it by
    `MyFunction.apply(*args)`. forward
    runs without a graph; backward returns a gradient (or None) for each argument of forward. `jvp(ctx,
    *tangents)` is
    its rule in forward mode.
    """

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke "
            "them on the class itself: use .apply(...).",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd "
            f"function with static forward method, and {type(self).__name__}.apply(...)."
        )

    def __getattr__(self, name):
        if name in _INSTANCE:
            raise RuntimeError(
                f"Attribute '{name}' is invalid for an instance of a Function: it belongs to the node that "
                f"{type(self).__name__}.apply(...) makes, the grad_fn of what it returns"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError(_NO_BACKWARD)

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward and record a node whose backward is this class's."""
        if cls.setup_context is not Function.setup_context:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        if modes.interpreters:
            stack = modes.interpreters
            if modes.plain_functions and stack[-1].batching:
                return call_inside(stack, cls, args, kwargs)
            modes.interpreters = stack[:-1]
            try:
                if isinstance(stack[-1], DualLevel):
                    return call_with_tangents(stack[-1], cls, args, kwargs)
                return stack[-1].process_function(cls, args, kwargs)
            finally:
                modes.interpreters = stack
        return call(cls, args, kwargs)


class InplaceFunction(Function):
    """A Function that may change its inputs in place; kept for old code, `ctx.mark_dirty` is what says so."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Kept for old code that names it; a Function takes tensors among its arguments, not in nested lists."""


def call(cls, args, kwargs=None):
    """The body of `Function.apply`, on real tensors."""
    _, outputs, _ = run_forward(cls, args, kwargs or {})
    return outputs


def run_forward(cls, args, kwargs):
    """Run the user's forward and record its node: (node, outputs, whether one tensor came)."""
    node = object.__new__(cls._backward_cls)
    node.ctx = ctx = FunctionCtx(node)
    node.where = user_location()
    node.is_tensor = [isinstance(a, Tensor) for a in args]
    ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
    tensors = [a for a in args if isinstance(a, Tensor)]
    record = modes.grad and any(ctx.needs_input_grad)
    edges = [t._edge() if record and t.requires_grad else (None, 0) for t in tensors]
    with no_grad():
        if cls.setup_context is Function.setup_context:
            outputs = cls.forward(ctx, *args, **kwargs)
        else:
            outputs = cls.forward(*args, **kwargs)
            cls.setup_context(ctx, args, outputs)
    single = not isinstance(outputs, tuple)
    results = [outputs] if single else list(outputs)
    node.number = next_number()
    node.edges = edges
    if any(isinstance(r, Tensor) for r in results):
        _check_dirty(node, tensors, results)
        results = _attach(node, tensors, results, record)
        node.dirty_outputs = [_is_in(r, ctx.dirty_tensors) for r in results]
        ctx.dirty_tensors = ()  # a view among them would lead back to this node
    if record:
        _keep(node, results)
    return node, (results[0] if single else tuple(results)), single


def _is_in(tensor, tensors):
    return any(tensor is t for t in tensors)


def _check_dirty(node, inputs, results):
    for t in node.ctx.dirty_tensors:
        if not _is_in(t, results):
            raise RuntimeError(
                f"Some elements marked as dirty during the forward method of {node.name()} were not returned "
                "as output. "
                "The inputs that are modified inplace must all be outputs of the Function."
            )
        if not _is_in(t, inputs):
            message = (
                "ctx.mark_dirty() received a tensor that was not an input. Only inputs that the forward of "
                f"{node.name()} "
                "changed in place should be passed to it."
            )
            if t._view is not None:
                raise RuntimeError(message)
            warnings.warn(message, UserWarning, stacklevel=5)


def _attach(node, inputs, results, record):
    """Make the results outputs of the node: fresh ones in place, returned inputs as views, dirty ones
    rebased."""
    node.outputs = len(results)
    node.tensor_outputs = tensor_outputs = [i for i, r in enumerate(results) if isinstance(r, Tensor)]
    node.shape = [r._array.shape if isinstance(r, Tensor) else () for r in results]
    node.dtype = [r._array.dtype if isinstance(r, Tensor) else np.dtype(np.float32) for r in results]
    node.differentiable_outputs = {
        i
        for i in tensor_outputs
        if record
        and results[i]._array.dtype.kind in "fcV"
        and not _is_in(results[i], node.ctx.non_differentiable)
    }
    if len(results) == 1:
        node.shape, node.dtype = node.shape[0], node.dtype[0]
    several = len({id(results[i]) for i in node.differentiable_outputs}) > 1
    if node.ctx._is_pure_view and (len(tensor_outputs) != 1 or len(inputs) != 1):
        raise RuntimeError(
            "Pure view custom Function can only have one input Tensor and one output Tensor. Open an issue "
            "if you need to "
            "support more."
        )
    attached = {}
    for i in tensor_outputs:
        r = results[i]
        if id(r) not in attached:
            attached[id(r)] = r, _attach_one(node, i, inputs, r, len(results) > 1, several)
        elif i in node.differentiable_outputs and not _is_in(r, node.ctx.dirty_tensors):
            _point(attached[id(r)][1], node, i)  # returned twice: the last place counts
        results[i] = attached[id(r)][1]
    return results


def _attach_one(node, i, inputs, r, many, several):
    differentiable = i in node.differentiable_outputs
    if _is_in(r, node.ctx.dirty_tensors):
        r._versions().bump()
        if differentiable:
            _rebase_dirty(r, node, i, many)
        elif _is_in(r, node.ctx.non_differentiable):
            r._grad_fn, r._requires = None, False
        return r
    if _is_in(r, inputs):
        if not differentiable and r.requires_grad:
            return r.detach()
        r = _whole_view(r)
    if differentiable:
        _point(r, node, i)
    elif r._view is None:
        r._grad_fn, r._requires = None, False
    node.is_view = bool(node.ctx._is_pure_view)
    if r._view is not None:
        if not modes.grad:
            kind = "inference" if modes.inference else "no_grad"
        else:
            kind = None if node.ctx._is_pure_view else "multi" if several else "custom"
        _set_kind(r, kind)
    return r


def _point(x, node, output):
    """Give `x` the node's output number `output` as its place in the graph."""
    x._grad_fn, x._output_nr, x._requires = node, output, False
    if x._view is not None:
        _set_kind(x, x._view.kind)


def _whole_view(x):
    """An input returned as it is becomes a view of all of it."""
    with no_grad():
        return x.view_as(x)


def _set_kind(x, kind):
    """Say why the view `x` may not be written to; as of now, its place in the graph is the one it has."""
    x._view = View(x._view.base, x._view.chain, x._version_counter.n, kind, x._view.dual)


def _rebase_dirty(x, node, output, many):
    if x._view is None and x._requires and x._grad_fn is None:
        raise RuntimeError(
            "a leaf Variable that requires grad has been used in an in-place operation: do it under "
            "torch.no_grad(), or on "
            "a clone()."
        )
    if x._view is not None:
        inplace.check_history(x, node.name())
        if many:
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function "
                "cannot return "
                "more than one Tensor. Make sure that the input is no view (clone() it), or split the "
                "Function in two."
            )
    result = wrap(x._array)
    result._grad_fn, result._output_nr = node, output
    inplace.rebase(x, result)


def _keep(node, results):
    """Save what the user asked to be saved, now that the outputs are known."""
    hooked = modes.saving
    saved, outputs, versions = [], [], []
    for i, t in enumerate(node.ctx.to_save):
        output = None
        if t is not None and not isinstance(t, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
            )
        if t is not None:
            places = [j for j, r in enumerate(results) if r is t and j in node.differentiable_outputs]
            output = places[0] if places else None
        outputs.append(output)
        versions.append(0 if t is None else t._versions().n)
        if t is None:
            saved.append(None)
        elif hooked:
            saved.append(pack(t, output))
        else:
            saved.append(t if output is None else (t._array, t._version_counter))
    node.saved, node.saved_outputs, node.versions = saved, outputs, versions
    node.ctx.to_save = ()


def call_inside(stack, cls, args, kwargs):
    """`Function.apply` under vmap without a rule for it: what forward and jvp compute is batched row by row.

    For gradcheck alone: no gradient flows through the node.
    """
    duals = [i for i in stack if isinstance(i, DualLevel)]
    modes.interpreters = tuple([i for i in stack if i.batching])
    try:
        return call_with_tangents(duals[-1], cls, args, kwargs) if duals else call(cls, args, kwargs)
    finally:
        modes.interpreters = stack


# --- forward mode ---------------------------------------------------------------------------------


def call_with_tangents(level, cls, args, kwargs):
    """`Function.apply` in forward mode: run forward, then the user's `jvp` on the tangents of `level`."""
    tangents = [level.tangent(a) for a in args]
    node, outputs, single = run_forward(cls, args, kwargs)
    if all(t is None for t in tangents):
        return outputs
    if node.ctx.materialize_grads:
        tangents = [
            wrap(np.zeros_like(a._array))
            if t is None and isinstance(a, Tensor) and a._array.dtype.kind in "fcV"
            else t
            for a, t in zip(args, tangents, strict=True)
        ]
    node.ctx._in_jvp = True
    try:
        results = cls.jvp(node.ctx, *tangents)
    finally:
        node.ctx._in_jvp = False
    results = results if isinstance(results, tuple) else (results,)
    outs = (outputs,) if single else outputs
    if len(results) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}.jvp returned an incorrect number of forward gradients: expected {len(outs)}, "
            "got "
            f"{len(results)}"
        )
    for i, (out, t) in enumerate(zip(outs, results, strict=True)):
        if t is not None:
            _check_tangent(node, args, tangents, out, t, node.dirty_outputs[i])
            level.attach_output(out, t)
    return outputs


def _check_tangent(node, args, tangents, out, t, dirty):
    """Check that the tangent of an output stands to the inputs' tangents as the output does to the inputs."""
    differentiable = isinstance(out, Tensor) and out._array.dtype.kind in "fcV"
    if not differentiable or _is_in(out, node.ctx.non_differentiable):
        raise RuntimeError(
            f"{node.function.__name__}.jvp returned a tangent for an output that is not differentiable (or "
            "no tensor). "
            "You should return None at that position instead."
        )
    if dirty:
        own = next((s for a, s in zip(args, tangents, strict=True) if a is out), t)
        if own is not t:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the "
                "forward is "
                "modifying an input inplace, then the jvp function must modify the corresponding gradient "
                "inplace."
            )
        return
    source = out._view and next(
        (
            (a, s)
            for a, s in zip(args, tangents, strict=True)
            if isinstance(a, Tensor) and _base(a) is _base(out)
        ),
        None,
    )
    if not source or source[1] is None:
        return
    a, s = source
    if t._view is None:
        raise RuntimeError(
            "A custom Function's forward is returning a view (or an input as-is) but the jvp is not "
            "returning a view."
        )
    if _base(a) is a and t._view.base is not _base(s):
        raise RuntimeError(
            "A custom Function is returning a view but the jvp is not returning a view of the given grad "
            "input."
        )
    if t._view.base is not _base(s):
        raise RuntimeError(
            "A custom Function is returning a view but the jvp is not returning a view of the same base as "
            "the given grad "
            "input."
        )


def _base(x):
    """What `x` is a view of, as far as tangents follow it; itself if it is none."""
    if x._view is None:
        return x
    base, _ = x._view.for_tangents()
    return x if base is None else base


# --- no second derivative -------------------------------------------------------------------------


def once_differentiable(backward):
    """Decorate a `backward` that can't be differentiated again: asking for second derivatives is then an
    error."""

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        with no_grad():
            results = backward(ctx, *grads)
        if not modes.grad or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return results
        outs = results if isinstance(results, tuple) else (results,)
        ends = _Twice.apply(*[_fresh_leaf(o) for o in outs])
        ends = ends if isinstance(ends, tuple) else (ends,)
        ends = tuple([e if isinstance(o, Tensor) else o for e, o in zip(ends, outs, strict=True)])
        return ends if isinstance(results, tuple) else ends[0]

    return wrapper


def _fresh_leaf(x):
    """A tensor's values as those of a leaf; something that needs no gradient where `x` is no tensor."""
    if not isinstance(x, Tensor):
        return wrap(np.zeros(()))
    x = x.detach()
    x._requires = x._array.dtype.kind in "fcV"
    return x


class _Twice(Function):
    """Passes values on; its backward is the error of a second derivative."""

    @staticmethod
    def forward(ctx, *values):
        return tuple([v.clone() for v in values])

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


_Twice._backward_cls.__name__ = "Error"
