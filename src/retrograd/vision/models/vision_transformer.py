"""Vision transformer (Dosovitskiy et al. 2020, "An image is worth 16x16 words")."""

import math
from collections import OrderedDict
from functools import partial
from typing import Any, NamedTuple

import retrograd

from ... import nn
from ..ops.misc import MLP, Conv2dNormActivation
from ..transforms.functional import InterpolationMode
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build, require
from ._weights import LONG_RECIPE, imagenet, swag_end_to_end, swag_linear

__all__ = [
    "VisionTransformer", "ViT_B_16_Weights", "ViT_B_32_Weights", "ViT_L_16_Weights", "ViT_L_32_Weights",
    "ViT_H_14_Weights", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14",
]  # fmt: skip


class ViT_B_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "vit_b_16-c867db91", 86567656, 81.072, 95.318, 17.564, 330.285,
        min_size=(224, 224), recipe="tree/main/references/classification#vit_b_16", docs=LONG_RECIPE,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "vit_b_16_swag-9ac1b537", 86859496, 85.304, 97.650, 55.484, 331.398,
        min_size=(384, 384), crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "vit_b_16_lc_swag-4e70ced5", 86567656, 81.886, 96.180, 17.564, 330.285,
        min_size=(224, 224), resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_B_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "vit_b_32-d86f8d99", 88224232, 75.912, 92.466, 4.409, 336.604,
        min_size=(224, 224), recipe="tree/main/references/classification#vit_b_32", docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "vit_l_16-852ce7e3", 304326632, 79.662, 94.638, 61.555, 1161.023,
        min_size=(224, 224), recipe="tree/main/references/classification#vit_l_16", docs=LONG_RECIPE,
        resize_size=242,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "vit_l_16_swag-4f3808c9", 305174504, 88.064, 98.512, 361.986, 1164.258,
        min_size=(512, 512), crop_size=512, resize_size=512, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "vit_l_16_lc_swag-4d563306", 304326632, 85.146, 97.422, 61.555, 1161.023,
        min_size=(224, 224), resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_L_32_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "vit_l_32-c7638314", 306535400, 76.972, 93.070, 15.378, 1169.449,
        min_size=(224, 224), recipe="tree/main/references/classification#vit_l_32", docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ViT_H_14_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "vit_h_14_swag-80465313", 633470440, 88.552, 98.694, 1016.717, 2416.643,
        min_size=(518, 518), crop_size=518, resize_size=518, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "vit_h_14_lc_swag-c1eb923e", 632045800, 85.708, 97.730, 167.295, 2411.209,
        min_size=(224, 224), resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class ConvStemConfig(NamedTuple):
    """One convolution of a stem that replaces the patches."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Any = nn.BatchNorm2d
    activation_layer: Any = nn.ReLU


class MLPBlock(MLP):
    """A block's two linear layers. Checkpoints that name them linear_1 and linear_2 are loaded too."""

    _version = 2

    def __init__(self, in_dim, mlp_dim, dropout):
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, inplace=None, dropout=dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        if local_metadata.get("version", None) in (None, 1):
            for old, new in (("linear_1", "0"), ("linear_2", "3")):
                for kind in ("weight", "bias"):
                    if (key := f"{prefix}{old}.{kind}") in state_dict:
                        state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def _check_tokens(x):
    if x.dim() != 3:
        raise AssertionError(f"Expected (batch_size, seq_length, hidden_dim) got {x.shape} [RG059]")


