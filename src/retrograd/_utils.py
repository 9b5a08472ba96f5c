"""Small private helpers of PyTorch's that other people's code calls."""

import importlib
import sys
import traceback


def _get_available_device_type():
    """The accelerator's name; None: computations run on the CPU."""
    return None


def _get_device_module(device_type):
    """The module `torch.<device_type>`."""
    return importlib.import_module(f"retrograd.{device_type}")


class ExceptionWrapper:
    """An exception on its way to another process: `reraise` raises one of its type, with its traceback as
    text."""

    def __init__(self, exc_info=None, where="in background"):
        kind, error, trace = sys.exc_info() if exc_info is None else exc_info
        self.exc_type, self.where = kind, where
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))

    def reraise(self):
        message = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:  # its text is shown as a repr, in one line
            raise KeyError(_Lines(message))
        try:
            error = self.exc_type(message)
        except Exception:  # its type takes other arguments
            raise RuntimeError(message) from None
        raise error


class _Lines(str):
    """A text whose repr is itself."""

    def __repr__(self):
        return self
