"""PyTorch's private module of compiled functions: those of its names that other people's code reads, where we
have what stands behind them. None of them is part of our interface; prefer the public names.
"""

import importlib
import weakref

from .. import compat
from ..core.device import device
from ..core.graph import Node
from ..core.memory import owner
from ..core.modes import is_grad_enabled, is_inference_mode_enabled, modes
from ..core.size import Size
from ..core.tensor import Tensor
from ..random import Generator
from . import _autograd, _functions

__all__ = [
    "Generator", "Node", "Size", "_autograd", "_functions", "device", "has_lapack", "has_mkl", "has_openmp",
    "is_grad_enabled", "is_inference_mode_enabled",
]  # fmt: skip

has_lapack, has_mkl, has_openmp = compat.has_lapack, compat.has_mkl, compat.has_openmp

_TensorMeta = type(Tensor)  # the type of Tensor classes

_is_fwd_grad_enabled = _autograd._is_fwd_grad_enabled
_set_fwd_grad_enabled = _autograd._set_fwd_grad_enabled


def _log_api_usage_once(event):
    """Without effect: nothing is logged."""


def _set_grad_enabled(mode):
    modes.grad = bool(mode)


def _is_alias_of(a, b):
    """Whether two tensors look into one piece of memory."""
    return owner(a._array) is owner(b._array)


class _WeakTensorRef:
    """A weak reference to a tensor; `expired()` says whether it is gone."""

    def __init__(self, tensor):
        self._ref = weakref.ref(tensor)

    def expired(self):
        return self._ref() is None


def __getattr__(name):
    """What is of overrides.py or in a module, which are imported when they are needed."""
    if name in ("DisableTorchFunction", "DisableTorchFunctionSubclass", "_disabled_torch_function_impl"):
        return getattr(importlib.import_module("retrograd.overrides"), name)
    if name in ("_functorch", "_nn"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]")


# --- the backward walk that runs now ---------------------------------------------------------------


def _task():
    if modes.task is None:
        raise RuntimeError("This function should only be called during the backward pass [RG029]")
    return modes.task


def _current_graph_task_id():
    """The number of the backward walk that runs in this thread, counted up; -1 outside of walks."""
    return -1 if modes.task is None else modes.task.number


def _current_autograd_node():
    """The node that runs now, or whose hooks do; None outside of walks."""
    return None if modes.task is None else modes.task.node


def _current_graph_task_execution_order():
    """The nodes that the walk still goes to, in order; the first one runs now, or its hooks do."""
    task = _task()
    if modes.multithreading:
        raise RuntimeError(
            "_current_graph_task_execution_order expects the current backward to be executed with "
            "multithreading disabled, e.g. by running: with "
            "torch.autograd.set_multithreading_enabled(False) [RG029]"
        )
    return task.order()


def _will_engine_execute_node(node):
    """Whether the walk that runs now runs `node`, a grad_fn."""
    if not isinstance(node, Node):
        raise RuntimeError(
            f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__} [RG029]"
        )
    task = _task()
    if task.needed is None:
        return node in task.reached()
    if node not in task.needed:
        return False
    if not task.accumulate and not node.edges:
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). This is currently not supported. [RG029]"
        )
    return True


# --- tensors that somebody keeps -------------------------------------------------------------------

_kept = {}  # id of a tensor -> weak reference to it


def _set_cached_tensors_enabled(enabled):
    """Accepted: `.grad` never takes over memory that any tensor holds."""


def _add_cached_tensor(tensor):
    _kept[id(tensor)] = weakref.ref(tensor)


def _remove_cached_tensor(tensor):
    _kept.pop(id(tensor), None)


def _is_cached_tensor(tensor):
    """Whether `_add_cached_tensor` was told of this tensor."""
    return id(tensor) in _kept and _kept[id(tensor)]() is tensor
