"""Checkpoints from strangers: each is refused with a documented error; none runs, hangs, or eats memory."""

import io
import os
import pickle
import struct
import sys
import time

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
    call,
    group,
    latin,
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
from retrograd import serialization
from retrograd._checkpoint.opcodes import Machine
from retrograd._checkpoint.policy import Policy
from retrograd._checkpoint.stream import Stream
from retrograd._checkpoint.table import _table
from retrograd.serialization import CheckpointError, inspect_checkpoint, load, save

EXECUTED = []


def trap(*args):
    """What a hostile file would like to have called."""
    EXECUTED.append(args)
    return trap


@pytest.fixture(autouse=True)
def nothing_was_executed():
    EXECUTED.clear()
    yield
    assert EXECUTED == []


def test_the_hand_made_parts_do_make_checkpoints():
    loaded = load(io.BytesIO(archive(whole(b"}" + text("w") + tensor([2, 2], [2, 1]) + b"s"), SIXTEEN)))
    assert loaded["w"]._array.tobytes() == SIXTEEN[0]
    assert torch.load(io.BytesIO(archive(whole(tensor([2, 2], [2, 1])), SIXTEEN, version=b"3\n"))).shape == (
        2,
        2,
    )


# --- globals and calls ------------------------------------------------------------------------------------


class Exploit:
    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_code_is_never_run(protocol, zipped):
    for exploit in (Exploit(trap, 1), Exploit(os.system, "exit 1"), Exploit(eval, "1"),
    Exploit(getattr, trap, "x"),
                    Exploit(pickle.loads, b""), Exploit(torch.load, "x"), Exploit(np.load, "x")):  # fmt: skip
        buffer = io.BytesIO()
        torch.save({"w": torch.ones(2), "x": exploit}, buffer, pickle_protocol=protocol,
                   _use_new_zipfile_serialization=zipped)  # fmt: skip
        refuse(buffer.getvalue(), "global .* not allowed|never allowed")


@pytest.mark.parametrize(
    "path",
    ["os.system", "posix.system", "nt.system", "sys.exit", "builtins.eval", "__builtin__.eval",
    "builtins.getattr",
     "builtins.print", "torch.load", "torch.hub.load", "torch._utils._import_dotted_name", "numpy.load",
     "torch._utils.__class__", "collections.OrderedDict.__init__", "collections.OrderedDict.fromkeys",
     "retrograd.serialization.load", "numpy.core.multiarray.fromfile", "functools.partial",
     "operator.attrgetter",
     "torch.jit._load", "torch.storage._load_from_bytes", "collections.namedtuple", "..x", "a b.c"],
)  # fmt: skip
def test_globals_outside_the_list(path):
    refuse(archive(whole(name(path))), "not allowed|never allowed")
    refuse(archive(whole(call(path, text("x")))), "not allowed|never allowed")
    with pytest.raises(CheckpointError):
        load(io.BytesIO(archive(whole(call(path, text("x"))))), weights_only=False)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("read", [load, inspect_checkpoint])
def test_messages_do_not_steer_the_terminal(read, weights_only):
    named = name("torch.\x1b]0;title\x07\x9b2J\u202e")
    options = {"weights_only": weights_only} if read is load else {}
    called = call("torch._utils.\x1b[2J", text("x"))
    for data in (archive(whole(named)), whole(named), archive(whole(called))):
        try:
            said = str(read(io.BytesIO(data), **options))
        except CheckpointError as error:
            said = str(error)
            assert "\n" not in said
        assert all(c.isprintable() or c == "\n" for c in said)


def test_some_modules_stay_closed_even_to_the_user():
    with serialization.safe_globals([(trap, "os.system")]):
        refuse(archive(whole(call("os.system", text("x")))), "module os is never allowed")


def test_unsupported_tensors_are_named():
    for function, what in (("_rebuild_sparse_tensor", "sparse"), ("_rebuild_qtensor", "quantized"),
                           ("_rebuild_nested_tensor", "nested"),
                           ("_rebuild_wrapper_subclass", "subclass")):  # fmt: skip
        refuse(archive(whole(call(f"torch._utils.{function}"))), what)
    buffer = io.BytesIO()
    torch.save(torch.eye(3).to_sparse(), buffer)
    refuse(buffer.getvalue(), "sparse tensors.*does not have")


