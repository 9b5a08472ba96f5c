"""`torch.cuda` for scripts that ask: there is no GPU here, and the functions say so or do nothing,
honestly.
"""

from .._named import attribute_of
from ..core.device import device as _device
from . import amp  # noqa: F401


def is_available():
    """False: this installation computes on the CPU."""
    return False


def device_count():
    return 0


def is_initialized():
    return False


def is_bf16_supported(including_emulation=True):
    return False


def manual_seed(seed):
    """Nothing to seed: no GPU has a generator here."""


manual_seed_all = manual_seed


def get_rng_state_all():
    """No GPU, no states."""
    return []


def set_rng_state_all(new_states):
    """Nothing to set: no GPU has a generator here."""


def empty_cache():
    """Nothing is cached on a GPU."""


def synchronize(device=None):
    """Nothing runs on a GPU that could be waited for."""
    _refuse()


def memory_allocated(device=None):
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device=None):
    """Nothing is counted."""


def _refuse():
    raise RuntimeError(
        "retrograd computes on the CPU only in this installation; torch.cuda.is_available() is False, choose "
        "device='cpu' [RG036]"
    )


def current_device():
    _refuse()


def get_device_name(device=None):
    _refuse()


def get_device_properties(device=None):
    _refuse()


def set_device(device):
    _refuse()


class device:
    """A context that would choose a GPU; entering it is an error, except for the negative numbers that mean
    none.
    """

    def __init__(self, device):
        self.index = device if isinstance(device, int) else _device(device).index

    def __enter__(self):
        if self.index is None or self.index >= 0:
            _refuse()

    def __exit__(self, *exc):
        pass


__getattr__ = attribute_of("cuda")
