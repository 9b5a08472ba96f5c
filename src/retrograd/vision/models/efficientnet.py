"""EfficientNet (Tan & Le 2019) and v2 (2021): width, depth and resolution are scaled together."""

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ..transforms.functional import InterpolationMode
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import _make_divisible, build
from ._weights import LONG_RECIPE, PORTED, imagenet

__all__ = [
    "EfficientNet", "EfficientNet_B0_Weights", "EfficientNet_B1_Weights", "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights", "EfficientNet_B4_Weights", "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights", "EfficientNet_B7_Weights", "EfficientNet_V2_S_Weights",
    "EfficientNet_V2_M_Weights", "EfficientNet_V2_L_Weights", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6",
    "efficientnet_b7", "efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l",
]  # fmt: skip

_imagenet = partial(imagenet, recipe="tree/main/references/classification#efficientnet-v1", docs=PORTED)
_RECIPE_V2 = "tree/main/references/classification#efficientnet-v2"
_imagenet_v2 = partial(imagenet, min_size=(33, 33), recipe=_RECIPE_V2, docs=LONG_RECIPE)


class EfficientNet_B0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b0_rwightman-7f5810bc", 5288548, 77.692, 93.532, 0.386, 20.451,
        resize_size=256, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b1_rwightman-bac287d4", 7794184, 78.642, 94.186, 0.687, 30.134,
        crop_size=240, resize_size=256, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_V2 = _imagenet(
        "efficientnet_b1-c27df63c", 7794184, 79.838, 94.934, 0.687, 30.136,
        recipe="issues/3995#new-recipe-with-lr-wd-crop-tuning", docs=LONG_RECIPE, crop_size=240,
        resize_size=255, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b2_rwightman-c35c1473", 9109994, 80.608, 95.310, 1.088, 35.174,
        crop_size=288, resize_size=288, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b3_rwightman-b3899882", 12233232, 82.008, 96.054, 1.827, 47.184,
        crop_size=300, resize_size=320, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b4_rwightman-23ab8bcd", 19341616, 83.384, 96.594, 4.394, 74.489,
        crop_size=380, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b5_lukemelas-1a07897c", 30389784, 83.444, 96.628, 10.266, 116.864,
        crop_size=456, resize_size=456, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b6_lukemelas-24a108a5", 43040704, 84.008, 96.916, 19.068, 165.362,
        crop_size=528, resize_size=528, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e", 66347960, 84.122, 96.908, 37.746, 254.675,
        crop_size=600, resize_size=600, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "efficientnet_v2_s-dd5fe13b", 21458488, 84.228, 96.878, 8.366, 82.704,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "efficientnet_v2_m-dc08266a", 54139356, 85.112, 97.156, 24.582, 208.010,
        crop_size=480, resize_size=480, interpolation=InterpolationMode.BILINEAR,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet_v2(
        "efficientnet_v2_l-59c71312", 118515272, 85.808, 97.788, 56.080, 454.573,
        crop_size=480, resize_size=480, interpolation=InterpolationMode.BICUBIC, docs=PORTED,
        mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@dataclass
class _MBConvConfig:
    """One stage: its first block's expansion, kernel, stride and widths, the number and class of blocks."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Any

    @staticmethod
    def adjust_channels(channels, width_mult, min_value=None):
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of MBConv blocks, its widths and its depth scaled."""

    def __init__(
        self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, width_mult=1.0,
        depth_mult=1.0, block=None,
    ):  # fmt: skip
        inputs = self.adjust_channels(input_channels, width_mult)
        outputs = self.adjust_channels(out_channels, width_mult)
        depth = self.adjust_depth(num_layers, depth_mult)
        super().__init__(expand_ratio, kernel, stride, inputs, outputs, depth, block or MBConv)

    @staticmethod
    def adjust_depth(num_layers, depth_mult):
        return int(math.ceil(num_layers * depth_mult))


class FusedMBConvConfig(_MBConvConfig):
    """A stage of FusedMBConv blocks."""

    def __init__(
        self, expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block=None
    ):  # fmt: skip
        block = block or FusedMBConv
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block)


class _Block(nn.Module):
    """What both blocks share: a shortcut where the shape stays, beside layers that are sometimes skipped."""

    def __init__(self, cnf, layers, stochastic_depth_prob):
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError(f"illegal stride value {cnf.stride}; it should be 1 or 2 [RG098]")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input):
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """Widened, convolved channel by channel, weighted by squeeze-excitation, narrowed."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer, se_layer=SqueezeExcitation):
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, kernel_size=1))
        layers.append(conv(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width))
        squeezed = max(1, cnf.input_channels // 4)
        layers.append(se_layer(width, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(conv(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Block):
    """One ordinary convolution that widens, then one that narrows; only the first where nothing widens."""

    def __init__(self, cnf, stochastic_depth_prob, norm_layer):
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        width = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        first = partial(conv, cnf.input_channels, kernel_size=cnf.kernel, stride=cnf.stride)
        if width != cnf.input_channels:
            layers = [first(width), conv(width, cnf.out_channels, kernel_size=1, activation_layer=None)]
        else:
            layers = [first(cnf.out_channels)]
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    inverted_residual_setting: a list of MBConvConfig and FusedMBConvConfig, one per stage.
    stochastic_depth_prob: with which the last block would be skipped in training; it grows from zero.
    last_channel: the width of the last convolution, by default four times the last stage's.
    """

    def __init__(
        self, inverted_residual_setting, dropout, stochastic_depth_prob=0.2, num_classes=1000,
        norm_layer=None, last_channel=None,
    ):  # fmt: skip
        super().__init__()
        setting = inverted_residual_setting
        if not setting:
            raise ValueError("The inverted_residual_setting should not be empty [RG098]")
        if not isinstance(setting, (list, tuple)) or not all(isinstance(c, _MBConvConfig) for c in setting):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig] [RG098]")
        norm_layer = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        layers = [conv(3, setting[0].input_channels, kernel_size=3, stride=2)]
        blocks = sum(cnf.num_layers for cnf in setting)
        made = 0
        for cnf in setting:
            stage = []
            cnf = copy.copy(cnf)
            for _ in range(cnf.num_layers):
                stage.append(cnf.block(cnf, stochastic_depth_prob * float(made) / blocks, norm_layer))
                cnf.input_channels, cnf.stride = cnf.out_channels, 1
                made += 1
            layers.append(nn.Sequential(*stage))
        inputs = setting[-1].out_channels
        width = 4 * inputs if last_channel is None else last_channel
        layers.append(conv(inputs, width, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(width, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _b(width_mult, depth_mult):
    """The stages of B0, scaled."""
    conf = partial(MBConvConfig, width_mult=width_mult, depth_mult=depth_mult)
    return [
        conf(1, 3, 1, 32, 16, 1),
        conf(6, 3, 2, 16, 24, 2),
        conf(6, 5, 2, 24, 40, 2),
        conf(6, 3, 2, 40, 80, 3),
        conf(6, 5, 1, 80, 112, 3),
        conf(6, 5, 2, 112, 192, 4),
        conf(6, 3, 1, 192, 320, 1),
    ]


_V2_S = [
    FusedMBConvConfig(1, 3, 1, 24, 24, 2),
    FusedMBConvConfig(4, 3, 2, 24, 48, 4),
    FusedMBConvConfig(4, 3, 2, 48, 64, 4),
    MBConvConfig(4, 3, 2, 64, 128, 6),
    MBConvConfig(6, 3, 1, 128, 160, 9),
    MBConvConfig(6, 3, 2, 160, 256, 15),
]
_V2_M = [
    FusedMBConvConfig(1, 3, 1, 24, 24, 3),
    FusedMBConvConfig(4, 3, 2, 24, 48, 5),
    FusedMBConvConfig(4, 3, 2, 48, 80, 5),
    MBConvConfig(4, 3, 2, 80, 160, 7),
    MBConvConfig(6, 3, 1, 160, 176, 14),
    MBConvConfig(6, 3, 2, 176, 304, 18),
    MBConvConfig(6, 3, 1, 304, 512, 5),
]
_V2_L = [
    FusedMBConvConfig(1, 3, 1, 32, 32, 4),
    FusedMBConvConfig(4, 3, 2, 32, 64, 7),
    FusedMBConvConfig(4, 3, 2, 64, 96, 7),
    MBConvConfig(4, 3, 2, 96, 192, 10),
    MBConvConfig(6, 3, 1, 192, 224, 19),
    MBConvConfig(6, 3, 2, 224, 384, 25),
    MBConvConfig(6, 3, 1, 384, 640, 7),
]
# TensorFlow's settings, for the weights that come from there.
_SLOW_NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
_EPS_NORM = partial(nn.BatchNorm2d, eps=1e-03)


def _efficientnet(setting, dropout, weights, progress, **kwargs):
    return build(EfficientNet, weights, progress, setting, kwargs.pop("dropout", dropout), **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B0_Weights.IMAGENET1K_V1))
def efficientnet_b0(
    *, weights: EfficientNet_B0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B0.

    weights: an EfficientNet_B0_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(_b(1.0, 1.0), 0.2, EfficientNet_B0_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B1_Weights.IMAGENET1K_V1))
def efficientnet_b1(
    *, weights: EfficientNet_B1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B1.

    weights: an EfficientNet_B1_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(_b(1.0, 1.1), 0.2, EfficientNet_B1_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B2_Weights.IMAGENET1K_V1))
def efficientnet_b2(
    *, weights: EfficientNet_B2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B2.

    weights: an EfficientNet_B2_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(_b(1.1, 1.2), 0.3, EfficientNet_B2_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B3_Weights.IMAGENET1K_V1))
def efficientnet_b3(
    *, weights: EfficientNet_B3_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B3.

    weights: an EfficientNet_B3_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(_b(1.2, 1.4), 0.3, EfficientNet_B3_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B4_Weights.IMAGENET1K_V1))
def efficientnet_b4(
    *, weights: EfficientNet_B4_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B4.

    weights: an EfficientNet_B4_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(_b(1.4, 1.8), 0.4, EfficientNet_B4_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B5_Weights.IMAGENET1K_V1))
def efficientnet_b5(
    *, weights: EfficientNet_B5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B5.

    weights: an EfficientNet_B5_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _b(1.6, 2.2), 0.4, EfficientNet_B5_Weights.verify(weights), progress, norm_layer=_SLOW_NORM, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B6_Weights.IMAGENET1K_V1))
def efficientnet_b6(
    *, weights: EfficientNet_B6_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B6.

    weights: an EfficientNet_B6_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _b(1.8, 2.6), 0.5, EfficientNet_B6_Weights.verify(weights), progress, norm_layer=_SLOW_NORM, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_B7_Weights.IMAGENET1K_V1))
