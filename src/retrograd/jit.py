"""`torch.jit` for scripts that use its decorators: functions and modules are returned as they are and run
eagerly.
"""


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
        "instead"
    )
