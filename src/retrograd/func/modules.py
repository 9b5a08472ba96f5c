"""Modules as functions of their parameters: `functional_call`, and what it needs to work under `vmap`."""

import contextlib

from ..core.op import TABLE
from ..core.tensor import Tensor


def functional_call(
    module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """Call `module` with other parameters and buffers, given by name, in the place of its own.

    parameter_and_buffer_dicts: a dict, or a list or tuple of dicts without names in common. Where forward
    writes to a buffer, the one that was given changes, and the entry of the (single) dict, not the module's.
    args: the positional arguments, or the only one. tie_weights: a name given for a shared parameter holds
    for its other names too. strict: all names must be given, and no others.
    """
    given = _one_dict(parameter_and_buffer_dicts)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _one_dict(dicts):
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, (list, tuple)):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)} [RG105]"
        )
    for d in dicts:
        if not isinstance(d, dict):
            raise ValueError(
                f"Expected all elements of parameter_and_buffer_dicts to be dicts, but got {type(d)} [RG105]"
            )
    names = [name for d in dicts for name in d]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous [RG105]"
        )
    return {name: value for d in dicts for name, value in d.items()}


@contextlib.contextmanager
def _swapped(module, given, tie_weights, strict):
    """While this holds, the module has the tensors in `given` under those names."""
    own = _places(module)
    if strict:
        _check_names(module, own, given)
    for value in given.values():
        if not isinstance(value, Tensor):
            raise TypeError(f"{value} is not an instance of torch.Tensor [RG105]")
    new = _with_tied_names(own, given) if tie_weights else given
    before = []
    try:
        for name, value in new.items():
            store, key = own[name] if name in own else _attribute(module, name)
            before.append((store, key, store.get(key)))
            store[key] = value
        yield
    finally:
        for name, (store, key, original) in zip(new, before, strict=False):
            if name in given:
                given[name] = store[key]
            if original is None and name not in own:
                del store[key]
            else:
                store[key] = original


def _places(module):
    """{name: (dict that holds it, key)} of all parameters and buffers."""
    return {
        (f"{path}.{key}" if path else key): (store, key)
        for path, owner in module.named_modules(remove_duplicate=False)
        for store in (owner._parameters, owner._buffers)
        for key, value in store.items()
        if value is not None
    }


def _attribute(module, name):
    """Where a name that is no parameter or buffer yet goes: among the attributes of its module."""
    *path, key = name.split(".")
    for part in path:
        if part not in module._modules:
            raise AttributeError(f"{type(module).__name__} has no attribute `{part}` [RG105]")
        module = module._modules[part]
    return module.__dict__, key


def _check_names(module, own, given):
    unexpected = sorted(set(given) - set(own))
    missing = sorted(set(own) - set(given))
    if not unexpected and not missing:
        return
    lines = [f"Error(s) in reparametrizing for {type(module).__name__}:"]
    for title, names in (("Unexpected", unexpected), ("Missing", missing)):
        if names:
            lines.append(f"\t{title} key(s): {', '.join(map(repr, names))}.")
    raise RuntimeError("\n".join(lines) + " [RG105]")


def _with_tied_names(own, given):
    """`given`, and for each of its names the other names of the same parameter."""
    new = dict(given)
    by_tensor = {}
    for name, (store, key) in own.items():
        by_tensor.setdefault(id(store[key]), []).append(name)
    for names in by_tensor.values():
        values = [given[n] for n in names if n in given]
        if any(v is not values[0] for v in values):
            raise ValueError(
                f"functional_call got multiple values for keys {[n for n in names if n in given]}, which are "
                "tied. Consider using tie_weights=False [RG105]"
            )
        if values:
            new.update(dict.fromkeys(names, values[0]))
    return new


def stack_module_state(models):
    """(parameters, buffers) of models of one class, stacked along a new first dimension.

    What `vmap` over `functional_call` wants. The stacked parameters are new leaves that require gradients if
    the models' do.
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0. [RG105]")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode. [RG105]"
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class. [RG105]")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    return (
        {name: _stack(name, [p[name] for p in parameters]) for name in parameters[0]},
        {name: _stack(name, [b[name] for b in buffers]) for name in buffers[0]},
    )


def _stack(name, tensors):
    if any(t.requires_grad != tensors[0].requires_grad for t in tensors):
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad [RG105]")
    if any(t.shape != tensors[0].shape for t in tensors):
        raise RuntimeError(
            f"stack_module_state: {name} has different shapes: {[list(t.shape) for t in tensors]} [RG105]"
        )
    stacked = TABLE["stack"](0, *[t.detach() for t in tensors])
    stacked.requires_grad = tensors[0].requires_grad
    return stacked


def replace_all_batch_norm_modules_(root):
    """Take the running statistics away from all batch norms in `root`, in place; gives `root` back.

    They then normalise by the batch at hand in training and evaluation, and nothing is written under vmap.
    """
    from ..nn import BatchNorm1d, BatchNorm2d, BatchNorm3d

    for module in root.modules():
        if isinstance(module, (BatchNorm1d, BatchNorm2d, BatchNorm3d)):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root