def efficientnet_b7(
    *, weights: EfficientNet_B7_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet-B7.

    weights: an EfficientNet_B7_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _b(2.0, 3.1), 0.5, EfficientNet_B7_Weights.verify(weights), progress, norm_layer=_SLOW_NORM, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_S_Weights.IMAGENET1K_V1))
def efficientnet_v2_s(
    *, weights: EfficientNet_V2_S_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet v2 S.

    weights: an EfficientNet_V2_S_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _V2_S, 0.2, EfficientNet_V2_S_Weights.verify(weights), progress, norm_layer=_EPS_NORM,
        last_channel=1280, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_M_Weights.IMAGENET1K_V1))
def efficientnet_v2_m(
    *, weights: EfficientNet_V2_M_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet v2 M.

    weights: an EfficientNet_V2_M_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _V2_M, 0.3, EfficientNet_V2_M_Weights.verify(weights), progress, norm_layer=_EPS_NORM,
        last_channel=1280, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", EfficientNet_V2_L_Weights.IMAGENET1K_V1))
def efficientnet_v2_l(
    *, weights: EfficientNet_V2_L_Weights | None = None, progress: bool = True, **kwargs: Any
) -> EfficientNet:
    """EfficientNet v2 L.

    weights: an EfficientNet_V2_L_Weights, its name, or None for random weights; kwargs: EfficientNet's.
    """
    return _efficientnet(
        _V2_L, 0.4, EfficientNet_V2_L_Weights.verify(weights), progress, norm_layer=_EPS_NORM,
        last_channel=1280, **kwargs,
    )  # fmt: skip