@pytest.mark.parametrize(
    "body",
    [
        number(1) + b")R", b"])R", text("os") + b")R", b"}" + b")R", name("torch.float32") + b")R",
        name("torch.FloatStorage") + b")R", storage() + b")R", name("torch.Tensor") + b")R",
        name("torch.Tensor") + b")\x81", name("torch.Size") + b")\x81", name("builtins.set") + b")\x81",
        number(1) + b")\x81", name("collections.Counter") + b")\x81", name("collections.OrderedDict") + b"]R",
        name("collections.OrderedDict") + b"NR", name("numpy.ndarray") + b")R",
        name("numpy.ndarray") + b")\x81",
        name("collections.OrderedDict") + b")}" + text("a") + b"Ns" + b"\x92",
    ],
)  # fmt: skip
def test_calls_of_what_is_no_function(body):
    refuse(archive(whole(body), SIXTEEN), "not an allowed|arguments|must be|don't fit")


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("builtins.bytearray", [number(2**40)]), ("builtins.bytearray", [b"]"]),
        ("builtins.set", [number(3)]),
        ("builtins.set", [text("abc")]), ("builtins.complex", [text("1j"), number(0)]),
        ("collections.Counter", [text("abc")]), ("collections.OrderedDict", [b"(" + number(1) + b"l"]),
        ("collections.OrderedDict", [b"}"]), ("_codecs.encode", [text("x"), text("rot13")]),
        ("_codecs.encode", [text("x"), text("zlib_codec")]),
        ("_codecs.encode", [text("\u0100"), text("latin1")]),
        ("_codecs.encode", [number(3), text("latin1")]), ("torch.Size", [numbers(1) + b"\x85"]),
        ("torch.Size", [number(3)]),
        ("torch.device", [number(0)]), ("torch.device", [text("nonsense")]),
        ("torch.device", [text("cpu"), text("x")]),
        ("torch.serialization._get_layout", [text("torch.sparse_coo")]), ("builtins.slice", [text("a")]),
        ("builtins.slice", []), ("builtins.bytes", [number(10**9)]),
        ("torch.nn.parameter.Parameter", [number(1)]),
        ("torch._utils._rebuild_parameter", [number(1), b"\x88", NO_HOOKS]),
        ("torch._utils._rebuild_tensor_v2", []),
        ("torch._utils._rebuild_parameter", [tensor([2], [1]), number(1), NO_HOOKS]),
        ("torch._tensor._rebuild_from_type_v2", [name("builtins.set"), name("torch.Tensor"), b")", b"}"]),
        ("torch._tensor._rebuild_from_type_v2",
        [name("torch._utils._rebuild_tensor_v2"), name("builtins.set"), b")", b"}"]),
        ("numpy.dtype", [text("O")]), ("numpy.dtype", [text("V8")]), ("numpy.dtype", [text("i4,i4")]),
        ("numpy.dtype", [text("U5")]), ("numpy.dtype", [b"]"]),
        ("numpy.core.multiarray.scalar", [text("f4"), text("x")]),
        ("numpy.core.multiarray._reconstruct", [name("numpy.ndarray"), numbers(10**9), text("b")]),
        ("numpy.core.multiarray._reconstruct", [name("builtins.set"), numbers(0), text("b")]),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(path, args):
    refuse(archive(whole(call(path, *args)), SIXTEEN))


def array_of_numbers(shape=(2,), dtype=F4, fortran=b"\x89", raw=b"12345678"):
    return EMPTY_ARRAY + group(number(1), numbers(*shape), dtype, fortran, latin(raw)) + b"b"


ANYTHING = [
    b"N", number(-1), number(0), number(2**70), b"\x88", b"G" + bytes(8), text("x"), latin(b"x"), b"]", b")",
    b"}",
    tensor([2], [1]), storage(), ORDERED, F4, array_of_numbers(), name("torch.float32"),
    name("numpy.ndarray"),
    name("torch.Tensor"), b"N\x85", array_of_numbers() + b"\x85", tensor([2], [1]) + b"\x85",
]  # fmt: skip


