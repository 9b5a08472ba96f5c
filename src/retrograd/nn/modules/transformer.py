"""Transformer encoders and decoders (Vaswani et al. 2017)."""

import copy

import numpy as np

from ...core.device import resolve
from ...ops import creation
from .. import functional as F
from .. import init
from .activation import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm


def _get_activation_fn(activation):
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation} [RG048]")
    return getattr(F, activation)


def _copies(module, count):
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


def _is_causal(mask, hint):
    """Whether `mask` (L, L) is the causal one: as the hint says, or, where that is None, as it looks."""
    if hint is not None or mask is None or mask.ndim != 2:
        return bool(hint)
    rows, columns = mask.shape
    return rows == columns and np.array_equal(mask._array, np.triu(np.full((rows, rows), -np.inf), 1))


class _Layer(Module):
    """What encoder and decoder layers share: a feed-forward block, norms and dropouts."""

    def _build(self, norms, d_model, dim_feedforward, dropout, activation, eps, norm_first, bias, options):
        self.linear1 = Linear(d_model, dim_feedforward, bias, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **options)
        self.norm_first = norm_first
        for i in range(1, norms + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps, bias=bias, **options))
        for i in range(1, norms + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _get_activation_fn(activation)

    def _feed_forward(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def __setstate__(self, state):
        super().__setstate__({"activation": F.relu, "norm_first": False, **state})


def _attend(attention, query, memory, mask, padding, causal):
    return attention(
        query, memory, memory, attn_mask=mask, key_padding_mask=padding, is_causal=causal, need_weights=False
    )[0]


class TransformerEncoderLayer(_Layer):
    """Self-attention and a feed-forward block, each with a residual and a LayerNorm after it.

    d_model: features of the input (S, N, d_model), or (N, S, d_model) with batch_first. nhead: of attention.
    dim_feedforward: width of the feed-forward block. activation: "relu", "gelu" or a function.
    norm_first: LayerNorm before each block, not after.
    """

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
        batch_first=False, norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **options)
        self._build(
            2, d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, options
        )

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        """src_mask (S, S), src_key_padding_mask (N, S): see MultiheadAttention.

        is_causal: a hint that src_mask is the causal one.
        """
        how = (src_mask, src_key_padding_mask, is_causal)
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), *how)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(src + self._sa_block(src, *how))
        return self.norm2(x + self._ff_block(x))

    def _sa_block(self, x, mask, padding, causal=False):
        return self.dropout1(_attend(self.self_attn, x, x, mask, padding, causal))

    def _ff_block(self, x):
        return self.dropout2(self._feed_forward(x))


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, and a last norm.

    Padded places are computed like others; PyTorch, in evaluation without gradients, may give zeros there.
    """

    def __init__(self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True):
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = (
            enable_nested_tensor  # accepted, as the next one: there is one way to compute
        )
        self.mask_check = mask_check

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        """The masks go to each layer. is_causal: a hint that `mask` is the causal one; None: look at it."""
        is_causal = _is_causal(mask, is_causal)
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to `memory` and a feed-forward block; see TransformerEncoderLayer."""

    def __init__(
        self, d_model, nhead, dim_feedforward=2048, dropout=0.1, activation=F.relu, layer_norm_eps=1e-5,
        batch_first=False, norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **options)
        self.multihead_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, **options
        )
        self._build(
            3, d_model, dim_feedforward, dropout, activation, layer_norm_eps, norm_first, bias, options
        )

    def forward(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
        memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False,
    ):  # fmt: skip
        """tgt (T, N, d_model), memory (S, N, d_model), tgt_mask (T, T), memory_mask (T, S), ..."""
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        if self.norm_first:
            x = tgt + self._sa_block(self.norm1(tgt), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(tgt + self._sa_block(tgt, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x, mask, padding, causal=False):
        return self.dropout1(_attend(self.self_attn, x, x, mask, padding, causal))

    def _mha_block(self, x, memory, mask, padding, causal=False):
        return self.dropout2(_attend(self.multihead_attn, x, memory, mask, padding, causal))

    def _ff_block(self, x):
        return self.dropout3(self._feed_forward(x))


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, and a last norm."""

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
        memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False,
    ):  # fmt: skip
        """The masks go to each layer. tgt_is_causal: as in TransformerEncoder."""
        tgt_is_causal = _is_causal(tgt_mask, tgt_is_causal)
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of `src` and a decoder that reads it while it makes `tgt`.

    src (S, N, d_model) and tgt (T, N, d_model), N first with batch_first, N left out if there is no batch;
    the output has tgt's shape.
    """

    def __init__(
        self, d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu, custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-5, batch_first=False,
        norm_first=False, bias=True, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        options = {"device": device, "dtype": dtype}
        arguments = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
            bias, device,
            dtype,
        )  # fmt: skip

        def last_norm():
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **options)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*arguments), num_encoder_layers, last_norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*arguments), num_decoder_layers, last_norm()
        )
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self):
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None, src_key_padding_mask=None,
        tgt_key_padding_mask=None, memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
        memory_is_causal=False,
    ):  # fmt: skip
        """Masks as for MultiheadAttention: of src, of tgt, and of tgt looking at src ("memory")."""
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"the batch number of src and tgt must be equal, but their shapes are {list(src.shape)} and "
                f"{list(tgt.shape)} [RG059]"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"the feature number of src and tgt must be equal to d_model ({self.d_model}), but their "
                "shapes are "
                f"{list(src.shape)} and {list(tgt.shape)} [RG059]"
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """The causal mask (sz, sz): -inf above the diagonal, 0 elsewhere."""
        return creation.full((sz, sz), float("-inf"), dtype=dtype, device=resolve(device)).triu(1)
