"""An interpreter for pickle streams that only builds plain data; a policy answers for everything with a name.

Protocols 2 to 5 are understood. Nothing recurses, so nesting cannot exhaust the C stack; every length is
checked against what is left of the file before it is read; keys are checked before they are hashed.
"""

import struct
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict, defaultdict

from .errors import CheckpointError, quote

MAX_DEPTH = 256  # of containers within containers; real checkpoints stay below 20
MAX_KEY_NODES = 1000  # of a tuple used as a key, counted as it is hashed: shared parts count every time
MAX_KEY_DEPTH = 32
MAX_COLLISIONS = 1000  # keys of one container with the same hash
_LONG_TEXT = 1000  # keys from this length on count as work
_CHUNK = 1 << 16


class Budget:
    """How much a file may still make its reader build: proportional to the bytes that the file has."""

    def __init__(self, file_bytes, what):
        self.left = 4 * file_bytes + 4096
        self.what = what

    def charge(self, amount):
        self.left -= amount
        if self.left < 0:
            raise CheckpointError(
                f"the file makes its reader build far more {self.what} than its own size justifies"
            )


class Stream:
    """Bytes to interpret: `data` in memory, or pieces of a Source between two of its offsets."""

    def __init__(self, data=b"", source=None, start=0, end=0):
        self.data = data
        self.pos = 0
        self._source = source
        self._next = start  # the offset of the piece after `data`
        self._end = end

    @property
    def position(self):
        """The offset of the next byte."""
        return self._next - len(self.data) + self.pos if self._source else self.pos

    @property
    def remaining(self):
        return len(self.data) - self.pos + self._end - self._next

    def take(self, n):
        """The next `n` bytes."""
        start = self.pos
        end = start + n
        if end > len(self.data):
            self._fill(n)
            start, end = 0, n
        self.pos = end
        return self.data[start:end]

    def line(self, limit=1000):
        """The bytes up to the next newline, which is read too."""
        end = self.data.find(b"\n", self.pos, self.pos + limit)
        if end < 0 and self._next < self._end:
            self._fill(min(limit, self.remaining))
            end = self.data.find(b"\n", self.pos, self.pos + limit)
        if end < 0:
            raise CheckpointError(f"byte {self.position}: a name without an end within {limit} bytes")
        start, self.pos = self.pos, end + 1
        return self.data[start:end]

    def take_into(self, array):
        """Fill `array` (uint8) with the next bytes, most of them straight from the file."""
        if len(array) > self.remaining:
            self._fill(len(array))
        kept = self.data[self.pos : self.pos + len(array)]
        memoryview(array)[: len(kept)] = kept
        self.pos += len(kept)
        rest = array[len(kept) :]
        if len(rest):
            self._source.read_into(self._next, rest)
            self._next += len(rest)
            self.data, self.pos = b"", 0

    def _fill(self, n):
        if n > self.remaining:
            raise CheckpointError(
                f"byte {self.position}: {quote(n)} bytes are announced, {self.remaining} are left: "
                "the file is truncated or damaged"
            )
        kept = self.data[self.pos :]
        n = min(max(n - len(kept), _CHUNK), self._end - self._next)
        self.data = kept + self._source.read(self._next, n)
        self.pos = 0
        self._next += n


class Policy:
    """What named things mean. This one refuses them all; `allowed.WeightsOnly` knows PyTorch's."""

    key_types = frozenset()  # further types whose hash takes constant time
    tuple_types = ()  # subclasses of tuple that hash as it does

    def find_global(self, module, name):
        """The object that stands for `module.name`."""
        raise CheckpointError(f"the global {module}.{name} is not allowed")

    def reduce(self, machine, func, args):
        """What calling `func` with the tuple `args` gives; `machine` checks keys and counts what is built."""
        raise CheckpointError(f"a call of {quote(func)} is not allowed")

    def new(self, cls, args, kwargs):
        """A new instance of `cls`."""
        raise CheckpointError(f"making an instance of {quote(cls)} is not allowed")

    def build(self, instance, state):
        """Give `instance` its state."""
        raise CheckpointError(f"setting the state of {quote(instance)} is not allowed")

    def persistent_load(self, pid):
        """The storage that `pid` names."""
        raise CheckpointError("a reference to data outside the pickle is not allowed here")

    def extend(self, target, items):
        """Append to something that is not a list."""
        raise CheckpointError(f"items can only be appended to a list, the file has {quote(target)}")

    def set_items(self, target, pairs):
        """Set items of something that is not a dict."""
        raise CheckpointError(f"items can only be set in a dict, the file has {quote(target)}")

    def is_hashable(self, key):
        """Whether `key`, of none of the known types, may be used as a key."""
        return False


