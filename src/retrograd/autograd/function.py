"""Function: a differentiable operation of the user's, with its own backward."""

import functools
import warnings

import numpy as np

from ..core import inplace
from ..core.graph import Freed, Node, View, describe_location, modes, next_number, no_grad, user_location
from ..core.tensor import Tensor, wrap
from ..forward import DualLevel
from .saved import SavedTensor


class FunctionCtx:
    """What `forward` and `backward` of a Function share: `ctx`. It is also the node in the graph (`grad_fn`)."""

    materialize_grads = True
    needs_input_grad = ()
    _to_save = ()
    _for_forward = ()
    _dirty = ()
    _non_differentiable = ()

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs, outputs or others, or None) for backward: `ctx.saved_tensors` there."""
        self._to_save = tensors

    def save_for_forward(self, *tensors):
        """Keep tensors for the function's `jvp`."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_forward can only save tensors or None, got {type(t).__name__}")
        self._for_forward = tensors

    def mark_dirty(self, *tensors):
        """Say which inputs `forward` changed in place; each must also be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value):
        """Whether backward gets zeros (True, the default) or None for outputs that nothing depends on."""
        self.materialize_grads = bool(value)


class FunctionNode(FunctionCtx, Node):
    """The node of one call of a Function."""

    def __getattribute__(self, name):
        if name == "saved_tensors":
            return object.__getattribute__(self, "_unpack")()
        return object.__getattribute__(self, name)

    def _unpack(self):
        if type(self.saved) is Freed:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
                "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
                "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
                f"saved tensors after calling backward.\n  the values of {self.name()}, made at {describe_location(self.where)}\n"
                f"  were freed by the backward at {describe_location(self.saved.where)}"
            )
        return tuple([None if s is None else s.unpack(self) for s in self.saved])

    @property
    def saved_variables(self):
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self._unpack()

    @property
    def to_save(self):
        return self._to_save

    @property
    def dirty_tensors(self):
        return self._dirty

    @property
    def non_differentiable(self):
        return self._non_differentiable

    def run(self, g, graph):
        grads = list(g) if self.outputs > 1 else [g]
        if not graph:
            grads = [None if x is None else wrap(np.asarray(x)) for x in grads]
        if self.materialize_grads:
            shapes, kinds = (self.shape, self.dtype) if self.outputs > 1 else ([self.shape], [self.dtype])
            grads = [
                wrap(np.zeros(shapes[i], kinds[i])) if x is None and i in self.differentiable_outputs else x
                for i, x in enumerate(grads)
            ]
        cls = self.function
        backward = cls.backward if cls.backward is not Function.backward else cls.vjp
        if backward is Function.vjp:
            raise NotImplementedError(
                f"You must implement either the backward or vjp method for your custom autograd.Function ({cls.__name__}) to use "
                "it with backward mode AD."
            )
        result = backward(self, *grads)
        result = list(result) if isinstance(result, (tuple, list)) else [result]
        count = len(self.edges)
        if len(result) > count and all(r is None for r in result[count:]):
            result = result[:count]
        if len(result) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got {len(result)}): "
                "backward must return one for each argument of forward, None for those that need none"
            )
        for i, r in enumerate(result):
            if r is not None and not isinstance(r, Tensor):
                raise TypeError(
                    f"function {self.name()} returned an invalid gradient at index {i}: expected a Tensor or None but got "
                    f"{type(r).__name__}"
                )
        return result if graph else [None if r is None else r._array for r in result]

    def name(self):
        return f"{self.function.__name__}Backward"


class _FunctionMeta(type):
    """Gives each Function the class of its nodes, which looks up what the user's class defines."""

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._node_class = type(name + "Backward", (FunctionNode,), {"function": cls, "_forward_cls": cls})


class Function(metaclass=_FunctionMeta):
    """Base class of custom operations: define static `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`.

    Or, apart: `forward(*args)` and `setup_context(ctx, inputs, output)`. Call it by `MyFunction.apply(*args)`. forward
    runs without a graph; backward returns a gradient (or None) for each argument of forward.
    """

    generate_vmap_rule = False
    _is_legacy = False

    def __init__(self, *args, **kwargs):
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are all static, so you should "
            f"invoke them on the class itself: {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx, *grad_outputs):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx, *grad_inputs):
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run forward and record a node whose backward is this class's."""
        if modes.interpreters:
            stack = modes.interpreters
            modes.interpreters = stack[:-1]
            try:
                if isinstance(stack[-1], DualLevel):
                    return call_with_tangents(stack[-1], cls, args, kwargs)
                return stack[-1].process_function(cls, args, kwargs)
            finally:
                modes.interpreters = stack
        return call(cls, args, kwargs)


def call(cls, args, kwargs=None):
    """The body of `Function.apply`, on real tensors."""
    node, outputs, _ = run_forward(cls, args, kwargs or {})
    return outputs


