"""Attention: softmax(query @ key^T * scale + mask) @ value."""

import math

import numpy as np

from ..core.modes import modes
from ..core.op import Op
from ..core.tensor import Tensor, wrap
from .dropouts import dropout
from .join import cat, repeat_interleave
from .padding import pad
from .pointwise import masked, where
from .product import linear, matmul, matmul_row, swapped
from .reduce import any as any_
from .reduce import mean, sum_row
from .shape import expand, permute, reshape
from .softmaxes import softmax, softmax_row
from .view import split

__all__ = []
METHODS = INPLACE = []


# --- in one row ---------------------------------------------------------------------------------------


def _weights(query, key, mask, causal, scale):
    """softmax(query @ key^T * scale + mask), with zeros for queries that see nothing.

    mask: an array to add, or None. causal: query i sees keys up to i.
    """
    scores = matmul_row(query, swapped(key)) * scale
    length, source = scores.shape[-2:]
    if mask is not None:
        scores = scores + mask
    if causal:
        seen = np.tri(length, source, dtype=bool)
        scores = masked(scores, np.broadcast_to(seen, scores.shape)) + np.where(seen, 0.0, -np.inf).astype(
            scores._array.dtype if isinstance(scores, Tensor) else scores.dtype
        )
    if mask is None:
        return softmax_row(scores, scores.ndim - 1)
    values = scores._array if isinstance(scores, Tensor) else scores
    some = np.broadcast_to((values != -np.inf).any(-1, keepdims=True), values.shape)
    return masked(softmax_row(masked(scores, some), scores.ndim - 1), some)


def _attention_gradient(g, needs, query, key, value, mask, causal, scale):
    weights = _weights(query, key, mask, causal, scale)
    g_value = matmul_row(swapped(weights), g)
    g_weights = matmul_row(g, swapped(value))
    total = sum_row(g_weights * weights, (weights.ndim - 1,), True)
    slopes = weights * (g_weights - total) * scale
    return matmul_row(slopes, key), matmul_row(swapped(slopes), query), g_value


def _attention_tangent(t_query, t_key, t_value, query, key, value, mask, causal, scale):
    weights = _weights(query, key, mask, causal, scale)
    t_scores = (matmul_row(t_query, swapped(key)) + matmul_row(query, swapped(t_key))) * scale
    total = sum_row(t_scores * weights, (weights.ndim - 1,), True)
    return matmul_row(weights * (t_scores - total), value) + matmul_row(weights, t_value)


attention_backward = Op(
    "scaled_dot_product_attention_backward",
    lambda xp, g, needs, query, key, value, mask, causal, scale: _attention_gradient(
        g, needs, query, key, value, mask, causal, scale
    ),
    outputs="query key value",
)  # fmt: skip

attention_row = Op(
    "scaled_dot_product_attention",
    lambda xp, query, key, value, mask, causal, scale: matmul_row(
        _weights(query, key, mask, causal, scale), value
    ),
    joint=("query key value", lambda g, needs, query, key, value, mask, causal, scale: (
        (_attention_gradient if isinstance(g, Tensor) else attention_backward)(
            g, needs, query, key, value, mask, causal, scale
        )
    )),
    jvp=lambda t_query, t_key, t_value, query, key, value, mask, causal, scale: _attention_tangent(
        t_query, t_key, t_value, query, key, value, mask, causal, scale
    ),
    node="ScaledDotProductFlashAttentionForCpuBackward0",
    doc="softmax(query @ key^T * scale + mask) @ value; backward computes the weights again, none are saved.",
)  # fmt: skip


def _fits_one_row(query, key, value, mask):
    """Whether `attention_row` can do it: nothing to broadcast but the mask."""
    return (
        not any([level.batching for level in modes.interpreters])  # vmap knows the steps
        and query._array.dtype.char in "fd"
        and query.ndim in (3, 4)
        and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and key.shape[-2] == value.shape[-2]
        and query.shape[-1] == key.shape[-1]
        and min(*query.shape, *key.shape, *value.shape) > 0
        and (mask is None or not (mask.requires_grad or mask._tangents))
    )


def _mask_array(mask, query, key):
    """The array to add to the scores, in their shape; bools say what may be seen."""
    if mask is None:
        return None
    array, kind = mask._array, query._array.dtype
    if array.dtype.kind == "b":
        array = np.where(array, kind.type(0), kind.type(-np.inf))
    return np.broadcast_to(array.astype(kind, copy=False), (*query.shape[:-1], key.shape[-2]))


