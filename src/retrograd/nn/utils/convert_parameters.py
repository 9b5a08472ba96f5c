"""All parameters as one vector, and back."""

from ...core.modes import modes
from ...core.tensor import Tensor, wrap
from ...ops import cat


def parameters_to_vector(parameters):
    """All elements of the parameters, one after the other, as a vector; gradients flow through it."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Give the parameters the elements of `vec`, in their order. They then share its memory."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__} [RG047]")
    parameters = list(parameters)
    if sum(p.numel() for p in parameters) > vec.numel():
        raise RuntimeError(
            f"vector_to_parameters: the vector has {vec.numel()} elements, the parameters have "
            f"{sum(p.numel() for p in parameters)} [RG059]"
        )
    first = 0
    if modes.interpreters or vec.ndim != 1:
        for p in parameters:
            after = first + p.numel()
            p.data = vec.detach()[first:after].reshape(p.shape)
            first = after
        return
    array = vec._array
    for p in parameters:
        shape = p._array.shape
        after = first + p._array.size
        p.data = wrap(array[first:after].reshape(shape))
        first = after
