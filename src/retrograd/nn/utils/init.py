"""skip_init: a module whose parameters' first values don't matter."""

import inspect

from ...core.random import default_generator
from ..modules.module import Module


def skip_init(module_cls, *args, **kwargs):
    """Make a module to be filled afterwards, with no effect on the random numbers that follow.

    PyTorch leaves its parameters uninitialised; here they have their usual values, which may not be relied
    upon.
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls} [RG064]")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization [RG064]")
    state = default_generator.get_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        default_generator.set_state(state)