# --- attention ----------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """Attend from query (..., L, E) to key (..., S, E) and value (..., S, Ev): shape (..., L, Ev).

    `attn_mask` broadcasts to (..., L, S): bools say what may be attended to, numbers are added to the scores.
    A query that may attend to nothing gets zeros. `scale` is 1 / sqrt(E) by default. With `enable_gqa`, key
    and value may have fewer heads (third axis from the end), each of which serves several of the query's.
    """
    for name, t in (("query", query), ("key", key), ("value", value)):
        if t.ndim < 2:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to all be at least 2 "
                "dimensional, but "
                f"{name} has shape {list(t.shape)} [RG058]"
            )
        if t.dtype != query.dtype:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to have the same dtype, but "
                f"{name} is "
                f"{t.dtype} and query {query.dtype} [RG040]"
            )
    if enable_gqa:
        key, value = _for_heads(key, query), _for_heads(value, query)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True [RG062]"
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None and query.shape[-1] else scale
    if not dropout_p and _fits_one_row(query, key, value, attn_mask):
        mask = _mask_array(attn_mask, query, key)
        return attention_row(query, key, value, mask, bool(is_causal), float(scale))
    return _in_steps(query, key, value, attn_mask, dropout_p, is_causal, scale)


def _in_steps(query, key, value, attn_mask, dropout_p, is_causal, scale):
    """scaled_dot_product_attention, an operation after the other."""
    length, source = query.shape[-2], key.shape[-2]
    allowed = None
    if is_causal:
        allowed = wrap(np.tri(length, source, dtype=bool))
    elif attn_mask is not None and attn_mask._array.dtype.kind == "b":
        allowed = attn_mask
    scale = math.inf if scale is None else scale  # no features
    root = math.sqrt(abs(scale))  # half of it on each side, as PyTorch does, lest float16 overflows
    scores = matmul(query * (root if scale >= 0 else -root), swapped(key * root))
    if allowed is not None:
        scores = where(allowed, scores, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = softmax(scores, -1)
    if allowed is not None or attn_mask is not None:
        open_to_some = any_(scores != -math.inf, -1, True)
        if not open_to_some._whole._array.all():  # softmax of nothing is NaN
            weights = where(open_to_some, softmax(where(open_to_some, scores, 0), -1), 0)
    return matmul(dropout(weights, dropout_p, True), value)


def _for_heads(t, query):
    heads, own = query.shape[-3], t.shape[-3]
    if heads % own:
        raise RuntimeError(
            "scaled_dot_product_attention: Number of heads in key and value must divide the number of heads "
            "in query, "
            f"but they are {own} and {heads} [RG059]"
        )
    return t if heads == own else repeat_interleave(t, heads // own, -3)


# --- several heads ------------------------------------------------------------------------------------


def _additive(mask, name, kind):
    """A mask as numbers to add to the scores: True, "ignore", is -inf."""
    if mask is None or mask._array.dtype.kind in "fV":
        return mask
    if mask._array.dtype.kind != "b":
        raise AssertionError(
            f"only bool and floating types of {name} are supported, not {mask.dtype} [RG062]"
        )
    return where(mask, wrap(np.asarray(-np.inf, kind)), wrap(np.asarray(0, kind)))


def _check_heads(query, key, value, key_padding_mask, attn_mask, embed_dim, num_heads, separate):
    n = query.ndim
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor [RG058]"
        )
    kind = "batched (3-D)" if n == 3 else "unbatched (2-D)"
    if key.ndim != n or value.ndim != n:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {n}-D but found {key.ndim}-D and "
            f"{value.ndim}-D tensors respectively [RG058]"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != n - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead [RG062]"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D "
            "tensor instead [RG062]"
        )
    if n == 2 and attn_mask is not None and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)} [RG062]"
            )
    if query.shape[-1] != embed_dim:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim}, but got {query.shape[-1]} [RG059]"
        )
    if embed_dim % num_heads:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads} [RG059]")
    fits = key.shape[:-1] == value.shape[:-1] if separate else key.shape == value.shape
    if not fits:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape} [RG059]")


def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,
    add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None,
    need_weights=True,
    attn_mask=None, use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None,
    v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention of `num_heads` heads, from query (L, N, E) to key and value (S, N, E); N may be missing.

    Masks: True means "don't attend", numbers are added; `attn_mask` is (L, S) or (N * num_heads, L, S),
    `key_padding_mask` (N, S). Returns the output (L, N, E), and the weights (N, L, S), averaged over heads or
    (N, num_heads, L, S), or None. `is_causal` is a hint that `attn_mask` is the causal one.
    """
    return attend_by_heads(
        False, query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,
        add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training, key_padding_mask, need_weights,
        attn_mask, use_separate_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, static_k, static_v,
        average_attn_weights, is_causal,
    )  # fmt: skip


