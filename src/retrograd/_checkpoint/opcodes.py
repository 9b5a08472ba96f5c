"""An interpreter for pickle streams that only builds plain data; a policy answers for everything with a name.

Protocols 2 to 5 are understood. Nothing recurses, so nesting cannot exhaust the C stack; every length is
checked against what is left of the file before it is read; keys are checked before they are hashed.
"""

import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict

from .errors import CheckpointError, quote
from .guards import MAX_DEPTH, Budget, KeyGuard, check_tree, too_deep

_DICTS = (dict, OrderedDict, Counter)


class Machine:
    """One run over a stream: `Machine(stream, policy).run()` gives the object that the pickle describes."""

    def __init__(self, stream, policy, encoding="utf-8"):
        self.stream = stream
        self.policy = policy
        self.encoding = encoding
        self.stack = []
        self.outer = []  # the stacks below the marks
        self.memo = {}
        self.budget = Budget(stream.remaining, "objects")
        self.keys = KeyGuard(policy, self.budget)

    def run(self):
        stream, dispatch = self.stream, _DISPATCH
        try:
            while True:
                code = stream.take(1)[0]
                if code == _STOP:
                    break
                operation = dispatch[code]
                if operation is None:
                    self._refuse_opcode(code)
                operation(self)
            result = self.stack.pop()
        except IndexError:
            raise CheckpointError(
                f"byte {stream.position}: the pickle takes more from its stack than it put there"
            ) from None
        check_tree(result)
        return result

    def _refuse_opcode(self, code):
        raise CheckpointError(
            f"byte {self.stream.position - 1}: pickle opcode {bytes([code])!r} is not one that checkpoints "
            "use (protocols 2 to 5 are read)"
        )

    def pop_mark(self):
        if not self.outer:
            raise CheckpointError(
                f"byte {self.stream.position}: the pickle closes a group that it never opened"
            )
        items, self.stack = self.stack, self.outer.pop()
        return items

    def unsigned(self, n):
        return int.from_bytes(self.stream.take(n), "little")

    def text(self, n):
        return self.decode(self.stream.take(n), "utf-8", "surrogatepass")

    def decode(self, data, encoding, errors="strict"):
        try:
            return str(data, encoding, errors)
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"byte {self.stream.position}: text is not valid {encoding} ({error.reason}); for a file "
                "written by Python 2, encoding='latin1' or encoding='bytes' may help"
            ) from None

    def recall(self, index):
        try:
            self.stack.append(self.memo[index])
        except KeyError:
            raise CheckpointError(
                f"byte {self.stream.position}: the pickle refers to its object {index}, which it has not made"
            ) from None

    # --- containers ---

    def extend(self, items):
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        else:
            self.policy.extend(target, items)

    def set_items(self, items):
        target = self.stack[-1]
        if len(items) % 2:
            raise CheckpointError(f"byte {self.stream.position}: a dict key has no value")
        keys, values = items[::2], items[1::2]
        self.keys.check(target, keys)
        if type(target) in _DICTS:
            for key, value in zip(keys, values):
                target[key] = value
        else:
            self.policy.set_items(target, list(zip(keys, values)))


# --- the opcodes --------------------------------------------------------------------------------------------

_STOP = ord(".")
_DISPATCH = [None] * 256


def opcode(code):
    def register(operation):
        _DISPATCH[code if isinstance(code, int) else ord(code)] = operation
        return operation

    return register


def _constant(code, make):
    opcode(code)(lambda m: m.stack.append(make()))


for _code, _make in (
    (b"N", lambda: None), (0x88, lambda: True), (0x89, lambda: False),
    (b")", tuple), (b"]", list), (b"}", dict), (0x8F, set),
):  # fmt: skip
    _constant(_code, _make)


def _number(code, size, form):
    unpack = struct.Struct(form).unpack
    opcode(code)(lambda m: m.stack.append(unpack(m.stream.take(size))[0]))


for _code, _size, _form in ((b"J", 4, "<i"), (b"K", 1, "<B"), (b"M", 2, "<H"), (b"G", 8, ">d")):
    _number(_code, _size, _form)


def _sized(code, size, convert):
    """An opcode with a length of `size` bytes and so many bytes; `convert(machine, length)` reads them."""
    opcode(code)(lambda m: m.stack.append(convert(m, m.unsigned(size))))


def _long(m, n):
    return int.from_bytes(m.stream.take(n), "little", signed=True)


def _old_string(m, n):
    data = m.stream.take(n)
    return data if m.encoding == "bytes" else m.decode(data, m.encoding)


for _code, _size, _convert in (
    (0x8A, 1, _long), (0x8B, 4, _long),
    (0x8C, 1, Machine.text), (b"X", 4, Machine.text), (0x8D, 8, Machine.text),
    (b"U", 1, _old_string), (b"T", 4, _old_string),
    (b"C", 1, lambda m, n: m.stream.take(n)),
    (b"B", 4, lambda m, n: m.stream.take(n)),
    (0x8E, 8, lambda m, n: m.stream.take(n)),
    (0x96, 8, lambda m, n: bytearray(m.stream.take(n))),
):  # fmt: skip
    _sized(_code, _size, _convert)