def survive(body):
    """Reading this pickle gives an object or the documented error."""
    data = archive(whole(body), SIXTEEN)
    try:
        load(io.BytesIO(data), map_location="cpu")
        inspect_checkpoint(io.BytesIO(data))
    except CheckpointError:
        pass


@pytest.mark.parametrize("value", ANYTHING)
def test_every_function_of_the_table_survives_any_arguments(value):
    for module, attribute in _table():
        for count in range(9):
            survive(call(f"{module}.{attribute}", *[value] * count))


@pytest.mark.parametrize("value", ANYTHING)
def test_every_argument_may_be_anything(value):
    """Arrays and tensors compare elementwise: a careless comparison of a file's value would raise."""
    good = {
        "torch._utils._rebuild_tensor_v2": [
            storage(), number(0), numbers(2), numbers(1), b"\x89", NO_HOOKS, b"}" + text("conj") + b"\x88s"],
        "torch._utils._rebuild_tensor_v3": [
            storage("torch.storage.UntypedStorage"), number(0), numbers(2), numbers(1), b"\x89", NO_HOOKS,
            name("torch.uint16"), b"}"],
        "torch._utils._rebuild_parameter_with_state": [tensor([2], [1]), b"\x88", NO_HOOKS, b"}"],
        "torch._tensor._rebuild_from_type_v2": [
            name("torch._utils._rebuild_tensor_v2"), name("torch.Tensor"),
            group(storage(), number(0), numbers(2), numbers(1), b"\x89", NO_HOOKS), b"}"],
        "torch._utils._rebuild_device_tensor_from_numpy": [
            array_of_numbers(), name("torch.float32"), text("cpu"), b"\x89"],
        "numpy.core.multiarray._reconstruct": [name("numpy.ndarray"), numbers(0), text("b")],
        "numpy.core.multiarray.scalar": [F4, latin(b"1234")],
        "numpy.dtype": [text("f4"), b"\x89", b"\x88"],
        "_codecs.encode": [text("x"), text("latin1")], "torch.device": [text("cpu"), number(0)],
        "torch.serialization._get_layout": [text("torch.strided")],
        "builtins.complex": [number(1), number(2)],
    }  # fmt: skip
    for path, arguments in good.items():
        load(io.BytesIO(archive(whole(call(path, *arguments)), SIXTEEN)))
        for position in range(len(arguments)):
            survive(call(path, *arguments[:position], value, *arguments[position + 1 :]))
    fields = [text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"), number(4)]
    for position in range(len(fields)):
        survive(group(*fields[:position], value, *fields[position + 1 :]) + b"Q")
    for target, state in (
        (EMPTY_ARRAY, [number(1), numbers(2), F4, b"\x89", latin(b"12345678")]),
        (F4, [number(3), text("<"), b"N", b"N", b"N", number(-1), number(-1), number(0)]),
    ):
        survive(target + value + b"b")
        for position in range(len(state)):
            survive(target + group(*state[:position], value, *state[position + 1 :]) + b"b")
    for body in (value + b"R", value + value + b"R", name("os.system") + value + b"R", value + b"\x85b",
    b"}" + value * 2 + b"s",
                 value + b"Q", ORDERED + value + b"b", ORDERED + b"}" + value * 2 + b"sb",
                 value * 2 + b"\x93"):  # fmt: skip
        survive(body)


# --- setting items and state ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [
    b"]", b")", text("x"), tensor([4], [1]), storage(), number(1), name("torch.Tensor"),
                                    name("collections.OrderedDict"), name("torch.float32"),
                                    b"\x8f"])  # fmt: skip
def test_items_of_what_is_no_dict(target):
    refuse(archive(whole(target + number(0) + number(1) + b"s"), SIXTEEN), "set in a dict")
    refuse(archive(whole(target + b"(" + number(0) + number(1) + b"u"), SIXTEEN), "set in a dict")


@pytest.mark.parametrize(
    "target", [b"}", b")", text("x"), tensor([4], [1]), number(1), name("builtins.set"), b"\x8f"]
)
def test_items_of_what_is_no_list(target):
    refuse(archive(whole(target + number(0) + b"a"), SIXTEEN), "appended to a list")
    refuse(archive(whole(target + b"(" + number(0) + b"e"), SIXTEEN), "appended to a list")
    if target != b"\x8f":
        refuse(archive(whole(target + b"(" + number(0) + b"\x90"), SIXTEEN), "added to a set")


