"""Archives and streams that are damaged, or made to mislead: refused, at every byte."""

import io
import pickle
import struct
import tarfile
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from _pickles import (
    EMPTY_ARRAY,
    F4,
    NO_HOOKS,
    ORDERED,
    SIXTEEN,
    archive,
    group,
    limited,
    name,
    number,
    numbers,
    refuse,
    storage,
    tensor,
    text,
    whole,
)
from retrograd.core.tensor import wrap
from retrograd.serialization import CheckpointError, inspect_checkpoint, load, save

# --- zip archives -----------------------------------------------------------------------------------------


def test_compressed_members():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", whole(b"N"))
        file.writestr("archive/data/0", bytes(10**7))
    refuse(buffer.getvalue(), "compressed.*zip -0")
    tracemalloc.start()
    with pytest.raises(CheckpointError):
        load(io.BytesIO(buffer.getvalue()))
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "member",
    ["/etc/passwd", "../x", "archive/../../x", "archive/./x", "archive//x", "C:/x", "archive\\x",
     "archive/..\\x", "..", "/", "archive/x\0.txt", "other/x", "x"],
)  # fmt: skip
def test_names_of_members(member):
    info = zipfile.ZipInfo("placeholder")
    info.filename = member
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", whole(b"N"))
        file.writestr(info, b"data")
    refuse(buffer.getvalue(), "name|folder")


def test_duplicate_members(recwarn):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", whole(b"N"))
        file.writestr("archive/data.pkl", whole(b"]"))
    refuse(buffer.getvalue(), "two members with the name")


def test_overlapping_members():
    data = bytearray(archive(whole(tensor([4], [1])), SIXTEEN))
    second = data.rindex(b"PK\x01\x02")
    first = data.index(b"PK\x01\x02")
    same = bytes(data[first + 42 : first + 46])
    assert same == b"\0\0\0\0"
    data[second + 42 : second + 46] = same
    refuse(bytes(data), "overlaps|disagree")
    data = bytearray(archive(whole(tensor([4], [1])), SIXTEEN))
    for field in (20, 24):  # both sizes of the first member reach into the second
        size = struct.unpack_from("<I", data, first + field)[0]
        struct.pack_into("<I", data, first + field, size + 40)
    refuse(bytes(data), "overlaps")


def test_headers_that_disagree_or_point_outside():
    good = archive(whole(tensor([4], [1])), SIXTEEN)
    first, end = good.index(b"PK\x01\x02"), good.index(b"PK\x05\x06")
    changes = [(first + 42, 0xFFFFFFF0), (first + 42, len(good)), (first + 24, 2**31), (first + 20, 2**31),
    (end + 16, 0),
               (end + 16, len(good)), (end + 12, 10**6), (end + 12, 0), (end + 16, 0xFFFFFFFF),
               (first + 8, 1), (first + 34, 7)]  # fmt: skip
    for at, value in changes:
        data = bytearray(good)
        struct.pack_into("<I", data, at, value & 0xFFFFFFFF)
        refuse(bytes(data))
    for count in (0, 1, 3, 65535):
        data = bytearray(good)
        struct.pack_into("<2H", data, end + 8, count, count)
        refuse(bytes(data))
    data = bytearray(good)
    data[30:46] = b"archive/data.pkx"
    refuse(bytes(data), "disagree")
    refuse(good + b"trailing", "truncated")
    refuse(good[:-30] + good[-22:])


def test_byte_orders():
    for order in (b"middle", b"LITTLE", b"", b"little" * 1000):
        refuse(archive(whole(b"N"), byteorder=order), "byte order")


def test_other_zip_files_are_named():
    model = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    buffer = io.BytesIO()
    torch.jit.save(model, buffer)
    refuse(buffer.getvalue(), "TorchScript.*state_dict")
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(2))
    refuse(buffer.getvalue(), "folder|not written by torch.save")
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    refuse(buffer.getvalue())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/readme", b"x")
    refuse(buffer.getvalue(), "no data.pkl")


def test_a_checkpoint_packed_again_by_hand_is_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/", b"")
        file.writestr("archive/data.pkl", whole(tensor([4], [1])))
        file.writestr("archive/data/0", SIXTEEN[0])
        file.comment = b"packed by hand"
    assert load(io.BytesIO(buffer.getvalue()))._array.tobytes() == SIXTEEN[0]


# --- the stream format ------------------------------------------------------------------------------------

HEADING = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + b"\x80\x02}."


def old_storage(kind="torch.FloatStorage", key="k", count=4, part=b"N", place="cpu"):
    return group(text("storage"), name(kind), text(key), text(place), number(count), part) + b"Q"


def stream(body, keys=("k",), data=None):
    data = struct.pack("<q", 4) + SIXTEEN[0] if data is None else data
    return HEADING + whole(body) + whole(b"(" + b"".join(text(k) for k in keys) + b"l") + data


def old_tensor(source=None, shape=(4,)):
    return tensor(shape, (1,) * len(shape), source=old_storage() if source is None else source)


