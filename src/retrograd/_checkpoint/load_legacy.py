"""Loading the stream format of PyTorch before 1.6: a row of pickles, then the storages' bytes."""

import sys

import numpy as np

from .describe import Describe
from .errors import CheckpointError, quote
from .opcodes import Machine
from .policy import Policy
from .storage import Storage, as_ascii, storage_id, swap_bytes
from .stream import Stream

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
_TAR = (
    "a tar archive, the format of PyTorch before 0.1.10: load it once with PyTorch (weights_only=False, if "
    "you trust it) and save it again"
)


def load_legacy(source, make_policy, restore, encoding):
    """The object in a stream checkpoint; leaves the file after it, so that several can follow one another.

    The storages come after the pickle that needs them, so the pickle is interpreted twice: first to learn
    which storages there are, then, when they are filled, to build the object.
    """
    stream = open_stream(source)
    storages = LegacyStorages(restore)
    start = stream.position
    Machine(stream, Describe(storages.declare), encoding).run()
    end = stream.position
    keys = Machine(stream, Policy(), encoding).run()
    storages.fill(keys, stream)
    result = Machine(Stream(b"", source, start, end), make_policy(storages.load, source.size), encoding).run()
    source.file.seek(source.base + stream.position)
    return result


def open_stream(source):
    """The stream behind its heading, which is checked."""
    _refuse_strangers(source)
    stream = Stream(b"", source, 0, source.size)
    magic = Machine(stream, Policy()).run()
    if magic != MAGIC:
        raise CheckpointError(
            f"the file is a pickle of {quote(magic)}, not a checkpoint that torch.save wrote"
        )
    version = Machine(stream, Policy()).run()
    if version != VERSION:
        raise CheckpointError(f"the checkpoint's stream version is {quote(version)}; {VERSION} is read")
    Machine(stream, Policy()).run()  # type sizes of the machine that wrote; storages are always little-endian
    return stream


def _refuse_strangers(source):
    if source.size == 0:
        raise CheckpointError("the file is empty")
    head = source.read(0, min(source.size, 512))
    known = (
        (head[257:262] == b"ustar", _TAR),
        (head[:2] == b"\x1f\x8b", "gzip-compressed: unpack it first"),
        (head.lstrip()[:1] == b"<", "a web page, not a checkpoint: the download did not deliver the file"),
        (head[:23] == b"version https://git-lfs", "a Git LFS pointer: fetch the file with git lfs pull"),
        (head[8:10] == b'{"', "a safetensors file: load it with safetensors.load_file"),
        (head[:6] == b"\x93NUMPY", "a NumPy array: load it with numpy.load"),
        (head[:8] == b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras, h5py)"),
    )
    for matches, what in known:
        if matches:
            raise CheckpointError(f"this is {what}")
    if head[:1] != b"\x80":
        raise CheckpointError(f"the file starts with {head[:8]!r}: neither a zip archive nor a pickle")


class LegacyStorages:
    """Storages by key: declared by the pickle, then filled from behind it, then used."""

    def __init__(self, restore):
        self.restore = restore
        self.declared = {}  # key: storage type, location, number of elements
        self.filled = {}
        self.parts = {}

    def declare(self, pid):
        """Note a storage; its bytes are not allocated before the file is seen to have them."""
        kind, key, location, count, _ = storage_id(pid, 5)
        self.declared.setdefault(key, (kind, location, count))

    def fill(self, keys, stream):
        """Read the storages in the order of `keys`."""
        if type(keys) is not list or len(keys) != len(self.declared):
            raise CheckpointError("the file's list of storages doesn't fit the storages that it uses")
        for key in keys:
            key = as_ascii(key)
            if key not in self.declared or key in self.filled:
                raise CheckpointError(f"the file lists the storage {quote(key)} twice or without using it")
            kind, location, expected = self.declared[key]
            count = int.from_bytes(stream.take(8), "little", signed=True)
            nbytes = count * kind.dtype.itemsize
            if count != expected:
                raise CheckpointError(f"storage {quote(key)} has {count} elements, expected {expected}")
            if nbytes > stream.remaining:
                raise CheckpointError(
                    f"storage {quote(key)} is said to have {nbytes} bytes, {stream.remaining} are left in "
                    "the file: it is truncated or damaged"
                )
            data = np.empty(nbytes, np.uint8)
            stream.take_into(data)
            if sys.byteorder == "big":
                swap_bytes(data, kind.dtype)
            self.filled[key] = self.restore(Storage(data, kind.dtype), location)

    def load(self, pid):
        """The storage that a tensor views, or the part of it that it names."""
        kind, key, _, _, part = storage_id(pid, 5)
        if key not in self.filled:
            raise CheckpointError(f"the storage {quote(key)} is used but was not declared")
        storage = self.filled[key].seen_as(kind.dtype)
        if part is None:
            return storage
        if type(part) is not tuple or len(part) != 3 or type(part[0]) not in (str, bytes):
            raise CheckpointError("a part of a storage must be a key, an offset and a count")
        name, offset, count = part
        if name not in self.parts:
            self.parts[name] = storage.part(offset, count)
        return self.parts[name]
