"""ShuffleNet v2 (Ma et al. 2018): half of the channels pass each block as they are, then all are mixed."""

from functools import partial
from typing import Any

import retrograd

from ... import nn
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import LONG_RECIPE, PORTED, imagenet

__all__ = [
    "ShuffleNetV2", "ShuffleNet_V2_X0_5_Weights", "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights", "ShuffleNet_V2_X2_0_Weights", "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
]  # fmt: skip

_imagenet = partial(imagenet, recipe="https://github.com/ericsun99/Shufflenet-v2-Pytorch", docs=PORTED)


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "shufflenetv2_x0.5-f707e7126e", 1366792, 60.552, 81.746, 0.040, 5.282,
        docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "shufflenetv2_x1-5666bf0f80", 2278604, 69.362, 88.316, 0.145, 8.791,
        docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "shufflenetv2_x1_5-3c479a10", 3503624, 72.996, 91.086, 0.296, 13.557,
        recipe="pull/5906", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "shufflenetv2_x2_0-8be3c8ee", 7393996, 76.230, 93.006, 0.583, 28.433,
        recipe="pull/5906", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


def channel_shuffle(x, groups):
    """The channels of (N, C, H, W) in `groups` groups, interleaved: the first of each, the second, ..."""
    n, channels, height, width = x.shape
    x = x.view(n, groups, channels // groups, height, width)
    return x.transpose(1, 2).reshape(n, channels, height, width)


class InvertedResidual(nn.Module):
    """Stride 1: half of the channels are convolved. Otherwise both branches see all channels."""

    def __init__(self, inp, oup, stride):
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError(f"illegal stride value {stride}; it should be 1, 2 or 3 [RG098]")
        width = oup // 2
        if stride == 1 and inp != 2 * width:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup}: with stride 1, inp should "
                f"be {2 * width} [RG098]"
            )
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise_conv(inp, inp, kernel_size=3, stride=stride, padding=1),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, width, kernel_size=1, stride=1, padding=0, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
        first = inp if stride > 1 else width
        self.branch2 = nn.Sequential(
            nn.Conv2d(first, width, kernel_size=1, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            self.depthwise_conv(width, width, kernel_size=3, stride=stride, padding=1),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, width, kernel_size=1, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )

    @staticmethod
    def depthwise_conv(i, o, kernel_size, stride=1, padding=0, bias=False):
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    def forward(self, x):
        if self.stride == 1:
            kept, changed = x.chunk(2, dim=1)
            parts = kept, self.branch2(changed)
        else:
            parts = self.branch1(x), self.branch2(x)
        return channel_shuffle(retrograd.cat(parts, dim=1), 2)


def _conv_norm_relu(inputs, outputs, kernel_size, stride):
    convolution = nn.Conv2d(inputs, outputs, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ShuffleNetV2(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    stages_repeats: the number of blocks in each of the three stages. stages_out_channels: the widths of the
    stem, the stages and the last convolution. inverted_residual: makes a block.
    """

    def __init__(
        self, stages_repeats, stages_out_channels, num_classes=1000, inverted_residual=InvertedResidual
    ):  # fmt: skip
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError(
                f"expected stages_repeats as list of 3 positive ints, got {stages_repeats} [RG098]"
            )
        if len(stages_out_channels) != 5:
            raise ValueError(
                f"expected stages_out_channels as list of 5 positive ints, got {stages_out_channels} [RG098]"
            )
        self._stage_out_channels = stages_out_channels
        channels, *widths, last = stages_out_channels
        self.conv1 = _conv_norm_relu(3, channels, 3, 2)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for i, (repeats, width) in enumerate(zip(stages_repeats, widths, strict=True), 2):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{i}", nn.Sequential(*blocks))
            channels = width
        self.conv5 = _conv_norm_relu(channels, last, 1, 1)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _shufflenetv2(widths, weights, progress, **kwargs):
    return build(ShuffleNetV2, weights, progress, [4, 8, 4], widths, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1))
def shufflenet_v2_x0_5(
    *, weights: ShuffleNet_V2_X0_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet v2 of 0.5 times the width.

    weights: a ShuffleNet_V2_X0_5_Weights, its name, or None for random weights; kwargs: ShuffleNetV2's.
    """
    return _shufflenetv2(
        [24, 48, 96, 192, 1024], ShuffleNet_V2_X0_5_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1))
def shufflenet_v2_x1_0(
    *, weights: ShuffleNet_V2_X1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet v2 of 1.0 times the width.

    weights: a ShuffleNet_V2_X1_0_Weights, its name, or None for random weights; kwargs: ShuffleNetV2's.
    """
    return _shufflenetv2(
        [24, 116, 232, 464, 1024], ShuffleNet_V2_X1_0_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X1_5_Weights.IMAGENET1K_V1))
def shufflenet_v2_x1_5(
    *, weights: ShuffleNet_V2_X1_5_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet v2 of 1.5 times the width.

    weights: a ShuffleNet_V2_X1_5_Weights, its name, or None for random weights; kwargs: ShuffleNetV2's.
    """
    return _shufflenetv2(
        [24, 176, 352, 704, 1024], ShuffleNet_V2_X1_5_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", ShuffleNet_V2_X2_0_Weights.IMAGENET1K_V1))
def shufflenet_v2_x2_0(
    *, weights: ShuffleNet_V2_X2_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ShuffleNetV2:
    """ShuffleNet v2 of 2.0 times the width.

    weights: a ShuffleNet_V2_X2_0_Weights, its name, or None for random weights; kwargs: ShuffleNetV2's.
    """
    return _shufflenetv2(
        [24, 244, 488, 976, 2048], ShuffleNet_V2_X2_0_Weights.verify(weights), progress, **kwargs
    )
