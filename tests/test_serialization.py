"""Checkpoints go both ways between retrograd and real PyTorch: values, dtypes, sharing, containers, places."""

import io
import os
import pathlib
import stat
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pickle import PicklingError, UnpicklingError

import ml_dtypes
import numpy as np
import pytest
import torch

from retrograd import serialization
from retrograd._checkpoint import writer
from retrograd._checkpoint.source import open_source
from retrograd._checkpoint.zip_reader import ZipArchive
from retrograd.core import arrays
from retrograd.core.device import device
from retrograd.core.size import Size
from retrograd.core.tensor import Tensor, wrap
from retrograd.nn.parameter import Parameter
from retrograd.serialization import CheckpointError, load, save

DTYPES = list(arrays.DTYPES)
ZIP_OR_STREAM = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])


def from_torch(obj, zipped=True, **kwargs):
    """What retrograd loads of what PyTorch saved."""
    buffer = io.BytesIO()
    torch.save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return load(buffer, **kwargs)


def to_torch(obj, zipped=True):
    """What PyTorch loads, with its own weights_only rules, of what retrograd saved."""
    buffer = io.BytesIO()
    save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def both_ways(obj, zipped=True):
    buffer = io.BytesIO()
    save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return load(buffer)


def bits(tensor):
    """Shape, dtype and bytes of a tensor of either library."""
    if isinstance(tensor, Tensor):
        return tuple(tensor.shape), tensor.dtype.name, tensor._array.tobytes()
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return tuple(plain.shape), str(plain.dtype).removeprefix("torch."), raw


def torch_values(name, shape=(3, 4)):
    if name == "bool":
        return torch.arange(12).reshape(shape) % 3 == 0
    return (torch.arange(12, dtype=torch.float64).reshape(shape) - 3 * ("uint" not in name)).to(getattr(torch, name))


# --- tensors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DTYPES)
@ZIP_OR_STREAM
def test_every_dtype_from_torch(name, zipped):
    tensor = torch_values(name)
    loaded = from_torch(tensor, zipped)
    assert bits(loaded) == bits(tensor)
    assert loaded._array.flags.writeable and loaded._array.flags.aligned


@pytest.mark.parametrize("name", DTYPES)
@ZIP_OR_STREAM
def test_every_dtype_to_torch(name, zipped):
    tensor = wrap(torch_values(name).view(torch.uint8).numpy().copy().view(arrays.DTYPES[name].numpy).reshape(3, 4))
    assert bits(both_ways(tensor, zipped)) == bits(tensor)
    if zipped or name in writer.STORAGE_NAMES.values():  # PyTorch can't read its own newer dtypes as a stream
        assert bits(to_torch(tensor, zipped)) == bits(tensor)


