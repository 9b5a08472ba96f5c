"""The error of every reader here, and how messages quote what a file holds."""

import pickle


class CheckpointError(pickle.UnpicklingError, RuntimeError):
    """A file that is damaged, hostile, or asks for more than tensors and plain data.

    PyTorch raises `pickle.UnpicklingError` for some of these cases and `RuntimeError` for others; this is
    both. Its message, which may quote the file, is one printable line.
    """

    def __init__(self, *args):
        super().__init__(*[printable(a) if isinstance(a, str) else a for a in args])


class NotAllowedError(CheckpointError):
    """A file that names a class or function that checkpoints may not use."""


def printable(line):
    """`line` with control characters escaped: what comes from a file would reach the user's terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def quote(value, limit=80):
    """`value` for a message: what a file holds may be huge, so it is cut, and containers are only named."""
    if isinstance(value, str):
        text = repr(value[:limit])
        return text + "..." if len(value) > limit else text
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return f"a {type(value).__name__}"
