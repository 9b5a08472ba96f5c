"""Where checkpoints come from and go: devices, files, what they may name; saving is atomic."""

import errno
import io
import os
import pathlib
import stat
import subprocess
import sys
import zipfile
from collections import OrderedDict, defaultdict
from pickle import UnpicklingError

import ml_dtypes
import numpy as np
import pytest
import torch

from _exchange import bits, both_ways, from_torch
from retrograd import nn, serialization
from retrograd._checkpoint import writer
from retrograd._checkpoint.replacing import writing
from retrograd._checkpoint.source import open_source
from retrograd._checkpoint.zip_reader import ZipArchive
from retrograd.core.device import device
from retrograd.core.tensor import wrap
from retrograd.serialization import CheckpointError, load, save

ZIP_OR_STREAM = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])


# --- map_location and mmap --------------------------------------------------------------------------------


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
    for place in (
        "cpu",
        device("cpu"),
        {"xpu": "cpu"},
        lambda storage, place: storage,
        lambda s, place: s.cpu(),
    ):
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
    tensors = {"f": torch.arange(3.0), "z": torch.tensor([1 + 2j]), "b": torch.tensor([True]),
    "d": torch.ones(2).half(),
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


# --- globals ----------------------------------------------------------------------------------------------


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

    with pytest.raises(
        CheckpointError, match=r"global .*\.Plain.*not allowed.*add_safe_globals\(\[Plain\]\)"
    ):
        again()
    with serialization.safe_globals([Plain, Listed]):
        loaded = again()
        assert (
            bits(loaded["p"].x) == bits(torch.ones(2))
            and type(loaded["l"]) is Listed
            and loaded["l"] == [1, 2]
        )
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
    assert sorted(serialization.get_unsafe_globals_in_checkpoint(buffer)) == [
        f"{__name__}.Listed",
        f"{__name__}.Plain",
    ]
    for wrong, error in (((1, 2, 3), ValueError), ((Plain, 1), TypeError), (3, TypeError)):
        with pytest.raises(error):
            serialization.add_safe_globals([wrong])


def test_our_classes_stand_for_torchs_where_they_are_marked_as_safe():
    theirs = torch.nn.Linear(2, 3)
    with serialization.safe_globals([nn.Linear, set]):
        assert bits(from_torch(theirs).weight) == bits(theirs.weight)
    with serialization.safe_globals([nn.Conv2d]), pytest.raises(CheckpointError, match="linear.Linear"):
        from_torch(theirs)


def test_user_objects_are_saved_by_their_own_account():
    slotted = Slotted()
    slotted.x = wrap(np.ones(2))
    with serialization.safe_globals([Plain, Slotted, defaultdict, list]):
        loaded = both_ways([Plain([1]), slotted, defaultdict(list, a=[1])])
        assert loaded[0] == Plain([1]) and loaded[1].x._array.tolist() == [1, 1]
        assert loaded[2] == {"a": [1]} and loaded[2].default_factory is list


def test_a_whole_model_is_refused_with_the_remedy_unless_the_caller_allows_code():
    model = torch.nn.Linear(2, 2)
    with pytest.raises(
        CheckpointError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict\(\)"
    ) as caught:
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


def test_a_whole_model_of_torch_becomes_one_of_ours_where_the_caller_allows_code():
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU())
    with serialization.allow_arbitrary_code_execution():
        ours = from_torch(theirs, weights_only=False)
    assert [type(layer) for layer in ours] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert {k: bits(v) for k, v in ours.state_dict().items()} == {
        k: bits(v) for k, v in theirs.state_dict().items()
    }


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


# --- where files come from and go -------------------------------------------------------------------------


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


# --- saving is atomic -------------------------------------------------------------------------------------


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
        child = subprocess.Popen(
            [sys.executable, "-c", script, path], stdout=subprocess.PIPE, env=environment
        )
        child.stdout.readline()
        try:
            child.wait(wait)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()
        n, values = load(path)
        assert (values._array == n).all()


def _abandoned(folder):
    return [p.name for p in folder.iterdir() if p.name.endswith(".retrograd.tmp")]


@pytest.mark.skipif(os.name == "nt", reason="kill -9 and flock are POSIX")
def test_the_next_save_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    script = (
        "import sys, time, retrograd\n"
        "from retrograd._checkpoint.replacing import writing\n"
        "with writing(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush()\n"
        "    print('ready', flush=True); time.sleep(600)\n"
    )
    environment = dict(os.environ, PYTHONPATH=str(pathlib.Path(serialization.__file__).parents[1]))
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path / name], stdout=subprocess.PIPE, env=environment
        )
        for name in ("alive.pt", "dead.pt")
    ]
    try:
        for child in children:
            child.stdout.readline()
        others = [".a.0123456789abcdef.tmp", "b.0123456789abcdef.retrograd.tmp", ".c.xyz.retrograd.tmp"]
        for name in others:
            (tmp_path / name).write_bytes(b"")
        (tmp_path / ".link.0123456789abcdef.retrograd.tmp").symlink_to(tmp_path / others[0])
        (tmp_path / ".folder.0123456789abcdef.retrograd.tmp").mkdir()
        save([1], tmp_path / "a.pt")
        assert len(_abandoned(tmp_path)) == 2 + 4  # of writers that live
        children[1].kill()
        children[1].wait()
        save([2], tmp_path / "a.pt")
        left = _abandoned(tmp_path)
        assert len(left) == 1 + 4 and any("alive" in name for name in left)
        assert not any("dead" in name for name in left)
        with writing(tmp_path / "within.pt") as file:  # this process, too, keeps what it is writing
            save([3], tmp_path / "a.pt")
            file.write(b"whole")
        assert (tmp_path / "within.pt").read_bytes() == b"whole"
        assert all((tmp_path / name).exists() for name in others)
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()


def test_a_temporary_file_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    flock, removed = fcntl.flock, []

    def late(descriptor, how):
        if not removed:  # another process's save, at the worst moment
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    save([1], tmp_path / "a.pt")
    assert len(removed) == 1 and load(tmp_path / "a.pt") == [1] and len(list(tmp_path.iterdir())) == 1


def test_saving_where_files_cannot_be_locked(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor, how):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = tmp_path / ".b.0123456789abcdef.retrograd.tmp"
    left.write_bytes(b"someone may be writing this")
    save([1], tmp_path / "a.pt")
    assert load(tmp_path / "a.pt") == [1] and left.exists()


def test_the_longest_name_that_a_file_may_have(tmp_path):
    for name in ("n" * 255, "\N{GREEK SMALL LETTER OMEGA}" * 127):
        save([1], tmp_path / name)
        assert load(tmp_path / name) == [1]


# --- inspect ----------------------------------------------------------------------------------------------


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