VIEWS = {
    "transposed": lambda t: t.t(),
    "offset": lambda t: t[1:],
    "column": lambda t: t[:, 2],
    "step": lambda t: t[::2, 1::2],
    "scalar": lambda t: t[1, 2],
    "empty": lambda t: t[:0],
    "expanded": lambda t: t[:1].expand(5, 4),
    "new axis": lambda t: t[:, None, :, None],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@ZIP_OR_STREAM
def test_views(view, zipped):
    theirs = view(torch.arange(12.0).reshape(3, 4))
    loaded = from_torch(theirs, zipped)
    assert bits(loaded) == bits(theirs)
    if theirs.numel():
        assert loaded._array.strides == tuple(4 * s for s in theirs.stride())
    again = to_torch(loaded, zipped)
    assert bits(again) == bits(theirs)
    assert again.storage_offset() == theirs.storage_offset() or not theirs.numel()
    if theirs.numel():
        assert again.stride() == theirs.stride()


def test_lazy_conjugation_and_negation():
    z = torch.tensor([1 + 2j, 3 - 4j])
    for zipped in (True, False):
        for tensor in (z.conj(), z.conj().imag):
            assert bits(from_torch(tensor, zipped)) == bits(tensor)


@ZIP_OR_STREAM
def test_shared_memory_comes_back_shared_and_is_written_once(zipped):
    base = torch.zeros(1000)
    loaded = from_torch({"all": base, "tail": base[500:], "same": base}, zipped)
    assert loaded["same"] is loaded["all"]
    loaded["all"]._array[700] = 3.0
    assert loaded["tail"]._array[200] == 3.0

    buffer = io.BytesIO()
    save(loaded, buffer, _use_new_zipfile_serialization=zipped)
    assert len(buffer.getvalue()) < 4000 + 2500
    buffer.seek(0)
    theirs = torch.load(buffer)
    assert theirs["tail"].untyped_storage().data_ptr() == theirs["all"].untyped_storage().data_ptr()
    theirs["all"][700] = 5.0
    assert theirs["tail"][200] == 5.0


def test_a_view_is_saved_with_all_of_its_memory_as_in_torch():
    rows = np.zeros((1000, 10), np.float32)
    assert to_torch(wrap(rows[3])).untyped_storage().nbytes() == 40000
    assert to_torch(wrap(rows[3].copy())).untyped_storage().nbytes() == 40


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0)[::-1], np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.broadcast_to(np.arange(3.0), (4, 3)),
     np.zeros(3, "i4,f8")["f1"], np.frombuffer(b"abcdefghi", np.uint8)[1:], np.arange(8, dtype="c8").imag,
     np.lib.stride_tricks.sliding_window_view(np.arange(6.0), 3)],
    ids=["reversed", "fortran", "broadcast", "field", "read-only", "imag", "windows"],
)  # fmt: skip
def test_arrays_that_numpy_lays_out_in_its_own_ways(array):
    assert bits(to_torch(wrap(array))) == bits(wrap(array))


def test_memory_seen_as_two_types_is_refused_as_in_torch():
    z = np.zeros(3, np.complex64)
    with pytest.raises(RuntimeError, match="view the same data as different types.*clone"):
        save([wrap(z), wrap(z.view(np.float32))], io.BytesIO())
    x = torch.zeros(3, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, torch.view_as_real(x)], io.BytesIO())


def test_requires_grad_and_parameters():
    theirs = {"leaf": torch.ones(2, requires_grad=True), "p": torch.nn.Parameter(torch.ones(3)),
              "frozen": torch.nn.Parameter(torch.ones(3), requires_grad=False)}  # fmt: skip
    ours = from_torch(theirs)
    assert ours["leaf"].requires_grad and type(ours["leaf"]) is Tensor
    assert type(ours["p"]) is Parameter and ours["p"].requires_grad
    assert type(ours["frozen"]) is Parameter and not ours["frozen"].requires_grad
    back = to_torch(ours)
    assert {k: (type(v), v.requires_grad) for k, v in back.items()} == {
        k: (type(v), v.requires_grad) for k, v in theirs.items()
    }


def test_attributes_of_tensors_and_parameters():
    theirs = torch.nn.Parameter(torch.ones(2))
    theirs.note, theirs._mark = "kept", 3
    ours = from_torch(theirs)
    assert (ours.note, ours._mark) == ("kept", 3)
    back = to_torch(ours)
    assert (back.note, back._mark) == ("kept", 3)

    theirs = torch.ones(2)
    theirs.note = [1, 2]
    ours = from_torch(theirs)
    assert ours.note == [1, 2]
    assert to_torch(ours).note == [1, 2]


# --- containers and plain values -----------------------------------------------------------------------------

