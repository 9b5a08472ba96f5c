"""Hostile files by name, then every file of the corpus cut and changed at every byte."""

import collections
import contextlib
import io
import json
import resource
import struct
import tarfile
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

from common import CORPUS
from reading import Executed, read, warm_up

from _pickles import SIXTEEN, archive, call, group, name, number, numbers, storage, tensor, text, whole

EXPLOIT = call("os.system", text("echo executed"))
MEMORY = 16 * 2**20  # bytes that a refusal may take at most, whatever a file promises,
EACH = 64  # and for each byte that is there, which may stand for an empty list


def run(options):
    corpus = {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    warm_up(corpus.values())
    failures, kinds = [], hostile()
    for kind, data in kinds.items():
        tracemalloc.start()
        try:
            if read(data):
                failures.append(f"{kind} was accepted")
        except Exception as error:  # whatever it is but the documented one, which `read` takes
            failures.append(f"{kind}: {type(error).__name__}: {error}")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if peak > MEMORY + EACH * len(data):
            failures.append(f"{kind} of {len(data)} bytes took {peak / 2**20:.0f} MiB")
    counts = collections.Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for file, data in corpus.items():
        for change, damaged in damages(data, 41 if options.quick else 1):
            counts[change] += 1
            try:
                counts["read"] += read(damaged)
            except Executed as error:
                failures.append(f"{file}, {change}: {error}")
            except Exception as error:
                failures.append(f"{file}, {change}: {type(error).__name__}: {error}, {damaged[:80]!r}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{len(kinds)} hostile files refused within {MEMORY >> 20} MiB; {counts['cut']:,} files cut "
        f"short and "
        f"{counts['changed']:,} with a byte changed: {counts['read']:,} still make sense and are read, "
        f"the others are refused; memory grew by {grown:.1f} MiB"
    )
    kinds |= {
        f"{file}, {n} {change}": damaged
        for file, data in corpus.items()
        for n, (change, damaged) in enumerate(damages(data, 97 if options.quick else 11))
    }
    return failures[:20] + inspected(kinds)[:20]


def inspected(files):
    """`python -m retrograd inspect` on each: a report or one line, and nothing that steers a terminal."""
    from retrograd.cli import main

    failures, statuses = [], collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pth"
        for kind, data in files.items():
            path.write_bytes(data)
            out, errors = io.StringIO(), io.StringIO()
            try:
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                    status = main(["inspect", str(path)])
            except Exception as error:  # the command is to say in a line what is wrong with a file
                failures.append(f"inspect, {kind}: {type(error).__name__}: {error}")
                continue
            statuses[status] += 1
            said = out.getvalue() + errors.getvalue()
            if not said or not all(c.isprintable() or c == "\n" for c in said):
                failures.append(f"inspect, {kind}: said {said[:200]!r}")
            if status not in (0, 1) or (status == 1 and len(errors.getvalue().splitlines()) != 1):
                failures.append(f"inspect, {kind}: status {status}, {errors.getvalue()[:200]!r}")
    print(
        f"python -m retrograd inspect on {len(files):,} of them: {statuses[0]:,} reports, {statuses[1]:,} "
        f"refused in one line, {len(failures)} otherwise"
    )
    return failures


def damages(data, step):
    """(kind, damaged): `data` cut at every `step`-th byte, and with each of those changed in four ways."""
    for end in range(0, len(data), step):
        yield "cut", data[:end]
    for at in range(0, len(data), step):
        for change in (0x01, 0x20, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= change
            yield "changed", bytes(damaged)


def hostile():
    """{what it tries: the file}."""
    source = storage("torch.ByteStorage", count=16)
    shape = lambda *args, **more: archive(whole(tensor(*args, **more)), SIXTEEN)
    files = {
        "CVE-2025-32434: a pickle that calls, in a tar archive": _tar(whole(EXPLOIT)),
        "CVE-2025-32434: a pickle that calls, in a zip archive": archive(whole(EXPLOIT)),
        "CVE-2025-32434: a pickle that calls, as a bare stream": whole(EXPLOIT),
        "CVE-2026-24747: an item set in what is no dict": archive(
            whole(tensor([4], [1]) + text("k") + b"Ns"), SIXTEEN),
        "CVE-2026-24747: items set in a storage": archive(whole(storage() + b"(" + number(0) + b"Nu"),
        SIXTEEN),
        "CVE-2026-24747: a storage smaller than its tensor claims": shape([5], [1]),
        "CVE-2026-24747: bytes for a storage, elements of four bytes for its tensor": archive(
            whole(tensor([16], [1], source=source) + tensor([16], [1])), SIXTEEN),
        "a storage that promises more than its member holds": archive(whole(storage(count=2**40)), SIXTEEN),
        "a global outside the list": archive(whole(name("builtins.eval"))),
        "a global of our own": archive(whole(name("retrograd.serialization.load"))),
        "a module's attribute behind dots": archive(whole(text("os") + text("path.join") + b"\x93")),
        "a stride past the end": shape([2, 2], [3, 1]),
        "an offset past the end": shape([1], [1], offset=4),
        "a negative size": shape([-1], [1]),
        "a negative stride": shape([4], [-1], offset=3),
        "a negative offset": shape([4], [1], offset=-1),
        "a huge size": shape([2**62], [1]),
        "a huge size by strides of zero": shape([2**40, 2**40], [0, 0]),
        "sizes whose product overflows": shape([2**32, 2**32, 2**32], [0, 0, 0]),
        "a thousand dimensions": shape([1] * 1000, [1] * 1000),
        "tuples nested 100,000 deep": archive(whole(b"N" + b"\x85" * 10**5)),
        "lists nested 100,000 deep": archive(whole(b"]" * 10**5 + b"a" * (10**5 - 1))),
        "marks nested 100,000 deep": archive(whole(b"(" * 10**5)),
        "a list that holds itself": archive(whole(b"]q\x00h\x00a")),
        "a dict that holds itself": archive(whole(b"}q\x00" + text("x") + b"h\x00s")),
        "two tuples of one list that holds them": archive(whole(b"]q\x00h\x00\x85q\x01a0h\x01")),
        "a text of 2 GB by its length": archive(whole(b"X\xff\xff\xff\x7fabc")),
        "bytes of 2**63 by their length": archive(whole(b"\x8e" + b"\xff" * 7 + b"\x7fabc")),
        "a memo at 4 billion": archive(whole(b"j\xff\xff\xff\xff")),
        "no end": archive(b"\x80\x02" + b"N" * 1000),
        "a byte order of its own": archive(whole(b"N"), byteorder=b"middle"),
        "a bomb: a gigabyte, compressed": _zipped({"data.pkl": whole(b"N"), "data/0": bytes(2**26)},
                                                  zipfile.ZIP_DEFLATED),
        "a bomb: members on the same bytes": _overlapping(),
        "two members of one name": _zipped([("data.pkl", whole(b"N")), ("data.pkl", whole(b"]"))]),
        "an absolute name": _zipped({"data.pkl": whole(b"N"), "/etc/passwd": b""}, folder=""),
        "a name that climbs": _zipped({"data.pkl": whole(b"N"), "../../x": b""}),
        "a name with a drive": _zipped({"data.pkl": whole(b"N"), "C:/x": b""}, folder=""),
        "a directory past the end": archive(whole(b"N"))[:-6] + b"\xff\xff\xff\x7f\0\0",
        "safetensors: a header of 2**63 bytes": struct.pack("<Q", 2**63) + b"{}",
        "safetensors: nested 100,000 deep": _header(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"),
        "safetensors: one name twice": _header(b'{"a":%s,"a":%s}' % (_entry(), _entry())),
        "safetensors: on the same bytes": _header(b'{"a":%s,"b":%s}' % (_entry(), _entry())),
        "safetensors: past the end": _header(b'{"a":%s}' % _entry(shape=[8], data_offsets=[0, 32])),
        "safetensors: bytes that nobody names": _header(b"{}"),
        "safetensors: a huge size of nothing": _header(b'{"a":%s}' % _entry(shape=[2**62, 0],
        data_offsets=[0, 0])),
    }  # fmt: skip
    strange = storage("torch.FloatStorage", place="meta")
    files["a size that is a tensor"] = archive(
        whole(call("torch._utils._rebuild_tensor_v2", strange, number(0), group(strange), numbers(1))),
        SIXTEEN,
    )
    return files


def _zipped(members, compression=zipfile.ZIP_STORED, folder="archive/"):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as out:
        warnings.simplefilter("ignore")  # about the name that is there twice
        for member, data in members.items() if isinstance(members, dict) else members:
            out.writestr(("archive/" if member == "data.pkl" else folder) + member, data)
    return file.getvalue()


def _overlapping():
    """The directory's second entry points at the first one's bytes."""
    data = bytearray(archive(whole(tensor([4], [1])), SIXTEEN))
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


def _tar(pickled):
    """The oldest of PyTorch's formats: a tar archive of pickles."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as out:
        for member in ("sys_info", "pickle", "tensors", "storages"):
            info = tarfile.TarInfo(member)
            info.size = len(pickled)
            out.addfile(info, io.BytesIO(pickled))
    return file.getvalue()


def _header(raw, data=bytes(16)):
    return struct.pack("<Q", len(raw)) + raw + data


def _entry(**changes):
    return json.dumps({"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **changes}).encode()
