"""Custom Functions under vmap: by the user's `vmap` rule, or by running forward and backward on all
examples."""

import inspect
from typing import NamedTuple

from ..batch import BatchLevel
from ..core.op import TABLE
from ..core.tensor import Tensor
from ..utils._pytree import broadcast_prefix, tree_flatten, tree_leaves, tree_map, tree_unflatten
from .function import Function, FunctionCtx


class VmapInfo(NamedTuple):
    """What a Function's `vmap` rule is told: how many examples there are, and the `randomness` that vmap
    was given."""

    batch_size: int
    randomness: str


def process_function(level, cls, args, kwargs):
    """`Function.apply` with tensors that `level` may hide a dimension of."""
    if kwargs:
        args, kwargs = _positional(cls, args, kwargs)
    if not any([level.hides(a) for a in tree_leaves(args)]):
        return cls.apply(*args, **kwargs)
    args = level.with_tangents(args)
    own = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule and own:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to "
            "avoid ambiguity. [RG020]"
        )
    if cls.generate_vmap_rule:
        return _by_generated_rule(level, cls, args, kwargs)
    if not own:
        more = ""
        if cls.setup_context is Function.setup_context:
            more = " (In PyTorch, an autograd.Function under vmap must override the setup_context too.)"
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and "
            f"implement the vmap staticmethod or set generate_vmap_rule=True.{more} [RG020]"
        )
    return _by_own_rule(level, cls, args, kwargs)


def _positional(cls, args, kwargs):
    """The arguments of forward, those by keyword too in their places, and what has none."""
    forward = inspect.signature(cls.forward)
    first = () if cls.setup_context is not Function.setup_context else (None,)  # of old style: ctx
    bound = forward.bind(*first, *args, **kwargs)
    if any([isinstance(x, Tensor) for x in tree_leaves(list(bound.kwargs.values()))]):
        raise NotImplementedError(
            f"vmap: Run {cls.__name__}.apply with kwarg-only Tensor args: this is not supported, let forward "
            "take them by position too [RG020]"
        )
    return bound.args[len(first) :], bound.kwargs


BatchLevel.process_function = process_function


# --- the user's rule -----------------------------------------------------------------------


def _by_own_rule(level, cls, args, kwargs):
    in_dims = tree_map(lambda a: a._dim if level.hides(a) else None, tuple(args))
    values = tree_map(lambda a: a._value if level.hides(a) else a, tuple(args))
    result = cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *values, **kwargs)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"Expected {cls.__name__}.vmap to have two returns, (output, out_dims), but got "
            f"{type(result).__name__}{f' of {len(result)}' if isinstance(result, tuple) else ''} [RG020]"
        )
    output, out_dims = result
    leaves, form = tree_flatten(output)
    try:
        dims = broadcast_prefix(out_dims, form)
    except ValueError:
        raise RuntimeError(
            f"{cls.__name__}.vmap returned an incompatible (output, out_dims): the output has the structure "
            f"{form}, out_dims is {out_dims} [RG020]"
        ) from None
    hidden = [
        o if d is None or not isinstance(o, Tensor) else level.wrap(o, d % o.ndim)
        for o, d in zip(leaves, dims, strict=True)
    ]
    return tree_unflatten(hidden, form)


# --- the generated rule --------------------------------------------------------------------


def _by_generated_rule(level, cls, args, kwargs):
    hides = [level.hides(a) for a in args]
    single = []
    outputs = _OnBatch.apply(level, cls, hides, kwargs, single, *[level.front(a) for a in args])
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    outputs = [level.wrap(o) if isinstance(o, Tensor) else o for o in outputs]
    return outputs[0] if single else tuple(outputs)


class _ExampleCtx(FunctionCtx):
    """The `ctx` of the user's Function on one example: keeps to itself what the Function on the batch then
    saves."""

    _saved = ()

    @property
    def saved_tensors(self):
        return self._saved