_DICTS = (dict, OrderedDict, Counter)
_TEXT = frozenset({str, bytes})
_HASHED_FAST = frozenset({bool, type(None), float, complex})
_MODULUS = sys.hash_info.modulus


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
        self.hashes = {}  # id of a container: itself (so that the id stays its own), its keys' hashes counted

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
            "use "
            "(protocols 2 to 5 are read)"
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
                "written by "
                "Python 2, encoding='latin1' or encoding='bytes' may help"
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
        self.check_keys(target, keys)
        if type(target) in _DICTS:
            for key, value in zip(keys, values):
                target[key] = value
        else:
            self.policy.set_items(target, list(zip(keys, values)))

    def check_keys(self, container, keys):
        """Refuse keys that are costly to hash: not plain values, or made to collide."""
        for key in keys:
            kind = type(key)
            if kind in _TEXT:
                if len(key) >= _LONG_TEXT:
                    self.budget.charge(len(key))
                continue
            if key is None or kind is bool or (kind is int and -_MODULUS < key < _MODULUS):
                continue
            self._check_parts(key)
            _, counts = self.hashes.setdefault(id(container), (container, Counter()))
            counts[hash(key)] += 1
            if counts[hash(key)] > MAX_COLLISIONS:
                raise CheckpointError("thousands of keys with one hash: made to stall whoever reads the file")

    def _check_parts(self, key):
        pending, count = [(key, 0)], 0
        while pending:
            part, depth = pending.pop()
            kind = type(part)
            count += 1
            if kind is int:
                self.budget.charge(part.bit_length() >> 6)
            elif kind is tuple or kind is frozenset or kind in self.policy.tuple_types:
                if count + len(pending) + len(part) > MAX_KEY_NODES or depth >= MAX_KEY_DEPTH:
                    raise CheckpointError("a tuple used as a key is too large or too deep")
                pending.extend((p, depth + 1) for p in part)
            elif kind in _TEXT:
                self.budget.charge(len(part) >> 6)
            elif (
                kind not in _HASHED_FAST
                and kind not in self.policy.key_types
                and not self.policy.is_hashable(part)
            ):
                raise CheckpointError(f"{quote(part)} can't be a key of a dict or an element of a set")
        self.budget.charge(count)


def check_tree(root):
    """Refuse a result that contains itself or is nested deeper than MAX_DEPTH."""
    if type(root) not in _CONTAINERS:
        return
    heights = {}
    path = [(root, _children(root), 1)]
    on_path = {id(root)}
    while path:
        node, children, height = path[-1]
        child = next(children, None)
        if child is None:
            path.pop()
            on_path.discard(id(node))
            heights[id(node)] = height
            if path:
                parent, rest, so_far = path[-1]
                path[-1] = (parent, rest, max(so_far, height + 1))
            if height > MAX_DEPTH:
                raise _too_deep()
            continue
        if id(child) in on_path:
            raise CheckpointError(f"{quote(child)} in the file contains itself")
        known = heights.get(id(child))
        if known is not None:
            path[-1] = (node, children, max(height, known + 1))
        elif len(path) >= MAX_DEPTH:
            raise _too_deep()
        else:
            path.append((child, _children(child), 1))
            on_path.add(id(child))


def _too_deep():
    return CheckpointError(f"containers are nested more than {MAX_DEPTH} deep")


_CONTAINERS = {list, tuple, dict, set, frozenset, OrderedDict, Counter, defaultdict}


def _children(node):
    """The containers directly inside `node`. Keys are left out: they were checked as keys."""
    items = node.values() if isinstance(node, dict) else node
    containers = _CONTAINERS
    inside = [item for item in items if type(item) in containers]
    if type(node) is OrderedDict:
        inside += [item for item in vars(node).values() if type(item) in containers]
    return iter(inside)


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
    """An opcode whose operand is a length of `size` bytes and that many bytes, which `convert` makes an "
    "object of."""
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
        raise _too_deep()
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
    m.check_keys(target, items)
    target.update(items)


@opcode(0x91)
def _frozenset(m):
    items = m.pop_mark()
    m.check_keys(items, items)
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
