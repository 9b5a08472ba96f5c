"""The kernels of attention, registered for their rows; those of matrix products are without Python."""

from ..core.op import kernel
from . import native
from .cpu import ready

# --- attention -----------------------------------------------------------------------------------


def _by_heads(x):
    """(B, H, L, E), for three dimensions too."""
    return x[:, None] if x.ndim == 3 else x


def _like_rows(x, features):
    """A new array (B, H, L, features) in the memory order (B, L, H, features), in which layers want it."""
    batch, heads, length, _ = x.shape
    return native.empty((batch, length, heads, features), x).transpose(0, 2, 1, 3)


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
    grads = [_like_rows(x, x.shape[3]) for x in (q, k, v)]
    masks = None if mask is None else _by_heads(mask)
    native.attention_gradient(q, k, v, masks, causal, scale, _by_heads(g), *grads)
    return tuple(a.reshape(x.shape) for a, x in zip(grads, (query, key, value), strict=True))
