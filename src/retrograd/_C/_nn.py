"""`torch._C._nn`: those of its functions that other people's code calls."""

from ..convert import parse_to


def _parse_to(*args, **kwargs):
    """(device, dtype, non_blocking, memory format) of the arguments of `.to`; None where not given."""
    non_blocking = kwargs.get("non_blocking", False)
    device, dtype, _, memory_format = parse_to(*args, **kwargs)
    return device, dtype, non_blocking, memory_format