@pytest.mark.parametrize("target", [
    b"}", b"]", text("x"), tensor([4], [1]), storage(), number(1), name("torch.Tensor"),
                                    name("builtins.set"), name("torch.float32"), name("numpy.dtype"), b"N",
                                    call("collections.Counter", b"}"),
                                    call("torch.device", text("cpu"))])  # fmt: skip
def test_state_of_what_has_none(target):
    refuse(archive(whole(target + b"}" + text("a") + number(1) + b"sb"), SIXTEEN), "sets the state")


@pytest.mark.parametrize("key", ["items", "__class__", "__dict__", "keys", "update", "__reduce__"])
def test_attributes_may_not_hide_methods(key):
    refuse(archive(whole(ORDERED + b"}" + text(key) + number(1) + b"sb")), "can't have the attribute")
    state = b"}" + text(key if key.startswith("__") else "shape") + number(1) + b"s"
    for body in (
        call("torch._utils._rebuild_parameter_with_state", tensor([2], [1]), b"\x88", NO_HOOKS, state),
        call("torch._tensor._rebuild_from_type_v2", name("torch._utils._rebuild_tensor_v2"),
        name("torch.Tensor"),
             group(storage(), number(0), numbers(2), numbers(1), b"\x89", NO_HOOKS), state),
    ):  # fmt: skip
        refuse(archive(whole(body), SIXTEEN), "can't have the attribute")
    refuse(archive(whole(ORDERED + b"]b")), "attributes must be a dict")
    internal = b"}" + text("_array") + number(1) + b"s"
    body = call("torch._utils._rebuild_parameter_with_state", tensor([2], [1]), b"\x88", NO_HOOKS, internal)
    refuse(archive(whole(body), SIXTEEN), "can't have the attribute '_array'")


@pytest.mark.parametrize("key", [b"]", b"}", ORDERED, b"]\x85", b"\x8f", storage(), name("builtins.set"),
                                 call("builtins.bytearray")])  # fmt: skip
def test_keys_that_can_not_be_hashed(key):
    refuse(archive(whole(b"}" + key + number(1) + b"s"), SIXTEEN), "can't be a key")
    refuse(archive(whole(b"\x8f(" + key + b"\x90"), SIXTEEN), "can't be a key")
    refuse(archive(whole(call("builtins.set", b"(" + key + b"l")), SIXTEEN), "can't be a key")
    refuse(archive(whole(b"(" + key + b"\x91"), SIXTEEN), "can't be a key")
    pairs = b"((" + key + b"N" + b"ll"
    refuse(archive(whole(call("collections.OrderedDict", pairs)), SIXTEEN), "can't be a key")


# --- numpy ------------------------------------------------------------------------------------------------


def test_numpy_state():
    assert load(io.BytesIO(archive(whole(array_of_numbers())))).tobytes() == b"12345678"
    for bad in (
        array_of_numbers(shape=(3,)), array_of_numbers(shape=(-2,)), array_of_numbers(shape=(2**62, 8)),
        array_of_numbers(raw=b""),
        array_of_numbers(dtype=number(1)), array_of_numbers(fortran=number(1)),
        array_of_numbers(shape=(1,) * 65),
        array_of_numbers() + group(number(1), numbers(2), F4, b"\x89", latin(b"12345678")) + b"b",
        EMPTY_ARRAY + b")b", EMPTY_ARRAY + b"]b", F4 + b")b",
        F4 + group(number(3), text("<"), b"N", b"N", b"N", number(-1), number(-1), number(63)) + b"b",
        F4 + group(number(3), text("<"), b"N", numbers(1), b"N", number(-1), number(-1), number(0)) + b"b",
        F4 + group(number(3), text("x"), b"N", b"N", b"N", number(-1), number(-1), number(0)) + b"b",
        array_of_numbers(shape=(8,), dtype=call("numpy.dtype", text("b1"), b"\x89", b"\x88")),
        call("numpy.core.multiarray.scalar", F4, latin(b"123")),
        call("numpy.core.multiarray.scalar", call("numpy.dtype", text("b1")), latin(b"\x02")),
    ):  # fmt: skip
        refuse(archive(whole(bad)))