class _OnBatch(Function):
    """A Function on whole batches that runs another one on examples."""

    generate_vmap_rule = True

    @staticmethod
    def forward(ctx, level, cls, hides, kwargs, single, *values):
        inner = ctx.inner = _ExampleCtx()
        ctx.level, ctx.cls, ctx.hides = level, cls, hides
        inner.needs_input_grad = ctx.needs_input_grad[_FIRST:]
        args = [level.wrap(v) if h else v for v, h in zip(values, hides, strict=True)]
        with level.inside():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(inner, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(inner, tuple(args), result)
        if inner.dirty_tensors:
            raise RuntimeError(
                f"vmap: {cls.__name__} changes its inputs in place (mark_dirty), for which no vmap rule can "
                "be generated: "
                "override its vmap staticmethod [RG020]"
            )
        if not isinstance(result, tuple):
            single.append(True)
            result = (result,)
        outputs = [_own(level.whole(r), values) if isinstance(r, Tensor) else r for r in result]
        ctx.set_materialize_grads(inner.materialize_grads)
        ctx.mark_non_differentiable(
            *[
                o
                for o, r in zip(outputs, result, strict=True)
                if any([r is n for n in inner.non_differentiable])
            ]
        )
        _save(ctx, inner, level, result, outputs)
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *grads):
        level, inner = ctx.level, ctx.inner
        inner._saved = _hidden_again(ctx.saved_tensors, ctx.saved_hides, level)
        grads = [None if g is None else level.wrap(g) for g in grads]
        with level.inside():
            cls = ctx.cls
            backward = cls.backward if cls.backward is not Function.backward else cls.vjp
            found = backward(inner, *grads)
        found = found if isinstance(found, tuple) else (found,)
        results = [_gradient(level, g, h) for g, h in zip(found, ctx.hides, strict=False)]
        return *[None] * _FIRST, *results

    @staticmethod
    def jvp(ctx, *tangents):
        level, inner = ctx.level, ctx.inner
        inner._saved = _hidden_again(ctx.saved_tensors, ctx.forward_hides, level)
        tangents = [
            level.wrap(t) if t is not None and h else t
            for t, h in zip(tangents[_FIRST:], ctx.hides, strict=True)
        ]
        with level.inside():
            pushed = ctx.cls.jvp(inner, *tangents)
        pushed = pushed if isinstance(pushed, tuple) else (pushed,)
        return tuple([level.whole(t) if isinstance(t, Tensor) else t for t in pushed])


_FIRST = 5  # where the user's arguments begin among those of _OnBatch


def _own(whole, values):
    """A result as a tensor of its own, if it is expanded or one of the arguments."""
    if any([whole is v for v in values]) or 0 in whole._array.strides:
        return TABLE["clone"](whole)
    return whole


def _save(ctx, inner, level, result, outputs):
    """Let the batch's ctx save what the example's ctx was told to: whole batches."""

    def whole(t):
        """The whole of a saved tensor; the very output where it is one."""
        at = next((i for i, r in enumerate(result) if r is t), None)
        return outputs[at] if at is not None else level.front(t)

    def hidden(t):
        return t is not None and (level.hides(t) or any([r is t for r in result]))

    ctx.saved_hides = [hidden(t) for t in inner.to_save]
    ctx.save_for_backward(*[None if t is None else whole(t) for t in inner.to_save])
    ctx.forward_hides = [hidden(t) for t in inner.saved_for_forward]
    ctx.save_for_forward(*[None if t is None else whole(t) for t in inner.saved_for_forward])
    inner.to_save = inner.saved_for_forward = ()


def _hidden_again(saved, hides, level):
    return tuple([level.wrap(t) if h else t for t, h in zip(saved, hides, strict=True)])


def _gradient(level, g, hides):
    """What the user's backward gave for one argument: of the whole batch, or summed where the examples
    share it."""
    if g is None:
        return None
    if hides:
        return level.whole(g)
    if level.hides(g):
        return TABLE["sum"](level.front(g), (0,), False)
    return g * level.size
