"""`torch.backends` for scripts that set its switches: which backends there are (none but the CPU's) and their
flags.
"""


class _Backend:
    """A backend that is not there; its switches can be set and have nothing to act on."""

    def __init__(self, **switches):
        self.__dict__.update(switches)

    def is_available(self):
        return False

    def is_built(self):
        return False


class _Flags(_Backend):
    def version(self):
        return None

    def flags(self, **switches):
        """A context in which switches are set; nothing reads them."""
        import contextlib

        return contextlib.nullcontext()


cudnn = _Flags(enabled=False, benchmark=False, deterministic=False, allow_tf32=False)
cuda = _Flags(matmul=_Backend(allow_tf32=False, allow_fp16_reduced_precision_reduction=False))
mps = _Backend()
mkl = _Backend()
mkldnn = _Flags(enabled=False)
openmp = _Backend()


class _Cpu:
    def get_cpu_capability(self):
        """The instruction set that the kernels use, in capitals, as PyTorch writes it."""
        from . import kernels

        return kernels.native.isa().upper() if kernels.available() else "DEFAULT"


cpu = _Cpu()
