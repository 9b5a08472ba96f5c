"""Writing checkpoints: storages under tensors, the zip and the stream format."""

import hashlib
import struct
import sys
import zlib

import numpy as np

from ..core.memory import element_strides, lowest_address, owner, storage_bytes
from .load_legacy import MAGIC, VERSION
from .pickler import Pickler, StorageRef
from .storage import STORAGE_NAMES

ALIGNMENT = 64
ZIP64_LIMIT = 0xFFFFFFFF  # sizes and offsets from here on need 64 bits
_FOLDER = "archive"


# --- storages -----------------------------------------------------------------------------------------------


class Storages:
    """The memory under each array. Arrays on the same memory get the same storage, which is written once."""

    def __init__(self, key, more=()):
        self.key = key  # makes the key of the n-th storage
        self.more = more
        self.found = {}  # id of the array that owns the memory: (it, its bytes, key, dtype)

    def __iter__(self):
        """(key, bytes, dtype) of each storage."""
        return iter([(key, data, dtype) for _, data, key, dtype in self.found.values()])

    def find(self, array):
        """The reference to an array's storage, its offset there and its strides, all counted in elements."""
        offset = array.__array_interface__["data"][0] - lowest_address(owner(array)) if array.size else 0
        if offset % array.itemsize or not _has_element_strides(array):
            array, offset = np.array(array, order="C"), 0  # no view in PyTorch's terms: written on its own
        return self._reference(owner(array), array), offset // array.itemsize, element_strides(array)

    def _reference(self, root, array):
        if id(root) not in self.found:
            self.found[id(root)] = root, storage_bytes(array), self.key(len(self.found), root), array.dtype
        _, data, key, dtype = self.found[id(root)]
        if array.dtype != dtype:
            raise RuntimeError(
                f"Cannot save multiple tensors that view the same data as different types ({dtype} and "
                f"{array.dtype}); save a .clone() of one of them [RG074]"
            )
        kind = STORAGE_NAMES.get(dtype, "UntypedStorage")
        count = data.size if kind == "UntypedStorage" else data.size // dtype.itemsize
        return StorageRef(kind, key, count, self.more)


def _has_element_strides(array):
    """Whether the strides are whole, non-negative numbers of elements, as PyTorch's are."""
    strides = zip(array.strides, array.shape, strict=True)
    return all(s >= 0 and (s % array.itemsize == 0 or n == 1) for s, n in strides) or not array.size


def write_all(file, data):
    """Write all of `data`; an unbuffered file may take it in pieces."""
    written = file.write(data)
    while type(written) is int and written < len(data):
        data = memoryview(data)[written:]
        written = file.write(data)


# --- the zip format -----------------------------------------------------------------------------------------


def save_zip(obj, file, byte_order=True):
    """Write `obj` as torch.save does: a folder of uncompressed members, their data at multiples of 64."""
    storages = Storages(lambda n, root: str(n))
    data = Pickler(storages.find).dump(obj)
    archive = ZipWriter(file)
    archive.add("data.pkl", data)
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", b"%d" % ALIGNMENT)
    if byte_order:
        archive.add("byteorder", sys.byteorder.encode())
    for key, data, _ in storages:
        archive.add(f"data/{key}", data)
    archive.add("version", b"3\n")
    archive.add(".data/serialization_id", archive.fingerprint())
    archive.finish()


class ZipWriter:
    """A zip archive laid out as PyTorch's writer does it, so that readers may compute where members lie."""

    def __init__(self, file):
        self.file = file
        self.at = 0
        self.entries = []

    def _write(self, data):
        write_all(self.file, data)
        self.at += len(data)

    def add(self, name, data):
        """Add a member: bytes, or a flat uint8 array."""
        name = f"{_FOLDER}/{name}".encode()
        size, header, crc = len(data), self.at, zlib.crc32(data)
        wide = struct.pack("<2H2Q", 1, 16, size, size) if size >= ZIP64_LIMIT else b""
        before = header + 30 + len(name) + len(wide) + 4
        padding = -before % ALIGNMENT
        extra = wide + struct.pack("<2s H", b"FB", padding) + b"Z" * padding
        # Sizes and checksum follow the data (flag 8), as PyTorch writes them.
        self._write(
            struct.pack("<4s5H3L2H", b"PK\x03\x04", 0, 0x808, 0, 0, 0, 0, 0, 0, len(name), len(extra))
        )
        self._write(name)
        self._write(extra)
        if size:
            self._write(data)
            form = "<4sL2Q" if size >= ZIP64_LIMIT or header >= ZIP64_LIMIT else "<4s3L"
            self._write(struct.pack(form, b"PK\x07\x08", crc, size, size))
        self.entries.append((name, crc, size, header))

    def fingerprint(self):
        """40 digits that depend on the names and checksums of all members so far."""
        digest = hashlib.sha256(
            b"".join(b"%b:%d;" % (name, crc) for name, crc, _, _ in self.entries)
        ).digest()
        return b"%040d" % (int.from_bytes(digest, "big") % 10**40)

    def finish(self):
        """Write the directory."""
        start = self.at
        for name, crc, size, header in self.entries:
            big = [n for n in (size, size, header) if n >= ZIP64_LIMIT]
            extra = struct.pack(f"<2H{len(big)}Q", 1, 8 * len(big), *big) if big else b""
            size, header = (0xFFFFFFFF if n >= ZIP64_LIMIT else n for n in (size, header))
            self._write(
                struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0, 0, 0x808, 0, 0, 0, crc, size, size, len(name),
                            len(extra), 0, 0, 0, 0, header)
            )  # fmt: skip
            self._write(name + extra)
        size, count, end = self.at - start, len(self.entries), self.at
        self._write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 0x31E, 45, 0, 0, count, count, size, start))
        self._write(struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1))
        self._write(
            struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF),
                        min(size, 0xFFFFFFFF), min(start, 0xFFFFFFFF), 0)
        )  # fmt: skip


# --- the stream format --------------------------------------------------------------------------------------


def save_legacy(obj, file):
    """Write `obj` as PyTorch before 1.6 did: pickles, then the storages."""
    storages = Storages(lambda n, root: f"{lowest_address(root)}-{n}", more=(None,))
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": VERSION, "little_endian": sys.byteorder == "little", "type_sizes": sizes}
    for heading in (MAGIC, VERSION, system):
        write_all(file, Pickler(None).dump(heading))
    write_all(file, Pickler(storages.find).dump(obj))
    ordered = sorted(storages, key=lambda storage: storage[0])
    write_all(file, Pickler(None).dump([key for key, _, _ in ordered]))
    for _, data, dtype in ordered:
        itemsize = dtype.itemsize if dtype in STORAGE_NAMES else 1
        write_all(file, struct.pack("<q", data.size // itemsize))
        write_all(file, _little_endian(data, dtype))


def _little_endian(data, dtype):
    if sys.byteorder == "little":
        return data
    part = dtype.itemsize // (2 if dtype.kind == "c" else 1)
    return data.view(f"u{part}").byteswap().view(np.uint8)
