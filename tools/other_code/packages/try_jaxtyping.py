import torch
from jaxtyping import Float
from torch import Tensor


def f(x: Float[Tensor, "a b"]) -> Float[Tensor, "a"]:
    return x.sum(1)


print(
    isinstance(torch.ones(2, 3), Float[Tensor, "a b"]),
    isinstance(torch.ones(2), Float[Tensor, "a b"]),
    f(torch.ones(2, 3)),
)