def run_forward(cls, args, kwargs):
    """Run the user's forward and record its node: (ctx, outputs, whether one tensor came)."""
    node = object.__new__(cls._node_class)
    tracked = [isinstance(a, Tensor) and a.requires_grad for a in args]
    node.needs_input_grad = tuple(modes.grad and t for t in tracked)
    node.where = user_location()
    record = modes.grad and any(tracked)
    edges = [a._edge() if record and t else (None, 0) for a, t in zip(args, tracked, strict=True)]
    with no_grad():
        if cls.setup_context is Function.setup_context:
            outputs = cls.forward(node, *args, **kwargs)
        else:
            outputs = cls.forward(*args, **kwargs)
            cls.setup_context(node, args, outputs)
    single = not isinstance(outputs, tuple)
    results = [outputs] if single else list(outputs)
    _check_dirty(node, args, results)
    if not any(isinstance(r, Tensor) for r in results):
        _keep(node, [])
        return node, outputs, single
    node.number = next_number()
    node.edges = edges
    results = _attach(node, args, results, record)
    _keep(node, results if record else [])
    return node, (results[0] if single else tuple(results)), single


def _check_dirty(node, args, results):
    for t in node._dirty:
        if not any(t is a for a in args):
            raise RuntimeError("mark_dirty only takes inputs of forward that it changed in place")
        if not any(t is r for r in results):
            raise RuntimeError(
                f"Some elements marked as dirty during the forward method of {node.name()} were not returned as output. The inputs "
                "that are modified inplace must all be outputs of the Function."
            )


def _attach(node, args, results, record):
    """Make the results outputs of the node: fresh ones in place, returned inputs as aliases, dirty ones rebased."""
    node.outputs = len(results)
    node.shape = [r._array.shape if isinstance(r, Tensor) else () for r in results]
    node.dtype = [r._array.dtype if isinstance(r, Tensor) else np.dtype(np.float32) for r in results]
    node.differentiable_outputs = set()
    for i, r in enumerate(results):
        if not isinstance(r, Tensor):
            continue
        dirty = any(r is d for d in node._dirty)
        if dirty:
            r._versions().bump()
        silent = any(r is n for n in node._non_differentiable) or r._array.dtype.kind not in "fcV"
        if not dirty and any(r is a for a in args):
            alias = wrap(r._array)
            alias._version_counter = r._versions()
            if not silent:
                alias._view = View(
                    r if r._view is None else r._view.base, (), alias._version_counter.n, "custom"
                )
            results[i] = alias
        if silent or not record:
            if silent and dirty:
                r._grad_fn, r._requires = None, False
            continue
        node.differentiable_outputs.add(i)
        if dirty:
            _rebase_dirty(r, node, i)
        else:
            r = results[i]
            r._grad_fn, r._output_nr = node, i
            if r._view is not None:
                r._view.kind = "custom"
    if len(results) == 1:
        node.shape, node.dtype = node.shape[0], node.dtype[0]
    return results


def _rebase_dirty(x, node, output):
    if x._requires and x._grad_fn is None and x._view is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    result = wrap(x._array)
    result._grad_fn, result._output_nr = node, output
    inplace.rebase(x, result)


def _keep(node, results):
    """Save what the user asked to be saved, now that the outputs are known."""
    kept = []
    for t in node._to_save:
        if t is None:
            kept.append(None)
            continue
        if not isinstance(t, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
            )
        output = next((i for i, r in enumerate(results) if r is t and t._grad_fn is node), None)
        kept.append(SavedTensor(t, output))
    node.saved = kept
    node._to_save = ()


def call_with_tangents(level, cls, args, kwargs):
    """`Function.apply` in forward mode: run forward, then the user's `jvp` on the tangents of `level`."""
    node, outputs, single = run_forward(cls, args, kwargs)
    tangents = [level.tangent(a) for a in args]
    if all(t is None for t in tangents):
        return outputs
    if node.materialize_grads:
        tangents = [
            wrap(np.zeros_like(a._array))
            if t is None and isinstance(a, Tensor) and a._array.dtype.kind in "fcV"
            else t
            for a, t in zip(args, tangents, strict=True)
        ]
    kept = node.saved
    node.saved = [None if t is None else SavedTensor(t) for t in node._for_forward] or kept
    try:
        results = cls.jvp(node, *tangents)
    finally:
        node.saved = kept
    results = results if isinstance(results, tuple) else (results,)
    outs = (outputs,) if single else outputs
    if len(results) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}.jvp returned an incorrect number of forward gradients: expected {len(outs)}, got {len(results)}"
        )
    for out, t in zip(outs, results, strict=True):
        if t is not None and isinstance(out, Tensor):
            level.attach_output(out, t)
    return outputs


def once_differentiable(backward):
    """Decorate a `backward` that can't be differentiated again: asking for second derivatives is then an error."""

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        with no_grad():
            results = backward(ctx, *grads)
        if not modes.grad or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return results
        outs = results if isinstance(results, tuple) else (results,)
        outs = _Twice.apply(*[o.detach() if isinstance(o, Tensor) else o for o in outs], *grads)
        outs = outs if isinstance(outs, tuple) else (outs,)
        return outs[: len(results)] if isinstance(results, tuple) else outs[0]

    return wrapper


class _Twice(Function):
    """Passes values on; its backward is the error of a second derivative."""

    @staticmethod
    def forward(ctx, *values):
        return tuple(v.clone() if isinstance(v, Tensor) else v for v in values)

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