@opcode(0x80)
def _proto(m):
    version = m.stream.take(1)[0]
    if not 2 <= version <= 5:
        raise CheckpointError(f"pickle protocol {version} is not read; protocols 2 to 5 are")


@opcode(0x95)
def _frame(m):
    if m.unsigned(8) > m.stream.remaining:
        raise CheckpointError(
            f"byte {m.stream.position}: a frame reaches past the end: the file is truncated"
        )


@opcode(b"(")
def _mark(m):
    if len(m.outer) >= MAX_DEPTH:
        raise too_deep()
    m.outer.append(m.stack)
    m.stack = []


@opcode(b"0")
def _pop(m):
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


@opcode(b"1")
def _pop_to_mark(m):
    m.pop_mark()


@opcode(b"2")
def _dup(m):
    m.stack.append(m.stack[-1])


@opcode(b"t")
def _tuple(m):
    items = m.pop_mark()
    m.stack.append(tuple(items))


@opcode(b"l")
def _list(m):
    items = m.pop_mark()
    m.stack.append(items)


@opcode(b"d")
def _dict(m):
    items = m.pop_mark()
    m.stack.append({})
    m.set_items(items)


def _short_tuple(code, n):
    def operation(m):
        stack = m.stack
        if len(stack) < n:
            raise IndexError
        stack[-n:] = [tuple(stack[-n:])]

    opcode(code)(operation)


for _code, _n in ((0x85, 1), (0x86, 2), (0x87, 3)):
    _short_tuple(_code, _n)


@opcode(b"a")
def _append(m):
    item = m.stack.pop()
    m.extend((item,))


@opcode(b"e")
def _appends(m):
    m.extend(m.pop_mark())


@opcode(b"s")
def _set_item(m):
    value = m.stack.pop()
    key = m.stack.pop()
    m.set_items([key, value])


@opcode(b"u")
def _set_items(m):
    m.set_items(m.pop_mark())


@opcode(0x90)
def _add_items(m):
    items = m.pop_mark()
    target = m.stack[-1]
    if type(target) is not set:
        raise CheckpointError(f"items can only be added to a set, the file has {quote(target)}")
    m.keys.check(target, items)
    target.update(items)


@opcode(0x91)
def _frozenset(m):
    items = m.pop_mark()
    m.keys.check(items, items)
    m.stack.append(frozenset(items))


@opcode(b"q")
def _put(m):
    m.memo[m.unsigned(1)] = m.stack[-1]


@opcode(b"r")
def _long_put(m):
    m.memo[m.unsigned(4)] = m.stack[-1]


@opcode(0x94)
def _memoize(m):
    m.memo[len(m.memo)] = m.stack[-1]


@opcode(b"h")
def _get(m):
    m.recall(m.unsigned(1))


@opcode(b"j")
def _long_get(m):
    m.recall(m.unsigned(4))


def _find(m, module, name):
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[module, name]
    else:
        module = IMPORT_MAPPING.get(module, module)
    m.stack.append(m.policy.find_global(module, name))


@opcode(b"c")
def _global(m):
    module = m.decode(m.stream.line(), "utf-8")
    _find(m, module, m.decode(m.stream.line(), "utf-8"))


@opcode(0x93)
def _stack_global(m):
    name = m.stack.pop()
    module = m.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise CheckpointError(f"byte {m.stream.position}: a global's name is not text")
    _find(m, module, name)


@opcode(b"R")
def _reduce(m):
    args = _arguments(m)
    func = m.stack.pop()
    m.stack.append(m.policy.reduce(m, func, args))


@opcode(0x81)
def _new_object(m):
    args = _arguments(m)
    cls = m.stack.pop()
    m.stack.append(m.policy.new(cls, args, {}))


@opcode(0x92)
def _new_object_ex(m):
    kwargs = m.stack.pop()
    args = _arguments(m)
    cls = m.stack.pop()
    if type(kwargs) is not dict or not all(type(name) is str for name in kwargs):
        raise CheckpointError(f"byte {m.stream.position}: keyword arguments are {quote(kwargs)}")
    m.stack.append(m.policy.new(cls, args, kwargs))


def _arguments(m):
    args = m.stack.pop()
    if type(args) is not tuple:
        raise CheckpointError(f"byte {m.stream.position}: a call's arguments are {quote(args)}, not a tuple")
    return args


@opcode(b"b")
def _build(m):
    state = m.stack.pop()
    m.policy.build(m.stack[-1], state)


@opcode(b"Q")
def _persistent(m):
    pid = m.stack.pop()
    m.stack.append(m.policy.persistent_load(pid))
