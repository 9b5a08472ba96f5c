"""The safetensors format against its reference implementation, both ways, and against damaged files."""

import json
import struct

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from _exchange import bits
from retrograd import serialization
from retrograd.core import arrays
from retrograd.core.tensor import wrap
from retrograd.safetensors import load, load_file, save, save_file
from retrograd.serialization import CheckpointError

DTYPES = sorted(set(arrays.DTYPES) - {"complex128"})


def pair(name, shape):
    """The same values as a tensor of PyTorch and of retrograd."""
    count = int(np.prod(shape))
    theirs = (torch.arange(count) % 2 == 0 if name == "bool" else torch.arange(count)).to(
        getattr(torch, name)
    )
    theirs = theirs.reshape(shape)
    raw = np.frombuffer(bits(theirs)[2], np.uint8).copy()
    return theirs, wrap(raw.view(arrays.DTYPES[name].numpy).reshape(shape))


def everything():
    theirs, ours = {}, {}
    for n, name in enumerate(DTYPES):
        for shape in ((), (3,), (2, 3), (0, 4)):
            theirs[f"{name} {shape}"], ours[f"{name} {shape}"] = pair(name, shape)
    return theirs, ours


def test_our_bytes_are_those_of_the_reference():
    theirs, ours = everything()
    for metadata in (None, {"format": "pt"}):
        assert save(ours, metadata) == safetensors.torch.save(theirs, metadata)


def test_both_ways(tmp_path):
    theirs, ours = everything()
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file(theirs, path, {"author": "ü"})
    for loaded in (load_file(path), load(path.read_bytes()), load_file(str(path), "cpu", backend="pread"),
                   serialization.load(path), serialization.load(path, map_location="cpu")):  # fmt: skip
        assert {k: bits(v) for k, v in loaded.items()} == {k: bits(v) for k, v in theirs.items()}
        assert all(t._array.flags.writeable and t._array.flags.aligned for t in loaded.values())
    save_file(ours, path, metadata={"author": "ü"})
    loaded = safetensors.torch.load_file(path)
    assert {k: bits(v) for k, v in loaded.items()} == {k: bits(v) for k, v in theirs.items()}
    report = serialization.inspect_checkpoint(path)
    assert report.format == "safetensors" and report.metadata == {"author": "ü"} and report.globals == {}
    assert {t.key: (tuple(t.shape), t.dtype.name, t.nbytes) for t in report.tensors} == {
        k: (tuple(t.shape), t.dtype.name, t.nbytes) for k, t in ours.items()
    }


def test_loaded_tensors_do_not_share_memory():
    loaded = load(save({"a": wrap(np.zeros(3)), "b": wrap(np.zeros(3))}))
    assert not np.shares_memory(loaded["a"]._array, loaded["b"]._array)
    assert loaded["a"]._array.base.nbytes == 24


def test_what_can_not_be_saved():
    base = np.zeros((4, 4), np.float32)
    for tensors, error, message in (
        ([wrap(base)], ValueError, "Expected a dict"),
        ({"a": base}, ValueError, "`a`.*expected torch.Tensor"),
        ({1: wrap(base)}, ValueError, "name of a tensor"),
        ({"__metadata__": wrap(base)}, ValueError, "__metadata__"),
        ({"a": wrap(base.T)}, ValueError, "`a` is not contiguous.*contiguous()"),
        ({"a": wrap(base), "b": wrap(base)}, RuntimeError, "share memory.*clone"),
        ({"a": wrap(base[:2]), "b": wrap(base[1:])}, RuntimeError, "share memory.*clone"),
        ({"a": wrap(base.astype("c16"))}, ValueError, "complex128"),
    ):
        with pytest.raises(error, match=message):
            save(tensors)
    save({"a": wrap(base[:2]), "b": wrap(base[2:])})
    with pytest.raises(TypeError, match="metadata"):
        save({"a": wrap(base)}, {"n": 3})
    with pytest.raises(TypeError, match="got str"):
        load("a.safetensors")