class EncoderBlock(nn.Module):
    """Attention and an MLP, each with a norm before it and a shortcut beside it."""

    def __init__(
        self, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    ):  # fmt: skip
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input):
        _check_tokens(input)
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Adds the position embedding, then applies the blocks, to (N, seq_length, hidden_dim)."""

    def __init__(
        self, seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    ):  # fmt: skip
        super().__init__()
        self.pos_embedding = nn.Parameter(retrograd.empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks = OrderedDict()
        for i in range(num_layers):
            blocks[f"encoder_layer_{i}"] = EncoderBlock(
                num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
            )
        self.layers = nn.Sequential(blocks)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input):
        _check_tokens(input)
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Images (N, 3, image_size, image_size) in, scores (N, num_classes) out.

    patch_size: the side of the patches that become tokens; `image_size` is a multiple of it.
    representation_size: the width of a layer before the scores, none by default. conv_stem_configs: a list of
    ConvStemConfig, whose convolutions make the tokens instead of one convolution of the patches.
    """

    def __init__(
        self, image_size, patch_size, num_layers, num_heads, hidden_dim, mlp_dim, dropout=0.0,
        attention_dropout=0.0, num_classes=1000, representation_size=None,
        norm_layer=partial(nn.LayerNorm, eps=1e-6), conv_stem_configs=None,
    ):  # fmt: skip
        super().__init__()
        if image_size % patch_size != 0:
            raise AssertionError(
                f"Input shape indivisible by patch size! image_size={image_size}, patch_size={patch_size} "
                "[RG098]"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is None:
            self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            self.conv_proj = self._make_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(retrograd.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout,
            norm_layer,
        )  # fmt: skip
        heads = OrderedDict()
        if representation_size is None:
            heads["head"] = nn.Linear(hidden_dim, num_classes)
        else:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
            heads["head"] = nn.Linear(representation_size, num_classes)
        self.heads = nn.Sequential(heads)
        self._initialise()

    @staticmethod
    def _make_stem(configs, hidden_dim):
        stem = nn.Sequential()
        channels = 3
        for i, config in enumerate(configs):
            layer = Conv2dNormActivation(
                channels, config.out_channels, kernel_size=config.kernel_size, stride=config.stride,
                norm_layer=config.norm_layer, activation_layer=config.activation_layer,
            )  # fmt: skip
            stem.add_module(f"conv_bn_relu_{i}", layer)
            channels = config.out_channels
        stem.add_module("conv_last", nn.Conv2d(channels, hidden_dim, kernel_size=1))
        return stem

    def _initialise(self):
        if isinstance(self.conv_proj, nn.Conv2d):
            last = self.conv_proj
            fan_in = last.in_channels * last.kernel_size[0] * last.kernel_size[1]
            nn.init.trunc_normal_(last.weight, std=math.sqrt(1 / fan_in))
        else:
            last = self.conv_proj.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
        nn.init.zeros_(last.bias)
        if self.representation_size is not None:
            layer = self.heads.pre_logits
            nn.init.trunc_normal_(layer.weight, std=math.sqrt(1 / layer.in_features))
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x):
        """Images as tokens (N, number of patches, hidden_dim)."""
        for side, size in zip(("height", "width"), x.shape[2:], strict=True):
            if size != self.image_size:
                raise AssertionError(
                    f"Wrong image {side}! Expected {self.image_size} but got {size}! [RG059]"
                )
        return self.conv_proj(x).reshape(x.shape[0], self.hidden_dim, -1).permute(0, 2, 1)

    def forward(self, x):
        x = self._process_input(x)
        token = self.class_token.expand(x.shape[0], -1, -1)
        x = self.encoder(retrograd.cat([token, x], dim=1))
        return self.heads(x[:, 0])


def _vision_transformer(shape, weights, progress, **kwargs):
    """shape: (patch_size, num_layers, num_heads, hidden_dim, mlp_dim)."""
    if weights is not None:
        require(kwargs, "image_size", weights.meta["min_size"][0])
    image_size = kwargs.pop("image_size", 224)
    return build(VisionTransformer, weights, progress, image_size, *shape, **kwargs)


def interpolate_embeddings(
    image_size, patch_size, model_state, interpolation_mode="bicubic", reset_heads=False
):  # fmt: skip
    """A vision transformer's state dict for images of another size: its position embedding is resized.

    reset_heads: whether to leave the heads out of the result.
    """
    embedding = model_state["encoder.pos_embedding"]
    n, length, hidden_dim = embedding.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {tuple(embedding.shape)} [RG097]")
    side = image_size // patch_size
    if side * side + 1 == length:
        return model_state
    old_side = math.isqrt(length - 1)
    if old_side * old_side != length - 1:
        raise ValueError(
            f"the {length - 1} positions after the class token are not those of a square image [RG097]"
        )
    grid = embedding[:, 1:, :].permute(0, 2, 1).reshape(1, hidden_dim, old_side, old_side)
    grid = nn.functional.interpolate(grid, size=side, mode=interpolation_mode, align_corners=True)
    grid = grid.reshape(1, hidden_dim, side * side).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = retrograd.cat([embedding[:, :1, :], grid], dim=1)
    if reset_heads:
        kept = ((key, value) for key, value in model_state.items() if not key.startswith("heads"))
        return OrderedDict(kept)
    return model_state


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_B_16_Weights.IMAGENET1K_V1))
def vit_b_16(
    *, weights: ViT_B_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B/16.

    weights: a ViT_B_16_Weights, its name, or None for random weights; kwargs: VisionTransformer's.
    """
    return _vision_transformer((16, 12, 12, 768, 3072), ViT_B_16_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_B_32_Weights.IMAGENET1K_V1))
def vit_b_32(
    *, weights: ViT_B_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-B/32.

    weights: a ViT_B_32_Weights, its name, or None for random weights; kwargs: VisionTransformer's.
    """
    return _vision_transformer((32, 12, 12, 768, 3072), ViT_B_32_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_L_16_Weights.IMAGENET1K_V1))
def vit_l_16(
    *, weights: ViT_L_16_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L/16.

    weights: a ViT_L_16_Weights, its name, or None for random weights; kwargs: VisionTransformer's.
    """
    return _vision_transformer((16, 24, 16, 1024, 4096), ViT_L_16_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ViT_L_32_Weights.IMAGENET1K_V1))
def vit_l_32(
    *, weights: ViT_L_32_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-L/32.

    weights: a ViT_L_32_Weights, its name, or None for random weights; kwargs: VisionTransformer's.
    """
    return _vision_transformer((32, 24, 16, 1024, 4096), ViT_L_32_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", None))
def vit_h_14(
    *, weights: ViT_H_14_Weights | None = None, progress: bool = True, **kwargs: Any
) -> VisionTransformer:
    """ViT-H/14.

    weights: a ViT_H_14_Weights, its name, or None for random weights; kwargs: VisionTransformer's.
    """
    return _vision_transformer((14, 32, 16, 1280, 5120), ViT_H_14_Weights.verify(weights), progress, **kwargs)
