"""Hand-made checkpoints, piece by piece: what the tests of hostile files are written with."""

import io
import struct
import tracemalloc
import zipfile

import pytest

from retrograd.serialization import CheckpointError, inspect_checkpoint, load


def archive(pickled, storages=(), **more):
    """A zip checkpoint around a hand-made pickle."""
    buffer = io.BytesIO()
    members = {"data.pkl": pickled, **{f"data/{i}": data for i, data in enumerate(storages)}, **more}
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in members.items():
            file.writestr(f"archive/{name}", data)
    return buffer.getvalue()


def refuse(data, match=None):
    """`load` must refuse `data` with the documented error, `inspect_checkpoint` must survive it."""
    with pytest.raises(CheckpointError, match=match):
        load(io.BytesIO(data))
    try:
        inspect_checkpoint(io.BytesIO(data))
    except CheckpointError:
        pass


def limited(data, megabytes):
    """Load hostile `data`: refused, without having held more than so much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < megabytes * 2**20
    finally:
        tracemalloc.stop()


# --- parts of pickles -------------------------------------------------------------------------------------


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def group(*items):
    return b"(" + b"".join(items) + b"t"


def name(path):
    module, _, attribute = path.rpartition(".")
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def call(path, *args):
    return name(path) + group(*args) + b"R"


def whole(body):
    return b"\x80\x02" + body + b"."


ORDERED = call("collections.OrderedDict")
NO_HOOKS = ORDERED


def storage(kind="torch.FloatStorage", key="0", count=4, place="cpu"):
    return group(text("storage"), name(kind), text(key), text(place), number(count)) + b"Q"


def numbers(*values):
    return group(*(number(v) for v in values))


def tensor(shape, strides, offset=0, source=None):
    source = storage() if source is None else source
    return call("torch._utils._rebuild_tensor_v2", source, number(offset), numbers(*shape), numbers(*strides),
                b"\x89", NO_HOOKS)  # fmt: skip


def latin(raw):
    return call("_codecs.encode", text(raw.decode("latin1")), text("latin1"))


SIXTEEN = [bytes(range(16))]  # the content of storage() and of what is built on it
EMPTY_ARRAY = call("numpy.core.multiarray._reconstruct", name("numpy.ndarray"), numbers(0), text("b"))
F4 = call("numpy.dtype", text("f4"), b"\x89", b"\x88")
