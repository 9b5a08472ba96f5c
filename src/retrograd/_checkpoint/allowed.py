"""The policy for weights: which globals a checkpoint may name, and what each does here.

Everything is looked up in tables of our own functions. A name in a file never leads to an import, and a
file's arguments never reach a callable that is not made for them.
"""

from collections import Counter, OrderedDict, defaultdict
from functools import cache

import numpy as np

from ..core import arrays
from ..core.device import device
from ..core.size import Size
from ..core.tensor import Tensor, strided, wrap
from ..nn.parameter import Parameter
from . import numpy_objects
from .errors import CheckpointError, quote
from .opcodes import Budget, Policy
from .storage import STORAGE_TYPES, UNTYPED, Storage, is_size

# What PyTorch can write and retrograd has no counterpart of.
_UNSUPPORTED = {
    "torch._utils._rebuild_qtensor": "quantized tensors",
    "torch._utils._rebuild_sparse_tensor": "sparse tensors",
    "torch._utils._rebuild_nested_tensor": "nested tensors",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensors on the meta device",
    "torch._utils._rebuild_wrapper_subclass": "wrapper tensor subclasses",
}
_BLOCKED_MODULES = frozenset({"sys", "os", "posix", "nt"})  # never allowed, whatever the user marks as safe


class WeightsOnly(Policy):
    """Tensors, parameters, plain containers, and what the user marked as safe.

    `load_storage(pid)` gives the Storage for a persistent id; `file_bytes` bounds what may be copied.
    """

    tuple_types = (Size,)
    key_types = frozenset({arrays.dtype, device, Tensor, Parameter, type(strided)})

    def __init__(self, load_storage, file_bytes, user_globals=(), restore=None):
        self.load_storage = load_storage
        self.restore = restore
        self.budget = Budget(file_bytes, "memory")
        self.user = _by_path(user_globals)
        self.user_ids = {id(value) for value in self.user.values()}

    # --- names ---

    def find_global(self, module, name):
        path = f"{module}.{name}"
        if module in _BLOCKED_MODULES:
            raise CheckpointError(
                f"the file asks for {path}; the module {module} is never allowed in a checkpoint"
            )
        value = lookup(module, name)
        if value is not None:
            return value
        if path in self.user:
            return self.user[path]
        raise CheckpointError(refusal(path))

    def _is_user(self, value):
        return id(value) in self.user_ids

    def is_hashable(self, key):
        return isinstance(key, Tensor) or self._is_user(type(key)) or self._is_user(key)

    # --- calls ---

    def reduce(self, machine, func, args):
        function = _functions().get(id(func))
        if function is not None:
            return self._call(function, machine, args)
        if self._is_user(func):
            return _run_user(func, args, {})
        raise CheckpointError(f"the file calls {quote(func)}, which is not an allowed global")

    def _call(self, function, machine, args):
        try:
            return function(Call(self, machine), *args)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            name = function.__name__.strip("_")
            raise CheckpointError(f"arguments in the file don't fit {name}: {error}") from error

    def new(self, cls, args, kwargs):
        if cls is OrderedDict and not args and not kwargs:
            return OrderedDict()
        if cls is Parameter and not kwargs:
            return self._call(_parameter, None, args)
        if self._is_user(cls) and isinstance(cls, type):
            return _run_user(cls.__new__, (cls, *args), kwargs)
        raise CheckpointError(f"the file makes an instance of {quote(cls)}, which is not an allowed class")

    def build(self, instance, state):
        kind = type(instance)
        if kind is OrderedDict:
            _set_attributes(instance, state)
        elif kind is np.ndarray or isinstance(instance, np.dtype):
            numpy_objects.set_state(instance, state, self.budget)
        elif self._is_user(kind):
            _run_user(_set_user_state, (instance, state), {})
        else:
            raise CheckpointError(f"the file sets the state of {quote(instance)}, which is not allowed")

    # --- items and storages ---

    def set_items(self, target, pairs):
        if type(target) is not defaultdict and not (self._is_user(type(target)) and isinstance(target, dict)):
            return super().set_items(target, pairs)
        return _run_user(target.update, (pairs,), {})

    def extend(self, target, items):
        if not (self._is_user(type(target)) and isinstance(target, list)):
            return super().extend(target, items)
        return _run_user(target.extend, (items,), {})

    def persistent_load(self, pid):
        if type(pid) is not tuple or not pid or _ascii(pid[0]) != "storage":
            raise CheckpointError("the file refers to something other than a storage outside its pickle")
        return self.load_storage(pid)


