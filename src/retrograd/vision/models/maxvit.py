"""MaxViT (Tu et al. 2022): convolution, attention in windows and attention across the grid, in turn."""

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np

import retrograd

from ... import nn
from ...nn import functional as F
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ..transforms.functional import InterpolationMode
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build, require
from ._weights import LONG_RECIPE, imagenet
from .swin_transformer import relative_position_index

__all__ = ["MaxVit", "MaxVit_T_Weights", "maxvit_t"]


class MaxVit_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "maxvit_t-bc5ab103", 30919624, 83.700, 96.722, 5.558, 118.769,
        min_size=(224, 224), recipe="tree/main/references/classification#maxvit", docs=LONG_RECIPE,
        resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


def _halved(size):
    """The size that a 3x3 convolution of stride 2 and padding 1 leaves."""
    return tuple((side - 1) // 2 + 1 for side in size)


class MBConv(nn.Module):
    """Normalised, widened, convolved channel by channel, weighted by squeeze-excitation, narrowed."""

    def __init__(
        self, in_channels, out_channels, expansion_ratio, squeeze_ratio, stride, activation_layer, norm_layer,
        p_stochastic_dropout=0.0,
    ):  # fmt: skip
        super().__init__()
        self.proj = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            shortcut = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)] if stride == 2 else []
            shortcut.append(nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=1, bias=True))
            self.proj = nn.Sequential(*shortcut)
        width = int(out_channels * expansion_ratio)
        self.stochastic_depth = nn.Identity()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, mode="row")
        conv = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer, inplace=None
        )
        layers = OrderedDict()
        layers["pre_norm"] = norm_layer(in_channels)
        layers["conv_a"] = conv(in_channels, width, kernel_size=1, stride=1, padding=0)
        layers["conv_b"] = conv(width, width, kernel_size=3, stride=stride, padding=1, groups=width)
        squeezed = int(out_channels * squeeze_ratio)
        layers["squeeze_excitation"] = SqueezeExcitation(width, squeezed, activation=nn.SiLU)
        layers["conv_c"] = nn.Conv2d(width, out_channels, kernel_size=1, bias=True)
        self.layers = nn.Sequential(layers)

    def forward(self, x):
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Self-attention among the P places of (B, G, P, D), with a learnt bias for each offset of two places."""

    def __init__(self, feat_dim, head_dim, max_seq_len):
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim} [RG098]")
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = int(math.sqrt(max_seq_len))
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * self.head_dim * 3)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(self.head_dim * self.n_heads, feat_dim)
        offsets = (2 * self.size - 1) ** 2
        table = retrograd.empty((offsets, self.n_heads), dtype=retrograd.float32)
        self.relative_position_bias_table = nn.Parameter(table)
        self.register_buffer("relative_position_index", relative_position_index(self.size, self.size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self):
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(self.max_seq_len, self.max_seq_len, -1)
        return bias.permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x):
        b, groups, places, width = x.shape
        qkv = self.to_qkv(x).reshape(b, groups, places, 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)
        logits = q @ (k * self.scale_factor).transpose(-2, -1)
        attention = F.softmax(logits + self.get_relative_positional_bias(), dim=-1)
        x = (attention @ v).permute(0, 1, 3, 2, 4).reshape(b, groups, places, width)
        return self.merge(x)


class SwapAxes(nn.Module):
    """`swapaxes` as a layer."""

    def __init__(self, a, b):
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x):
        return retrograd.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """(B, C, H, W) as (B, number of windows, p * p, C)."""

    def forward(self, x, p):
        b, channels, height, width = x.shape
        x = x.reshape(b, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(b, -1, p * p, channels)


class WindowDepartition(nn.Module):
    """The inverse of `WindowPartition`, for h_partitions x w_partitions windows."""

    def forward(self, x, p, h_partitions, w_partitions):
        b, _, _, channels = x.shape
        x = x.reshape(b, h_partitions, w_partitions, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(b, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and an MLP within windows, or ("grid") among the same places of all windows."""

    def __init__(
        self, in_channels, head_dim, partition_size, partition_type, grid_size, mlp_ratio, activation_layer,
        norm_layer, attention_dropout, mlp_dropout, p_stochastic_dropout,
    ):  # fmt: skip
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError(
                f"partition_type must be either 'grid' or 'window', got {partition_type!r} [RG098]"
            )
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type = partition_type
        self.grid_size = grid_size
        swapped = partition_type == "grid"
        self.p, self.g = partition_size, self.n_partitions
        if swapped:
            self.p, self.g = self.g, self.p
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if swapped else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if swapped else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x):
        if self.grid_size[0] % self.p != 0 or self.grid_size[1] % self.p != 0:
            raise AssertionError(
                "Grid size must be divisible by partition size. Got grid size of "
                f"{self.grid_size} and partition size of {self.p} [RG098]"
            )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        partitions = self.grid_size[0] // self.p, self.grid_size[1] // self.p
        return self.departition_op(self.departition_swap(x), self.p, *partitions)


