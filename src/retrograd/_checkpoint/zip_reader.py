"""The zip archive of a checkpoint: where its members lie, checked against the file's bounds.

PyTorch stores members uncompressed, so a member is a range of the file. Format: PKWARE's APPNOTE 6.3.
"""

import struct
import zlib
from collections import namedtuple

import numpy as np

from .errors import CheckpointError, quote

Member = namedtuple("Member", "name offset size crc header")  # offset: of its data

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX32 = 0xFFFFFFFF
_CRC_CHUNK = 1 << 20


class ZipArchive:
    """`members`: by name, without the one folder that PyTorch puts them all in."""

    def __init__(self, source):
        self.source = source
        start, size, count, tail = self._find_directory()
        self.directory_start = start
        found = self._read_directory(source.read(start, size), count)
        _refuse_torchscript(found)
        self.members = self._check_members(found, start, tail)

    # --- where the directory is ---

    def _find_directory(self):
        size = self.source.size
        tail = self.source.read(max(size - (1 << 16) - _END.size, 0), min(size, (1 << 16) + _END.size))
        at = tail.rfind(b"PK\x05\x06")
        while at >= 0 and at + _END.size <= len(tail):
            fields = _END.unpack_from(tail, at)
            if at + _END.size + fields[-1] == len(tail):
                return self._directory_from(fields, size - len(tail) + at)
            at = tail.rfind(b"PK\x05\x06", 0, at)
        raise CheckpointError(
            "the file starts as a zip archive but has no directory at its end: it is truncated"
        )

    def _directory_from(self, fields, end):
        _, disk, first_disk, on_disk, count, size, start, _ = fields
        if disk or first_disk or on_disk != count:
            raise CheckpointError("a zip archive in several parts is not read")
        directory_end = end
        if end >= _LOCATOR64.size:
            signature, _, at, _ = _LOCATOR64.unpack(self.source.read(end - _LOCATOR64.size, _LOCATOR64.size))
            if signature == b"PK\x06\x07":
                wide = _END64.unpack(self.source.read(at, _END64.size))
                if wide[0] != b"PK\x06\x06" or wide[4] or wide[5] or wide[6] != wide[7]:
                    raise CheckpointError("the zip archive's 64-bit directory record is damaged")
                count, size, start = wide[7:]
                directory_end = at
        if start + size != directory_end:
            raise CheckpointError("the zip archive's directory is not where the archive says")
        if count * _CENTRAL.size > size:
            raise CheckpointError(f"the zip archive's directory of {size} bytes can't list {count} members")
        return start, size, count, end

    # --- what it lists ---

    def _read_directory(self, data, count):
        found, at = [], 0
        for _ in range(count):
            if at + _CENTRAL.size > len(data):
                raise CheckpointError("the zip archive's directory is truncated")
            signature, _, _, flags, method, _, _, crc, packed, size, *rest = _CENTRAL.unpack_from(data, at)
            name_length, extra_length, comment_length, disk, _, _, header = rest
            if signature != b"PK\x01\x02":
                raise CheckpointError("the zip archive's directory is damaged")
            at += _CENTRAL.size
            end = at + name_length + extra_length + comment_length
            if end > len(data):
                raise CheckpointError("the zip archive's directory is truncated")
            raw = data[at : at + name_length]
            extra = data[at + name_length : at + name_length + extra_length]
            size, packed, header = _wide(extra, size, packed, header)
            is_folder = raw.endswith(b"/") and size == 0
            name = _member_name(raw[:-1] if is_folder else raw)
            if flags & 0x2041:  # of a member, or of the directory
                raise CheckpointError(f"the zip member {quote(name)} is encrypted")
            if disk:
                raise CheckpointError("a zip archive in several parts is not read")
            if not is_folder:
                found.append((name, raw, header, size, crc, method != 0 or packed != size))
            at = end
        if at != len(data):
            raise CheckpointError("the zip archive's directory holds more than its members")
        return found

    def _check_members(self, found, directory_start, tail):
        members, last_end = {}, 0
        for name, raw, header, size, crc, compressed in sorted(found, key=lambda entry: entry[2]):
            if compressed:
                raise CheckpointError(
                    f"the zip member {quote(name)} is compressed; checkpoints store their members as they "
                    "are. If you packed the file yourself, pack it again without compression (zip -0)"
                )
            if header < last_end:
                raise CheckpointError(f"the zip member {quote(name)} overlaps another one")
            local = _LOCAL.unpack(self.source.read(header, _LOCAL.size))
            offset = header + _LOCAL.size + local[9] + local[10]
            last_end = offset + size
            if local[0] != b"PK\x03\x04" or last_end > directory_start:
                raise CheckpointError(f"the zip member {quote(name)} reaches outside the archive")
            if local[3] != 0 or self.source.read(header + _LOCAL.size, local[9]) != raw:
                raise CheckpointError(f"the zip member {quote(name)} has two headers that disagree")
            if name in members:
                raise CheckpointError(f"the zip archive has two members with the name {quote(name)}")
            members[name] = Member(name, offset, size, crc, header)
        return _strip_folder(members)

    # --- reading ---

    def read(self, name):
        """The whole content of a member that is kept in memory anyway; its checksum is not enforced."""
        member = self.members[name]
        return self.source.read(member.offset, member.size)

    def checksum(self, name):
        """The CRC-32 of a member's data, computed."""
        member = self.members[name]
        value, at, end = 0, member.offset, member.offset + member.size
        while at < end:
            n = min(_CRC_CHUNK, end - at)
            value = zlib.crc32(self.source.read(at, n), value)
            at += n
        return value

    def load(self, name, count):
        """The first `count` bytes of a member as a new array."""
        data = np.empty(count, np.uint8)
        self.source.read_into(self.members[name].offset, data)
        return data


def _wide(extra, size, packed, header):
    """Sizes and offset, from the zip64 extra field where the 32-bit ones say so."""
    if _MAX32 not in (size, packed, header):
        return size, packed, header
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1 and at + 4 + length <= len(extra):
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            try:
                return tuple(next(values) if v == _MAX32 else v for v in (size, packed, header))
            except (StopIteration, RuntimeError):
                break
        at += 4 + length
    raise CheckpointError("a zip member of more than 4 GB lacks its 64-bit sizes")


def _member_name(raw):
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointError(f"a zip member's name {raw[:80]!r} is not UTF-8") from None
    parts = name.split("/")
    if "\\" in name or "\0" in name or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        raise CheckpointError(f"a zip member has the name {quote(name)}; names must be plain relative paths")
    return name


def _refuse_torchscript(found):
    if any(name.partition("/")[2] == "constants.pkl" for name, *_ in found):
        raise CheckpointError(
            "this is a TorchScript archive (torch.jit.save): it holds a program, which retrograd does not "
            "run. In PyTorch, save torch.jit.load(file).state_dict() with torch.save"
        )


def _strip_folder(members):
    if not members:
        raise CheckpointError("the zip archive is empty")
    folders = {name.partition("/")[0] for name in members}
    if len(folders) > 1 or any("/" not in name for name in members):
        raise CheckpointError("the zip archive's members don't lie in one folder, as PyTorch writes them")
    return {name.partition("/")[2]: member for name, member in members.items()}
