"""`torch.backends.cpu`: what the processor can do."""

from .. import kernels as _kernels


def get_cpu_capability():
    """The instruction set that the kernels use, in capitals, as PyTorch writes it."""
    return _kernels.native.isa().upper() if _kernels.available() else "DEFAULT"
