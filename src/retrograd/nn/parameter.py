"""Parameter and Buffer: Tensors that a Module registers when they are assigned to it."""

from ..core.tensor import Tensor, wrap


class Parameter(Tensor):
    """A Tensor that a Module trains: assigning it to an attribute registers it among `parameters()`.

    data: a Tensor (its memory is shared). requires_grad: whether backward computes its gradient.
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            import numpy as np

            data = wrap(np.empty((0,), np.float32))
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter data must be a Tensor, got {type(data).__name__}; make one with torch.tensor(...)"
            )
        self = object.__new__(cls)
        self._array = data._array
        self.requires_grad = requires_grad
        return self

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        out = type(self)(wrap(self._array.copy(order="K")), self.requires_grad)
        memo[id(self)] = out
        return out

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol):
        return _rebuild_parameter, (type(self), self.detach(), self.requires_grad)


def _rebuild_parameter(cls, data, requires_grad):
    return cls(data, requires_grad)


class Buffer(Tensor):
    """A Tensor that a Module keeps without training it: assigning it registers it among `buffers()`.

    persistent: whether it is part of the `state_dict`.
    """

    def __new__(cls, data=None, *, persistent=True):
        self = object.__new__(cls)
        self._array = Parameter(data, False)._array
        self.persistent = persistent
        return self

    def __init__(self, data=None, *, persistent=True):
        pass
