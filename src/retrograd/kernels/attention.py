"""The kernels of attention, registered for their rows."""

from ..core.op import kernel
from . import native
from .cpu import ready


def _by_heads(x):
    """(B, H, L, E), for three dimensions too."""
    return x[:, None] if x.ndim == 3 else x


def _like_rows(x, features):
    """A new array (B, H, L, features) in the memory order (B, L, H, features), in which layers want it."""
    batch, heads, length, _ = x.shape
    return native.empty((batch, length, heads, features), x).transpose(0, 2, 1, 3)


def _side_by_side(q, k, v):
    """New arrays like these if they are parts of one array (B, L, [q, k, v], H, E) or (L, B, ...); else None.

    Then the gradients are parts of one array in the same way, which need not be put together any more.
    """
    batch, heads, length, features = q.shape
    step = q.itemsize
    if not (q.shape == k.shape == v.shape and q.strides == k.strides == v.strides) or q.base is None:
        return None
    if q.strides[1] != features * step or q.strides[3] != step or not (q.base is k.base is v.base):
        return None
    row = 3 * heads * features * step
    by_batch = q.strides[0] == length * row and q.strides[2] == row
    if not by_batch and not (q.strides[2] == batch * row and q.strides[0] == row):
        return None
    first, second, third = (x.__array_interface__["data"][0] for x in (q, k, v))
    if not (second - first == third - second == heads * features * step):
        return None
    sizes = (batch, length) if by_batch else (length, batch)
    axes = (2, 0, 3, 1, 4) if by_batch else (2, 1, 3, 0, 4)
    return list(native.empty((*sizes, 3, heads, features), q).transpose(axes))


def _attention_ready(query, key, value, mask, *rest):
    return ready(query, key, value, mask) and query.ndim in (3, 4)


@kernel("scaled_dot_product_attention", when=_attention_ready)
def attention(query, key, value, mask, causal, scale):
    q, k, v = map(_by_heads, (query, key, value))
    out = _like_rows(q, v.shape[3])
    native.attention(q, k, v, None if mask is None else _by_heads(mask), causal, scale, out)
    return out.reshape(*query.shape[:-1], v.shape[3])


@kernel(
    "scaled_dot_product_attention_backward",
    when=lambda g, needs, query, *rest: ready(g, query) and _attention_ready(query, *rest),
)
def attention_backward(g, needs, query, key, value, mask, causal, scale):
    q, k, v = map(_by_heads, (query, key, value))
    grads = _side_by_side(q, k, v) or [_like_rows(x, x.shape[3]) for x in (q, k, v)]
    masks = None if mask is None else _by_heads(mask)
    native.attention_gradient(q, k, v, masks, causal, scale, _by_heads(g), *grads)
    return tuple(a.reshape(x.shape) for a, x in zip(grads, (query, key, value), strict=True))
