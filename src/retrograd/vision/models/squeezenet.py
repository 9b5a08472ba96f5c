"""SqueezeNet (Iandola et al. 2016): AlexNet's accuracy with 50 times fewer parameters."""

from functools import partial
from typing import Any

import retrograd

from ... import nn
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import SHORT_RECIPE, imagenet

__all__ = [
    "SqueezeNet", "SqueezeNet1_0_Weights", "SqueezeNet1_1_Weights", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip

_imagenet = partial(imagenet, recipe="pull/49#issuecomment-277560717", docs=SHORT_RECIPE)


class SqueezeNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "squeezenet1_0-b66bff10", 1248424, 58.092, 80.420, 0.819, 4.778,
        min_size=(21, 21),
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "squeezenet1_1-b8a52dc0", 1235496, 58.178, 80.624, 0.349, 4.729,
        min_size=(17, 17),
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then 1x1 and 3x3 convolutions of them, side by side."""

    def __init__(self, inplanes, squeeze_planes, expand1x1_planes, expand3x3_planes):
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        large = self.expand3x3_activation(self.expand3x3(x))
        return retrograd.cat([small, large], 1)


# By version: the first convolution's (width, kernel size), then the squeeze widths of the Fire modules, "M"
# for a halving of the resolution. A Fire module has eight times as many outputs as squeeze channels.
_VERSIONS = {
    "1_0": ((96, 7), ("M", 16, 16, 32, "M", 32, 48, 48, 64, "M", 64)),
    "1_1": ((64, 3), ("M", 16, 16, "M", 32, 32, "M", 48, 48, 64, 64)),
}


class SqueezeNet(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out. version: "1_0", the paper's, or "1_1"."""

    def __init__(self, version="1_0", num_classes=1000, dropout=0.5):
        super().__init__()
        self.num_classes = num_classes
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected [RG098]")
        (channels, kernel_size), plan = _VERSIONS[version]
        layers = [nn.Conv2d(3, channels, kernel_size=kernel_size, stride=2), nn.ReLU(inplace=True)]
        for squeeze in plan:
            if squeeze == "M":
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(channels, squeeze, 4 * squeeze, 4 * squeeze))
                channels = 8 * squeeze
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(channels, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


@register_model()
@handle_legacy_interface(weights=("pretrained", SqueezeNet1_0_Weights.IMAGENET1K_V1))
def squeezenet1_0(
    *, weights: SqueezeNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.0.

    weights: a SqueezeNet1_0_Weights, its name, or None for random weights; kwargs: SqueezeNet's.
    """
    return build(SqueezeNet, SqueezeNet1_0_Weights.verify(weights), progress, "1_0", **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", SqueezeNet1_1_Weights.IMAGENET1K_V1))
def squeezenet1_1(
    *, weights: SqueezeNet1_1_Weights | None = None, progress: bool = True, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.1.

    weights: a SqueezeNet1_1_Weights, its name, or None for random weights; kwargs: SqueezeNet's.
    """
    return build(SqueezeNet, SqueezeNet1_1_Weights.verify(weights), progress, "1_1", **kwargs)