class MaxVitLayer(nn.Module):
    """MBConv, attention in windows, attention across the grid."""

    def __init__(
        self, in_channels, out_channels, squeeze_ratio, expansion_ratio, stride, norm_layer, activation_layer,
        head_dim, mlp_ratio, mlp_dropout, attention_dropout, p_stochastic_dropout, partition_size, grid_size,
    ):  # fmt: skip
        super().__init__()
        layers = OrderedDict()
        layers["MBconv"] = MBConv(
            in_channels, out_channels, expansion_ratio, squeeze_ratio, stride, activation_layer, norm_layer,
            p_stochastic_dropout,
        )  # fmt: skip
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels, head_dim, partition_size, kind, grid_size, mlp_ratio, activation_layer,
                nn.LayerNorm, attention_dropout, mlp_dropout, p_stochastic_dropout,
            )  # fmt: skip
        self.layers = nn.Sequential(layers)

    def forward(self, x):
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """`n_layers` layers, the first of which halves the resolution of `input_grid_size`."""

    def __init__(
        self, in_channels, out_channels, squeeze_ratio, expansion_ratio, norm_layer, activation_layer,
        head_dim, mlp_ratio, mlp_dropout, attention_dropout, partition_size, input_grid_size, n_layers,
        p_stochastic,
    ):  # fmt: skip
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got p_stochastic={p_stochastic}. [RG098]"
            )
        self.grid_size = _halved(input_grid_size)
        self.layers = nn.ModuleList()
        for i, probability in enumerate(p_stochastic):
            self.layers.append(
                MaxVitLayer(
                    in_channels if i == 0 else out_channels, out_channels, squeeze_ratio, expansion_ratio,
                    2 if i == 0 else 1, norm_layer, activation_layer, head_dim, mlp_ratio, mlp_dropout,
                    attention_dropout, probability, partition_size, self.grid_size,
                )
            )  # fmt: skip

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Images (N, 3, *input_size) in, scores (N, num_classes) out.

    partition_size: the side of the windows, which divides the resolution of every block. block_channels,
    block_layers: the width and depth of each block. stochastic_depth_prob: with which the last layer is
    skipped in training; it grows from zero.
    """

    def __init__(
        self, input_size, stem_channels, partition_size, block_channels, block_layers, head_dim,
        stochastic_depth_prob, norm_layer=None, activation_layer=nn.GELU, squeeze_ratio=0.25,
        expansion_ratio=4, mlp_ratio=4, mlp_dropout=0.0, attention_dropout=0.0, num_classes=1000,
    ):  # fmt: skip
        super().__init__()
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        grid = stem_grid = _halved(input_size)
        for i in range(len(block_channels)):
            grid = _halved(grid)
            if grid[0] % partition_size != 0 or grid[1] % partition_size != 0:
                raise ValueError(
                    f"Input size {grid} of block {i} is not divisible by partition size {partition_size}. "
                    "Consider changing the partition size or the input size, which is "
                    f"{tuple(input_size)}. [RG059]"
                )
        self.stem = nn.Sequential(
            Conv2dNormActivation(
                3, stem_channels, 3, stride=2, norm_layer=norm_layer, activation_layer=activation_layer,
                bias=False, inplace=None,
            ),
            Conv2dNormActivation(
                stem_channels, stem_channels, 3, stride=1, norm_layer=None, activation_layer=None, bias=True
            ),
        )  # fmt: skip
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        probabilities = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        width, grid = stem_channels, stem_grid
        for channels, layers in zip(block_channels, block_layers, strict=True):
            block = MaxVitBlock(
                width, channels, squeeze_ratio, expansion_ratio, norm_layer, activation_layer, head_dim,
                mlp_ratio, mlp_dropout, attention_dropout, partition_size, grid, layers,
                probabilities[:layers],
            )  # fmt: skip
            self.blocks.append(block)
            del probabilities[:layers]
            width, grid = channels, block.grid_size
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, num_classes, bias=False),
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _maxvit_t(weights, progress, **kwargs):
    if weights is not None:
        require(kwargs, "input_size", weights.meta["min_size"])
    input_size = kwargs.pop("input_size", (224, 224))
    return build(
        MaxVit, weights, progress, input_size=input_size, stem_channels=64, partition_size=7,
        block_channels=[64, 128, 256, 512], block_layers=[2, 2, 5, 2], head_dim=32,
        stochastic_depth_prob=0.2, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", MaxVit_T_Weights.IMAGENET1K_V1))
def maxvit_t(*, weights: MaxVit_T_Weights | None = None, progress: bool = True, **kwargs: Any) -> MaxVit:
    """MaxViT-T. weights: a MaxVit_T_Weights, its name, or None for random weights; kwargs: MaxVit's."""
    return _maxvit_t(MaxVit_T_Weights.verify(weights), progress, **kwargs)
