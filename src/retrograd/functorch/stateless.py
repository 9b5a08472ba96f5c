"""Modules without state of their own: `make_functional` and what belongs to it."""

import copy

from ..func.modules import functional_call, stack_module_state
from ..nn import Module


class _Stateless(Module):
    """A module whose tensors are arguments: tuples in the order of `parameter_names` and `buffer_names`."""

    def __init__(self, model, parameter_names, buffer_names):
        super().__init__()
        self.stateless_model = model
        self.parameter_names, self.buffer_names = parameter_names, buffer_names

    def _call(self, parameters, buffers, args, kwargs):
        state = {
            **dict(zip(self.parameter_names, parameters, strict=True)),
            **dict(zip(self.buffer_names, buffers, strict=True)),
        }
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(_Stateless):
    """A module as a function of its parameters: `f(params, *args)`."""

    def forward(self, params, *args, **kwargs):
        return self._call(params, (), args, kwargs)


class FunctionalModuleWithBuffers(_Stateless):
    """A module as a function of its parameters and buffers: `f(params, buffers, *args)`."""

    def forward(self, params, buffers, *args, **kwargs):
        return self._call(params, buffers, args, kwargs)


def make_functional(model, disable_autograd_tracking=False):
    """(f, params) where f(params, *args) is what `model` computes with other parameters.

    disable_autograd_tracking: params don't require gradients, for use with `grad` and the like.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) "
            "instead. [RG105]"
        )
    names, params = _state(model.named_parameters())
    return FunctionalModule(copy.deepcopy(model), names, ()), _tracked(params, disable_autograd_tracking)


def make_functional_with_buffers(model, disable_autograd_tracking=False):
    """(f, params, buffers) where f(params, buffers, *args) is what `model` computes with others.

    disable_autograd_tracking: params don't require gradients, for use with `grad` and the like.
    """
    names, params = _state(model.named_parameters())
    buffer_names, buffers = _state(model.named_buffers())
    f = FunctionalModuleWithBuffers(copy.deepcopy(model), names, buffer_names)
    return f, _tracked(params, disable_autograd_tracking), buffers


def combine_state_for_ensemble(models):
    """(f, params, buffers) of models of one class, their tensors stacked: what `vmap(f)` wants."""
    params, buffers = stack_module_state(models)
    f = make_functional_with_buffers(models[0])[0]
    return f, tuple([p.detach() for p in params.values()]), tuple(buffers.values())


def _state(named):
    """(names, tensors) of parameters or buffers, each tensor once."""
    items = list(named)
    return tuple([name for name, _ in items]), tuple([value for _, value in items])


def _tracked(params, disable):
    return tuple([p.detach() for p in params]) if disable else params
