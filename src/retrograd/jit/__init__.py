"""`torch.jit` for scripts that use its decorators: functions and modules are returned as they are and run
eagerly.
"""

from typing import Final  # noqa: F401  scripts import it from here

from ..futures import Future  # noqa: F401  scripts import it from here


def script(obj=None, **options):
    """The function or module itself."""
    return obj


def trace(func, example_inputs=None, **options):
    """The function or module itself."""
    return func


def ignore(drop=False, **kwargs):
    """Decorator without effect."""
    return drop if callable(drop) else lambda function: function


def export(function):
    """Decorator without effect."""
    return function


unused = export


class ScriptModule:
    """A name for isinstance and annotations: nothing is of this kind here."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError(
            "torch.jit.ScriptModule: modules run eagerly here; use torch.nn.Module [RG137]"
        )


class ScriptFunction(ScriptModule):
    """A name for isinstance and annotations: nothing is of this kind here."""


RecursiveScriptModule = TopLevelTracedModule = ScriptModule


def script_method(function):
    """The function itself."""
    return function


script_if_tracing = interface = script_method


def fork(func, *args, **kwargs):
    """Run `func` now; `wait` gives its result."""
    future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future):
    """The result of `fork`."""
    return future.wait()


_fork, _wait = fork, wait
_overload = _overload_method = script_method


class TracerWarning(Warning):
    """A name for filters of warnings: nothing is traced here."""


def is_scripting():
    """False: everything runs eagerly."""
    return False


is_tracing = is_scripting


def annotate(the_type, the_value):
    return the_value


def load(f, map_location=None, **kwargs):
    """TorchScript archives hold code and are not read."""
    raise NotImplementedError(
        "torch.jit.load: a TorchScript archive holds code, which retrograd does not run; save a state_dict "
        "instead [RG137]"
    )
