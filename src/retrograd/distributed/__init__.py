"""`torch.distributed` as in a PyTorch that was built without it: training runs in one process.

Programs ask `is_available()` first, and go on without; what they would find if it were true is not here.
"""

from .._named import attribute_of


def is_available():
    """False."""
    return False


def is_initialized():
    """False: there is no process group."""
    return False


is_nccl_available = is_gloo_available = is_mpi_available = is_torchelastic_launched = is_available


def get_rank(group=None):
    """0: the one process. (PyTorch raises an error without a process group.)"""
    return 0


def get_world_size(group=None):
    """1: the one process. (PyTorch raises an error without a process group.)"""
    return 1


class ProcessGroup:
    """A name for annotations and isinstance; there are no process groups."""

    def __init__(self, *args, **kwargs):
        raise RuntimeError(_WHY + " [RG137]")


class group:
    """`group.WORLD`, the default of arguments."""

    WORLD = None


_WHY = "retrograd trains in one process: torch.distributed.is_available() is False"


def init_process_group(*args, **kwargs):
    """Raises RuntimeError: there is one process."""
    raise RuntimeError(
        f"init_process_group: {_WHY}; run the script without a launcher, as one process [RG137]"
    )


__getattr__ = attribute_of("distributed")
