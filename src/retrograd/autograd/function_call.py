"""What `Function.apply` does: run the user's forward, make its results outputs of a node, save what it
asked for; and in forward mode run the user's `jvp`."""

import warnings

import numpy as np

from ..core import inplace
from ..core.graph import View, next_number
from ..core.location import user_location
from ..core.modes import modes, no_grad
from ..core.saved import pack
from ..core.tensor import Tensor, wrap
from ..forward import DualLevel, with_levels_of
from .function_node import FunctionCtx


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
        if cls.setup_context is node.base.setup_context:
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
                "The inputs that are modified inplace must all be outputs of the Function. [RG019]"
            )
        if not _is_in(t, inputs):
            message = (
                "ctx.mark_dirty() received a tensor that was not an input. Only inputs that the forward of "
                f"{node.name()} "
                "changed in place should be passed to it."
            )
            if t._view is not None:
                raise RuntimeError(message + " [RG019]")
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
            "support more. [RG019]"
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
            "a clone(). [RG003]"
        )
    if x._view is not None:
        inplace.check_history(x, node.name())
        if many:
            raise RuntimeError(
                "If your Function modifies inplace an input that is a view of another Tensor, your Function "
                "cannot return "
                "more than one Tensor. Make sure that the input is no view (clone() it), or split the "
                "Function in two. [RG019]"
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
                f"save_for_backward can only save variables, but argument {i} is of type "
                f"{type(t).__name__} [RG019]"
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
    """`Function.apply` under vmap without a rule for it: what forward and jvp compute is batched row by
    row.

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
    before = [t._version if isinstance(t, Tensor) else None for t in tangents]
    node.ctx._in_jvp = True
    stack = modes.interpreters
    modes.interpreters = with_levels_of(tangents)
    try:
        results = cls.jvp(node.ctx, *tangents)
    finally:
        node.ctx._in_jvp = False
        modes.interpreters = stack
    results = results if isinstance(results, tuple) else (results,)
    outs = (outputs,) if single else outputs
    if len(results) != len(outs):
        raise RuntimeError(
            f"{cls.__name__}.jvp returned an incorrect number of forward gradients: expected {len(outs)}, "
            "got "
            f"{len(results)} [RG019]"
        )
    for i, (out, t) in enumerate(zip(outs, results, strict=True)):
        if t is not None:
            given = list(zip(tangents, before, strict=True))
            _check_tangent(node, args, given, out, t, node.dirty_outputs[i])
            level.attach_output(out, t)
    return outputs


def _check_tangent(node, args, tangents, out, t, dirty):
    """Check that the tangent of an output stands to the inputs' tangents as the output does to the inputs.

    tangents: those of the inputs, each with its version before jvp ran.
    """
    differentiable = isinstance(out, Tensor) and out._array.dtype.kind in "fcV"
    if not differentiable or _is_in(out, node.ctx.non_differentiable):
        raise RuntimeError(
            f"{node.function.__name__}.jvp returned a tangent for an output that is not differentiable (or "
            "no tensor). "
            "You should return None at that position instead. [RG019]"
        )
    if dirty:
        own, version = next((s for a, s in zip(args, tangents, strict=True) if a is out), (t, None))
        if own is not t or own._version == version:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the "
                "forward is "
                "modifying an input inplace, then the jvp function must modify the corresponding gradient "
                "inplace. [RG019]"
            )
        return
    source = out._view and next(
        (
            (a, s)
            for a, (s, _) in zip(args, tangents, strict=True)
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
            "returning a view. [RG019]"
        )
    if _base(a) is a and t._view.base is not _base(s):
        raise RuntimeError(
            "A custom Function is returning a view but the jvp is not returning a view of the given grad "
            "input. [RG019]"
        )
    if t._view.base is not _base(s):
        raise RuntimeError(
            "A custom Function is returning a view but the jvp is not returning a view of the same base as "
            "the given grad "
            "input. [RG019]"
        )


def _base(x):
    """What `x` is a view of, as far as tangents follow it; itself if it is none."""
    if x._view is None:
        return x
    base, _ = x._view.for_tangents()
    return x if base is None else base
