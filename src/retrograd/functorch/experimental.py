"""What functorch called experimental; most of it is in `func` now."""

import functools

from ..func import functionalize, hessian, jacfwd, jvp, replace_all_batch_norm_modules_, vmap
from ..func.vmapping import take_apart

__all__ = ["chunk_vmap", "functionalize", "hessian", "jacfwd", "jvp", "replace_all_batch_norm_modules_"]


def chunk_vmap(func, in_dims=0, out_dims=0, randomness="error", chunks=2):
    """`func` mapped over a batch in `chunks` parts of about the same size; see `func.vmap`.

    `vmap` has `chunk_size` for the same purpose.
    """
    if chunks < 1:
        raise ValueError(f"chunk_vmap: expected chunks to be at least 1, got {chunks} [RG100]")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        size = take_apart(func, in_dims, args)[3]
        chunk_size = max(1, -(-size // chunks))
        return vmap(func, in_dims, out_dims, randomness, chunk_size=chunk_size)(*args, **kwargs)

    return mapped
