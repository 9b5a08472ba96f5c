"""Attention: softmax(query @ key^T * scale + mask) @ value."""

import math

import numpy as np

from ..core.tensor import wrap
from .dropouts import dropout
from .join import repeat_interleave
from .pointwise import where
from .product import matmul, swapped
from .softmaxes import softmax

__all__ = []
METHODS = INPLACE = []


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """Attend from query (..., L, E) to key (..., S, E) and value (..., S, Ev): shape (..., L, Ev).

    `attn_mask` broadcasts to (..., L, S): bools say what may be attended to, numbers are added to the scores.
    A query that may attend to nothing gets zeros. `scale` is 1 / sqrt(E) by default. With `enable_gqa`, key
    and value may have fewer heads (third axis from the end), each of which serves several of the query's.
    """
    return attend(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)[0]


def attend(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa):
    """scaled_dot_product_attention, and the weights."""
    for name, t in (("query", query), ("key", key), ("value", value)):
        if t.ndim < 2:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to all be at least 2 "
                "dimensional, but "
                f"{name} has shape {list(t.shape)}"
            )
        if t.dtype != query.dtype:
            raise RuntimeError(
                "scaled_dot_product_attention: Expected query, key, and value to have the same dtype, but "
                f"{name} is "
                f"{t.dtype} and query {query.dtype}"
            )
    if enable_gqa:
        key, value = _for_heads(key, query), _for_heads(value, query)
    length, source = query.shape[-2], key.shape[-2]
    allowed = None
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        allowed = wrap(np.tri(length, source, dtype=bool))
    elif attn_mask is not None and attn_mask._array.dtype.kind == "b":
        allowed = attn_mask
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    root = math.sqrt(abs(scale))  # half of it on each side, as PyTorch does, lest float16 overflows
    scores = matmul(query * (root if scale >= 0 else -root), swapped(key * root))
    if allowed is not None:
        scores = where(allowed, scores, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = softmax(scores, -1)
    if allowed is not None or attn_mask is not None:
        blocked = np.all(scores._array == -np.inf, axis=-1, keepdims=True)
        if blocked.any():  # softmax of nothing is NaN
            weights = where(wrap(~blocked), softmax(where(wrap(~blocked), scores, 0), -1), 0)
    weights = dropout(weights, dropout_p, True)
    return matmul(weights, value), weights


def _for_heads(t, query):
    heads, own = query.shape[-3], t.shape[-3]
    if heads % own:
        raise RuntimeError(
            "scaled_dot_product_attention: Number of heads in key and value must divide the number of heads "
            "in query, "
            f"but they are {own} and {heads}"
        )
    return t if heads == own else repeat_interleave(t, heads // own, -3)