# --- tensors that claim what the file does not have -------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ([5], [1], 0), ([4], [1], 1), ([2], [1], 4), ([1], [1], 4), ([2, 2], [3, 1], 0), ([2], [2**62], 0),
        ([2**62], [1], 0),
        ([2**63], [1], 0), ([4], [1], 2**62), ([4], [1], 2**64), ([2**70], [1], 0), ([-1], [1], 0),
        ([4], [-1], 3),
        ([4], [1], -1), ([2, -2], [1, 1], 0), ([0, -1], [1, 1], 0), ([4], [1, 1], 0), ([2, 2], [1], 0),
        ([2**40, 2**40], [0, 0], 0), ([2**62, 0, 2**62], [0, 0, 0], 0), ([1] * 65, [1] * 65, 0),
        ([2**31, 2**31, 2], [0, 0, 0], 0),
    ],
)  # fmt: skip
def test_tensors_outside_their_storage(shape, strides, offset):
    refuse(archive(whole(tensor(shape, strides, offset)), SIXTEEN))


def test_sizes_must_be_plain_integers():
    for size in (text("x"), b"N", b"\x88", b"G" + struct.pack(">d", 1.0), b"]", b"\x85"):
        body = call(
            "torch._utils._rebuild_tensor_v2",
            storage(),
            number(0),
            group(size),
            numbers(1),
            b"\x89",
            NO_HOOKS,
        )
        refuse(archive(whole(body), SIXTEEN))
        body = call(
            "torch._utils._rebuild_tensor_v2", storage(), size, numbers(1), numbers(1), b"\x89", NO_HOOKS
        )
        refuse(archive(whole(body), SIXTEEN))


def test_storages_shorter_than_claimed():
    for claimed in (5, 2**30, 2**40, 2**62, 2**63, 2**100, -1):
        refuse(archive(whole(storage(count=claimed)), SIXTEEN), "storage")
    refuse(archive(whole(storage("torch.DoubleStorage", count=3)), SIXTEEN), "24 bytes, the file has 16")
    refuse(archive(whole(storage(key="1")), SIXTEEN), "no member 'data/1'")
    refuse(archive(whole(storage(key="../data.pkl")), SIXTEEN), "no member")
    refuse(archive(whole(storage(key="x" * 300)), SIXTEEN), "longer than 200")


def test_a_second_reference_cannot_widen_a_storage():
    first = storage("torch.ByteStorage", count=1)
    refuse(
        archive(whole(b"(" + first + tensor([4], [1]) + b"l"), SIXTEEN), "needs 16 bytes, its storage has 1"
    )


def test_persistent_ids():
    for pid in (b"N", number(3), text("storage"), b")", group(text("storage")),
    group(text("module"), b"N", b"N", b"N"),
                group(text("storage"), text("torch.FloatStorage"), text("0"), text("cpu"), number(4)),
                group(text("storage"), name("torch.float32"), text("0"), text("cpu"), number(4)),
                group(text("storage"), name("torch.FloatStorage"), number(0), text("cpu"), number(4)),
                group(text("storage"), name("torch.FloatStorage"), text("0"), number(0), number(4)),
                group(text("storage"), name("torch.FloatStorage"), text("0"), text("cpu"),
                text("4"))):  # fmt: skip
        refuse(archive(whole(pid + b"Q"), SIXTEEN), "storage|refers")


def test_bools_are_zero_or_one():
    bools = tensor([4], [1], source=storage("torch.BoolStorage"))
    refuse(archive(whole(bools), [b"\x00\x01\x02\x00"]), "other than 0 and 1")
    through_bytes = call("torch._utils._rebuild_tensor_v3", storage("torch.storage.UntypedStorage"),
    number(0), numbers(4),
                         numbers(1), b"\x89", NO_HOOKS, name("torch.bool"))  # fmt: skip
    refuse(archive(whole(through_bytes), [b"\x00\x01\xff\x00"]), "other than 0 and 1")


def test_gradients_of_integers():
    source = storage("torch.LongStorage", count=2)
    body = call(
        "torch._utils._rebuild_tensor_v2", source, number(0), numbers(2), numbers(1), b"\x88", NO_HOOKS
    )
    refuse(archive(whole(body), SIXTEEN), "can't require a gradient")
    body = call("torch._utils._rebuild_parameter", tensor([2], [1], source=source), b"\x88", NO_HOOKS)
    refuse(archive(whole(body), SIXTEEN), "can't require a gradient")


