"""MNASNet (Tan et al. 2018): an architecture found by search for accuracy and speed on phones."""

import warnings
from functools import partial
from typing import Any

from ... import nn
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import build
from ._weights import LONG_RECIPE, PORTED, imagenet

__all__ = [
    "MNASNet", "MNASNet0_5_Weights", "MNASNet0_75_Weights", "MNASNet1_0_Weights", "MNASNet1_3_Weights",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
]  # fmt: skip

_imagenet = partial(imagenet, recipe="https://github.com/1e100/mnasnet_trainer", docs=PORTED)


class MNASNet0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "mnasnet0.5_top1_67.823-3ffadce67e", 2218512, 67.734, 87.490, 0.104, 8.591,
        docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "mnasnet0_75-7090bc5f", 3170208, 71.180, 90.496, 0.215, 12.303,
        recipe="pull/6019", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "mnasnet1.0_top1_73.512-f206786ef8", 4383312, 73.456, 91.510, 0.314, 16.915,
        docs=LONG_RECIPE,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    IMAGENET1K_V1 = _imagenet(
        "mnasnet1_3-a4c69d6f", 6282256, 76.506, 93.522, 0.526, 24.246,
        recipe="pull/6019", docs=LONG_RECIPE, resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


# The paper's, in TensorFlow's sense, is 0.9997.
_BN_MOMENTUM = 1 - 0.9997


class _InvertedResidual(nn.Module):
    """Widened, convolved channel by channel, narrowed without activation; with a shortcut."""

    def __init__(self, in_ch, out_ch, kernel_size, stride, expansion_factor, bn_momentum=0.1):
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride} [RG098]")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size} [RG098]")
        width = in_ch * expansion_factor
        padding = kernel_size // 2
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, width, 1, bias=False),
            nn.BatchNorm2d(width, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, kernel_size, padding=padding, stride=stride, groups=width, bias=False),
            nn.BatchNorm2d(width, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, out_ch, 1, bias=False),
            nn.BatchNorm2d(out_ch, momentum=bn_momentum),
        )

    def forward(self, input):
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _stack(in_ch, out_ch, kernel_size, stride, exp_factor, repeats):
    """`repeats` blocks, the first of which may change width and resolution."""
    blocks = [_InvertedResidual(in_ch, out_ch, kernel_size, stride, exp_factor, _BN_MOMENTUM)]
    for _ in range(1, repeats):
        blocks.append(_InvertedResidual(out_ch, out_ch, kernel_size, 1, exp_factor, _BN_MOMENTUM))
    return nn.Sequential(*blocks)


def _round_to_multiple_of(val, divisor, round_up_bias=0.9):
    """`val` rounded to a multiple of `divisor`, not below `round_up_bias` times `val`."""
    if not 0.0 < round_up_bias < 1.0:
        raise ValueError(f"round_up_bias should be between 0.0 and 1.0, got {round_up_bias} [RG098]")
    rounded = max(divisor, int(val + divisor / 2) // divisor * divisor)
    return rounded if rounded >= round_up_bias * val else rounded + divisor


def _get_depths(alpha):
    """The stages' widths, scaled by `alpha`."""
    return [_round_to_multiple_of(width * alpha, 8) for width in (32, 16, 24, 40, 80, 96, 192, 320)]


def _stem(first, second, third):
    """The first nine layers, with these widths."""
    return [
        nn.Conv2d(3, first, 3, padding=1, stride=2, bias=False),
        nn.BatchNorm2d(first, momentum=_BN_MOMENTUM),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, first, 3, padding=1, stride=1, groups=first, bias=False),
        nn.BatchNorm2d(first, momentum=_BN_MOMENTUM),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 1, padding=0, stride=1, bias=False),
        nn.BatchNorm2d(second, momentum=_BN_MOMENTUM),
        _stack(second, third, 3, 2, 3, 3),
    ]


class MNASNet(nn.Module):
    """MNASNet-B1: images (N, 3, H, W) in, scores (N, num_classes) out.

    alpha: scales the number of channels. Checkpoints of torchvision's first version, in which the first two
    widths were not scaled, are loaded too, with a warning.
    """

    _version = 2

    def __init__(self, alpha, num_classes=1000, dropout=0.2):
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha} [RG098]")
        self.alpha = alpha
        self.num_classes = num_classes
        depths = _get_depths(alpha)
        self.layers = nn.Sequential(
            *_stem(*depths[:3]),
            _stack(depths[2], depths[3], 5, 2, 3, 3),
            _stack(depths[3], depths[4], 5, 2, 6, 3),
            _stack(depths[4], depths[5], 3, 1, 6, 2),
            _stack(depths[5], depths[6], 5, 2, 6, 4),
            _stack(depths[6], depths[7], 3, 1, 6, 1),
            nn.Conv2d(depths[7], 1280, 1, padding=0, stride=1, bias=False),
            nn.BatchNorm2d(1280, momentum=_BN_MOMENTUM),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *args):
        version = local_metadata.get("version", None)
        if version not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {version} [RG098]")
        if version == 1 and self.alpha != 1.0:
            for i, layer in enumerate(_stem(32, 16, _get_depths(self.alpha)[2])):
                self.layers[i] = layer
            self._version = 1
            warnings.warn(
                "this checkpoint is of the first version of MNASNet, whose first layers are not scaled; the "
                "model was changed to it",
                UserWarning,
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet0_5_Weights.IMAGENET1K_V1))
def mnasnet0_5(*, weights: MNASNet0_5_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet of 0.5 times the width.

    weights: a MNASNet0_5_Weights, its name, or None for random weights; kwargs: MNASNet's.
    """
    return build(MNASNet, MNASNet0_5_Weights.verify(weights), progress, 0.5, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet0_75_Weights.IMAGENET1K_V1))
def mnasnet0_75(
    *, weights: MNASNet0_75_Weights | None = None, progress: bool = True, **kwargs: Any
) -> MNASNet:
    """MNASNet of 0.75 times the width.

    weights: a MNASNet0_75_Weights, its name, or None for random weights; kwargs: MNASNet's.
    """
    return build(MNASNet, MNASNet0_75_Weights.verify(weights), progress, 0.75, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet1_0_Weights.IMAGENET1K_V1))
def mnasnet1_0(*, weights: MNASNet1_0_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet of 1.0 times the width.

    weights: a MNASNet1_0_Weights, its name, or None for random weights; kwargs: MNASNet's.
    """
    return build(MNASNet, MNASNet1_0_Weights.verify(weights), progress, 1.0, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", MNASNet1_3_Weights.IMAGENET1K_V1))
def mnasnet1_3(*, weights: MNASNet1_3_Weights | None = None, progress: bool = True, **kwargs: Any) -> MNASNet:
    """MNASNet of 1.3 times the width.

    weights: a MNASNet1_3_Weights, its name, or None for random weights; kwargs: MNASNet's.
    """
    return build(MNASNet, MNASNet1_3_Weights.verify(weights), progress, 1.3, **kwargs)
