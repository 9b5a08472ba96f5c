"""Attention whose scores a function of the user's changes, or hides.

The functions get index tensors that broadcast against (batch, head, query, key), where PyTorch's `vmap` gives
them one index each: what is written for one index holds for all at once.
"""

import math
from typing import NamedTuple

from ...core.tensor import Tensor
from ...ops import arange, logical_and, logical_or, logsumexp, matmul, softmax, where, zeros
from ...ops.creation import ones

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention",
    "noop_mask", "or_masks",
]  # fmt: skip


_DEFAULT_SPARSE_BLOCK_SIZE = 128  # positions on a side of a block


class AuxRequest(NamedTuple):
    """What `flex_attention` shall give besides its output: lse, max_scores (each query's)."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by an AuxRequest; None for the rest."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


class BlockMask:
    """A function of what is seen, with the sizes that it is for; made by `create_block_mask`."""

    def __init__(self, mask_mod, shape, block_size):
        self.mask_mod = mask_mod
        self.shape = shape
        self.BLOCK_SIZE = block_size

    def to_dense(self):
        """Which blocks (B, H, query blocks, key blocks) hold something that is seen, as 0 and 1."""
        mask = create_mask(self.mask_mod, *self.shape)
        rows, columns = self.BLOCK_SIZE
        pad_rows, pad_columns = -mask.shape[2] % rows, -mask.shape[3] % columns
        padded = zeros((*mask.shape[:2], mask.shape[2] + pad_rows, mask.shape[3] + pad_columns))
        padded[:, :, : mask.shape[2], : mask.shape[3]] = mask.to(padded.dtype)
        blocks = padded.unflatten(2, (-1, rows)).unflatten(4, (-1, columns))
        return blocks.amax((3, 5)).int()

    def sparsity(self):
        """100 less the elements of blocks that hold something seen, in percent of all elements."""
        held = self.to_dense().sum().item() * math.prod(self.BLOCK_SIZE)
        return 100 * (1 - held / math.prod(self.shape))

    def __repr__(self):
        return f"BlockMask(shape={self.shape}, block_size={self.BLOCK_SIZE})"


def noop_mask(batch, head, token_q, token_kv):
    """Everything is seen."""
    return ones((), dtype=bool)


def and_masks(*mask_mods):
    """A mask function: seen where all of these say so."""
    return _combined(mask_mods, logical_and, True)


def or_masks(*mask_mods):
    """A mask function: seen where one of these says so."""
    return _combined(mask_mods, logical_or, False)


def _combined(mask_mods, combine, start):
    if not all(callable(f) for f in mask_mods):
        raise RuntimeError(f"all inputs should be callable mask_mods: {mask_mods} [RG047]")

    def mask_mod(b, h, q_idx, kv_idx):
        result = ones((), dtype=bool) if start else zeros((), dtype=bool)
        for f in mask_mods:
            result = combine(result, f(b, h, q_idx, kv_idx))
        return result

    return mask_mod


def _indices(*sizes):
    """Index tensors that broadcast against a tensor of these sizes, one for each axis."""
    last = len(sizes) - 1
    return [arange(n).reshape([-1] + [1] * (last - axis)) for axis, n in enumerate(sizes)]


def create_mask(mod_fn, B, H, Q_LEN, KV_LEN, device=None):
    """What a mask function sees, as bools (B, H, Q_LEN, KV_LEN); B or H None: 1.

    A function of five arguments is a score function: what it makes of zeros is given instead.
    """
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    indices = _indices(*shape)
    if mod_fn.__code__.co_argcount == 5:
        return mod_fn(zeros(shape), *indices).broadcast_to(shape)
    return mod_fn(*indices).broadcast_to(shape).clone()


def create_block_mask(
    mask_mod, B, H, Q_LEN, KV_LEN, device=None, BLOCK_SIZE=128, _compile=False, separate_full_blocks=True,
    compute_dq_write_order=False, dq_kv_order=True,
):  # fmt: skip
    """A BlockMask of `mask_mod(b, h, q_idx, kv_idx) -> bool`; blocks save no time here."""
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, (B or 1, H or 1, Q_LEN, KV_LEN), size)


def flex_attention(
    query, key, value, score_mod=None, block_mask=None, scale=None, enable_gqa=False, return_lse=False,
    kernel_options=None, *, return_aux=None,
):  # fmt: skip
    """softmax(score_mod(q k^T scale, b, h, q_idx, kv_idx)) v, query (B, H, L, E), key and value (B, H, S, E).

    block_mask: what is seen; a query that sees nothing gives zeros. scale: 1 / sqrt(E) if None. enable_gqa:
    several heads of queries share one of keys. return_lse: also the scores' logsumexp (B, H, L).
    """
    for name, t in (("query", query), ("key", key), ("value", value)):
        if t.ndim != 4:
            raise ValueError(
                f"Expected {name} to be 4-dimensional (B, H, L, E), but got {list(t.shape)} [RG062]"
            )
    heads, shared = query.shape[1], key.shape[1]
    if heads != shared:
        if not enable_gqa or heads % shared:
            raise ValueError(
                f"Expect query and key/value to have the same number of heads but got Hq={heads} and "
                f"Hkv={shared}. Try setting enable_gqa=True for GQA, with a multiple. [RG062]"
            )
        key, value = (t.repeat_interleave(heads // shared, 1) for t in (key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query, key.transpose(-2, -1)) * scale
    shape = (max(query.shape[0], key.shape[0]), heads, query.shape[2], key.shape[2])
    if score_mod is not None:
        scores = score_mod(scores, *_indices(*shape))
    if block_mask is not None:
        seen = block_mask.mask_mod(*_indices(*shape))
        scores = where(seen, scores, -math.inf)
    blind = (scores == -math.inf).all(-1, keepdim=True)
    weights = where(blind, 0.0, softmax(where(blind, 0.0, scores), -1))
    out = matmul(weights.to(value.dtype), value)
    if return_aux is not None:
        lse = logsumexp(scores, -1) if return_aux.lse else None
        return out, AuxOutput(lse, scores.amax(-1) if return_aux.max_scores else None)
    return (out, logsumexp(scores, -1)) if return_lse else out