PLAIN = [
    None, True, False, 0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, -(2**63),
    2**100, -(2**100), 0.0, -0.0, 1e308, float("inf"), 1j, 3 - 2j, "", "text", "ü𝄞\0\n", "\ud800",
    b"bytes\xff", bytearray(b"ab"), bytearray(), [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {},
    {"a": 1, 2: "b", (1, "c"): None, None: 0, 1.5: 1, b"k": 2}, {1, 2, "x"}, set(), Counter("abca"),
    OrderedDict(b=1, a=OrderedDict()), list(range(2500)), {i: str(i) for i in range(2500)}, "x" * 70000,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__} {repr(value)[:20]}")
@ZIP_OR_STREAM
def test_plain_values(value, zipped):
    for loaded in (from_torch(value, zipped), to_torch(value, zipped), both_ways(value, zipped)):
        assert loaded == value and type(loaded) is type(value) and repr(loaded) == repr(value)


def test_plain_values_that_torch_refuses_by_default():
    numbers = [2**3000, -(2**3000), np.float32(1.5), np.int64(-3), np.dtype(">i2"), np.bool_(True)]
    for value in (*numbers, frozenset({1, 2}), slice(1, 5, 2)):
        assert from_torch(value) == value
        assert both_ways(value) == value
        with pytest.raises(UnpicklingError):
            to_torch(value)
    array = np.arange(6, dtype=">i2").reshape(2, 3).T
    for loaded in (from_torch({"a": array}), both_ways({"a": array})):
        np.testing.assert_array_equal(loaded["a"], array)
        assert loaded["a"].dtype == "i2" and loaded["a"].flags.f_contiguous  # NumPy makes it native


def test_torch_objects():
    ours = from_torch([torch.Size([2, 3]), torch.device("cuda", 1), torch.device("cpu"), torch.float16, torch.strided])
    assert ours[:4] == [Size((2, 3)), device("cuda:1"), device("cpu"), arrays.float16]
    assert type(ours[0]) is Size and repr(ours[4]) == "torch.strided"
    back = to_torch(ours)
    assert back == [torch.Size([2, 3]), torch.device("cuda", 1), torch.device("cpu"), torch.float16, torch.strided]
    assert type(back[0]) is torch.Size


def test_object_identity_is_kept():
    shared = ["shared"]
    loaded = both_ways({"a": shared, "b": [shared, shared]})
    assert loaded["a"] is loaded["b"][0] is loaded["b"][1]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols_of_torch(protocol):
    buffer = io.BytesIO()
    value = {"t": torch.arange(3), "x": [1, 2.5, "s", b"b", {1}, (1, 2), 2**70, None], "big": list(range(1500))}
    torch.save(value, buffer, pickle_protocol=protocol)
    buffer.seek(0)
    loaded = load(buffer)
    assert bits(loaded.pop("t")) == bits(value.pop("t")) and loaded == value


def test_saving_accepts_protocols_and_refuses_what_it_cannot_do():
    for protocol in (2, 3, 4, 5):
        buffer = io.BytesIO()
        save([1], buffer, pickle_protocol=protocol)
        buffer.seek(0)
        assert torch.load(buffer) == [1]
    with pytest.raises(ValueError, match="pickle_protocol must be 2, 3, 4 or 5, got 1"):
        save([1], io.BytesIO(), pickle_protocol=1)
    with pytest.raises(ValueError, match="pickle_module"):
        save([1], io.BytesIO(), pickle_module=os)
    loop = []
    loop.append((loop,))
    with pytest.raises(PicklingError, match="contains itself"):
        save(loop, io.BytesIO())
    deep = []
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(PicklingError, match="nested"):
        save(deep, io.BytesIO())
    with pytest.raises(PicklingError, match="lambda"):
        save(lambda: 1, io.BytesIO())
    with pytest.raises(AttributeError, match="write"):
        save([1], 3)


# --- models and optimizers of PyTorch -----------------------------------------------------------------------


@ZIP_OR_STREAM
def test_state_dict_of_a_model(zipped):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))
    theirs = model.state_dict()
    ours = from_torch(theirs, zipped)
    assert type(ours) is OrderedDict and ours._metadata == theirs._metadata
    assert {k: bits(v) for k, v in ours.items()} == {k: bits(v) for k, v in theirs.items()}
    back = to_torch(ours, zipped)
    assert type(back) is OrderedDict and back._metadata == theirs._metadata
    model.load_state_dict(back)


