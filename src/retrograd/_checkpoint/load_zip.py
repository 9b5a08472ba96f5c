"""Loading PyTorch's zip format: data.pkl describes the object, data/N hold the storages."""

import mmap as mmap_module
import sys

import numpy as np

from .errors import CheckpointError, quote
from .opcodes import Machine
from .storage import UNTYPED, Storage, storage_id, swap_bytes
from .stream import Stream
from .zip_reader import ZipArchive


def open_archive(source):
    """The archive of a checkpoint."""
    archive = ZipArchive(source)
    if "data.pkl" not in archive.members:
        raise CheckpointError("the zip archive has no data.pkl: it was not written by torch.save")
    return archive


def load_zip(source, make_policy, restore, use_mmap, encoding):
    """The object in a zip checkpoint. `make_policy(load_storage, file_bytes)` says what it may name."""
    archive = open_archive(source)
    storages = ZipStorages(archive, restore, use_mmap)
    policy = make_policy(storages.load, source.size)
    return Machine(Stream(archive.read("data.pkl")), policy, encoding).run()


class ZipStorages:
    """The storages of an archive by key, each read once, when the pickle first names it."""

    def __init__(self, archive, restore, use_mmap):
        self.archive = archive
        self.restore = restore
        self.swapped = _byte_order(archive) != sys.byteorder
        self.loaded = {}
        self.map = self._map() if use_mmap else None

    def _map(self):
        source = self.archive.source
        return mmap_module.mmap(source.file.fileno(), source.size, access=mmap_module.ACCESS_COPY)

    def load(self, pid):
        kind, key, location, count = storage_id(pid, 4)
        if key not in self.loaded:
            data = self._read(key, count * kind.dtype.itemsize, kind.dtype)
            storage = Storage(data, kind.dtype, self.swapped and kind is UNTYPED)
            self.loaded[key] = self.restore(storage, location)
        storage = self.loaded[key]
        if storage.dtype is not kind.dtype and self.swapped:
            raise CheckpointError(f"storage {quote(key)} of another byte order is used as two types")
        return storage.seen_as(kind.dtype)

    def _read(self, key, nbytes, dtype):
        name = f"data/{key}"
        member = self.archive.members.get(name)
        if member is None:
            raise CheckpointError(f"the file has no member {quote(name)}, which its data.pkl refers to")
        if nbytes > member.size:
            raise CheckpointError(
                f"storage {quote(key)} is said to have {nbytes} bytes, the file has {member.size}"
            )
        if self.map is None or not nbytes:
            data = self.archive.load(name, nbytes)
        else:
            data = np.frombuffer(self.map, np.uint8, nbytes, member.offset)
            if member.offset % dtype.itemsize:
                data = data.copy()
        if self.swapped:
            swap_bytes(data, dtype)
        return data


def _byte_order(archive):
    if "byteorder" not in archive.members:
        return "little"
    member = archive.members["byteorder"]
    order = archive.read("byteorder") if member.size <= 6 else b"something longer"
    if order not in (b"little", b"big"):
        raise CheckpointError(f"the file's byte order is {order!r}; expected little or big")
    return order.decode()
