"""How this installation computes, under PyTorch's names."""

from .kernels import get_num_threads
from .version import __version__


def show():
    """The build in words. (`USE_MKL=OFF` and the like are what programs look for in PyTorch's.)"""
    return (
        f"retrograd, with the interface of PyTorch {__version__}\n"
        "  - NumPy, and kernels of its own where they are compiled\n"
        "  - USE_CUDA=OFF, USE_CUDNN=OFF, USE_MKL=OFF, USE_MKLDNN=OFF, USE_MPI=OFF, USE_NCCL=OFF"
    )


def parallel_info():
    """How many threads the kernels use, in words."""
    return f"retrograd kernels' threads:\n\tretrograd.get_num_threads() : {get_num_threads()}\n"
