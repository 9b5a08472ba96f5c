"""Writing a pickle of protocol 2, with retrograd's classes under PyTorch's names.

Python's own pickler can't do that: it imports what it names, and there is no module torch here.
"""

import copyreg
import struct
import sys
from _compat_pickle import REVERSE_IMPORT_MAPPING, REVERSE_NAME_MAPPING
from collections import Counter, OrderedDict
from itertools import islice
from pickle import PicklingError
from types import BuiltinFunctionType, FunctionType

from ..core import arrays
from ..core.device import device
from ..core.size import Size
from ..core.tensor import Tensor, strided
from ..nn.parameter import Parameter
from .guards import MAX_DEPTH

_BATCH = 1000  # items per APPENDS and SETITEMS, as Python's pickler has it


class Name:
    """A global by its name alone: PyTorch's names, which can't be imported here."""

    def __init__(self, module, name):
        self.module = module
        self.name = name


_REBUILD_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
_REBUILD_TYPED = Name("torch._utils", "_rebuild_tensor_v3")
_REBUILD_PARAMETER = Name("torch._utils", "_rebuild_parameter")
_REBUILD_PARAMETER_WITH_STATE = Name("torch._utils", "_rebuild_parameter_with_state")
_REBUILD_TYPE = Name("torch._tensor", "_rebuild_from_type_v2")
_GET_LAYOUT = Name("torch.serialization", "_get_layout")
_ENCODE = Name("_codecs", "encode")
_DTYPES = {d: Name("torch", d.name) for d in arrays.DTYPES.values()}
_TYPES = {
    Tensor: Name("torch", "Tensor"),
    Size: Name("torch", "Size"),
    device: Name("torch", "device"),
    Parameter: Name("torch.nn.parameter", "Parameter"),
}


