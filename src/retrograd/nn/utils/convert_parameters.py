"""All parameters as one vector, and back."""

import numpy as np

from ...core.modes import modes
from ...core.tensor import Tensor, wrap
from ...ops import cat
from ...ops.shape import view_row
from ..parameter import Parameter


def parameters_to_vector(parameters):
    """All elements of the parameters, one after the other, as a vector; gradients flow through it."""
    parameters = list(parameters)
    if not (modes.interpreters or modes.inference) and _plain(parameters):
        if not modes.grad:
            return wrap(np.concatenate([p._array.reshape(-1) for p in parameters]))
        if all([p._array.flags.c_contiguous for p in parameters]):
            return cat([view_row(p, (p._array.size,)) for p in parameters])
    return cat([p.reshape(-1) for p in parameters])


def _plain(parameters):
    """Whether these are tensors of one dtype, and at least one."""
    return (
        bool(parameters)
        and all([type(p) is Parameter or type(p) is Tensor for p in parameters])
        and len({p._array.dtype for p in parameters}) == 1
    )


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
