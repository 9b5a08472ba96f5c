"""What nodes keep of tensors until backward: packed by the user's hooks or not, and how one may look at
it.

A slot of `node.saved` holds a Tensor; or (array, version counter) where the tensor is the node's own
output, since keeping the Tensor, which refers to the node, would make a reference cycle; or a `Packed`;
or what is no tensor.
"""

from .compiled import native
from .graph import Freed, describe_location, modes
from .tensor import Tensor, wrap


class Packed:
    """A saved tensor that the user's hooks packed; `output` is its number where it is the node's own
    output.

    `edge` and `tangents` are the history of another one: hooks need to keep its values only.
    """

    __slots__ = ("value", "unpack", "output", "edge", "tangents")

    def __init__(self, value, unpack, output, edge=None, tangents=None):
        self.value = value
        self.unpack = unpack
        self.output = output
        self.edge = edge
        self.tangents = tangents


def pack(tensor, output=None):
    """Hand a tensor that is to be saved to the innermost pack hook."""
    return pack_with(tensor, output, *modes.saving[-1])


def pack_with(tensor, output, pack_hook, unpack_hook):
    """What `pack_hook` makes of a tensor that is to be saved (of a detached one, for an output)."""
    version = tensor._versions()
    before_mode, before = modes.grad, version.n
    modes.grad = False
    try:
        value = pack_hook(tensor if output is None else tensor.detach())
    finally:
        modes.grad = before_mode
    if version.n != before:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place; let it work on a copy [RG017]"
        )
    if output is not None:
        return Packed(value, unpack_hook, output)
    edge = tensor._edge() if tensor.requires_grad else None
    return Packed(value, unpack_hook, None, edge, tensor._tangents)


def unpack_packed(packed, node):
    """The values that the unpack hook gives back, with the history of the tensor that was packed."""
    value = packed.unpack(packed.value)
    if not isinstance(value, Tensor):
        raise TypeError(
            "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
            f"{type(value)} [RG017]"
        )
    if packed.output is not None:
        return rebuild(node, value._array, packed.output)
    if packed.edge is None and packed.tangents is None:
        return value
    t = wrap(value._array)
    if packed.edge is not None:
        t._grad_fn, t._output_nr = packed.edge
    t._tangents = packed.tangents
    return t


def _handed_on(array):
    """A Tensor of an array that a node keeps: it may be written to, so nothing may wait to read it
    (native/pending.h)."""
    if native is not None:
        native.settle()
    return wrap(array)


def rebuild(node, array, output, counter=None):
    """The node's own output number `output` as a Tensor again."""
    t = _handed_on(array)
    t._version_counter = counter
    if node.differentiates(output, t):
        t._grad_fn, t._output_nr = node, output
        t._tangents = node.tangents and node.tangents.get(output)
    return t


def check_kept(node, saved):
    """Raise, naming both lines, if `node` no longer has its saved values."""
    if type(saved) is Freed:
        raise RuntimeError(
            "Trying to backward through the graph a second time (or directly access saved tensors after they "
            "have "
            "already been freed). Saved intermediate values of the graph are freed when you call .backward() "
            "or "
            "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second "
            "time or "
            "if you need to access saved tensors after calling backward.\n"
            f"  the values of {node.name()}, made at {describe_location(node.where)}\n"
            f"  were freed by the backward at {describe_location(saved.where)} [RG001]"
        )


def complain(node, shape, dtype, counter, expected):
    """Raise, naming both lines: a saved value's memory was written to."""
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[{dtype} {list(shape)}], saved by {node.name()}, is at version {counter.n}; expected version "
        f"{expected} instead.\n"
        f"  it was saved at {describe_location(node.where)}\n"
        f"  and overwritten at {describe_location(counter.where)}\n"
        "  Remedy: write the change out of place (y = y + 1 for y += 1), or change a clone(). [RG002]"
    )


class SavedTensor:
    """What a node keeps of one tensor (`node._raw_saved_x`): look at it, or give it a pair of hooks."""

    __slots__ = ("_node", "_kept", "_slot")

    def __init__(self, *args):
        raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden. [RG021]")

    @classmethod
    def of(cls, node, slot, kept=None):
        """Of slot number `slot` in `node.saved`, or in `kept`, a list that is one of its slots."""
        self = object.__new__(cls)
        self._node, self._slot = node, slot
        self._kept = node.saved if kept is None else kept
        return self

    @property
    def data(self):
        """The packed value, or the tensor where no hooks packed it (detached, if the node made it)."""
        value = self._kept[self._slot]
        if type(value) is Packed:
            return value.value
        return _handed_on(value[0]) if type(value) is tuple else value

    @property
    def unpack_hook(self):
        """The hook that will unpack it, or None."""
        value = self._kept[self._slot]
        return value.unpack if type(value) is Packed else None

    def register_hooks(self, *hooks):
        """Pack the tensor now by `hooks[0]`; it is unpacked by `hooks[1]` when backward needs it."""
        if len(hooks) != 2 or not all(callable(h) for h in hooks):
            raise TypeError(
                "register_hooks(): incompatible function arguments: it takes two callables, pack_hook and "
                "unpack_hook [RG017]"
            )
        if type(self._node.saved) is Freed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed: backward() and "
                "autograd.grad() free "
                "them unless retain_graph=True [RG001]"
            )
        value = self._kept[self._slot]
        if type(value) is Packed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set: there is one "
                "pair at a time [RG017]"
            )
        if type(value) is tuple:  # an output
            array, counter = value
            t = _handed_on(array)
            t._version_counter = counter
            value = pack_with(t, self._node.saved_output(self._slot), *hooks)
        elif isinstance(value, Tensor):
            value = pack_with(value, None, *hooks)
        else:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor with value None is forbidden [RG017]"
            )
        self._kept[self._slot] = value