def test_streams():
    assert load(io.BytesIO(stream(old_tensor())))._array.tobytes() == SIXTEEN[0]
    part = old_storage(part=group(text("v"), number(1), number(2)))
    assert load(io.BytesIO(stream(old_tensor(part, (2,)))))._array.tobytes() == SIXTEEN[0][4:12]
    for bad in (
        stream(old_tensor(), keys=()), stream(old_tensor(), keys=("k", "k")),
        stream(old_tensor(), keys=("x",)),
        stream(old_tensor(), keys=("k", "x")), stream(b"N"), stream(old_tensor(), data=b""),
        stream(old_tensor(), data=b"\x04\0\0"),
        stream(old_tensor(), data=struct.pack("<q", 5) + bytes(20)),
        stream(old_tensor(), data=struct.pack("<q", -1) + bytes(16)),
        stream(old_tensor(), data=struct.pack("<q", 4) + bytes(15)), stream(old_tensor(shape=(5,))),
        stream(old_tensor(old_storage(count=2**40)), data=struct.pack("<q", 2**40)),
        stream(old_tensor(old_storage(part=group(text("v"), number(1), number(4))))),
        stream(old_tensor(old_storage(part=group(text("v"), number(-1), number(2))))),
        stream(old_tensor(old_storage(part=group(text("v"), number(0), number(2))))),
        stream(old_tensor(old_storage(part=number(1)))),
        stream(old_tensor(old_storage(part=group(b"]", number(0), number(2))))), stream(storage()),
        stream(old_tensor(old_storage("torch.BoolStorage"), (4,)), data=struct.pack("<q", 4) + b"\0\1\2\0"),
        HEADING, HEADING[:-3], HEADING[:20], whole(number(1)), whole(b"N"), whole(text("x" * 1000)),
        b"\x80\x02", b"\x80",
        HEADING.replace(b"M\xe9\x03", b"M\xea\x03"),
    ):  # fmt: skip
        refuse(bad)


def test_stream_storages_are_not_allocated_on_a_promise():
    promises = b"(" + b"".join(old_storage(key=str(n), count=2**28) for n in range(50)) + b"l"
    limited(stream(promises, keys=[str(n) for n in range(50)], data=struct.pack("<q", 2**28) + bytes(100)), 2)


def test_other_files_are_named(tmp_path):
    path = tmp_path / "x.pt"
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as file:
        for member in ("sys_info", "pickle", "tensors", "storages"):
            file.addfile(tarfile.TarInfo(member), io.BytesIO())
    for data, what in (
        (b"", "empty"), (tar.getvalue(), "tar archive"), (b"<!DOCTYPE html><html>", "web page"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"\x93NUMPY\x01", "NumPy array"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}', "safetensors.load_file"),
        (b"random text", "neither a zip archive nor a pickle"),
        (pickle.dumps({"w": 1}), "not a checkpoint"), (b"PK\x03\x04", "truncated"), (b"PK", "neither"),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=what) as caught:
            load(path)
        assert "x.pt" in str(caught.value)


# --- damage at every place --------------------------------------------------------------------------------


def small_checkpoint(zipped):
    buffer = io.BytesIO()
    value = OrderedDict(
        w=wrap(np.arange(6, dtype=np.float32).reshape(2, 3)),
        b=wrap(np.array([True, False])),
        n=[1, "x", (2.5, None)],
    )
    save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_truncated_at_every_byte(zipped, tmp_path):
    data = small_checkpoint(zipped)
    load(io.BytesIO(data))
    for end in range(len(data)):
        refuse(data[:end])
    path = tmp_path / "cut.pt"
    for end in range(0, len(data), 97):
        path.write_bytes(data[:end])
        with pytest.raises(CheckpointError):
            load(path, mmap=zipped)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_one_byte_changed_at_every_place(zipped):
    data = small_checkpoint(zipped)
    for at in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= change
            try:
                load(io.BytesIO(damaged), map_location="cpu")
            except CheckpointError:
                pass


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_random_damage(zipped, data):
    damaged = bytearray(small_checkpoint(zipped))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        piece = data.draw(st.binary(max_size=6))
        damaged[at : at + data.draw(st.integers(0, 6))] = piece
    for read in (lambda f: load(f, map_location="cpu"), inspect_checkpoint):
        try:
            read(io.BytesIO(damaged))
        except CheckpointError:
            pass


@given(pieces=st.lists(st.sampled_from([
    b"]", b"}", b")", b"(", b"N", b"K\x01", b"a", b"e", b"s", b"u", b"t", b"l", b"d", b"\x85", b"\x86",
    b"\x87", b"R", b"b", b"\x81",
    b"Q", b"0", b"1", b"2", b"\x8f", b"\x90", b"\x91", b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"\x94",
    text("a"), text("conj"),
    number(2**70), ORDERED, storage(), tensor([2], [1]), EMPTY_ARRAY, F4,
    name("torch._utils._rebuild_tensor_v2"),
    name("collections.OrderedDict"), name("builtins.set"), name("torch.nn.parameter.Parameter"),
    name("os.system"),
    name("collections.Counter"), name("torch.Size"), numbers(2), numbers(1), NO_HOOKS,
]), max_size=30))  # fmt: skip
@settings(max_examples=3000, deadline=None)
def test_random_programs(pieces):
    data = archive(whole(b"".join(pieces)), SIXTEEN)
    for read in (load, inspect_checkpoint):
        try:
            read(io.BytesIO(data))
        except CheckpointError:
            pass


def test_checksums_that_pytorch_can_leave_out_are_not_asked_for():
    torch.serialization.set_crc32_options(False)
    try:
        buffer = io.BytesIO()
        torch.save({"w": torch.arange(3.0)}, buffer)
    finally:
        torch.serialization.set_crc32_options(True)
    assert load(io.BytesIO(buffer.getvalue()))["w"]._array.tolist() == [0, 1, 2]
    assert inspect_checkpoint(io.BytesIO(buffer.getvalue())).problems == []
