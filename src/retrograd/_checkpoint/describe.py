"""A policy that builds nothing: names in a pickle become inert `Thing`s, tensors `TensorInfo`s."""

import math

from ..core import arrays
from .errors import CheckpointError
from .policy import Policy
from .storage import UNTYPED, as_ascii, check_geometry, storage_id
from .table import lookup


class Thing:
    """What a named class or function of the file would have made: its name, arguments, items and state."""

    def __init__(self, path, args=()):
        self.path = path
        self.args = args
        self.items = []
        self.pairs = []
        self.state = None


class StorageInfo:
    """A storage that the file refers to."""

    def __init__(self, kind, key, location, count):
        self.dtype = kind.dtype
        self.key = key
        self.location = location
        self.nbytes = count * kind.dtype.itemsize


class TensorInfo:
    """What the file says of a tensor; whether it is true of the storage is for loading to check."""

    def __init__(self, storage, shape, strides, offset, dtype, requires_grad):
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.requires_grad = requires_grad
        self.is_parameter = False

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize


class Describe(Policy):
    """Notes in `globals` every global that is asked for, and whether it is allowed by default."""

    def __init__(self, declare=None, id_fields=5):
        self.declare = declare
        self.id_fields = id_fields
        self.globals = {}
        self.storages = {}

    def find_global(self, module, name):
        path = f"{module}.{name}"
        value = lookup(module, name)
        self.globals[path] = value is not None
        if isinstance(value, (arrays.dtype, type(UNTYPED))):
            return value
        return Thing(path)

    def is_hashable(self, key):
        return isinstance(key, (Thing, TensorInfo, StorageInfo, arrays.dtype))

    def reduce(self, machine, func, args):
        path = func.path if isinstance(func, Thing) else type(func).__name__
        module, _, name = path.rpartition(".")
        if path == "torch.Size" and len(args) == 1 and type(args[0]) is tuple:
            return args[0]
        if module == "torch._utils" and args:
            if name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
                return _tensor_info(name, args)
            if name in ("_rebuild_parameter", "_rebuild_parameter_with_state") and isinstance(
                args[0], TensorInfo
            ):
                args[0].is_parameter = True
                return args[0]
        return Thing(path, args)

    def new(self, cls, args, kwargs):
        return Thing(cls.path if isinstance(cls, Thing) else type(cls).__name__, args)

    def build(self, instance, state):
        if isinstance(instance, Thing):
            instance.state = state

    def extend(self, target, items):
        if isinstance(target, Thing):
            target.items.extend(items)

    def set_items(self, target, pairs):
        if isinstance(target, Thing):
            target.pairs.extend(pairs)

    def persistent_load(self, pid):
        if type(pid) is not tuple or not pid or as_ascii(pid[0]) != "storage":
            return Thing("a reference to something other than a storage")
        if self.declare is not None:
            self.declare(pid)
        kind, key, location, count = storage_id(pid, self.id_fields)[:4]
        return self.storages.setdefault(key, StorageInfo(kind, key, location, count))


def _tensor_info(name, args):
    storage, offset, shape, strides = args[:4] if len(args) >= 4 else (None,) * 4
    if not isinstance(storage, StorageInfo):
        raise CheckpointError("a tensor is built on something other than a storage")
    check_geometry(offset, shape, strides)
    dtype = storage.dtype
    if name == "_rebuild_tensor_v3" and len(args) > 6 and isinstance(args[6], arrays.dtype):
        dtype = args[6]
    requires_grad = len(args) > 4 and args[4] is True
    return TensorInfo(storage, shape, strides, offset, dtype, requires_grad)
