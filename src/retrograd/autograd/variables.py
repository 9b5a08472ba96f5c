"""Variable: what tensors that require gradients were called before they were Tensors."""

from .. import engine
from ..core.tensor import Tensor

__all__ = ["Variable", "variable"]


class _VariableMeta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, Tensor)


class _Engine:
    """The engine, under PyTorch's names."""

    @staticmethod
    def queue_callback(callback):
        """Call `callback()` when the backward walk that runs now is done."""
        engine.queue_callback(callback)


class Variable(metaclass=_VariableMeta):
    """`Variable(tensor, requires_grad)`: the tensor's values outside its graph; any Tensor is an instance."""

    _execution_engine = _Engine()

    def __new__(cls, data, requires_grad=False):
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__} [RG022]")
        out = data.detach()
        out.requires_grad = requires_grad
        return out


def variable(*args, **kwargs):
    """Gone: use `tensor(...)`."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead [RG137]")
