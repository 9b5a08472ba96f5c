"""ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"): a convolutional network made like a transformer."""

from functools import partial
from typing import Any

import retrograd

from ... import nn
from ...nn import functional as F
from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import LONG_RECIPE, imagenet

__all__ = [
    "ConvNeXt", "ConvNeXt_Tiny_Weights", "ConvNeXt_Small_Weights", "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large",
]  # fmt: skip

_RECIPE = "tree/main/references/classification#convnext"
_imagenet = partial(imagenet, min_size=(32, 32), recipe=_RECIPE, docs=LONG_RECIPE)


class ConvNeXt_Tiny_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_tiny-983f1562", 28589128, 82.520, 96.146, 4.456, 109.119,
        resize_size=236,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_small-0c510722", 50223688, 83.616, 96.650, 8.684, 191.703,
        resize_size=230,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_base-6075fbad", 88591464, 84.062, 96.870, 15.355, 338.064,
        resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "convnext_large-ea097f82", 197767336, 84.414, 96.976, 34.361, 754.537,
        resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of (N, C, H, W)."""

    def forward(self, x):
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7x7 convolution channel by channel, then an MLP at each place; beside a shortcut."""

    def __init__(self, dim, layer_scale, stochastic_depth_prob, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm_layer(dim),
            nn.Linear(in_features=dim, out_features=4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(in_features=4 * dim, out_features=dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(retrograd.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input):
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """One stage: its width, the width of the next (None for the last), the number of blocks."""

    def __init__(self, input_channels, out_channels, num_layers):
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self):
        return (
            f"{type(self).__name__}(input_channels={self.input_channels}, "
            f"out_channels={self.out_channels}, num_layers={self.num_layers})"
        )


class ConvNeXt(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    block_setting: a list of CNBlockConfig. stochastic_depth_prob: with which the last block is skipped in
    training; it grows from zero. layer_scale: the initial scale of each block beside its shortcut.
    """

    def __init__(
        self, block_setting, stochastic_depth_prob=0.0, layer_scale=1e-6, num_classes=1000, block=None,
        norm_layer=None, **kwargs,
    ):  # fmt: skip
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty [RG098]")
        if not isinstance(block_setting, (list, tuple)) or not all(
            isinstance(cnf, CNBlockConfig) for cnf in block_setting
        ):
            raise TypeError("The block_setting should be List[CNBlockConfig] [RG098]")
        block = block or CNBlock
        norm_layer = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers = [
            Conv2dNormActivation(
                3, block_setting[0].input_channels, kernel_size=4, stride=4, padding=0,
                norm_layer=norm_layer, activation_layer=None, bias=True,
            )
        ]  # fmt: skip
        blocks = sum(cnf.num_layers for cnf in block_setting)
        made = 0
        for cnf in block_setting:
            stage = []
            for _ in range(cnf.num_layers):
                probability = stochastic_depth_prob * made / (blocks - 1.0)
                stage.append(block(cnf.input_channels, layer_scale, probability))
                made += 1
            layers.append(nn.Sequential(*stage))
            if cnf.out_channels is not None:
                halve = nn.Conv2d(cnf.input_channels, cnf.out_channels, kernel_size=2, stride=2)
                layers.append(nn.Sequential(norm_layer(cnf.input_channels), halve))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1]
        width = last.input_channels if last.out_channels is None else last.out_channels
        self.classifier = nn.Sequential(norm_layer(width), nn.Flatten(1), nn.Linear(width, num_classes))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(width, depths, stochastic_depth_prob, weights, progress, **kwargs):
    widths = [width, 2 * width, 4 * width, 8 * width, None]
    setting = [CNBlockConfig(widths[i], widths[i + 1], depth) for i, depth in enumerate(depths)]
    probability = kwargs.pop("stochastic_depth_prob", stochastic_depth_prob)
    return build(ConvNeXt, weights, progress, setting, stochastic_depth_prob=probability, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Tiny_Weights.IMAGENET1K_V1))
def convnext_tiny(
    *, weights: ConvNeXt_Tiny_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt Tiny.

    weights: a ConvNeXt_Tiny_Weights, its name, or None for random weights; kwargs: ConvNeXt's.
    """
    return _convnext(96, (3, 3, 9, 3), 0.1, ConvNeXt_Tiny_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Small_Weights.IMAGENET1K_V1))
def convnext_small(
    *, weights: ConvNeXt_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt Small.

    weights: a ConvNeXt_Small_Weights, its name, or None for random weights; kwargs: ConvNeXt's.
    """
    return _convnext(96, (3, 3, 27, 3), 0.4, ConvNeXt_Small_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Base_Weights.IMAGENET1K_V1))
def convnext_base(
    *, weights: ConvNeXt_Base_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt Base.

    weights: a ConvNeXt_Base_Weights, its name, or None for random weights; kwargs: ConvNeXt's.
    """
    return _convnext(128, (3, 3, 27, 3), 0.5, ConvNeXt_Base_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ConvNeXt_Large_Weights.IMAGENET1K_V1))
def convnext_large(
    *, weights: ConvNeXt_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ConvNeXt:
    """ConvNeXt Large.

    weights: a ConvNeXt_Large_Weights, its name, or None for random weights; kwargs: ConvNeXt's.
    """
    return _convnext(192, (3, 3, 27, 3), 0.5, ConvNeXt_Large_Weights.verify(weights), progress, **kwargs)