def test_checkpoint_with_an_optimizer():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    theirs = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "rng": torch.get_rng_state()}
    ours = from_torch(theirs)
    assert ours["epoch"] == 3 and ours["optimizer"]["param_groups"] == theirs["optimizer"]["param_groups"]
    assert bits(ours["rng"]) == bits(theirs["rng"])
    state = ours["optimizer"]["state"]
    assert {(i, k): bits(v) for i in state for k, v in state[i].items()} == {
        (i, k): bits(v) for i, s in theirs["optimizer"]["state"].items() for k, v in s.items()
    }
    back = to_torch(ours)
    optimizer.load_state_dict(back["optimizer"])
    assert torch.equal(optimizer.state[model.weight]["exp_avg"], theirs["optimizer"]["state"][0]["exp_avg"])


def test_several_objects_in_one_stream():
    buffer = io.BytesIO(b"heading")
    buffer.seek(7)
    torch.save(torch.arange(3), buffer, _use_new_zipfile_serialization=False)
    save(["second"], buffer, _use_new_zipfile_serialization=False)
    buffer.seek(7)
    assert bits(load(buffer)) == bits(torch.arange(3))
    assert load(buffer) == ["second"]


def test_a_zip_that_starts_inside_a_file():
    buffer = io.BytesIO(b"heading")
    buffer.seek(7)
    torch.save(torch.arange(3), buffer)
    buffer.seek(7)
    assert bits(load(buffer)) == bits(torch.arange(3))


def test_python_2_strings():
    # As PyTorch under Python 2 wrote a state dict: str keys as 8-bit strings, OrderedDict from a list of pairs.
    data = (b"\x80\x02ccollections\nOrderedDict\nq\x01]q\x02(]q\x03(U\x01aq\x04K\x01e]q\x05(U\x01\xe9q\x06K\x02ee\x85R.")
    stream = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03." + b"\x80\x02}." + data + b"\x80\x02]."
    with pytest.raises(CheckpointError, match="encoding='latin1'"):
        load(io.BytesIO(stream))
    assert load(io.BytesIO(stream), encoding="latin1") == OrderedDict([("a", 1), ("é", 2)])
    assert load(io.BytesIO(stream), encoding="bytes") == OrderedDict([(b"a", 1), (b"\xe9", 2)])


# --- map_location and mmap ------------------------------------------------------------------------------------


def saved_elsewhere(zipped=True):
    """A checkpoint whose storage is tagged xpu, made from one that PyTorch wrote on the CPU."""
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(3.0)}, buffer, _use_new_zipfile_serialization=zipped)
    changed = buffer.getvalue().replace(b"X\x03\x00\x00\x00cpu", b"X\x03\x00\x00\x00xpu")
    assert changed != buffer.getvalue()
    return io.BytesIO(changed)


@ZIP_OR_STREAM
def test_map_location(zipped):
    with pytest.raises(RuntimeError, match="device 'xpu'.*map_location='cpu'"):
        load(saved_elsewhere(zipped))
    for place in ("cpu", device("cpu"), {"xpu": "cpu"}, lambda storage, place: storage, lambda s, place: s.cpu()):
        loaded = load(saved_elsewhere(zipped), map_location=place)
        assert loaded["w"]._array.tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="device 'xpu'"):
        load(saved_elsewhere(zipped), map_location=lambda storage, place: None)
    with pytest.raises(RuntimeError, match="map_location='cuda:0'"):
        load(saved_elsewhere(zipped), map_location="cuda:0")
    with pytest.raises(TypeError, match="must return the storage"):
        load(saved_elsewhere(zipped), map_location=lambda storage, place: "cpu")
    with pytest.raises(TypeError, match="map_location must be a device"):
        load(saved_elsewhere(zipped), map_location=3)


def test_a_map_location_function_sees_each_storage_once():
    seen = []

    def place(storage, location):
        seen.append((location, storage.nbytes(), storage.size(), storage.dtype.name))
        return storage

    base = torch.zeros(4)
    from_torch([base, base[1:], torch.zeros(2, dtype=torch.int64)], map_location=place)
    assert seen == [("cpu", 16, 4, "float32"), ("cpu", 16, 2, "int64")]


