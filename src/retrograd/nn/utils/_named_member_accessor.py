"""Parameters and buffers of a module exchanged by name, under PyTorch's private name."""

from ...core.tensor import Tensor

_MISSING = object()


def swap_tensor(module, name, tensor, allow_missing=False):
    """Put `tensor` (or None) in the place of the parameter, buffer or attribute `name` of `module`; gives
    what was there. With allow_missing, nothing may be there, and the sentinel that comes back removes it.
    """
    if "." in name or not name:
        raise KeyError(f'a tensor name must not be empty or contain ".", got {name!r} [RG048]')
    stores = [s for s in (module._parameters, module._buffers, module.__dict__) if name in s]
    if not stores and not allow_missing:
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}` [RG136]")
    store = stores[0] if stores else module.__dict__
    before = store.get(name, _MISSING)
    if before is not None and before is not _MISSING and not isinstance(before, Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor [RG047]")
    if tensor is _MISSING:
        store.pop(name, None)
    else:
        store[name] = tensor
    return before


def set_tensor(module, name, tensor):
    """Put `tensor` in the place of the parameter or buffer `name` of `module`."""
    swap_tensor(module, name, tensor)
