"""Swin transformer (Liu et al. 2021) and v2 (2022): attention in windows, shifted every other layer."""

import math
from functools import partial
from typing import Any

import retrograd

from ... import nn
from ...nn import functional as F
from ..ops.misc import MLP, Permute
from ..ops.stochastic_depth import StochasticDepth
from ..transforms.functional import InterpolationMode
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import LONG_RECIPE, imagenet

__all__ = [
    "SwinTransformer", "Swin_T_Weights", "Swin_S_Weights", "Swin_B_Weights", "Swin_V2_T_Weights",
    "Swin_V2_S_Weights", "Swin_V2_B_Weights", "swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s",
    "swin_v2_b",
]  # fmt: skip

_imagenet = partial(
    imagenet, recipe="tree/main/references/classification#swintransformer", docs=LONG_RECIPE,
    min_size=(224, 224), interpolation=InterpolationMode.BICUBIC,
)  # fmt: skip
_imagenet_v2 = partial(
    imagenet, recipe="tree/main/references/classification#swintransformer-v2", docs=LONG_RECIPE,
    min_size=(256, 256), crop_size=256, interpolation=InterpolationMode.BICUBIC,
)  # fmt: skip


class Swin_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("swin_t-704ceda3", 28288354, 81.474, 95.776, 4.491, 108.190, resize_size=232)
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("swin_s-5e29d889", 49606258, 83.196, 96.360, 8.741, 189.786, resize_size=246)
    DEFAULT = IMAGENET1K_V1


class Swin_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("swin_b-68c6b09e", 87768224, 83.582, 96.640, 15.431, 335.364, resize_size=238)
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "swin_v2_t-b137f0e2", 28351570, 82.072, 96.132, 5.940, 108.626,
        resize_size=260,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "swin_v2_s-637d8ceb", 49737442, 83.712, 96.816, 11.546, 190.675,
        resize_size=260,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "swin_v2_b-781e5279", 87930848, 84.112, 96.864, 20.325, 336.372,
        resize_size=272,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