def test_devices(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": wrap(np.zeros(3))}, path)
    with pytest.raises(RuntimeError, match="device='cuda:0'"):
        load_file(path, "cuda:0")
    with pytest.raises(RuntimeError, match="must be a device"):
        serialization.load(path, map_location={"cuda:0": "cpu"})
    with pytest.raises(ValueError, match="backend"):
        load_file(path, backend="magic")


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": wrap(np.ones(3))}, path)
    with pytest.raises(ValueError):
        save_file({"a": None}, path)
    assert load_file(path)["a"]._array.tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


# --- damaged and hostile files ----------------------------------------------------------------------------


def made(header, data=bytes(16), length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(dtype="F32", shape=(4,), begin=0, end=16):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = {"a": entry()}


def test_the_hand_made_file_is_good():
    assert load(made(GOOD))["a"]._array.shape == (4,)
    assert load(made(b'{"a":' + json.dumps(entry()).encode() + b"}    "))["a"]._array.shape == (4,)
    assert load(made({}, b"")) == {}


BAD = {
    "nothing": b"", "too short": b"\0" * 7, "no header": b"\0" * 8,
    "header past the end": made(GOOD, length=10**6), "huge header": made(GOOD, length=2**63),
    "largest header": made(GOOD, length=2**64 - 1), "no brace": made(b"[]" + b" " * 6),
    "not JSON": made(b"{nonsense"),
    "UTF-16": made(json.dumps(GOOD).encode("utf-16-le")),
    "not UTF-8": made(b'{"\xff":1}'), "a list": made(b"[1]"), "two objects": made(b"{}{}"),
    "deep": made(b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"), "NaN": made(b'{"a":NaN}'),
    "twice": made(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}"),
    "huge number": made(b'{"a":' + b"9" * 10**5 + b"}"), "no dict": made({"a": 1}),
    "no dtype": made({"a": {"shape": [4]}}),
    "more fields": made({"a": {**entry(), "x": 1}}), "unknown dtype": made({"a": entry("F33")}),
    "dtype is a list": made({"a": entry(["F32"])}), "negative size": made({"a": entry(shape=(-4,))}),
    "two negatives": made({"a": entry(shape=(-2, -2))}), "float size": made({"a": entry(shape=(4.0,))}),
    "bool size": made({"a": entry(shape=(4, True))}), "shape is a number": made({"a": entry(shape=4)}),
    "many dimensions": made({"a": entry(shape=(4,) + (1,) * 64)}),
    "huge empty": made({"a": entry(shape=(2**62, 0), end=0)}, b""),
    "overflow": made({"a": entry(shape=(2**32, 2**32), end=0)}),
    "shape too large": made({"a": entry(shape=(5,))}),
    "end before begin": made({"a": entry(begin=16, end=0)}),
    "negative offset": made({"a": entry(begin=-16, end=0)}),
    "one offset": made({"a": {**entry(), "data_offsets": [16]}}),
    "float offset": made({"a": entry(begin=0.0)}),
    "past the end": made({"a": entry()}, bytes(15)), "unused bytes": made({"a": entry()}, bytes(17)),
    "hole": made({"a": entry(begin=4, end=20)}, bytes(20)),
    "overlap": made({"a": entry(), "b": entry(begin=8, end=24)}, bytes(24)),
    "same place": made({"a": entry(), "b": entry()}),
    "bool": made({"a": entry("BOOL", (16,))}, b"\2" + bytes(15)),
    "metadata": made({"__metadata__": {"a": 1}, **GOOD}),
    "metadata is a list": made({"__metadata__": [], **GOOD}),
}  # fmt: skip


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad_files(data, tmp_path):
    with pytest.raises(CheckpointError):
        load(data)
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="a.safetensors"):
        load_file(path)


def test_truncated_and_changed_at_every_byte():
    good = save({"a": wrap(np.arange(3.0)), "b": wrap(np.array([True]))}, {"k": "v"})
    for end in range(len(good)):
        with pytest.raises(CheckpointError):
            load(good[:end])
    for at in range(len(good)):
        for change in (0x01, 0x20, 0x80):
            damaged = bytearray(good)
            damaged[at] ^= change
            try:
                load(bytes(damaged))
            except CheckpointError:
                pass


@given(st.binary(max_size=80))
@settings(max_examples=500, deadline=None)
def test_random_headers(header):
    try:
        load(made(b"{" + header))
    except CheckpointError:
        pass
