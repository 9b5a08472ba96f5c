"""`torch.compiler` for programs that ask it: nothing is compiled here, functions run as they are written."""

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
    "substitute_in_graph",
]

import contextlib

from .settings import compile


def is_compiling():
    """False: everything runs eagerly."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn=None, recursive=True, *, reason=None):
    """The function itself, or a decorator that gives it."""
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn):
    """The function itself."""
    return fn


def assume_constant_result(fn):
    """The function itself."""
    return fn


def substitute_in_graph(original_fn, *, can_constant_fold_through=False, skip_signature_check=False):
    """A decorator that gives the function itself."""
    return allow_in_graph


def list_backends(exclude_tags=("debug", "experimental")):
    """No compiler: an empty list."""
    return []


def reset():
    """Nothing was compiled, so nothing is forgotten."""


def cudagraph_mark_step_begin():
    """Without effect."""


@contextlib.contextmanager
def set_stance(stance="default", *, skip_guard_eval_unsafe=False, force_backend=None):
    """A context without effect."""
    yield
