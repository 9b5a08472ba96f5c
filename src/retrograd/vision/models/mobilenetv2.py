"""MobileNet v2 (Sandler et al. 2018, "Inverted residuals and linear bottlenecks")."""

from functools import partial
from typing import Any

from ... import nn
from ..ops.misc import Conv2dNormActivation
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import _make_divisible, build
from ._weights import LONG_RECIPE, SHORT_RECIPE, imagenet

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

_imagenet = partial(imagenet, recipe="tree/main/references/classification#mobilenetv2", docs=SHORT_RECIPE)


class MobileNet_V2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet("mobilenet_v2-b0353104", 3504872, 71.878, 90.286, 0.301, 13.555)
    IMAGENET1K_V2 = _imagenet(
        "mobilenet_v2-7ebf99e0", 3504872, 72.154, 90.822, 0.301, 13.598,
        recipe="issues/3995#new-recipe-with-reg-tuning", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class InvertedResidual(nn.Module):
    """Widened by `expand_ratio`, convolved channel by channel, narrowed without activation.

    Beside it is a shortcut where the shape stays.
    """

    def __init__(self, inp, oup, stride, expand_ratio, norm_layer=None):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride} [RG098]")
        norm_layer = norm_layer or nn.BatchNorm2d
        hidden = int(round(inp * expand_ratio))
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        layers = [conv(inp, hidden, kernel_size=1)] if expand_ratio != 1 else []
        layers += [
            conv(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm_layer(oup),
        ]
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


# The paper's table: expansion, channels, number of blocks, stride of the first.
_SETTING = [
    [1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2],
    [6, 320, 1, 1],
]  # fmt: skip


def initialise(model):
    """The initial weights that the MobileNets share."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


class MobileNetV2(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    width_mult: scales the number of channels, which is rounded to a multiple of `round_nearest`.
    inverted_residual_setting: rows of (expansion, channels, number of blocks, stride). block, norm_layer:
    make the blocks and the normalisations.
    """

    def __init__(
        self, num_classes=1000, width_mult=1.0, inverted_residual_setting=None, round_nearest=8, block=None,
        norm_layer=None, dropout=0.2,
    ):  # fmt: skip
        super().__init__()
        block = block or InvertedResidual
        norm_layer = norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(setting) == 0 or len(setting[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {setting} [RG098]"
            )
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers = [conv(3, channels, stride=2)]
        for expansion, width, repeats, stride in setting:
            width = _make_divisible(width * width_mult, round_nearest)
            for i in range(repeats):
                first_stride = stride if i == 0 else 1
                layers.append(
                    block(channels, width, first_stride, expand_ratio=expansion, norm_layer=norm_layer)
                )
                channels = width
        layers.append(conv(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialise(self)

    def forward(self, x):
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


@register_model()
@handle_legacy_interface(weights=("pretrained", MobileNet_V2_Weights.IMAGENET1K_V1))
def mobilenet_v2(
    *, weights: MobileNet_V2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MobileNetV2:
    """MobileNet v2.

    weights: a MobileNet_V2_Weights, its name, or None for random weights; kwargs: MobileNetV2's.
    """
    return build(MobileNetV2, MobileNet_V2_Weights.verify(weights), progress, **kwargs)
