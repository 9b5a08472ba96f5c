"""The node of one call of a custom Function, and its `ctx`."""

import warnings
import weakref

import numpy as np

from ..core.graph import Node
from ..core.saved import Packed, SavedTensor, check_kept, complain, rebuild, unpack_packed
from ..core.tensor import Tensor, wrap


class FunctionCtx:
    """What `forward` and `backward` of a Function share: `ctx`, for the user's attributes and for what
    is said here.

    The node in the graph (`grad_fn`) holds it, and shows its attributes; what else it is asked for, it
    asks the node.
    """

    materialize_grads = True
    _materialize_non_diff_grads = True
    _is_pure_view = False
    needs_input_grad = ()
    to_save = ()
    dirty_tensors = ()
    non_differentiable = ()
    saved_for_forward = ()
    _in_jvp = False

    def __init__(self, node=None):
        self._node = None if node is None else weakref.ref(node)

    def __getattr__(self, name):
        # an AttributeError of the user's unpack hook led here
        if name in ("saved_tensors", "saved_variables"):
            return getattr(FunctionCtx, name).fget(self)
        node = self.__dict__.get("_node")
        node = node and node()
        if node is None or name.startswith("__") or name == "ctx":
            raise AttributeError(
                f"this ctx has no attribute '{name}'; set it in forward or setup_context [RG136]"
            )
        return object.__getattribute__(node, name)

    @property
    def saved_tensors(self):
        """What `save_for_backward` kept, with its history; in `jvp`, what `save_for_forward` kept."""
        if self._in_jvp:
            return self.saved_for_forward
        node = self._node and self._node()
        if node is None:
            raise RuntimeError(
                "saved_tensors: the graph of this ctx is gone, and with it what was saved (as when backward "
                "goes through "
                "the graph a second time) [RG001]"
            )
        return node.unpack()

    @property
    def saved_variables(self):
        """Deprecated: `saved_tensors`."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs, outputs or others, or None) for backward: `ctx.saved_tensors` there."""
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        """Keep tensors for the function's `jvp`: `ctx.saved_tensors` there."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_forward can only save tensors or None, got {type(t).__name__} [RG019]"
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *tensors):
        """Say which inputs `forward` changed in place; each must also be returned."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        """Say which outputs have no gradient."""
        self.non_differentiable = tensors

    def mark_shared_storage(self, *pairs):
        """Deprecated, does nothing: sharing of memory is noticed."""
        warnings.warn(
            "mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked.",
            FutureWarning,
            stacklevel=2,
        )

    def set_materialize_grads(self, value):
        """Whether backward gets zeros (True, the default) or None for outputs that nothing depends on."""
        self.materialize_grads = bool(value)


class FunctionNode(Node):
    """The node of one call of a Function. It has an edge for each tensor among the arguments."""

    base = None  # the class Function: function.py sets it
    function = None  # the user's class
    saved_outputs = ()  # for each saved tensor: its number where it is an output, else None
    versions = ()
    tensor_outputs = ()
    differentiable_outputs = ()
    dirty_outputs = ()
    is_tensor = ()  # for each argument of forward: whether it was a tensor
    _accessed = False

    def __getattr__(self, name):
        ctx = self.__dict__.get("ctx")
        if ctx is None or name.startswith("__"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}' [RG136]")
        return object.__getattribute__(ctx, name)

    def unpack(self):
        """The saved tensors, with their history."""
        check_kept(self, self.saved)
        if self.function.clear_saved_tensors_on_access:
            if self._accessed:
                raise RuntimeError(
                    "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set "
                    "on the "
                    "autograd.Function. Either access saved_tensors only once, or set "
                    "clear_saved_tensors_on_access=False. [RG021]"
                )
            self._accessed = True
        values = tuple([self._unpack(slot) for slot in range(len(self.saved))])
        if self._accessed:
            self.saved = []
        return values

    def _unpack(self, slot):
        value, output = self.saved[slot], self.saved_outputs[slot]
        if value is None:
            return None
        if type(value) is Packed:
            return unpack_packed(value, self)
        array, counter = value if type(value) is tuple else (value._array, value._version_counter)
        if counter.n != self.versions[slot]:
            complain(self, array.shape, wrap(array).dtype, counter, self.versions[slot])
        return value if output is None else rebuild(self, array, output, counter)

    @property
    def _raw_saved_tensors(self):
        check_kept(self, self.saved)
        return tuple([SavedTensor.of(self, slot) for slot in range(len(self.saved))])

    def saved_output(self, slot):
        """Which of the node's outputs is kept in a slot."""
        return self.saved_outputs[slot]

    def differentiates(self, output, tensor):
        """Whether `tensor`, this node's output number `output`, has a gradient."""
        return output in self.differentiable_outputs

    def run(self, g, graph, wanted=None):
        grads = list(g) if self.outputs > 1 else [g]
        if not graph:
            grads = [None if x is None else wrap(np.asarray(x)) for x in grads]
        if self.ctx.materialize_grads:
            grads = [self._zeros(i) if x is None and self._wants_zeros(i) else x for i, x in enumerate(grads)]
        result = self._user_backward()(self.ctx, *grads)
        return self._checked(list(result) if isinstance(result, (tuple, list)) else [result], graph)

    def _wants_zeros(self, output):
        if output in self.differentiable_outputs:
            return True
        return self.ctx._materialize_non_diff_grads and output in self.tensor_outputs

    def _zeros(self, output):
        if self.outputs == 1:
            return wrap(np.zeros(self.shape, self.dtype))
        return wrap(np.zeros(self.shape[output], self.dtype[output]))

    def _user_backward(self):
        """The user's `backward` or `vjp`."""
        cls = self.function
        backward = cls.backward is not self.base.backward
        if backward and cls.vjp is not self.base.vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should "
                "only "
                f"implement one of them ({cls.__name__}). [RG018]"
            )
        return cls.backward if backward else cls.vjp

    def _checked(self, grads, graph):
        """The gradients for the tensors among the arguments, from what backward returned for all
        arguments."""
        count = len(self.is_tensor)
        if len(grads) > count and all(x is None for x in grads[count:]):
            del grads[count:]
        if len(grads) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {count}, got "
                f"{len(grads)}): backward must return one for each argument of forward, None for those that "
                "need none [RG012]"
            )
        kept = []
        for i, (x, is_tensor) in enumerate(zip(grads, self.is_tensor, strict=True)):
            if x is None:
                if is_tensor:
                    kept.append(None)
                continue
            if not is_tensor:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {i + 1}, "
                    "but the "
                    "corresponding forward input was not a Variable [RG019]"
                )
            if not isinstance(x, Tensor):
                raise RuntimeError(
                    f"expected Variable or None (got {type(x).__name__}), at position {i + 1} of what the "
                    "backward of "
                    f"{self.name()} returned [RG019]"
                )
            kept.append(x if graph else x._array)
        return kept

    def name(self):
        return type(self).__name__
