"""`torch.mps` for scripts that ask: Apple's GPUs are not used."""


def is_available():
    """False: this installation computes on the CPU."""
    return False


def device_count():
    return 0


def empty_cache():
    """Nothing is cached on a GPU."""


def manual_seed(seed):
    """Nothing to seed: no GPU has a generator here."""
