"""Residual networks (He et al. 2015), in torchvision's form: names, state_dict keys and initial values.

The stride of a bottleneck is in its 3x3 convolution, not in the first 1x1 ("ResNet v1.5"). ResNeXt (Xie et
al. 2016) and wide ResNet (Zagoruyko & Komodakis 2016) are the same network with other widths.
"""

from functools import partial
from typing import Any

from ... import nn
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import LONG_RECIPE, PORTED, SHORT_RECIPE, imagenet

__all__ = [
    "ResNet", "ResNet18_Weights", "ResNet34_Weights", "ResNet50_Weights", "ResNet101_Weights",
    "ResNet152_Weights", "ResNeXt50_32X4D_Weights", "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights", "Wide_ResNet50_2_Weights", "Wide_ResNet101_2_Weights", "resnet18",
    "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip

_short = partial(imagenet, recipe="tree/main/references/classification#resnet", docs=SHORT_RECIPE)
_long = partial(imagenet, recipe="issues/3995#new-recipe", docs=LONG_RECIPE, resize_size=232)


class ResNet18_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short("resnet18-f37072fd", 11689512, 69.758, 89.078, 1.814, 44.661)
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short("resnet34-b627a593", 21797672, 73.314, 91.420, 3.664, 83.275)
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short("resnet50-0676ba61", 25557032, 76.130, 92.862, 4.089, 97.781)
    IMAGENET1K_V2 = _long(
        "resnet50-11ad3fa6", 25557032, 80.858, 95.434, 4.089, 97.790,
        recipe="issues/3995#issuecomment-1013906621",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short("resnet101-63fe2227", 44549160, 77.374, 93.546, 7.801, 170.511)
    IMAGENET1K_V2 = _long("resnet101-cd907fc2", 44549160, 81.886, 95.780, 7.801, 170.530)
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short("resnet152-394f9c45", 60192808, 78.312, 94.046, 11.514, 230.434)
    IMAGENET1K_V2 = _long("resnet152-f82ba261", 60192808, 82.284, 96.002, 11.514, 230.474)
    DEFAULT = IMAGENET1K_V2


class ResNeXt50_32X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short(
        "resnext50_32x4d-7cdf4587", 25028904, 77.618, 93.698, 4.230, 95.789,
        recipe="tree/main/references/classification#resnext",
    )  # fmt: skip
    IMAGENET1K_V2 = _long("resnext50_32x4d-1a0047aa", 25028904, 81.198, 95.340, 4.230, 95.833)
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short(
        "resnext101_32x8d-8ba56ff5", 88791336, 79.312, 94.526, 16.414, 339.586,
        recipe="tree/main/references/classification#resnext",
    )  # fmt: skip
    IMAGENET1K_V2 = _long(
        "resnext101_32x8d-110c445d", 88791336, 82.834, 96.228, 16.414, 339.673,
        recipe="issues/3995#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    IMAGENET1K_V1 = _long(
        "resnext101_64x4d-173b62eb", 83455272, 83.246, 96.454, 15.460, 319.318,
        recipe="pull/5935",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Wide_ResNet50_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short(
        "wide_resnet50_2-95faca4d", 68883240, 78.468, 94.086, 11.398, 131.820,
        recipe="pull/912#issue-445437439", docs=PORTED,
    )  # fmt: skip
    IMAGENET1K_V2 = _long(
        "wide_resnet50_2-9ba9bcbe", 68883240, 81.602, 95.758, 11.398, 263.124,
        recipe="issues/3995#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    IMAGENET1K_V1 = _short(
        "wide_resnet101_2-32ee1156", 126886696, 78.848, 94.284, 22.753, 242.896,
        recipe="pull/912#issue-445437439", docs=PORTED,
    )  # fmt: skip
    IMAGENET1K_V2 = _long("wide_resnet101_2-d733dc28", 126886696, 82.510, 96.020, 22.753, 484.747)
    DEFAULT = IMAGENET1K_V2


def conv3x3(in_planes, out_planes, stride=1, groups=1, dilation=1):
    """A 3x3 convolution that keeps the size (at stride 1), without bias."""
    return nn.Conv2d(in_planes, out_planes, 3, stride, dilation, dilation, groups, bias=False)


def conv1x1(in_planes, out_planes, stride=1):
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, 1, stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        downsample=None,
        groups=1,
        base_width=64,
        dilation=1,
        norm_layer=None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64 [RG098]")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock [RG098]")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, beside a shortcut."""

    expansion = 4

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        downsample=None,
        groups=1,
        base_width=64,
        dilation=1,
        norm_layer=None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm_layer(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm_layer(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm_layer(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A residual network: images (N, 3, H, W) in, class scores (N, num_classes) out.

    block: BasicBlock or Bottleneck. layers: the number of blocks in each of the four stages.
    replace_stride_with_dilation: for the last three stages, whether to dilate instead of striding.
    """

    def __init__(
        self, block, layers, num_classes=1000, zero_init_residual=False, groups=1, width_per_group=64,
        replace_stride_with_dilation=None, norm_layer=None,
    ):  # fmt: skip
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation} [RG098]"
            )
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _initialise(self, zero_init_residual):
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
        if zero_init_residual:  # each block starts as the identity (Goyal et al. 2017)
            for m in self.modules():
                last = m.bn3 if isinstance(m, Bottleneck) else m.bn2 if isinstance(m, BasicBlock) else None
                if last is not None and last.weight is not None:
                    nn.init.constant_(last.weight, 0)

    def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
        before = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        width = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != width:
            downsample = nn.Sequential(conv1x1(self.inplanes, width, stride), self._norm_layer(width))
        make = partial(block, groups=self.groups, base_width=self.base_width, norm_layer=self._norm_layer)
        layers = [make(self.inplanes, planes, stride, downsample, dilation=before)]
        self.inplanes = width
        layers += [make(self.inplanes, planes, dilation=self.dilation) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet18_Weights.IMAGENET1K_V1))