class Call:
    """What a function of the table may use besides its arguments: the policy and the running machine."""

    def __init__(self, policy, machine):
        self.policy = policy
        self.machine = machine

    def charge_copy(self, nbytes):
        self.policy.budget.charge(nbytes)

    def charge_items(self, items):
        self.machine.budget.charge(len(items))


def _ascii(text):
    return text.decode("ascii", "replace") if isinstance(text, bytes) else text


def storage_id(pid, fields):
    """The fields of a storage's persistent id after the word "storage", checked: type, key, location, "
    "count, ..."""
    if len(pid) != fields + 1:
        raise CheckpointError(f"a storage reference has {len(pid)} fields, expected {fields + 1}")
    kind, key, location, count, *rest = pid[1:]
    key, location = _ascii(key), _ascii(location)
    if not isinstance(kind, type(UNTYPED)) or type(key) is not str or type(location) is not str:
        raise CheckpointError("a storage reference must be a storage type, a key and a location")
    if not is_size(count) or count > 2**62:
        raise CheckpointError(f"a storage of {quote(count)} elements")
    if len(key) > 200 or len(location) > 200:
        raise CheckpointError("a storage's key or location is longer than 200 characters")
    return kind, key, location, count, *rest


def refusal(path):
    """Why a global is refused, and what the reader can do about it."""
    if path in _UNSUPPORTED:
        return f"the file holds {_UNSUPPORTED[path]} ({path}), which retrograd does not have"
    return (
        f"the file asks for the global {path}, which is not allowed: it holds more than tensors and plain "
        "data. "
        "If it was saved with torch.save(model), save torch.save(model.state_dict()) instead and load that "
        "into a "
        "model made from its class. If you trust this class or function, allow it: "
        f"serialization.add_safe_globals([{path.rpartition('.')[2]}]), or with "
        "serialization.safe_globals([...])"
    )


def _by_path(user_globals):
    found = {}
    for item in user_globals:
        value, path = item if isinstance(item, tuple) else (item, f"{item.__module__}.{item.__qualname__}")
        found[path] = value
    return found


# --- what the user marked as safe runs; whatever goes wrong there is the file's error -----------------------


def _run_user(function, args, kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        name = getattr(function, "__qualname__", type(function).__name__)
        raise CheckpointError(f"{name} failed on what the file gives it: {error}") from error


def _set_user_state(instance, state):
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        instance.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)


def _set_attributes(ordered, state):
    """Attributes of an OrderedDict, such as a state dict's `_metadata`; they may not hide its methods."""
    if type(state) is not dict:
        raise CheckpointError(f"an OrderedDict's attributes must be a dict, the file has {quote(state)}")
    for name in state:
        if type(name) is not str or hasattr(OrderedDict, name):
            raise CheckpointError(f"an OrderedDict can't have the attribute {quote(name)}")
    vars(ordered).update(state)


# --- the table ----------------------------------------------------------------------------------------------


def _ordered_dict(call, pairs=()):
    if type(pairs) not in (tuple, list):
        raise CheckpointError(f"an OrderedDict made from {quote(pairs)}")
    call.charge_items(pairs)
    if not all(type(pair) in (tuple, list) and len(pair) == 2 for pair in pairs):
        raise CheckpointError("an OrderedDict must be made from pairs")
    call.machine.check_keys(pairs, [key for key, _ in pairs])
    return OrderedDict(pairs)


def _counter(call, counts):
    if type(counts) is not dict:
        raise CheckpointError(f"a Counter made from {quote(counts)}")
    call.charge_items(counts)
    return Counter(counts)


def _set(call, items=()):
    return _set_of(call, set, items)


def _frozenset(call, items=()):
    return _set_of(call, frozenset, items)


def _set_of(call, kind, items):
    if type(items) not in (list, tuple):
        raise CheckpointError(f"a {kind.__name__} made from {quote(items)}")
    call.charge_items(items)
    call.machine.check_keys(items, items)
    return kind(items)


