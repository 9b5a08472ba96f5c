"""Full backward hooks of a Module: identities around its inputs and outputs whose nodes call the hooks."""

from ...autograd.function import Function
from ...core.tensor import Tensor


class _Identity(Function):
    """Passes tensors on; its node is where a module's gradients can be seen together."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.mark_non_differentiable(*[t for t in tensors if not t.requires_grad])
        return tuple(t.detach() for t in tensors)

    @staticmethod
    def backward(ctx, *grads):
        return grads


class BackwardHooks:
    """One call of a module with backward hooks."""

    def __init__(self, module, global_pre, global_hooks):
        self.module = module
        self.pre_hooks = [*global_pre.values(), *module._backward_pre_hooks.values()]
        self.hooks = [*global_hooks.values(), *module._backward_hooks.values()]
        self.grad_outputs = None
        self.input_count = None
        self.tracks_inputs = False

    def around_inputs(self, args):
        """The module's arguments with the tensors passed through a node that calls the hooks in backward."""
        args, node, positions = _through(args)
        self.input_count = len(args)
        if node is not None:
            self.tracks_inputs = True

            def after(grad_inputs, _):
                if self.grad_outputs is None:
                    return None
                return self._call_hooks(_spread(grad_inputs, positions, self.input_count), positions)

            node.register_hook(after)
        return args

    def around_outputs(self, result):
        """The module's result with its tensors passed through a node that notes their gradients."""
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, tuple):
            return result
        outputs, node, positions = _through((result,) if single else result)
        if node is not None:
            count = len(outputs)

            def before(grads):
                full = _spread(grads, positions, count)
                for hook in self.pre_hooks:
                    new = hook(self.module, full)
                    if new is not None:
                        full = new if isinstance(new, tuple) else (new,)
                self.grad_outputs = full
                if not self.tracks_inputs:
                    self._call_hooks((None,) * self.input_count, None)
                return tuple(full[i] for i in positions)

            node.register_prehook(before)
        return outputs[0] if single else outputs

    def _call_hooks(self, grad_inputs, positions):
        given = grad_inputs
        for hook in self.hooks:
            new = hook(self.module, grad_inputs, self.grad_outputs)
            if new is not None:
                if positions is None:
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None."
                    )
                new = new if isinstance(new, tuple) else (new,)
                if len(new) != len(grad_inputs):
                    raise RuntimeError(
                        f"Backward hook returned an invalid number of grad_input, got {len(new)}, but expected {len(grad_inputs)}"
                    )
                grad_inputs = new
        self.grad_outputs = None
        return None if grad_inputs is given else tuple(grad_inputs[i] for i in positions)


def _through(values):
    """`values` with its tensors passed through one identity: (values, its node or None, the tensors' positions)."""
    positions = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not any(values[i].requires_grad for i in positions):
        return values, None, positions
    new = _Identity.apply(*[values[i] for i in positions])
    node = next(t.grad_fn for t in new if t.requires_grad)
    out = list(values)
    for i, t in zip(positions, new, strict=True):
        out[i] = t
    return tuple(out), node, positions


def _spread(grads, positions, count):
    full = [None] * count
    for i, g in zip(positions, grads, strict=True):
        full[i] = g
    return tuple(full)
