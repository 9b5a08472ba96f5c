"""Checkpoints go both ways between retrograd and PyTorch: values, dtypes, sharing, containers, places."""

import io
import os
from collections import Counter, OrderedDict
from pickle import PicklingError, UnpicklingError

import numpy as np
import pytest
import torch

from _exchange import bits, both_ways, from_torch, to_torch
from retrograd import nn
from retrograd._checkpoint import writer
from retrograd.core import arrays
from retrograd.core.device import device
from retrograd.core.size import Size
from retrograd.core.tensor import Tensor, wrap
from retrograd.nn.parameter import Parameter
from retrograd.serialization import CheckpointError, load, save

DTYPES = list(arrays.DTYPES)
ZIP_OR_STREAM = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])


def torch_values(name, shape=(3, 4)):
    if name == "bool":
        return torch.arange(12).reshape(shape) % 3 == 0
    return (torch.arange(12, dtype=torch.float64).reshape(shape) - 3 * ("uint" not in name)).to(
        getattr(torch, name)
    )


# --- tensors ----------------------------------------------------------------------------------------------


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
    tensor = wrap(
        torch_values(name).view(torch.uint8).numpy().copy().view(arrays.DTYPES[name].numpy).reshape(3, 4)
    )
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


def test_overlapping_windows_share_their_memory():
    base = np.arange(6.0)
    windows = np.lib.stride_tricks.as_strided(base, (4, 3), (8, 8))
    theirs = to_torch([wrap(base), wrap(windows)])
    assert bits(theirs[1]) == bits(wrap(windows))
    assert theirs[0].untyped_storage().data_ptr() == theirs[1].untyped_storage().data_ptr()


def test_a_view_is_saved_with_all_of_its_memory_as_in_torch():
    rows = np.zeros((1000, 10), np.float32)
    assert to_torch(wrap(rows[3])).untyped_storage().nbytes() == 40000
    assert to_torch(wrap(rows[3].copy())).untyped_storage().nbytes() == 40


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0)[::-1], np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.broadcast_to(np.arange(3.0), (4, 3)),
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


# --- containers and plain values --------------------------------------------------------------------------

PLAIN = [
    None, True, False, 0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63,
    -(2**63),
    2**100, -(2**100), 0.0, -0.0, 1e308, float("inf"), 1j, 3 - 2j, "", "text", "ü𝄞\0\n", "\ud800",
    b"bytes\xff", bytearray(b"ab"), bytearray(), [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4),
    {},
    {"a": 1, 2: "b", (1, "c"): None, None: 0, 1.5: 1, b"k": 2}, {1, 2, "x"}, set(), Counter("abca"),
    OrderedDict(b=1, a=OrderedDict()), list(range(2500)), {i: str(i) for i in range(2500)}, "x" * 70000,
]  # fmt: skip


def _plain_id(value):
    """A name that is the same in every process: the order of a set of texts is not."""
    return f"{type(value).__name__} {len(value) if isinstance(value, set) else repr(value)[:20]}"


@pytest.mark.parametrize("value", PLAIN, ids=_plain_id)
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
    ours = from_torch(
        [torch.Size([2, 3]), torch.device("cuda", 1), torch.device("cpu"), torch.float16, torch.strided]
    )
    assert ours[:4] == [Size((2, 3)), device("cuda:1"), device("cpu"), arrays.float16]
    assert type(ours[0]) is Size and repr(ours[4]) == "torch.strided"
    back = to_torch(ours)
    assert back == [
        torch.Size([2, 3]),
        torch.device("cuda", 1),
        torch.device("cpu"),
        torch.float16,
        torch.strided,
    ]
    assert type(back[0]) is torch.Size


def test_object_identity_is_kept():
    shared = ["shared"]
    loaded = both_ways({"a": shared, "b": [shared, shared]})
    assert loaded["a"] is loaded["b"][0] is loaded["b"][1]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocols_of_torch(protocol):
    buffer = io.BytesIO()
    value = {
        "t": torch.arange(3),
        "x": [1, 2.5, "s", b"b", {1}, (1, 2), 2**70, None],
        "big": list(range(1500)),
    }
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


# --- models and optimizers of PyTorch ---------------------------------------------------------------------


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


def test_state_dicts_of_models_are_exchanged():
    def layers(nn):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 2)))

    ours, theirs = layers(nn), layers(torch.nn)
    theirs.load_state_dict(to_torch(ours.state_dict()))
    assert {k: bits(v) for k, v in theirs.state_dict().items()} == {
        k: bits(v) for k, v in ours.state_dict().items()
    }
    theirs = layers(torch.nn)
    ours.load_state_dict(from_torch(theirs.state_dict()))
    assert {k: bits(v) for k, v in theirs.state_dict().items()} == {
        k: bits(v) for k, v in ours.state_dict().items()
    }


def test_checkpoint_with_an_optimizer():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    theirs = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "rng": torch.get_rng_state(),
    }
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
    # As Python 2 wrote a state dict: keys as 8-bit strings, the OrderedDict made from a list of pairs.
    pairs = b"]q\x02(]q\x03(U\x01aq\x04K\x01e]q\x05(U\x01\xe9q\x06K\x02ee"
    data = b"\x80\x02ccollections\nOrderedDict\nq\x01" + pairs + b"\x85R."
    stream = (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
        + b"\x80\x02M\xe9\x03."
        + b"\x80\x02}."
        + data
        + b"\x80\x02]."
    )
    with pytest.raises(CheckpointError, match="encoding='latin1'"):
        load(io.BytesIO(stream))
    assert load(io.BytesIO(stream), encoding="latin1") == OrderedDict([("a", 1), ("é", 2)])
    assert load(io.BytesIO(stream), encoding="bytes") == OrderedDict([(b"a", 1), (b"\xe9", 2)])