def test_mmap(tmp_path):
    path = tmp_path / "m.pt"
    torch.save({"w": torch.arange(5.0), "b": torch.tensor([True, False]), "e": torch.ones(0)}, path)
    before = path.read_bytes()
    loaded = load(path, mmap=True)
    assert loaded["w"]._array.tolist() == [0, 1, 2, 3, 4] and loaded["b"]._array.tolist() == [True, False]
    loaded["w"]._array[0] = 9  # copy on write
    assert path.read_bytes() == before and load(path)["w"]._array[0] == 0
    save(loaded, path)  # over the file that is mapped
    assert path.stat().st_size < 2 * len(before)
    assert torch.load(path)["w"].tolist() == [9, 1, 2, 3, 4]

    with pytest.raises(ValueError, match="path"):
        load(io.BytesIO(before), mmap=True)
    torch.save([1], path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="zip format"):
        load(path, mmap=True)


def test_torch_maps_our_files_too(tmp_path):
    path = tmp_path / "m.pt"
    save({str(i): wrap(np.arange(i, dtype=np.int16)) for i in range(9)}, path)
    loaded = torch.load(path, mmap=True)
    assert [loaded[str(i)].tolist() for i in range(9)] == [list(range(i)) for i in range(9)]


def test_big_endian_files():
    tensors = {"f": torch.arange(3.0), "z": torch.tensor([1 + 2j]), "b": torch.tensor([True]), "d": torch.ones(2).half(),
               "u": torch.tensor([1, 513], dtype=torch.int32).to(torch.uint16)}  # fmt: skip
    buffer, swapped = io.BytesIO(), io.BytesIO()
    torch.save(tensors, buffer)
    sizes = {"0": 4, "1": 4, "2": 1, "3": 2, "4": 2}
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(swapped, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if "/data/" in info.filename:
                data = np.frombuffer(data, f"u{sizes[info.filename[-1]]}").byteswap().tobytes()
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else data)
    swapped.seek(0)
    loaded = load(swapped)
    assert {k: bits(v) for k, v in loaded.items()} == {k: bits(v) for k, v in tensors.items()}


# --- globals --------------------------------------------------------------------------------------------------


class Plain:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Plain and other.x == self.x


class Slotted:
    __slots__ = ("x", "y")


class Listed(list):
    pass


def test_safe_globals():
    value = {"p": Plain(torch.ones(2)), "l": Listed([1, 2])}
    buffer = io.BytesIO()
    torch.save(value, buffer)

    def again():
        buffer.seek(0)
        return load(buffer)

    with pytest.raises(CheckpointError, match=r"global .*\.Plain.*not allowed.*add_safe_globals\(\[Plain\]\)"):
        again()
    with serialization.safe_globals([Plain, Listed]):
        loaded = again()
        assert bits(loaded["p"].x) == bits(torch.ones(2)) and type(loaded["l"]) is Listed and loaded["l"] == [1, 2]
        assert serialization.get_safe_globals() == [Plain, Listed]
    assert serialization.get_safe_globals() == []
    serialization.add_safe_globals([(Plain, f"{__name__}.Plain"), Listed])
    try:
        assert again()["l"] == [1, 2]
        buffer.seek(0)
        assert serialization.get_unsafe_globals_in_checkpoint(buffer) == []
    finally:
        serialization.clear_safe_globals()
    buffer.seek(0)
    assert sorted(serialization.get_unsafe_globals_in_checkpoint(buffer)) == [f"{__name__}.Listed", f"{__name__}.Plain"]
    for wrong, error in (((1, 2, 3), ValueError), ((Plain, 1), TypeError), (3, TypeError)):
        with pytest.raises(error):
            serialization.add_safe_globals([wrong])


def test_user_objects_are_saved_by_their_own_account():
    slotted = Slotted()
    slotted.x = wrap(np.ones(2))
    with serialization.safe_globals([Plain, Slotted, defaultdict, list]):
        loaded = both_ways([Plain([1]), slotted, defaultdict(list, a=[1])])
        assert loaded[0] == Plain([1]) and loaded[1].x._array.tolist() == [1, 1]
        assert loaded[2] == {"a": [1]} and loaded[2].default_factory is list