def _bytes(call, text, encoding):
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise CheckpointError("bytes must be written as latin1 text")
    call.charge_items(text)
    return text.encode("latin1")


def _no_bytes(call):
    return b""


def _bytearray(call, data=b"", encoding=None):
    if encoding is not None:
        data = _bytes(call, data, encoding)
    if type(data) is not bytes:
        raise CheckpointError(f"a bytearray made from {quote(data)}")
    call.charge_items(data)
    return bytearray(data)


def _complex(call, real, imag):
    if type(real) not in (float, int) or type(imag) not in (float, int):
        raise CheckpointError("a complex number must be made from two numbers")
    return complex(real, imag)


def _slice(call, *bounds):
    if not all(b is None or type(b) is int for b in bounds):
        raise CheckpointError("a slice must be made from integers")
    return slice(*bounds)


def _size(call, sizes=()):
    if type(sizes) not in (tuple, list) or not all(type(n) is int for n in sizes):
        raise CheckpointError("a Size must be made from integers")
    call.charge_items(sizes)
    return Size(sizes)


def _device(call, kind, index=None):
    if type(kind) is not str or not (index is None or type(index) is int):
        raise CheckpointError("a device must be made from a name and a number")
    try:
        return device(kind, index)
    except RuntimeError as error:
        raise CheckpointError(f"the file holds a device that is not known: {error}") from None


def _layout(call, name):
    if name != "torch.strided":
        raise CheckpointError(f"the layout {quote(name)} is not supported; retrograd has torch.strided")
    return strided


def _rebuild_tensor(call, storage, offset, size, stride):
    _expect_storage(storage)
    return wrap(storage.view(storage.dtype, offset, size, stride))


def _rebuild_tensor_v2(call, storage, offset, size, stride, requires_grad, hooks, metadata=None):
    _expect_storage(storage)
    return _rebuild(call, storage, storage.dtype, offset, size, stride, requires_grad, metadata)


def _rebuild_tensor_v3(call, storage, offset, size, stride, requires_grad, hooks, dtype, metadata=None):
    _expect_storage(storage)
    if not isinstance(dtype, arrays.dtype):
        raise CheckpointError(f"a tensor's dtype is {quote(dtype)}")
    return _rebuild(call, storage, dtype, offset, size, stride, requires_grad, metadata)


def _expect_storage(storage):
    if type(storage) is not Storage:
        raise CheckpointError(f"a tensor is built on {quote(storage)} instead of a storage")


def _rebuild(call, storage, dtype, offset, size, stride, requires_grad, metadata):
    array = storage.view(dtype, offset, size, stride)
    if storage.foreign_order:
        call.charge_copy(array.nbytes)
        array = array.byteswap()
    for bit, on in (metadata or {}).items():
        if bit not in ("conj", "neg"):
            raise CheckpointError(f"a tensor's metadata has {quote(bit)}; 'conj' and 'neg' are known")
        if on:  # lazy in PyTorch, done here: the tensor no longer shares its storage
            call.charge_copy(array.nbytes)
            array = np.conjugate(array) if bit == "conj" else np.negative(array)
    return _require(wrap(array), requires_grad)


def _require(tensor, requires_grad):
    if type(requires_grad) is not bool:
        raise CheckpointError(f"requires_grad is {quote(requires_grad)}")
    if requires_grad:
        if not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
            raise CheckpointError(f"a tensor of {tensor.dtype} can't require a gradient, as the file says")
        tensor.requires_grad = True
    return tensor


def _parameter(call, data, requires_grad=True):
    if not isinstance(data, Tensor) or type(requires_grad) is not bool:
        raise CheckpointError("a Parameter must be made from a tensor and a bool")
    if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
        raise CheckpointError(f"a Parameter of {data.dtype} can't require a gradient, as the file says")
    return Parameter(data, requires_grad)


def _rebuild_parameter(call, data, requires_grad, hooks):
    return _parameter(call, data, requires_grad)


def _rebuild_parameter_with_state(call, data, requires_grad, hooks, state):
    parameter = _parameter(call, data, requires_grad)
    _set_tensor_attributes(parameter, state)
    return parameter


