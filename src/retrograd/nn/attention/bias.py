"""Causal masks for queries and keys of different lengths."""

from enum import IntEnum, auto

import numpy as np

from ...core.tensor import Tensor

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Where the diagonal of a causal mask that is not square begins: in its first corner, or ends in its
    last.
    """

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


class CausalBias(Tensor):
    """A mask (seq_len_q, seq_len_kv) of bool for `scaled_dot_product_attention`: True is attended to."""

    def __new__(cls, variant, seq_len_q, seq_len_kv):
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, but is {type(variant).__name__} [RG047]")
        self = object.__new__(cls)
        shift = seq_len_kv - seq_len_q if variant == CausalVariant.LOWER_RIGHT else 0
        self._array = np.tri(seq_len_q, seq_len_kv, shift, dtype=bool)
        return self

    def __init__(self, variant, seq_len_q, seq_len_kv):
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv


def causal_upper_left(*size):
    """The mask (seq_len_q, seq_len_kv) in which query i sees the keys up to i."""
    return _causal(CausalVariant.UPPER_LEFT, size)


def causal_lower_right(*size):
    """The mask (seq_len_q, seq_len_kv) in which the last query sees all keys."""
    return _causal(CausalVariant.LOWER_RIGHT, size)


def _causal(variant, size):
    if len(size) != 2:
        raise AssertionError(f"a causal mask has 2 sizes, but {len(size)} were given [RG062]")
    return CausalBias(variant, *size)
