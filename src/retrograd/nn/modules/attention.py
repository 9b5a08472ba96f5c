"""MultiheadAttention."""

from ...ops import creation
from ...ops.attention import attend_by_heads
from .. import init
from ..parameter import Parameter
from .linear import NonDynamicallyQuantizableLinear
from .module import Module


class MultiheadAttention(Module):
    """Attention by `num_heads` heads of embed_dim / num_heads features each (Vaswani et al. 2017).

    Called with query (L, N, embed_dim), key (S, N, kdim) and value (S, N, vdim), N first with batch_first,
    N left out if there is no batch; returns the output (L, N, embed_dim) and, if need_weights, the weights
    (N, L, S) averaged over heads, or each head's (N, num_heads, L, S). Masks: True means "don't attend",
    numbers are added to the scores; attn_mask is (L, S) or (N * num_heads, L, S), key_padding_mask (N, S).
    dropout: of the weights, in training. add_bias_kv, add_zero_attn: a learned, or zero, key and value
    more. need_weights=False takes less time and memory.
    """

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
        vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} "
                "instead [RG060]"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads} [RG060]"
            )
        options = {"device": device, "dtype": dtype}
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        sizes = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(creation.empty((3 * embed_dim, embed_dim), **options))
            sizes = dict.fromkeys(sizes)
        else:
            self.register_parameter("in_proj_weight", None)
        for name, size in sizes.items():
            weight = None if size is None else Parameter(creation.empty((embed_dim, size), **options))
            self.register_parameter(name, weight)
        self.register_parameter(
            "in_proj_bias", Parameter(creation.empty(3 * embed_dim, **options)) if bias else None
        )
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, **options)
        for name in ("bias_k", "bias_v"):
            extra = Parameter(creation.empty((1, 1, embed_dim), **options)) if add_bias_kv else None
            setattr(self, name, extra)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self):
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
        average_attn_weights=True, is_causal=False,
    ):  # fmt: skip
        """is_causal: a hint that attn_mask, which must be given, is the causal one."""
        return attend_by_heads(
            self.batch_first and query.ndim == 3, query, key, value, self.embed_dim, self.num_heads,
            self.in_proj_weight, self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn,
            self.dropout, self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight, self.k_proj_weight,
            self.v_proj_weight, None, None, average_attn_weights, is_causal,
        )  # fmt: skip

    def __setstate__(self, state):
        super().__setstate__({"_qkv_same_embed_dim": True, **state})  # files of before kdim and vdim