class Pickler:
    """`Pickler(find).dump(obj)` gives the bytes; `find(array)` gives a storage, an offset and strides."""

    def __init__(self, find):
        self.find = find
        self.out = bytearray()
        self.memo = {}  # id of an object: its number, and the object, so that the id stays its own
        self.open = set()  # ids of the containers that are being written
        self.depth = 0

    def dump(self, obj):
        self.out += b"\x80\x02"
        try:
            self.save(obj)
        except RecursionError:
            raise PicklingError("can't save: containers are nested too deeply [RG074]") from None
        self.out += b"."
        return bytes(self.out)

    def save(self, obj):
        kind = type(obj)
        writer = _WRITERS.get(kind)
        if writer is not None and kind in _SIMPLE:
            writer(self, obj)
            return
        if id(obj) in self.open:
            raise PicklingError(f"can't save a {kind.__name__} that contains itself [RG074]")
        known = self.memo.get(id(obj))
        if known is not None:
            self._get(known[0])
            return
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise PicklingError(f"can't save containers nested more than {MAX_DEPTH} deep [RG074]")
        if writer is not None:
            writer(self, obj)
        elif isinstance(obj, Tensor):
            self._tensor(obj)
        else:
            self._other(obj)
        self.depth -= 1

    # --- memo ---

    def _get(self, number):
        self.out += b"h" + bytes((number,)) if number < 256 else b"j" + struct.pack("<I", number)

    def _put(self, obj):
        number = len(self.memo)
        self.memo[id(obj)] = number, obj
        self.out += b"q" + bytes((number,)) if number < 256 else b"r" + struct.pack("<I", number)

    # --- plain values ---

    def _none(self, obj):
        self.out += b"N"

    def _bool(self, obj):
        self.out += b"\x88" if obj else b"\x89"

    def _int(self, n):
        if 0 <= n < 256:
            self.out += b"K" + bytes((n,))
        elif 0 <= n < 65536:
            self.out += b"M" + struct.pack("<H", n)
        elif -(2**31) <= n < 2**31:
            self.out += b"J" + struct.pack("<i", n)
        else:
            data = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
            if n < 0 and len(data) > 1 and data[-1] == 0xFF and data[-2] & 0x80:
                data = data[:-1]
            self.out += (
                b"\x8a" + bytes((len(data),)) if len(data) < 256 else b"\x8b" + struct.pack("<i", len(data))
            )
            self.out += data

    def _float(self, x):
        self.out += b"G" + struct.pack(">d", x)

    def _str(self, text):
        data = text.encode("utf-8", "surrogatepass")
        self.out += b"X" + struct.pack("<I", len(data)) + data
        self._put(text)

    def _bytes(self, data):
        self._call(_ENCODE, (str(data, "latin1"), "latin1"), data)

    def _bytearray(self, data):
        self._call(bytearray, (bytes(data),) if data else (), data)

    def _complex(self, z):
        self._call(complex, (z.real, z.imag), z)

    # --- containers ---

    def _tuple(self, items):
        if not items:
            self.out += b")"
            return
        with _Open(self, items):
            if len(items) <= 3:
                for item in items:
                    self.save(item)
                self.out += b"\x85\x86\x87"[len(items) - 1 : len(items)]
            else:
                self.out += b"("
                for item in items:
                    self.save(item)
                self.out += b"t"
        self._put(items)

    def _list(self, items):
        self.out += b"]"
        self._put(items)
        with _Open(self, items):
            self._appends(iter(items))

    def _dict(self, mapping):
        self.out += b"}"
        self._put(mapping)
        with _Open(self, mapping):
            self._set_items(iter(mapping.items()))

    def _set(self, items):
        self._call(type(items), (list(items),), items)

    def _ordered_dict(self, mapping):
        with _Open(self, mapping):
            self._call(OrderedDict, (), mapping)
            self._set_items(iter(mapping.items()))
            if vars(mapping):
                self.save(vars(mapping))
                self.out += b"b"

    def _counter(self, counts):
        self._call(Counter, (dict(counts),), counts)

    def _appends(self, items):
        self._batched(items, self.save, b"a", b"e")

    def _set_items(self, pairs):
        self._batched(pairs, self._pair, b"s", b"u")

    def _pair(self, pair):
        self.save(pair[0])
        self.save(pair[1])

    def _batched(self, items, save, one, many):
        while True:
            batch = list(islice(items, _BATCH))
            if len(batch) > 1:
                self.out += b"("
            for item in batch:
                save(item)
            self.out += many if len(batch) > 1 else one if batch else b""
            if len(batch) < _BATCH:
                return

    # --- what has a name ---

    def _name(self, name):
        self._global(name, name.module, name.name)

    def _global(self, obj, module, name):
        if (module, name) in REVERSE_NAME_MAPPING:
            module, name = REVERSE_NAME_MAPPING[module, name]
        else:
            module = REVERSE_IMPORT_MAPPING.get(module, module)
        self.out += b"c" + module.encode() + b"\n" + name.encode() + b"\n"
        self._put(obj)

    def _class_or_function(self, obj):
        module, name = obj.__module__, obj.__qualname__
        found = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not obj:
            raise PicklingError(
                f"can't save {module}.{name}: it is not found under that name in its module (lambdas and "
                "what is defined inside functions can't be saved) [RG074]"
            )
        self._global(obj, module, name)

    def _call(self, function, args, result):
        """Write a call; `result`, which it makes, is remembered under the next number."""
        self.save(function)
        self.save(args)
        self.out += b"R"
        if id(result) in self.memo:  # the arguments led back to it
            raise PicklingError(f"can't save a {type(result).__name__} that contains itself [RG074]")
        self._put(result)

    # --- PyTorch's objects ---

    def _size(self, size):
        self._call(Size, (tuple(size),), size)

    def _device(self, place):
        args = (place.type,) if place.index is None else (place.type, place.index)
        self._call(device, args, place)

    def _dtype(self, dtype):
        self.save(_DTYPES[dtype])

    def _layout(self, layout):
        self._call(_GET_LAYOUT, (repr(layout),), layout)

    def _tensor(self, tensor):
        if type(tensor) is Parameter:
            args = (tensor.detach(), tensor.requires_grad, OrderedDict())
            state = _attributes(tensor)
            if state:
                self._call(_REBUILD_PARAMETER_WITH_STATE, (*args, state), tensor)
            else:
                self._call(_REBUILD_PARAMETER, args, tensor)
        elif type(tensor) is Tensor and not _attributes(tensor):
            self._call(*self._rebuilding(tensor), tensor)
        else:
            function, args = self._rebuilding(tensor)
            self._call(_REBUILD_TYPE, (function, type(tensor), args, _attributes(tensor)), tensor)

    def _rebuilding(self, tensor):
        """The function that rebuilds a tensor, and its arguments."""
        storage, offset, strides = self.find(tensor._array)
        args = (storage, offset, tensor._array.shape, strides, tensor.requires_grad, OrderedDict())
        if storage.kind == "UntypedStorage":
            return _REBUILD_TYPED, (*args, tensor.dtype)
        return _REBUILD_TENSOR, args

    def _storage(self, storage):
        module = "torch.storage" if storage.kind == "UntypedStorage" else "torch"
        kind = _NAMES.setdefault(storage.kind, Name(module, storage.kind))
        self.save(("storage", kind, storage.key, "cpu", storage.count, *storage.more))
        self.out += b"Q"

    # --- everything else, by its own account ---

    def _other(self, obj):
        if isinstance(obj, (type, FunctionType, BuiltinFunctionType)):
            self.save(_TYPES[obj]) if obj in _TYPES else self._class_or_function(obj)
            return
        reduce = copyreg.dispatch_table.get(type(obj))
        reduced = reduce(obj) if reduce is not None else obj.__reduce_ex__(2)
        if isinstance(reduced, str):
            self._global(obj, type(obj).__module__, reduced)
            return
        function, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if getattr(function, "__name__", "") == "__newobj__":
            self.save(args[0])
            self.save(args[1:])
            self.out += b"\x81"
            self._put(obj)
        else:
            self._call(function, args, obj)
        if items is not None:
            self._appends(iter(items))
        if pairs is not None:
            self._set_items(iter(pairs))
        if state is not None:
            self.save(state)
            self.out += b"b"


