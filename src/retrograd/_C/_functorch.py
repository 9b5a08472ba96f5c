"""`torch._C._functorch`: what a tensor is inside transformations, under PyTorch's private names."""

from ..batch.batched import Batched


def is_batchedtensor(tensor):
    """Whether vmap hides a batch dimension of this tensor."""
    return isinstance(tensor, Batched)


def get_unwrapped(tensor):
    """The tensor with the batch dimension that vmap hides."""
    return tensor._value if isinstance(tensor, Batched) else tensor


def _add_batch_dim(tensor, dim, level):
    raise NotImplementedError("torch._C._functorch._add_batch_dim: use torch.vmap [RG137]")


def _remove_batch_dim(tensor, level, size, dim):
    raise NotImplementedError("torch._C._functorch._remove_batch_dim: use torch.vmap [RG137]")