def _rebuild_from_type(call, func, kind, args, state):
    if kind is not Tensor and kind is not Parameter:
        raise CheckpointError(f"the file holds a tensor of the class {quote(kind)}, which can't be rebuilt")
    if type(args) is not tuple:
        raise CheckpointError("a tensor's arguments are not a tuple")
    tensor = call.policy.reduce(call.machine, func, args)
    if not isinstance(tensor, Tensor):
        raise CheckpointError("a tensor is rebuilt by something that makes none")
    _set_tensor_attributes(tensor, state)
    return tensor


def _set_tensor_attributes(tensor, state):
    """Attributes that the user had put on a tensor; they may not hide what a tensor has."""
    parts = state if type(state) is tuple and len(state) == 2 else (state,)
    for part in parts:
        if part is None:
            continue
        if type(part) is not dict:
            raise CheckpointError(f"a tensor's attributes must be a dict, the file has {quote(part)}")
        for name, value in part.items():
            if type(name) is not str or hasattr(tensor, name):
                raise CheckpointError(f"a tensor can't have the attribute {quote(name)}")
            setattr(tensor, name, value)


def _rebuild_on_device(call, data, dtype, place, requires_grad):
    """A tensor that PyTorch saved from an accelerator without storages of its own."""
    array = data._array if isinstance(data, Tensor) else data
    if not isinstance(array, np.ndarray) or not isinstance(dtype, arrays.dtype) or type(place) is not str:
        raise CheckpointError("a device tensor must be made from values, a dtype and a device")
    call.charge_copy(array.size * dtype.itemsize)
    call.policy.restore(Storage(np.empty(0, np.uint8), dtype), place)
    return _require(wrap(array.astype(dtype.numpy)), requires_grad)


@cache
def _table():
    """`(module, name)`: what stands for it on the interpreter's stack."""
    names = {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "Counter"): Counter,
        ("builtins", "set"): set,
        ("builtins", "frozenset"): frozenset,
        ("builtins", "complex"): complex,
        ("builtins", "bytearray"): bytearray,
        ("builtins", "bytes"): bytes,
        ("builtins", "slice"): slice,
        ("_codecs", "encode"): _bytes,
        ("torch", "Size"): Size,
        ("torch", "device"): device,
        ("torch", "Tensor"): Tensor,
        ("torch.nn.parameter", "Parameter"): Parameter,
        ("torch.serialization", "_get_layout"): _layout,
        ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
        ("torch.tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
        ("torch.storage", "UntypedStorage"): UNTYPED,
        ("torch", "UntypedStorage"): UNTYPED,
    }
    rebuilders = {
        "_rebuild_tensor": _rebuild_tensor,
        "_rebuild_tensor_v2": _rebuild_tensor_v2,
        "_rebuild_tensor_v3": _rebuild_tensor_v3,
        "_rebuild_parameter": _rebuild_parameter,
        "_rebuild_parameter_with_state": _rebuild_parameter_with_state,
        "_rebuild_device_tensor_from_numpy": _rebuild_on_device,
        "_rebuild_device_tensor_from_cpu_tensor": _rebuild_on_device,
        "_rebuild_xla_tensor": _rebuild_on_device,
    }
    names.update({("torch._utils", name): function for name, function in rebuilders.items()})
    names.update({("torch", d.name): d for d in arrays.DTYPES.values()})
    for name, kind in STORAGE_TYPES.items():
        names["torch", name] = names["torch.cuda", name] = kind
    names.update(numpy_objects.GLOBALS)
    return names


def lookup(module, name):
    """What stands for the global, or None where it is not allowed."""
    return _table().get((module, name))


@cache
def _functions():
    """id of a global: the function that a call of it runs. They live as long as this module, so do their "
    "ids."""
    table = {
        OrderedDict: _ordered_dict, Counter: _counter, set: _set, frozenset: _frozenset, complex: _complex,
        bytearray: _bytearray, bytes: _no_bytes, slice: _slice, Size: _size, device: _device,
        Parameter: _parameter,
    }  # fmt: skip
    table.update(numpy_objects.FUNCTIONS)
    for own in _table().values():
        if callable(own) and not isinstance(own, type) and own not in table:
            table[own] = own
    functions = {id(key): function for key, function in table.items()}
    return functions
