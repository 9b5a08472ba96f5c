"""Modules as functions of their parameters: `functional_call`, `stack_module_state`."""

import contextlib

from ..core.op import TABLE


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Call `module` with other parameters and buffers, given by name, in the place of its own.

    parameter_and_buffer_dicts: a dict, or several of them. tie_weights: a name given for a shared parameter holds for
    its other names too. strict: all names must be given, and no others.
    """
    given = parameter_and_buffer_dicts
    if not isinstance(given, dict):
        given = {k: v for d in given for k, v in d.items()}
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with swapped(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


@contextlib.contextmanager
def swapped(module, given, tie_weights=True, strict=False):
    """While this holds, the module has the tensors in `given` under those names."""
    own = {
        name: (owner, store, key)
        for path, owner in module.named_modules(remove_duplicate=False)
        for store in (owner._parameters, owner._buffers)
        for key in store
        if store[key] is not None
        for name in [f"{path}.{key}" if path else key]
    }
    unknown = [name for name in given if name not in own]
    missing = [name for name in own if name not in given]
    if strict and (unknown or missing):
        raise RuntimeError(
            f"functional_call: strict=True, but unexpected names {unknown} and missing names {missing} were found"
        )
    places = []
    for name, value in given.items():
        if name not in own:
            raise KeyError(f"functional_call: the module has no parameter or buffer named '{name}'")
        owner, store, key = own[name]
        original = store[key]
        same = [(owner, store, key)]
        if tie_weights:
            same = [(o, s, k) for o, s, k in own.values() if s[k] is original]
            others = [n for n, (_, s, k) in own.items() if s[k] is original and n != name and n in given]
            if any(given[n] is not value for n in others):
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted([name, *others])}, which are tied. Consider "
                    "using tie_weights=False"
                )
        places += [(s, k, original, value) for _, s, k in same]
    try:
        for store, key, _, value in places:
            store[key] = value
        yield
    finally:
        for store, key, original, _ in places:
            store[key] = original


def stack_module_state(models):
    """(parameters, buffers) of several models of one architecture, stacked: what `vmap` over `functional_call` wants."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {k: _stack([dict(m.named_parameters())[k] for m in models]) for k in dict(models[0].named_parameters())}
    buffers = {k: _stack([dict(m.named_buffers())[k] for m in models]) for k in dict(models[0].named_buffers())}
    return params, buffers


def _stack(tensors):
    if len({t.requires_grad for t in tensors}) > 1:
        raise RuntimeError("Expected tensors from each model to have the same .requires_grad")
    stacked = TABLE["stack"](0, *[t.detach() for t in tensors])
    return stacked.requires_grad_(tensors[0].requires_grad)