def test_an_unknown_device():
    with pytest.raises(RuntimeError, match="don't know how to restore.*map_location='cpu'"):
        load(io.BytesIO(archive(whole(storage(place="nonsense:1")), SIXTEEN)))


# --- shapes of whole objects ------------------------------------------------------------------------------


def test_objects_that_contain_themselves():
    refuse(archive(whole(b"]q\x00h\x00a")), "contains itself")
    refuse(archive(whole(b"}q\x00" + text("x") + b"h\x00s")), "contains itself")
    refuse(archive(whole(b"]q\x00h\x00\x85q\x01a0h\x01")), "contains itself")
    refuse(archive(whole(ORDERED + b"q\x00}" + text("a") + b"h\x00sb")), "contains itself")


@pytest.mark.parametrize("wrapping", [b"\x85", b"l"], ids=["tuples", "lists"])
def test_deep_nesting(wrapping):
    deep = b"N\x85" + b"\x85" * 10**5 if wrapping == b"\x85" else b"]" * 10**5 + b"a" * (10**5 - 1)
    refuse(archive(whole(deep)), "nested more than")
    refuse(archive(whole(b"(" * 10**5)), "nested more than")
    fine = b"N" + b"\x85" * 200
    load(io.BytesIO(archive(whole(fine))))


def test_a_chain_of_shared_parts_counts_as_nesting():
    # A list of lists, each of which holds the one before it: the walk meets each of them early, near the top.
    links = b"".join(
        b"]r" + struct.pack("<I", n) + b"j" + struct.pack("<I", n - 1) + b"a" for n in range(1, 400)
    )
    refuse(archive(whole(b"(]r\0\0\0\0" + links + b"l")), "nested more than")


def test_a_tower_of_pairs_is_not_walked_twice_and_not_hashed():
    tower = (
        b"N"
        + b"q\x00h\x00\x86"
        + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(1, 200))
    )
    begun = time.process_time()
    load(io.BytesIO(archive(whole(tower))))
    inspect_checkpoint(io.BytesIO(archive(whole(tower))))
    refuse(archive(whole(b"}" + tower + b"Ns")), "key is too large")
    assert time.process_time() - begun < 20  # it has 2**200 leaves


def test_copies_of_one_thing_do_not_multiply():
    many = b"(" + b"K\x01" * 20000 + b"lq\x00"
    again = name("torch.Size") + b"q\x01" + b"(" + b"h\x01h\x00\x85R" * 20000 + b"l"
    limited(archive(whole(many + again)), 20)
    raw = text("x" * 100_000) + b"q\x00" + text("latin1") + b"q\x01" + name("_codecs.encode") + b"q\x02"
    limited(archive(whole(raw + b"(" + b"h\x02h\x00h\x01\x86R" * 20000 + b"l")), 20)
    dictionary = (
        b"}("
        + b"".join(number(n) + b"N" for n in range(5000))
        + b"uq\x00"
        + name("collections.Counter")
        + b"q\x01"
    )
    limited(archive(whole(dictionary + b"(" + b"h\x01h\x00\x85R" * 20000 + b"l")), 40)


def test_an_expanded_conjugate_is_not_made():
    def lazy(*shape):
        return call("torch._utils._rebuild_tensor_v2", storage("torch.ComplexFloatStorage", count=2),
        number(0), numbers(*shape),
                    numbers(*[0] * len(shape)), b"\x89", NO_HOOKS,
                    b"}" + text("conj") + b"\x88s")  # fmt: skip

    load(io.BytesIO(archive(whole(lazy(3)), SIXTEEN)))
    limited(archive(whole(lazy(10**9)), SIXTEEN), 2)
    limited(archive(whole(b"(" + lazy(100) * 1000 + b"l"), SIXTEEN), 10)


def test_keys_made_to_collide():
    keys = [number(n * sys.hash_info.modulus) for n in range(1, 20000)]
    begun = time.process_time()
    refuse(archive(whole(b"}(" + b"N".join(keys) + b"Nu")), "one hash")
    refuse(archive(whole(b"\x8f(" + b"".join(keys) + b"\x90")), "one hash")
    assert time.process_time() - begun < 20