class StorageRef:
    """A storage as a pickle refers to it: the name of its type, its key, its number of elements."""

    def __init__(self, kind, key, count, more):
        self.kind = kind
        self.key = key
        self.count = count
        self.more = more  # fields that only the stream format has


class _Open:
    """Marks a container as being written, so that one inside itself is noticed."""

    def __init__(self, pickler, container):
        self.open = pickler.open
        self.id = id(container)

    def __enter__(self):
        self.open.add(self.id)

    def __exit__(self, *exc):
        self.open.discard(self.id)


def _attributes(tensor):
    """What the user has put on a tensor."""
    return {
        name: value
        for name, value in vars(tensor).items()
        if not hasattr(type(tensor), name) and name != "_array"
    }


_NAMES = {}  # storage types that were written, so that each keeps one identity
_WRITERS = {
    type(None): Pickler._none, bool: Pickler._bool, int: Pickler._int, float: Pickler._float,
    str: Pickler._str, bytes: Pickler._bytes, bytearray: Pickler._bytearray, complex: Pickler._complex,
    tuple: Pickler._tuple, list: Pickler._list, dict: Pickler._dict, set: Pickler._set,
    frozenset: Pickler._set, OrderedDict: Pickler._ordered_dict, Counter: Pickler._counter,
    Size: Pickler._size, device: Pickler._device, arrays.dtype: Pickler._dtype,
    type(strided): Pickler._layout, Name: Pickler._name, StorageRef: Pickler._storage,
}  # fmt: skip
_SIMPLE = frozenset({type(None), bool, int, float, arrays.dtype, StorageRef})  # never in the memo
