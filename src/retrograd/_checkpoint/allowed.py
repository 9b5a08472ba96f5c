"""The policy for weights: which globals a checkpoint may name, and what each does here.

Everything is looked up in tables of our own functions. A name in a file never leads to an import, and a
file's arguments never reach a callable that is not made for them.
"""

from collections import OrderedDict, defaultdict

import numpy as np

from ..core import arrays
from ..core.device import device
from ..core.size import Size
from ..core.tensor import Tensor, strided
from ..nn.parameter import Parameter
from . import numpy_objects
from .errors import CheckpointError, NotAllowedError, quote
from .guards import Budget
from .policy import Policy
from .storage import as_ascii
from .table import Call, functions, lookup, parameter

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
        self.user = by_path(user_globals)
        self.user_ids = {id(value) for value in self.user.values()}

    # --- names ---

    def find_global(self, module, name):
        path = f"{module}.{name}"
        if module in _BLOCKED_MODULES:
            raise NotAllowedError(
                f"the file asks for {path}; the module {module} is never allowed in a checkpoint"
            )
        value = lookup(module, name)
        if value is not None:
            return value
        value = find_user_global(self.user, path)
        if value is not None:
            return value
        raise NotAllowedError(refusal(path))

    def _is_user(self, value):
        return id(value) in self.user_ids

    def is_hashable(self, key):
        return isinstance(key, Tensor) or self._is_user(type(key)) or self._is_user(key)

    # --- calls ---

    def reduce(self, machine, func, args):
        function = functions().get(id(func))
        if function is not None:
            return self._call(function, machine, args)
        if self._is_user(func):
            return _run_user(func, args, {})
        raise NotAllowedError(f"the file calls {quote(func)}, which is not an allowed global")

    def _call(self, function, machine, args):
        return _guarded(function, Call(self, machine), *args)

    def new(self, cls, args, kwargs):
        if cls is OrderedDict and not args and not kwargs:
            return OrderedDict()
        if cls is Parameter and not kwargs:
            return self._call(parameter, None, args)
        if self._is_user(cls) and isinstance(cls, type):
            return _run_user(cls.__new__, (cls, *args), kwargs)
        raise NotAllowedError(f"the file makes an instance of {quote(cls)}, which is not an allowed class")

    def build(self, instance, state):
        kind = type(instance)
        if kind is OrderedDict:
            _set_attributes(instance, state)
        elif kind is np.ndarray or isinstance(instance, np.dtype):
            _guarded(numpy_objects.set_state, instance, state, self.budget)
        elif self._is_user(kind):
            _run_user(_set_user_state, (instance, state), {})
        else:
            raise NotAllowedError(f"the file sets the state of {quote(instance)}, which is not allowed")

    # --- items and storages ---

    def set_items(self, target, pairs):
        if type(target) is not defaultdict and not (self._is_user(type(target)) and isinstance(target, dict)):
            super().set_items(target, pairs)
        for pair in pairs:
            _run_user(target.__setitem__, pair, {})

    def extend(self, target, items):
        if not (self._is_user(type(target)) and isinstance(target, list)):
            super().extend(target, items)
        _run_user(target.extend, (items,), {})

    def persistent_load(self, pid):
        if type(pid) is not tuple or not pid or as_ascii(pid[0]) != "storage":
            raise CheckpointError("the file refers to something other than a storage outside its pickle")
        return self.load_storage(pid)


def refusal(path):
    """Why a global is refused, and what the reader can do about it."""
    if path in _UNSUPPORTED:
        return f"the file holds {_UNSUPPORTED[path]} ({path}), which retrograd does not have"
    return (
        f"the file asks for the global {path}, which is not allowed: it holds more than tensors and plain "
        "data. If it was saved with torch.save(model), save torch.save(model.state_dict()) instead and load "
        "that into a model made from its class. If you trust this class or function, allow it: "
        f"serialization.add_safe_globals([{path.rpartition('.')[2]}]), or with "
        "serialization.safe_globals([...])"
    )


def by_path(user_globals):
    """What the user marked as safe, by the name under which a file knows it."""
    found = {}
    for item in user_globals:
        value, path = item if isinstance(item, tuple) else (item, f"{item.__module__}.{item.__qualname__}")
        found[path] = value
    return found


def find_user_global(user, path):
    """The class or function that the user marked as safe for `path`; ours stand for PyTorch's of the same "
    "name."""
    if path in user or not path.startswith("torch."):
        return user.get(path)
    name = path.rpartition(".")[2]
    ours = (v for v in user.values() if getattr(v, "__module__", "").startswith("retrograd."))
    return next((v for v in ours if v.__qualname__ == name), None)


def _guarded(function, *args):
    """Call a function of ours on a file's values; what it did not foresee of them is the file's error too."""
    try:
        return function(*args)
    except CheckpointError:
        raise
    except (TypeError, ValueError, OverflowError, AttributeError, RuntimeError) as error:
        name = function.__name__.strip("_")
        raise CheckpointError(f"arguments in the file don't fit {name}: {error}") from error


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
