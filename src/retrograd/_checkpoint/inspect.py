"""What a checkpoint holds and what it asks for, found without building any of it."""

import os
from collections import OrderedDict

from ..core.size import Size
from .allowed import by_path, find_user_global
from .describe import Describe, StorageInfo, TensorInfo, Thing
from .errors import CheckpointError, printable
from .load_legacy import LegacyStorages, open_stream
from .load_zip import open_archive
from .opcodes import Machine
from .policy import Policy
from .safetensors import read_header
from .source import open_source
from .stream import Stream


class TensorReport:
    """A tensor of a checkpoint: its key, shape, dtype, bytes, and the storage that it lies in."""

    def __init__(self, key, info):
        self.key = key
        self.shape = Size(info.shape)
        self.dtype = info.dtype
        self.nbytes = info.nbytes
        self.is_parameter = info.is_parameter
        self.requires_grad = info.requires_grad
        self.storage = info.storage.key if info.storage is not None else None
        self.device = info.storage.location if info.storage is not None else "cpu"


class Report:
    """What `inspect_checkpoint` found.

    `format`: "zip", "legacy" or "safetensors"; `file_bytes`; `tensors`: a TensorReport each; `globals`: each
    global that the file asks for, and whether loading allows it; `problems`: what is damaged, a sentence
    each.
    """

    def __init__(self, name, format, file_bytes):
        self.name = name
        self.format = format
        self.file_bytes = file_bytes
        self.tensors = []
        self.globals = OrderedDict()
        self.problems = []
        self.metadata = None

    @property
    def unsafe_globals(self):
        """The globals that loading refuses."""
        return [name for name, allowed in self.globals.items() if not allowed]

    def __str__(self):
        lines = [
            f"{self.name}: {self.format} checkpoint, {self.file_bytes:,} bytes, {len(self.tensors)} tensors"
        ]
        width = max((len(t.key) for t in self.tensors), default=0)
        lines += [
            f"  {t.key:<{width}}  {str(list(t.shape)):<20} {t.dtype.name:<10} {t.nbytes:>14,} bytes"
            + ("" if t.device == "cpu" else f"  on {t.device}")
            for t in self.tensors
        ]
        lines.append(f"globals that it asks for: {len(self.globals)}")
        lines += [
            f"  {'allowed' if allowed else 'REFUSED'}  {name}" for name, allowed in self.globals.items()
        ]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(printable(line) for line in lines)


def inspect_checkpoint(f):
    """A Report of a checkpoint (a path or a seekable binary file): its tensors and the globals it asks for.

    Nothing is built and nothing runs. Raises `CheckpointError` where the file can't be read at all.
    """
    with open_source(f) as source:
        head = source.read(0, min(source.size, 10))
        try:
            if head[:4] == b"PK\x03\x04":
                return _inspect_zip(source)
            if head[8:10] == b'{"' or head[8:] == b"{}":
                return _inspect_safetensors(source)
            return _inspect_legacy(source)
        except CheckpointError as error:
            raise CheckpointError(f"can't read {source.name!r}: {error} [RG071]") from error.__cause__


def unsafe_globals(f, user_globals):
    """The globals that a checkpoint asks for, less those allowed by default or by the user."""
    user = by_path(user_globals)
    return [path for path in inspect_checkpoint(f).unsafe_globals if find_user_global(user, path) is None]


def _inspect_zip(source):
    report = Report(os.fspath(source.name), "zip", source.size)
    archive = open_archive(source)
    policy = Describe(id_fields=4)
    root = Machine(Stream(archive.read("data.pkl")), policy).run()
    _fill(report, root, policy)
    damaged = [name for name, member in archive.members.items() if archive.checksum(name) != member.crc]
    if damaged and len(damaged) < len(archive.members):  # PyTorch can be told to write no checksums at all
        report.problems += [f"the checksum of {name} is wrong: its data was changed" for name in damaged]
    for storage in policy.storages.values():
        member = archive.members.get(f"data/{storage.key}")
        if member is None or member.size < storage.nbytes:
            report.problems.append(f"storage {storage.key} is shorter than the file says, or missing")
    return report


def _inspect_legacy(source):
    report = Report(os.fspath(source.name), "legacy", source.size)
    stream = open_stream(source)
    storages = LegacyStorages(None)
    policy = Describe(storages.declare)
    root = Machine(stream, policy).run()
    _fill(report, root, policy)
    keys = Machine(stream, Policy()).run()
    needed = sum(kind.dtype.itemsize * count for kind, _, count in storages.declared.values())
    if type(keys) is not list or needed + 8 * len(storages.declared) > stream.remaining:
        report.problems.append("the storages are shorter than the file says: it is truncated")
    return report


def _inspect_safetensors(source):
    report = Report(os.fspath(source.name), "safetensors", source.size)
    entries, report.metadata, _ = read_header(source)
    for name, dtype, shape, _, _ in entries:
        report.tensors.append(TensorReport(name, TensorInfo(None, shape, (), 0, dtype, False)))
    return report


def _fill(report, root, policy):
    report.globals = dict(sorted(policy.globals.items()))
    report.tensors = [TensorReport(key, info) for key, info in _tensors(root)]


def _tensors(root):
    """Each tensor below `root` with its key, as `a.b.0`: depth first, no recursion, shared parts once."""
    pending, seen = [("", root)], set()
    while pending:
        key, node = pending.pop()
        if isinstance(node, TensorInfo):
            yield key, node
        elif isinstance(node, (dict, list, tuple, set, frozenset, Thing)) and id(node) not in seen:
            seen.add(id(node))
            pending.extend(reversed([(_join(key, name), child) for name, child in _inside(node)]))


def _inside(node):
    if isinstance(node, Thing):
        yield from node.pairs
        yield from enumerate(node.items)
        for part in (*node.args, node.state):
            if part is not None and not isinstance(part, StorageInfo):
                yield None, part
    elif isinstance(node, dict):
        yield from node.items()
    else:
        yield from enumerate(node)


def _join(key, name):
    if name is None:
        return key
    name = (
        name[:200]
        if isinstance(name, str)
        else str(name)
        if isinstance(name, int) and abs(name) < 2**64
        else "?"
    )
    return f"{key}.{name}" if key else name
