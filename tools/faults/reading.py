"""Every reader of files on one input, watched: only the documented error, nothing executed or outside."""

import io
import json
import struct
import sys
import tempfile
import warnings

import numpy as np

from _pickles import SIXTEEN, archive
from retrograd import safetensors
from retrograd.core.tensor import Tensor
from retrograd.serialization import CheckpointError, inspect_checkpoint, load

# What Python reports before it does such things; reading a checkpoint from memory needs none of them.
FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "open",
    "os.",
    "subprocess.",
    "socket.",
    "ctypes.",
    "pickle.",
    "shutil.",
    "marshal.",
    "code.",
    "urllib.",
    "tempfile.",
    "sys.",
)
_watching = False


class Executed(AssertionError):
    """A file that made a reader do what no file may."""


def _watch(event, args):
    if _watching and event.startswith(FORBIDDEN) and event not in ("sys._getframe", "os.putenv"):
        raise Executed(f"reading raised the audit event {event}{args!r}"[:300])


sys.addaudithook(_watch)


def readings(data):
    """[(name, function)]: the readers for which `data` makes sense, each as a call without arguments."""
    found = [
        ("load", lambda: load(io.BytesIO(data), map_location="cpu")),
        ("load, weights_only=False", lambda: load(io.BytesIO(data), map_location="cpu", weights_only=False)),
        ("inspect", lambda: inspect_checkpoint(io.BytesIO(data))),
        ("safetensors", lambda: safetensors.load(data)),
    ]
    if data[:1] == b"\x80":  # the pickle of a zip checkpoint, which its checksums would keep from mutation
        wrapped = archive(data, [SIXTEEN[0] * 4] * 3)
        found[2:] = [
            ("load a zip", lambda: load(io.BytesIO(wrapped), map_location="cpu")),
            ("inspect a zip", lambda: inspect_checkpoint(io.BytesIO(wrapped))),
        ]
    if data[:1] == b"{":
        whole = struct.pack("<Q", len(data)) + data + bytes(64)
        found[:] = [("safetensors", lambda: safetensors.load(whole))]
    return found


def read(data):
    """Read `data` in every way; whether it loads. Any other outcome than the documented ones raises."""
    global _watching
    loads = False
    for name, reader in readings(data):
        _watching = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = reader()
            loads |= not name.startswith("inspect")
        except CheckpointError:
            continue
        finally:
            _watching = False
        touch(value)
    return loads


def touch(value):
    """Read the bytes of every tensor and array in `value`: all of them must be there."""
    seen, todo = set(), [value]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            value = value._array
        if isinstance(value, np.ndarray):
            if value.size <= 10**6 and not value.dtype.hasobject:
                value.tobytes()
        elif isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            todo.extend(value)


def warm_up(corpus):
    """Read everything once, unwatched: modules that are imported when first needed are imported now."""
    for data in corpus:
        for _, reader in readings(data):
            try:
                touch(reader())
            except CheckpointError:
                pass


def seeds():
    """{file name: content}: small files of every kind, from which `tests/corpus` is made."""
    import torch

    def written(value, zipped=True, **more):
        file = io.BytesIO()
        torch.save(value, file, _use_new_zipfile_serialization=zipped, **more)
        return file.getvalue()

    def pickled(value, **more):
        with tempfile.TemporaryFile() as file:
            torch.save(value, file, **more)
            import zipfile

            with zipfile.ZipFile(file) as members:
                return members.read(next(n for n in members.namelist() if n.endswith("data.pkl")))

    layer = torch.nn.Linear(2, 2)
    x = torch.arange(6.0).reshape(2, 3)
    values = {
        "tensor": x, "view": x.t()[1:], "state": layer.state_dict(), "parameter": layer.weight,
        "dtypes": [torch.ones(2, dtype=d) for d in (torch.bool, torch.int64, torch.bfloat16,
        torch.complex64)],
        "plain": [1, -(2**70), 2.5, "text", None, True, (1,), {"a": {2}}, b"raw", torch.Size([1])],
        "arrays": [np.arange(3), np.float32(2), np.dtype("f8")],
        "optimizer": torch.optim.Adam(layer.parameters()).state_dict(),
        "shared": [x, x[0], x.view(-1)], "conjugate": torch.ones(2, dtype=torch.complex64).conj(),
    }  # fmt: skip
    files = {}
    for name, value in values.items():
        files[f"{name}.pkl"] = pickled(value)
        if name in ("tensor", "state", "plain", "shared"):
            files[f"{name}.stream"] = written(value, zipped=False)
    files["tensor.pt"] = written({"w": torch.ones(2)})
    files["protocol4.pkl"] = pickled([{"a": {1}}, frozenset({2}), "x" * 3], pickle_protocol=4)
    entry = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    header = {
        "__metadata__": {"k": "v"},
        "a": entry,
        "b": {"dtype": "I64", "shape": [6], "data_offsets": [16, 64]},
    }
    files["header.json"] = json.dumps(header).encode()
    small = json.dumps({"a": entry}).encode()
    files["small.safetensors"] = struct.pack("<Q", len(small)) + small + bytes(16)
    return files


if __name__ == "__main__":
    from pathlib import Path

    folder = Path(__file__).resolve().parents[2] / "tests" / "corpus"
    folder.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (folder / name).write_bytes(data)