def test_a_whole_model_is_refused_with_the_remedy_unless_the_caller_allows_code():
    model = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict\(\)") as caught:
        from_torch(model)
    assert isinstance(caught.value, UnpicklingError) and isinstance(caught.value, RuntimeError)
    with pytest.raises(CheckpointError, match="a pickle is a program.*allow_arbitrary_code_execution"):
        from_torch(model, weights_only=False)
    with serialization.allow_arbitrary_code_execution():
        with pytest.raises(CheckpointError, match="not allowed"):
            from_torch(model)  # the flag is asked for as well
        buffer = io.BytesIO()
        save({"p": Plain(3)}, buffer)
        buffer.seek(0)
        assert load(buffer, weights_only=False) == {"p": Plain(3)}
    buffer.seek(0)
    with pytest.raises(CheckpointError, match="allow_arbitrary_code_execution"):
        load(buffer, weights_only=False)


def test_weights_only_false_reads_ordinary_checkpoints_by_the_safe_rules():
    assert bits(from_torch({"w": torch.ones(3)}, weights_only=False)["w"]) == bits(torch.ones(3))


def test_arguments_of_load(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="'colour'"):
        from_torch([1], colour=3)
    with pytest.raises(ValueError, match="pickle_module"):
        from_torch([1], pickle_module=os)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.pt")
    with pytest.raises(AttributeError, match="read, seek and tell, got int"):
        load(3)


# --- where files come from and go ------------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """A raw file that reads and writes 7 bytes at a time."""

    def __init__(self, data=b""):
        self.inner = io.BytesIO(data)

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, *args):
        return self.inner.seek(*args)

    def tell(self):
        return self.inner.tell()

    def readinto(self, view):
        return self.inner.readinto(memoryview(view)[:7])

    def writable(self):
        return True

    def write(self, data):
        return self.inner.write(bytes(memoryview(data)[:7]))


@ZIP_OR_STREAM
def test_paths_and_files(tmp_path, zipped):
    value = {"w": torch.arange(100.0)}
    path = tmp_path / "a.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    for f in (path, str(path), pathlib.PurePath(path)):
        assert bits(load(f)["w"]) == bits(value["w"])
    with open(path, "rb") as file:
        assert bits(load(file)["w"]) == bits(value["w"])
    assert bits(load(Trickle(path.read_bytes()))["w"]) == bits(value["w"])
    slow = Trickle()
    save({"w": wrap(np.arange(100.0, dtype=np.float32))}, slow, _use_new_zipfile_serialization=zipped)
    slow.seek(0)
    assert bits(load(slow)["w"]) == bits(value["w"])


def test_a_pipe_is_refused():
    reader, writer_end = os.pipe()
    os.close(writer_end)
    with open(reader, "rb") as pipe, pytest.raises(io.UnsupportedOperation, match="seekable.*BytesIO"):
        load(pipe)


def test_our_files_equal_torchs_but_for_the_id():
    ours, theirs = io.BytesIO(), io.BytesIO()
    save(OrderedDict(w=wrap(np.arange(5.0, dtype=np.float32)), n=3), ours)
    torch.save(OrderedDict(w=torch.arange(5.0), n=3), theirs)
    assert len(ours.getvalue()) == len(theirs.getvalue())
    assert ours.getvalue()[:900] == theirs.getvalue()[:900]


def test_the_same_object_gives_the_same_bytes():
    first, second = io.BytesIO(), io.BytesIO()
    for buffer in (first, second):
        save({"w": wrap(np.arange(5.0))}, buffer)
    assert first.getvalue() == second.getvalue()


