"""Random access to the bytes of a checkpoint, from a path or a file-like object."""

import io
import os
from contextlib import contextmanager

from .errors import CheckpointError


class Source:
    """A seekable file from its position on; reads at offsets, never past the end that it had when opened."""

    def __init__(self, file, name):
        self.file = file
        self.name = name
        self.base = file.tell()
        self.size = max(file.seek(0, os.SEEK_END) - self.base, 0)
        file.seek(self.base)

    @classmethod
    def of_bytes(cls, data):
        """A Source for bytes in memory."""
        return cls(io.BytesIO(data), "bytes")

    def read(self, offset, n):
        """`n` bytes at `offset`."""
        self._check(offset, n)
        self.file.seek(self.base + offset)
        pieces = []
        while n:
            piece = self.file.read(n)
            if not piece:
                raise CheckpointError("the file became shorter while it was read")
            pieces.append(piece)
            n -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_into(self, offset, array):
        """Fill `array` (uint8, one-dimensional) from `offset`."""
        view = memoryview(array)
        self._check(offset, len(view))
        self.file.seek(self.base + offset)
        if not hasattr(self.file, "readinto"):
            view[:] = self.read(offset, len(view))
            return
        while len(view):
            n = self.file.readinto(view)
            if not n:
                raise CheckpointError("the file became shorter while it was read")
            view = view[n:]

    def _check(self, offset, n):
        if offset < 0 or n < 0 or offset + n > self.size:
            raise CheckpointError(f"{n} bytes at {offset} lie outside the file of {self.size} bytes")


@contextmanager
def open_source(f):
    """A Source for a path or a file-like object; a path's file is closed at the end."""
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb", buffering=0) as file:
            yield Source(_seekable(file), os.fspath(f))
        return
    if not all(hasattr(f, name) for name in ("read", "seek", "tell")):
        raise AttributeError(
            f"load expects a path or a file-like object with read, seek and tell, got {type(f).__name__} "
            "[RG075]"
        )
    yield Source(_seekable(f), getattr(f, "name", type(f).__name__))


def _seekable(file):
    try:
        file.seek(file.tell())
    except (io.UnsupportedOperation, AttributeError, OSError):
        raise io.UnsupportedOperation(
            "a checkpoint can only be loaded from a file that is seekable; read it into an io.BytesIO "
            "first [RG075]"
        ) from None
    return file
