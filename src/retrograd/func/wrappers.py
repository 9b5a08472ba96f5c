"""`functionalize` and `debug_unwrap`: what they mean where there is one graph and writes are in it."""

import functools

from ..batch import Batched, layout
from ..core.tensor import Tensor


def functionalize(func, *, remove="mutations"):
    """`func` itself: it computes and differentiates the same with its in-place writes as without them.

    PyTorch rewrites in-place operations (and views, with remove="mutations_and_views") for compilers that
    cannot take them. Here the graph knows writes and views, and nothing needs to be rewritten.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid "
            "options "
            "are: 'mutations' and 'mutations_and_views' [RG048]"
        )

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapped


def debug_unwrap(tensor, *, recurse=True):
    """The tensor that stands behind `tensor` inside `vmap`: all examples of it, without history.

    Only for a look while debugging: what is computed with it is not part of the transformation. recurse: look
    behind all levels of vmap, not the innermost alone.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"debug_unwrap: expected a Tensor, got {type(tensor).__name__} [RG047]")
    if not recurse and isinstance(tensor, Batched):
        return tensor._value.detach()
    return layout(tensor)[0].detach()