def _patch_merging_pad(x):
    """The 2x2 neighbours of (..., H, W, C) side by side, (..., H/2, W/2, 4*C); odd sizes are padded."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    corners = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
    return retrograd.cat(corners, -1)


class PatchMerging(nn.Module):
    """Half the resolution and twice the channels, for (..., H, W, C)."""

    def __init__(self, dim, norm_layer=nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x):
        return self.reduction(self.norm(_patch_merging_pad(x)))


class PatchMergingV2(nn.Module):
    """`PatchMerging` with the norm last."""

    def __init__(self, dim, norm_layer=nn.LayerNorm):
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x):
        return self.norm(self.reduction(_patch_merging_pad(x)))


def relative_position_index(height, width):
    """(H*W, H*W) of int64: for each pair of places, the row of the table of biases for their offset."""
    rows = retrograd.arange(height).repeat_interleave(width)
    columns = retrograd.arange(width).repeat(height)
    down = rows[:, None] - rows[None, :] + (height - 1)
    right = columns[:, None] - columns[None, :] + (width - 1)
    return down * (2 * width - 1) + right


def _to_windows(x, window):
    """(B, H, W, C) as (B * number of windows, places of a window, C)."""
    b, height, width, channels = x.shape
    x = x.view(b, height // window[0], window[0], width // window[1], window[1], channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window[0] * window[1], channels)


def _from_windows(x, window, b, height, width):
    x = x.view(b, height // window[0], width // window[1], window[0], window[1], -1)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(b, height, width, -1)


def _shift_mask(height, width, window, shift, like):
    """(number of windows, places, places): -100 between places that only the shift made neighbours."""
    regions = []
    for size, side, by in zip((height, width), window, shift, strict=True):
        place = retrograd.arange(size, device=like.device)
        # What was rolled in from the other end are the last `by` places; the windows that hold them start
        # `side` places before the end.
        region = (place >= size - side).to(retrograd.int64) + (place >= size - by)
        regions.append(region if by else retrograd.zeros_like(region))
    region = 3 * regions[0][:, None] + regions[1][None, :]
    region = _to_windows(region[None, :, :, None], window).squeeze(-1)
    strangers = region[:, None, :] != region[:, :, None]
    return strangers.to(like.dtype) * -100.0


def shifted_window_attention(
    input, qkv_weight, proj_weight, relative_position_bias, window_size, num_heads, shift_size,
    attention_dropout=0.0, dropout=0.0, qkv_bias=None, proj_bias=None, logit_scale=None, training=True,
):  # fmt: skip
    """Self-attention of (B, H, W, C) within windows, which are moved by `shift_size` and wrap around.

    relative_position_bias: (1, num_heads, places, places), added to the logits. logit_scale: if given,
    attention is by the cosine times its exponential (Swin v2), and keys have no bias.
    """
    b, height, width, channels = input.shape
    lack = [-size % side for size, side in zip((height, width), window_size, strict=True)]
    x = F.pad(input, (0, 0, 0, lack[1], 0, lack[0]))
    padded = x.shape[1:3]
    shift = [
        0 if side >= size else by for side, size, by in zip(window_size, padded, shift_size, strict=True)
    ]
    if any(shift):
        x = retrograd.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    x = _to_windows(x, window_size)
    if logit_scale is not None and qkv_bias is not None:
        third = qkv_bias.numel() // 3
        no_bias = retrograd.zeros_like(qkv_bias[:third])
        qkv_bias = retrograd.cat([qkv_bias[:third], no_bias, qkv_bias[2 * third :]])
    qkv = F.linear(x, qkv_weight, qkv_bias)
    places, head = x.shape[1], channels // num_heads
    q, k, v = qkv.reshape(-1, places, 3, num_heads, head).permute(2, 0, 3, 1, 4).unbind(0)
    if logit_scale is None:
        logits = (q * head**-0.5) @ k.transpose(-2, -1)
    else:
        logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        logits = logits * retrograd.clamp(logit_scale, max=math.log(100.0)).exp()
    logits = logits + relative_position_bias
    if any(shift):
        mask = _shift_mask(*padded, window_size, shift, x)
        logits = logits.view(b, -1, num_heads, places, places) + mask[None, :, None]
        logits = logits.view(-1, num_heads, places, places)
    attention = F.dropout(F.softmax(logits, dim=-1), p=attention_dropout, training=training)
    x = (attention @ v).transpose(1, 2).reshape(-1, places, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = _from_windows(x, window_size, b, *padded)
    if any(shift):
        x = retrograd.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x[:, :height, :width, :].contiguous()


class ShiftedWindowAttention(nn.Module):
    """`shifted_window_attention` with its weights and a learnt bias for each offset within a window."""

    def __init__(
        self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True, attention_dropout=0.0,
        dropout=0.0,
    ):  # fmt: skip
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2 [RG098]")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.register_buffer("relative_position_index", relative_position_index(*window_size).flatten())

    def define_relative_position_bias_table(self):
        height, width = self.window_size
        table = retrograd.zeros((2 * height - 1) * (2 * width - 1), self.num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def _look_up(self, table):
        """(1, num_heads, places, places) from one row per offset."""
        places = self.window_size[0] * self.window_size[1]
        bias = table[self.relative_position_index].view(places, places, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def get_relative_position_bias(self):
        return self._look_up(self.relative_position_bias_table)

    def forward(self, x):
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(), self.window_size,
            self.num_heads, shift_size=self.shift_size, attention_dropout=self.attention_dropout,
            dropout=self.dropout, qkv_bias=self.qkv.bias, proj_bias=self.proj.bias,
            logit_scale=getattr(self, "logit_scale", None), training=self.training,
        )  # fmt: skip


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Swin v2's: cosine attention with a learnt scale per head; an MLP of the offset gives the bias."""

    def __init__(
        self, dim, window_size, shift_size, num_heads, qkv_bias=True, proj_bias=True, attention_dropout=0.0,
        dropout=0.0,
    ):  # fmt: skip
        super().__init__(
            dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout
        )
        self.logit_scale = nn.Parameter(retrograd.log(10 * retrograd.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False)
        )
        if qkv_bias:
            with retrograd.no_grad():
                self.qkv.bias[dim : 2 * dim].zero_()

    def define_relative_position_bias_table(self):
        height, width = self.window_size
        down = retrograd.arange(1 - height, height, dtype=retrograd.float32) / (height - 1)
        right = retrograd.arange(1 - width, width, dtype=retrograd.float32) / (width - 1)
        offsets = 8 * retrograd.stack(retrograd.meshgrid(down, right, indexing="ij"), -1)
        table = retrograd.sign(offsets) * retrograd.log2(retrograd.abs(offsets) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table.unsqueeze(0))

    def get_relative_position_bias(self):
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        return 16 * retrograd.sigmoid(self._look_up(table))


