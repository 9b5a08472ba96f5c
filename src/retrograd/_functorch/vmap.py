"""`torch._functorch.vmap`: see `retrograd.func.vmap` for what maps functions here."""

from .._C._functorch import _add_batch_dim, _remove_batch_dim  # noqa: F401
from ..core.tensor import Tensor  # noqa: F401
from ..func.vmapping import name_of as _get_name  # noqa: F401
from ..utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten  # noqa: F401


def _maybe_remove_batch_dim(name, batched_output, vmap_level, batch_size, out_dim):
    return _remove_batch_dim(batched_output, vmap_level, batch_size, out_dim)
