"""What the modules of backends that are not there have in common."""

import contextlib


class Switches:
    """Switches that can be set and have nothing to act on."""

    def __init__(self, **switches):
        self.__dict__.update(switches)


def is_available():
    return False


def is_built():
    return False


@contextlib.contextmanager
def flags(**switches):
    """A context in which switches are set; nothing reads them."""
    yield
