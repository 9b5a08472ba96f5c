"""Checkpoints with reentrance: a forward without a graph, and in backward a forward with one and its own
backward."""

import warnings

from ..autograd.function import Function
from ..autograd.walks import backward
from ..core.modes import enable_grad, modes, no_grad
from ..core.tensor import Tensor
from ..random import get_rng_state
from .recompute import _random_state


def check_backward_validity(inputs):
    """Warn where no input requires gradients."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def detach_variable(inputs):
    """The tensors in a tuple detached, requiring gradients as they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__} [RG023]"
        )
    out = []
    for x in inputs:
        if isinstance(x, Tensor):
            required = x.requires_grad
            x = x.detach()
            x.requires_grad = required
        out.append(x)
    return tuple(out)


class CheckpointFunction(Function):
    """The operation of `checkpoint(..., use_reentrant=True)`."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.random = get_rng_state() if preserve_rng_state else None
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if modes.task.targets is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
                "`inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or "
                "call "
                ".backward() without passing the `inputs` argument. [RG023]"
            )
        args = list(ctx.args)
        for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = tensor
        args = detach_variable(tuple(args))
        with _random_state(ctx.random), enable_grad():
            outputs = ctx.run_function(*args)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        chosen = [
            (o, g) for o, g in zip(outputs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad
        ]
        if not chosen:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary [RG023]"
            )
        backward([o for o, _ in chosen], [g for _, g in chosen])
        return None, None, *[a.grad if isinstance(a, Tensor) else None for a in args]
