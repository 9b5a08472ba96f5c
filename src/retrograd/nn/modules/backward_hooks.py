"""Backward hooks of a Module: identities around its inputs and outputs, whose nodes call the hooks."""

import warnings

from ...autograd.function import Function
from ...core.graph import modes
from ...core.tensor import Tensor


class BackwardHookFunction(Function):
    """Passes tensors on; its node is where a module's gradients can be seen together."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        return grads


class BackwardHooks:
    """The full backward hooks of one call of `module`: `hooks` and, before them, `pre_hooks`."""

    def __init__(self, module, pre_hooks, hooks):
        self.module = module
        self.pre_hooks = pre_hooks
        self.hooks = hooks
        self.grad_outputs = None  # between the outputs' node and the inputs'
        self.inputs = (
            None  # the positions of tensors among the arguments; None: no gradient flows into the module
        )
        self.input_count = None

    def around_inputs(self, args):
        """The module's arguments with the tensors passed through a node that calls the hooks in backward."""
        args, node, positions = _through(args)
        self.input_count = len(args)
        if node is not None:
            self.inputs = positions
            node.register_hook(self._at_inputs)
        return args

    def around_outputs(self, result):
        """The module's result with its tensors passed through a node that notes their gradients."""
        single = not isinstance(result, tuple)
        if single and not isinstance(result, Tensor):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                f"received {type(result)}",
                stacklevel=5,
            )
        outputs, node, positions = _through((result,) if single else result)
        if node is not None:
            count = len(outputs)  # a hook that held the outputs, and so its node, would be a cycle
            node.register_hook(lambda _, grads: self._at_outputs(_spread(grads, positions, count), positions))
        return outputs[0] if single else outputs

    def _at_outputs(self, grads, positions):
        for hook in self.pre_hooks:
            new = hook(self.module, grads)
            if new is not None:
                grads = _replaced(new, grads, "Backward pre hook", "grad_output")
        if self.inputs is None:
            self._without_inputs(grads)
        else:
            self.grad_outputs = grads
        return tuple(grads[i] for i in positions)

    def _without_inputs(self, grads):
        nothing = (None,) * self.input_count
        for hook in self.hooks:
            new = hook(self.module, nothing, grads)
            if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None "
                    "or None "
                    f"for all gradients, but a hook of {type(self.module).__name__} returned {new} [RG017]"
                )

    def _at_inputs(self, grads, _):
        if self.grad_outputs is None:
            return None
        grads = _spread(grads, self.inputs, self.input_count)
        for hook in self.hooks:
            new = hook(self.module, grads, self.grad_outputs)
            if new is not None:
                grads = _replaced(new, grads, "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(grads[i] for i in self.inputs)


def _replaced(new, old, what, name):
    """What a hook gave in the place of `old`, if it is as many gradients."""
    new = (new,) if isinstance(new, Tensor) else tuple(new)
    if len(new) != len(old):
        raise RuntimeError(
            f"{what} returned an invalid number of {name}, got {len(new)}, but expected {len(old)} [RG017]"
        )
    return new


def _through(values):
    """`values` with the tensors passed through an identity: (values, its node or None, their positions)."""
    positions = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not modes.grad or not any(values[i].requires_grad for i in positions):
        return values, None, positions
    new = BackwardHookFunction.apply(*[values[i] for i in positions])
    node = next(t.grad_fn for t in new if t.requires_grad)
    out = list(values)
    for i, t in zip(positions, new, strict=True):
        out[i] = t
    return type(values)(*out) if hasattr(values, "_fields") else tuple(out), node, positions


def _spread(grads, positions, count):
    full = [None] * count
    for i, g in zip(positions, grads, strict=True):
        full[i] = g
    return tuple(full)


def first_tensor(result):
    """The first Tensor in a module's result, through dicts and sequences."""
    while not isinstance(result, Tensor):
        result = (
            next(v for v in result.values() if isinstance(v, Tensor))
            if isinstance(result, dict)
            else result[0]
        )
    return result
