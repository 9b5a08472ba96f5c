"""`torch.fx` for modules that only mark functions for it: there is no tracing here."""

from .._named import attribute_of


def wrap(fn_or_name):
    """The argument itself: the mark has no effect without tracing."""
    return fn_or_name


def symbolic_trace(root, concrete_args=None):
    """Raises NotImplementedError: programs are run as they are, never traced."""
    raise NotImplementedError(
        "torch.fx.symbolic_trace: retrograd does not trace programs; a result keeps its graph in grad_fn, "
        "and retrograd.draw.graph shows it [RG137]"
    )


__getattr__ = attribute_of("fx")
