"""`torch.accelerator` for scripts that ask: there is none."""


def is_available():
    """False: this installation computes on the CPU."""
    return False


def device_count():
    return 0


def current_accelerator(check_available=False):
    """None: there is no accelerator."""
    return None


def synchronize(device=None):
    """Nothing runs on an accelerator that could be waited for."""