class SwinTransformerBlock(nn.Module):
    """Attention and an MLP, each with a norm before it and a shortcut beside it."""

    def __init__(
        self, dim, num_heads, window_size, shift_size, mlp_ratio=4.0, dropout=0.0, attention_dropout=0.0,
        stochastic_depth_prob=0.0, norm_layer=nn.LayerNorm, attn_layer=ShiftedWindowAttention,
    ):  # fmt: skip
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLP(
            dim, [int(dim * mlp_ratio), dim], activation_layer=nn.GELU, inplace=None, dropout=dropout
        )
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x):
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """`SwinTransformerBlock` with the norms last and Swin v2's attention."""

    def __init__(
        self, dim, num_heads, window_size, shift_size, mlp_ratio=4.0, dropout=0.0, attention_dropout=0.0,
        stochastic_depth_prob=0.0, norm_layer=nn.LayerNorm, attn_layer=ShiftedWindowAttentionV2,
    ):  # fmt: skip
        super().__init__(
            dim, num_heads, window_size, shift_size, mlp_ratio, dropout, attention_dropout,
            stochastic_depth_prob, norm_layer, attn_layer,
        )  # fmt: skip

    def forward(self, x):
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    patch_size: (height, width) of the patches that become the first channels. embed_dim: their number, which
    doubles with each stage. depths, num_heads: of each stage. window_size: [height, width] of the windows.
    stochastic_depth_prob: with which the last block is skipped in training; it grows from zero. block,
    downsample_layer: make the blocks and what is between the stages.
    """

    def __init__(
        self, patch_size, embed_dim, depths, num_heads, window_size, mlp_ratio=4.0, dropout=0.0,
        attention_dropout=0.0, stochastic_depth_prob=0.1, num_classes=1000, norm_layer=None, block=None,
        downsample_layer=PatchMerging,
    ):  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        block = block or SwinTransformerBlock
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = tuple(patch_size)
        patches = nn.Conv2d(3, embed_dim, kernel_size=patch, stride=patch)
        layers = [nn.Sequential(patches, Permute([0, 2, 3, 1]), norm_layer(embed_dim))]
        made = 0
        for i, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            dim = embed_dim * 2**i
            stage = []
            for j in range(depth):
                probability = stochastic_depth_prob * float(made) / (sum(depths) - 1)
                stage.append(
                    block(
                        dim, heads, window_size=window_size,
                        shift_size=[0 if j % 2 == 0 else side // 2 for side in window_size],
                        mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout,
                        stochastic_depth_prob=probability, norm_layer=norm_layer,
                    )
                )  # fmt: skip
                made += 1
            layers.append(nn.Sequential(*stage))
            if i < len(depths) - 1:
                layers.append(downsample_layer(dim, norm_layer))
        self.features = nn.Sequential(*layers)
        self.norm = norm_layer(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


_V2 = {"window_size": [8, 8], "block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}


def _swin_transformer(embed_dim, depths, stochastic_depth_prob, weights, progress, **kwargs):
    heads = [embed_dim // 32 * 2**i for i in range(4)]
    return build(
        SwinTransformer, weights, progress, patch_size=[4, 4], embed_dim=embed_dim, depths=depths,
        num_heads=heads, stochastic_depth_prob=stochastic_depth_prob, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_T_Weights.IMAGENET1K_V1))
def swin_t(*, weights: Swin_T_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-T. weights: a Swin_T_Weights, its name, or None for random weights; kwargs: SwinTransformer's."""
    return _swin_transformer(
        96, (2, 2, 6, 2), 0.2, Swin_T_Weights.verify(weights), progress, window_size=[7, 7], **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_S_Weights.IMAGENET1K_V1))
def swin_s(*, weights: Swin_S_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-S. weights: a Swin_S_Weights, its name, or None for random weights; kwargs: SwinTransformer's."""
    return _swin_transformer(
        96, (2, 2, 18, 2), 0.3, Swin_S_Weights.verify(weights), progress, window_size=[7, 7], **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_B_Weights.IMAGENET1K_V1))
def swin_b(*, weights: Swin_B_Weights | None = None, progress: bool = True, **kwargs: Any) -> SwinTransformer:
    """Swin-B. weights: a Swin_B_Weights, its name, or None for random weights; kwargs: SwinTransformer's."""
    return _swin_transformer(
        128, (2, 2, 18, 2), 0.5, Swin_B_Weights.verify(weights), progress, window_size=[7, 7], **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_T_Weights.IMAGENET1K_V1))
def swin_v2_t(
    *, weights: Swin_V2_T_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin v2 T.

    weights: a Swin_V2_T_Weights, its name, or None for random weights; kwargs: SwinTransformer's.
    """
    return _swin_transformer(
        96, (2, 2, 6, 2), 0.2, Swin_V2_T_Weights.verify(weights), progress, **_V2, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_S_Weights.IMAGENET1K_V1))
def swin_v2_s(
    *, weights: Swin_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin v2 S.

    weights: a Swin_V2_S_Weights, its name, or None for random weights; kwargs: SwinTransformer's.
    """
    return _swin_transformer(
        96, (2, 2, 18, 2), 0.3, Swin_V2_S_Weights.verify(weights), progress, **_V2, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", Swin_V2_B_Weights.IMAGENET1K_V1))
def swin_v2_b(
    *, weights: Swin_V2_B_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SwinTransformer:
    """Swin v2 B.

    weights: a Swin_V2_B_Weights, its name, or None for random weights; kwargs: SwinTransformer's.
    """
    return _swin_transformer(
        128, (2, 2, 18, 2), 0.5, Swin_V2_B_Weights.verify(weights), progress, **_V2, **kwargs
    )
