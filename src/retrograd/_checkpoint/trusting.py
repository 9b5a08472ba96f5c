"""The policy of `weights_only=False` within `allow_arbitrary_code_execution()`: what a file names is run."""

import importlib
from contextlib import contextmanager
from contextvars import ContextVar

from .allowed import WeightsOnly
from .errors import CheckpointError
from .table import lookup

_allowed = ContextVar("arbitrary code execution is allowed", default=False)


@contextmanager
def allow_arbitrary_code_execution():
    """Within it, `load(f, weights_only=False)` may import and call anything that the file names.

    A pickle is a program: loading one that way runs it, with your rights, before you have seen any of it. Use
    this only for files that you wrote yourself. It holds for the current thread (and asyncio task) only.
    """
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def is_allowed():
    """Whether the caller is inside `allow_arbitrary_code_execution()`."""
    return _allowed.get()


class Trusting(WeightsOnly):
    """Imports what is not in the table of weights, and treats it as marked safe by the user."""

    def find_global(self, module, name):
        value = lookup(module, name)
        if value is None:
            value = _import(module, name)
            self.user[f"{module}.{name}"] = value
            self.user_ids.add(id(value))
        return value

    def is_hashable(self, key):
        return True

    def _is_user(self, value):
        return id(value) in self.user_ids or isinstance(value, type)


def _import(module, name):
    for place in _places(module):
        try:
            value = importlib.import_module(place)
            for part in name.split("."):
                value = getattr(value, part)
            return value
        except (ImportError, AttributeError):
            continue
    raise CheckpointError(f"the file needs {module}.{name}, which can't be imported here")


def _places(module):
    """Where to look for a module: PyTorch's under our name, and in the packages above it."""
    if module.partition(".")[0] != "torch":
        return [module]
    parts = ["retrograd", *module.split(".")[1:]]
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