def test_members_are_aligned_and_checksummed(tmp_path):
    path = tmp_path / "a.pt"
    save([wrap(np.arange(n, dtype=np.float64)) for n in range(5)], path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with open_source(path) as source:
        assert all(member.offset % 64 == 0 for member in ZipArchive(source).members.values())


def test_sizes_of_64_bits(monkeypatch):
    monkeypatch.setattr(writer, "ZIP64_LIMIT", 100)
    buffer = io.BytesIO()
    save([wrap(np.arange(n, dtype=np.float64)) for n in (3, 50, 100)], buffer)
    assert [bits(t) for t in torch.load(io.BytesIO(buffer.getvalue()))] == [
        bits(torch.arange(n, dtype=torch.float64)) for n in (3, 50, 100)
    ]
    assert zipfile.ZipFile(buffer).testzip() is None
    assert [t._array.size for t in load(io.BytesIO(buffer.getvalue()))] == [3, 50, 100]


# --- saving is atomic -------------------------------------------------------------------------------------------


class Unsaveable:
    def __reduce_ex__(self, protocol):
        raise RuntimeError("refuses to be saved")


@ZIP_OR_STREAM
def test_a_failed_save_keeps_the_old_file(tmp_path, zipped):
    path = tmp_path / "a.pt"
    save(["old"], path)
    with pytest.raises(RuntimeError, match="refuses"):
        save(["new", Unsaveable()], path, _use_new_zipfile_serialization=zipped)
    assert load(path) == ["old"] and os.listdir(tmp_path) == ["a.pt"]


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save(["old"], path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(["new"], path)
    assert load(path) == ["old"] and os.listdir(tmp_path) == ["a.pt"]


@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
def test_permissions_and_links(tmp_path):
    path, link = tmp_path / "a.pt", tmp_path / "link.pt"
    umask = os.umask(0o027)
    try:
        save([1], path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(umask)
    path.chmod(0o600)
    link.symlink_to(path)
    save([2], link)
    assert link.is_symlink() and load(path) == [2] and stat.S_IMODE(path.stat().st_mode) == 0o600
    save([3], os.devnull)
    with pytest.raises(FileNotFoundError, match="folder.*does not exist"):
        save([1], tmp_path / "missing" / "a.pt")
    with pytest.raises(IsADirectoryError):
        save([1], tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_saves_leave_a_loadable_file(tmp_path):
    path = tmp_path / "a.pt"
    save([0, wrap(np.zeros(200_000))], path)
    script = (
        "import sys, numpy as np\n"
        "from retrograd.serialization import save\n"
        "from retrograd.core.tensor import wrap\n"
        "print('ready', flush=True)\n"
        "for n in range(1, 10**6): save([n, wrap(np.full(200_000, n, float))], sys.argv[1])\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(serialization.__file__).parents[1]))
    for wait in (0.0, 0.013, 0.031):
        child = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, env=environment)
        child.stdout.readline()
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()
        n, values = load(path)
        assert (values._array == n).all()


# --- inspect ----------------------------------------------------------------------------------------------------


@ZIP_OR_STREAM
def test_inspect(tmp_path, zipped):
    path = tmp_path / "a.pt"
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save({"model": model, "extra": [torch.ones(2, dtype=torch.bfloat16)]}, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    report = serialization.inspect_checkpoint(path)
    assert report.format == ("zip" if zipped else "legacy") and report.file_bytes == path.stat().st_size
    found = {t.key: (tuple(t.shape), t.dtype.name, t.nbytes) for t in report.tensors}
    assert found["extra.0"] == ((2,), "bfloat16", 4)
    assert sorted(v for k, v in found.items() if k != "extra.0") == sorted(
        (tuple(t.shape), str(t.dtype)[6:], t.nbytes) for t in model.state_dict().values()
    )
    assert "torch.nn.modules.linear.Linear" in report.unsafe_globals
    assert "torch._utils._rebuild_tensor_v2" not in report.unsafe_globals
    text = str(report)
    assert "REFUSED  torch.nn.modules.linear.Linear" in text and "extra.0" in text
    assert report.problems == []


def test_inspect_finds_damage_and_hides_control_characters(tmp_path):
    path = tmp_path / "a.pt"
    save({"\x1b[31mred": wrap(np.arange(1000.0))}, path)
    data = bytearray(path.read_bytes())
    data[-3000] ^= 1
    path.write_bytes(data)
    report = serialization.inspect_checkpoint(path)
    assert report.problems == ["the checksum of data/0 is wrong: its data was changed"]
    assert "\x1b" not in str(report) and "\\x1b[31mred" in str(report)


def test_ml_dtypes_is_what_arrays_hold():
    assert from_torch(torch.ones(1, dtype=torch.bfloat16))._array.dtype == ml_dtypes.bfloat16