def resnet18(*, weights: ResNet18_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-18. weights: a ResNet18_Weights, its name, or None for random weights; kwargs: ResNet's."""
    return build(ResNet, ResNet18_Weights.verify(weights), progress, BasicBlock, [2, 2, 2, 2], **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet34_Weights.IMAGENET1K_V1))
def resnet34(*, weights: ResNet34_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-34. weights: a ResNet34_Weights, its name, or None for random weights; kwargs: ResNet's."""
    return build(ResNet, ResNet34_Weights.verify(weights), progress, BasicBlock, [3, 4, 6, 3], **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet50_Weights.IMAGENET1K_V1))
def resnet50(*, weights: ResNet50_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-50. weights: a ResNet50_Weights, its name, or None for random weights; kwargs: ResNet's."""
    return build(ResNet, ResNet50_Weights.verify(weights), progress, Bottleneck, [3, 4, 6, 3], **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet101_Weights.IMAGENET1K_V1))
def resnet101(*, weights: ResNet101_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-101. weights: a ResNet101_Weights, its name, or None for random weights; kwargs: ResNet's."""
    return build(ResNet, ResNet101_Weights.verify(weights), progress, Bottleneck, [3, 4, 23, 3], **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNet152_Weights.IMAGENET1K_V1))
def resnet152(*, weights: ResNet152_Weights | None = None, progress: bool = True, **kwargs: Any) -> ResNet:
    """ResNet-152. weights: a ResNet152_Weights, its name, or None for random weights; kwargs: ResNet's."""
    return build(ResNet, ResNet152_Weights.verify(weights), progress, Bottleneck, [3, 8, 36, 3], **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt50_32X4D_Weights.IMAGENET1K_V1))
def resnext50_32x4d(
    *, weights: ResNeXt50_32X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-50 of 32 groups, 4 wide.

    weights: a ResNeXt50_32X4D_Weights, its name, or None for random weights; kwargs: ResNet's.
    """
    return build(
        ResNet, ResNeXt50_32X4D_Weights.verify(weights), progress, Bottleneck, [3, 4, 6, 3], groups=32,
        width_per_group=4, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt101_32X8D_Weights.IMAGENET1K_V1))
def resnext101_32x8d(
    *, weights: ResNeXt101_32X8D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 of 32 groups, 8 wide.

    weights: a ResNeXt101_32X8D_Weights, its name, or None for random weights; kwargs: ResNet's.
    """
    return build(
        ResNet, ResNeXt101_32X8D_Weights.verify(weights), progress, Bottleneck, [3, 4, 23, 3], groups=32,
        width_per_group=8, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", ResNeXt101_64X4D_Weights.IMAGENET1K_V1))
def resnext101_64x4d(
    *, weights: ResNeXt101_64X4D_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """ResNeXt-101 of 64 groups, 4 wide.

    weights: a ResNeXt101_64X4D_Weights, its name, or None for random weights; kwargs: ResNet's.
    """
    return build(
        ResNet, ResNeXt101_64X4D_Weights.verify(weights), progress, Bottleneck, [3, 4, 23, 3], groups=64,
        width_per_group=4, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", Wide_ResNet50_2_Weights.IMAGENET1K_V1))
def wide_resnet50_2(
    *, weights: Wide_ResNet50_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """Wide ResNet-50-2.

    weights: a Wide_ResNet50_2_Weights, its name, or None for random weights; kwargs: ResNet's.
    """
    return build(
        ResNet, Wide_ResNet50_2_Weights.verify(weights), progress, Bottleneck, [3, 4, 6, 3],
        width_per_group=128, **kwargs,
    )  # fmt: skip


@register_model()
@handle_legacy_interface(weights=("pretrained", Wide_ResNet101_2_Weights.IMAGENET1K_V1))
def wide_resnet101_2(
    *, weights: Wide_ResNet101_2_Weights | None = None, progress: bool = True, **kwargs: Any
) -> ResNet:
    """Wide ResNet-101-2.

    weights: a Wide_ResNet101_2_Weights, its name, or None for random weights; kwargs: ResNet's.
    """
    return build(
        ResNet, Wide_ResNet101_2_Weights.verify(weights), progress, Bottleneck, [3, 4, 23, 3],
        width_per_group=128, **kwargs,
    )  # fmt: skip
