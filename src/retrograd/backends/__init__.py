"""`torch.backends` for scripts that set its switches: which backends there are (none but the CPU's) and their
flags.
"""

from . import cpu, cuda, cudnn, mkl, mkldnn, mps, openmp  # noqa: F401
