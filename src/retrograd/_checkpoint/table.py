"""The globals that a checkpoint may name, and the function of ours that a call of each runs.

Each checks its arguments itself: they come from the file.
"""

from collections import Counter, OrderedDict
from functools import cache

import numpy as np

from ..core import arrays
from ..core.device import device
from ..core.size import Size
from ..core.tensor import Tensor, strided, wrap
from ..nn.parameter import Parameter
from . import numpy_objects
from .errors import CheckpointError, quote
from .storage import STORAGE_TYPES, UNTYPED, Storage, as_ascii


class Call:
    """What a function of the table may use besides its arguments: the policy and the running machine."""

    def __init__(self, policy, machine):
        self.policy = policy
        self.machine = machine

    def charge_copy(self, nbytes):
        """Count bytes of tensors that are copied."""
        self.policy.budget.charge(nbytes)

    def charge_items(self, items):
        """Count items (or characters) that are copied."""
        self.machine.budget.charge(len(items))


def _ordered_dict(call, pairs=()):
    if type(pairs) not in (tuple, list):
        raise CheckpointError(f"an OrderedDict made from {quote(pairs)}")
    call.charge_items(pairs)
    if not all(type(pair) in (tuple, list) and len(pair) == 2 for pair in pairs):
        raise CheckpointError("an OrderedDict must be made from pairs")
    call.machine.keys.check(pairs, [key for key, _ in pairs])
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
    call.machine.keys.check(items, items)
    return kind(items)


def _bytes(call, text, encoding):
    if type(text) is not str or as_ascii(encoding) not in ("latin1", "latin-1"):
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
    if as_ascii(name) != "torch.strided":
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
    if metadata is not None and type(metadata) is not dict:
        raise CheckpointError(f"a tensor's metadata is {quote(metadata)}")
    for bit, on in (metadata or {}).items():
        if as_ascii(bit) not in ("conj", "neg") or type(on) is not bool:
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


def parameter(call, data, requires_grad=True):
    if not isinstance(data, Tensor) or type(requires_grad) is not bool:
        raise CheckpointError("a Parameter must be made from a tensor and a bool")
    if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
        raise CheckpointError(f"a Parameter of {data.dtype} can't require a gradient, as the file says")
    return Parameter(data, requires_grad)


def _rebuild_parameter(call, data, requires_grad, hooks):
    return parameter(call, data, requires_grad)


def _rebuild_parameter_with_state(call, data, requires_grad, hooks, state):
    tensor = parameter(call, data, requires_grad)
    _set_tensor_attributes(tensor, state)
    return tensor


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
def functions():
    """id of a global: what a call of it runs. The globals live as long as this module, so do their ids."""
    table = {
        OrderedDict: _ordered_dict, Counter: _counter, set: _set, frozenset: _frozenset, complex: _complex,
        bytearray: _bytearray, bytes: _no_bytes, slice: _slice, Size: _size, device: _device,
        Parameter: parameter,
    }  # fmt: skip
    table.update(numpy_objects.FUNCTIONS)
    for own in _table().values():
        if callable(own) and not isinstance(own, type) and own not in table:
            table[own] = own
    functions = {id(key): function for key, function in table.items()}
    return functions
