"""`torch.autograd._functions`: Functions that old code names."""

import math

from .function import Function

__all__ = ["Resize"]


class Resize(Function):
    """`Resize.apply(x, sizes)`: the elements in another shape; deprecated, use `reshape`."""

    @staticmethod
    def forward(ctx, tensor, sizes):
        if math.prod(sizes) != tensor.numel():
            raise RuntimeError(
                f"requested resize to {'x'.join(map(str, sizes))} ({math.prod(sizes)} elements in total), "
                f"but the given tensor has a size of {'x'.join(map(str, tensor.size()))} ({tensor.numel()} "
                "elements). autograd's resize can only change the shape of a given tensor, while preserving "
                "the number of elements. [RG032]"
            )
        ctx.sizes = tensor.size()
        return tensor.contiguous().view(*sizes).clone()

    @staticmethod
    def backward(ctx, grad):
        return grad.contiguous().view(ctx.sizes), None
