"""A tensor kept for backward: what it was, which version of its memory, and how to get it back."""

from ..core.apply import Packed, pack
from ..core.graph import describe_location, modes, user_location
from ..core.tensor import Tensor, wrap


class SavedTensor:
    """Keeps `tensor` for the backward of `node`.

    output: the number under which it is the node's own output, or None. Such a tensor is kept as its array: keeping
    the Tensor, which refers to the node, would make a reference cycle.
    """

    __slots__ = ("value", "version", "counter", "where", "output", "requires")

    def __init__(self, tensor, output=None):
        self.output = output
        self.where = user_location()
        self.counter = tensor._versions()
        self.version = self.counter.n
        self.requires = tensor.requires_grad
        if modes.saving or modes.saving_disabled:
            self.value = pack(tensor, output)
        else:
            self.value = tensor if output is None else tensor._array

    def unpack(self, node):
        """The tensor with its history; an error if its memory was written since."""
        value = self.value
        if type(value) is Packed:
            value = value.unpack(value.value)
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(value)}"
                )
            return value if self.output is None else self._rebuild(value._array, node)
        if self.counter.n != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: a tensor "
                f"saved by {node.name()} is at version {self.counter.n}; expected version {self.version} instead.\n"
                f"  it was saved at {describe_location(self.where)}\n"
                f"  and overwritten at {describe_location(self.counter.where)}\n"
                "  Remedy: write the change out of place (y = y + 1 for y += 1), or change a clone()."
            )
        return value if self.output is None else self._rebuild(value, node)

    def _rebuild(self, array, node):
        t = wrap(array)
        t._version_counter = self.counter
        if self.requires:
            t._grad_fn, t._output_nr = node, self.output
            t._tangents = node.tangents and node.tangents.get(self.output)
        return t