def attend_by_heads(
    batch_first, query, key, value, embed_dim, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v,
    add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training, key_padding_mask, need_weights,
    attn_mask, use_separate_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, static_k, static_v,
    average_attn_weights, is_causal,
):  # fmt: skip
    """multi_head_attention_forward, of (N, L, E) and (N, S, E) where `batch_first`."""
    kind = query._array.dtype
    masks = key_padding_mask, attn_mask
    _check_heads(query, key, value, *masks, embed_dim, num_heads, use_separate_proj_weight)
    single = query.ndim == 2
    if single:
        query, key, value = [reshape(t, (t.shape[0], 1, t.shape[1])) for t in (query, key, value)]
        if key_padding_mask is not None:
            key_padding_mask = reshape(key_padding_mask, (1, -1))
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint. [RG062]")
    of_batch = 0 if batch_first else 1  # axes
    batch, length, source = query.shape[of_batch], query.shape[1 - of_batch], key.shape[1 - of_batch]
    if query is key is value and not use_separate_proj_weight:
        q, k, v = split(linear(query, in_proj_weight, in_proj_bias), embed_dim, -1)
    else:
        weights = q_proj_weight, k_proj_weight, v_proj_weight
        if not use_separate_proj_weight:
            weights = split(in_proj_weight, embed_dim)
        biases = (None,) * 3 if in_proj_bias is None else split(in_proj_bias, embed_dim)
        q, k, v = [linear(t, w, b) for t, w, b in zip((query, key, value), weights, biases, strict=True)]
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError(
                "bias cannot be added to static key and value: bias_k, bias_v must be None [RG062]"
            )
        size = (batch, 1, embed_dim) if batch_first else (1, batch, embed_dim)
        k, v = [cat([t, expand(b, size)], 1 - of_batch) for t, b in ((k, bias_k), (v, bias_v))]

    def by_head(t, static):
        """(N, heads, S, E / heads)"""
        if static is not None:
            return reshape(static, (batch, num_heads, *static.shape[1:]))
        t = reshape(t, (*t.shape[:2], num_heads, t.shape[2] // num_heads))
        return permute(t, (of_batch, 2, 1 - of_batch, 3))

    q, k, v = by_head(q, None), by_head(k, static_k), by_head(v, static_v)
    if add_zero_attn:
        k, v = [cat([t, t[:, :, :1] * 0], 2) for t in (k, v)]
    sizes = length, source, k.shape[2], batch, num_heads
    mask = _merged_masks(attn_mask, key_padding_mask, *sizes, kind)
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        scores = matmul(q * (1 / math.sqrt(q.shape[-1])), swapped(k))
        scores = softmax(scores if mask is None else scores + mask, -1)
        scores = dropout(scores, dropout_p, True)
        out = matmul(scores, v)
    else:
        causal = is_causal and key_padding_mask is None
        out, scores = scaled_dot_product_attention(q, k, v, None if causal else mask, dropout_p, causal), None
    out = reshape(permute(out, (2, 0, 1, 3)), (length, batch, embed_dim))
    out = linear(out, out_proj_weight, out_proj_bias)
    if batch_first:  # in memory as PyTorch's: a dropout that follows draws its numbers in that order
        out = permute(out, (1, 0, 2))
    if scores is not None and average_attn_weights:
        scores = mean(scores, 1)
    if single:
        out, scores = reshape(out, (length, -1)), scores if scores is None else scores[0]
    return out, scores


def _merged_masks(attn_mask, key_padding_mask, length, source, keys, batch, heads, kind):
    """Both masks as one that is added to scores (N, heads, L, keys); keys beyond `source` are always seen."""
    mask = _additive(attn_mask, "attn_mask", kind)
    if mask is not None:
        if tuple(mask.shape) not in ((length, source), (batch * heads, length, source)):
            raise RuntimeError(
                f"The shape of attn_mask is {list(attn_mask.shape)}, but should be {[length, source]} or "
                f"{[batch * heads, length, source]}. [RG062]"
            )
        if mask.ndim == 3:
            mask = reshape(mask, (batch, heads, length, source))
    padding = _additive(key_padding_mask, "key_padding_mask", kind)
    if padding is not None:
        if tuple(padding.shape) != (batch, source):
            raise AssertionError(
                f"expected key_padding_mask of shape {[batch, source]}, got {list(padding.shape)} [RG062]"
            )
        padding = reshape(padding, (batch, 1, 1, source))
        mask = padding if mask is None else mask + padding
    return mask if mask is None or keys == source else pad(mask, (0, keys - source))