def test_the_same_tuple_in_many_dicts_is_no_collision():
    data = [{(0.5, 1): n} for n in range(3000)]
    buffer = io.BytesIO()
    save(data, buffer)
    buffer.seek(0)
    assert load(buffer) == data
    sets = [frozenset({0.5, n}) for n in range(3000)]
    buffer = io.BytesIO()
    torch.save(sets, buffer, pickle_protocol=4)
    buffer.seek(0)
    assert load(buffer) == sets


# --- the interpreter --------------------------------------------------------------------------------------


def interpret(data):
    return Machine(Stream(data), Policy()).run()


@pytest.mark.parametrize(
    "data",
    [b"", b".", b"\x80", b"\x80\x01.", b"\x80\x06.", b"\x80\x02", b"\x80\x02a.", b"\x80\x02]a.",
    b"\x80\x02t.", b"\x80\x02e.",
     b"\x80\x02Ns.", b"\x80\x02}Ns.", b"\x80\x02}(Nu.", b"\x80\x02h\x00.", b"\x80\x02j\xff\xff\xff\xff.",
     b"\x80\x02q\x00.",
     b"\x80\x02\x85.", b"\x80\x02N\x86.", b"\x80\x02NN\x87.", b"\x80\x02R.", b"\x80\x02NR.", b"\x80\x02)R.",
     b"\x80\x02b.",
     b"\x80\x02Nb.", b"\x80\x02Q.", b"\x80\x020.", b"\x80\x021.", b"\x80\x022.", b"\x80\x02\x94.",
     b"\x80\x02(.", b"\x80\x02\x93.",
     b"\x80\x02NN\x93.", b"\x80\x02\x81.", b"\x80\x02\x92.", b"\x80\x02X\xff\xff\xff\xffabc.",
     b"\x80\x02X\x01\x00\x00\x00\xff.",
     b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.", b"\x80\x02B\xff\xff\xff\xffa.",
     b"\x80\x02\x8e" + b"\xff" * 8 + b"a.",
     b"\x80\x02\x96" + b"\xff" * 8 + b"a.", b"\x80\x02\x8b\xff\xff\xff\xffa.",
     b"\x80\x02\x8b\xff\xff\xff\x7fa.", b"\x80\x02\x8a\xffa.",
     b"\x80\x04\x95" + b"\xff" * 8 + b"N.", b"\x80\x02cno newline", b"\x80\x02c" + b"x" * 2000 + b"\nx\n.",
     b"\x80\x02c\xff\n\xff\n.",
     b"\x80\x02I1\n.", b"\x80\x02L1L\n.", b"\x80\x02S'x'\n.", b"\x80\x02V\\u0041\n.", b"\x80\x02F1\n.",
     b"\x80\x02Px\n.", b"\x80\x02ix\nx\n.",
     b"\x80\x02(ox.", b"\x80\x02g0\n.", b"\x80\x02p0\n.", b"\x80\x02\x82\x01.", b"\x80\x02\x83\x01\x00.",
     b"\x80\x02\x84\x01\x00\x00\x00.",
     b"\x80\x05\x97.", b"\x80\x05N\x98.", b"\x80\x02\xff."],
)  # fmt: skip
def test_malformed_pickles(data):
    with pytest.raises(CheckpointError):
        interpret(data)


@given(st.binary(max_size=60))
@settings(max_examples=2000, deadline=None)
def test_random_bytes_give_the_documented_error(data):
    try:
        interpret(b"\x80\x02" + data + b".")
    except CheckpointError:
        pass


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(),
    st.text()), inner)
    | st.tuples(inner, inner), max_leaves=30), st.sampled_from([2, 3, 4, 5]))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_the_interpreter_agrees_with_pickle_on_plain_data(value, protocol):
    class Bytes(Policy):
        def find_global(self, module, name):
            return {"encode": "encode", "bytes": "bytes"}[name]

        def reduce(self, machine, func, args):
            return args[0].encode("latin1") if args else b""

    assert Machine(Stream(pickle.dumps(value, protocol)), Bytes()).run() == value
