"""MobileNet v3 (Howard et al. 2019): MobileNet v2 with squeeze-excitation and hard swish, found by search."""

from functools import partial
from typing import Any

from ... import nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import _make_divisible, build
from ._weights import LONG_RECIPE, SHORT_RECIPE, imagenet
from .mobilenetv2 import initialise

__all__ = [
    "MobileNetV3", "MobileNet_V3_Large_Weights", "MobileNet_V3_Small_Weights", "mobilenet_v3_large",
    "mobilenet_v3_small",
]  # fmt: skip

_RECIPE = "tree/main/references/classification#mobilenetv3-large--small"
_imagenet = partial(imagenet, recipe=_RECIPE, docs=SHORT_RECIPE)


class MobileNet_V3_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v3_large-8738ca79", 5483032, 74.042, 91.340, 0.217, 21.114)
    IMAGENET1K_V2 = _imagenet(
        "mobilenet_v3_large-5c1a4163", 5483032, 75.274, 92.566, 0.217, 21.107,
        recipe="issues/3995#new-recipe-with-reg-tuning", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v3_small-047dcff4", 2542856, 67.668, 87.402, 0.057, 9.829)
    DEFAULT = IMAGENET1K_V1


class InvertedResidualConfig:
    """One block's line of the paper's table. activation: "RE" (ReLU) or "HS" (hard swish)."""

    def __init__(
        self, input_channels, kernel, expanded_channels, out_channels, use_se, activation, stride, dilation,
        width_mult,
    ):  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels, width_mult):
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Widened, convolved channel by channel, weighted by squeeze-excitation, narrowed; with a shortcut."""

    def __init__(
        self, cnf, norm_layer, se_layer=partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)
    ):  # fmt: skip
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError(f"illegal stride value {cnf.stride}; it should be 1 or 2 [RG098]")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        width = cnf.expanded_channels
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        layers = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, kernel_size=1, activation_layer=activation))
        layers.append(
            conv(
                width, width, kernel_size=cnf.kernel, stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation, groups=width, activation_layer=activation,
            )
        )  # fmt: skip
        if cnf.use_se:
            layers.append(se_layer(width, _make_divisible(width // 4, 8)))
        layers.append(conv(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    inverted_residual_setting: a list of InvertedResidualConfig. last_channel: the width of the layer before
    the scores. block, norm_layer: make the blocks and the normalisations.
    """

    def __init__(
        self, inverted_residual_setting, last_channel, num_classes=1000, block=None, norm_layer=None,
        dropout=0.2, **kwargs,
    ):  # fmt: skip
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty [RG098]")
        if not isinstance(setting, (list, tuple)) or not all(
            isinstance(cnf, InvertedResidualConfig) for cnf in setting
        ):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig] [RG098]")
        block = block or InvertedResidual
        norm_layer = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish)
        layers = [conv(3, setting[0].input_channels, kernel_size=3, stride=2)]
        layers += [block(cnf, norm_layer) for cnf in setting]
        width = 6 * setting[-1].out_channels
        layers.append(conv(setting[-1].out_channels, width, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(width, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialise(self)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# The paper's tables: input, kernel, expanded and output channels, squeeze-excitation, activation, stride.
_LARGE = [
    (16, 3, 16, 16, False, "RE", 1), (16, 3, 64, 24, False, "RE", 2), (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2), (40, 5, 120, 40, True, "RE", 1), (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2), (80, 3, 200, 80, False, "HS", 1), (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1), (80, 3, 480, 112, True, "HS", 1), (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2), (160, 5, 960, 160, True, "HS", 1), (160, 5, 960, 160, True, "HS", 1),
]  # fmt: skip
_SMALL = [
    (16, 3, 16, 16, True, "RE", 2), (16, 3, 72, 24, False, "RE", 2), (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2), (40, 5, 240, 40, True, "HS", 1), (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1), (48, 5, 144, 48, True, "HS", 1), (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1), (96, 5, 576, 96, True, "HS", 1),
]  # fmt: skip


def _mobilenet_v3_conf(arch, width_mult=1.0, reduced_tail=False, dilated=False, **kwargs):
    """(blocks, width before the scores).

    reduced_tail, dilated: the last three blocks with half the width, and with dilated kernels, for detection
    and segmentation.
    """
    table, last = {"mobilenet_v3_large": (_LARGE, 1280), "mobilenet_v3_small": (_SMALL, 1024)}[arch]
    divider = 2 if reduced_tail else 1
    blocks = []
    for i, (inputs, kernel, expanded, outputs, use_se, activation, stride) in enumerate(table):
        place = len(table) - i  # 3, 2, 1 for the tail
        dilation = 2 if dilated and place <= 3 else 1
        if place <= 3:
            outputs //= divider
        if place <= 2:
            inputs, expanded = inputs // divider, expanded // divider
        blocks.append(
            InvertedResidualConfig(
                inputs, kernel, expanded, outputs, use_se, activation, stride, dilation, width_mult
            )
        )
    return blocks, InvertedResidualConfig.adjust_channels(last // divider, width_mult)


def _mobilenet_v3(arch, weights, progress, **kwargs):
    blocks, last_channel = _mobilenet_v3_conf(arch, **kwargs)
    return build(MobileNetV3, weights, progress, blocks, last_channel, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V3_Large_Weights.IMAGENET1K_V1))
def mobilenet_v3_large(
    *, weights: MobileNet_V3_Large_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNet v3 large.

    weights: a MobileNet_V3_Large_Weights, its name, or None for random weights; kwargs: MobileNetV3's.
    """
    return _mobilenet_v3("mobilenet_v3_large", MobileNet_V3_Large_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V3_Small_Weights.IMAGENET1K_V1))
def mobilenet_v3_small(
    *, weights: MobileNet_V3_Small_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV3:
    """MobileNet v3 small.

    weights: a MobileNet_V3_Small_Weights, its name, or None for random weights; kwargs: MobileNetV3's.
    """
    return _mobilenet_v3("mobilenet_v3_small", MobileNet_V3_Small_Weights.verify(weights), progress, **kwargs)
