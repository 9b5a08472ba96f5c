"""RegNet (Radosavovic et al. 2020): networks whose stages' widths and depths follow a quantised line."""

import math
from collections import OrderedDict
from functools import partial
from typing import Any

import retrograd

from ... import nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..transforms.functional import InterpolationMode
from ._api import WeightsEnum, handle_legacy_interface, register_model
from ._utils import _make_divisible, build
from ._weights import LONG_RECIPE, SHORT_RECIPE, imagenet, swag_end_to_end, swag_linear

__all__ = [
    "RegNet", "RegNet_Y_400MF_Weights", "RegNet_Y_800MF_Weights", "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_3_2GF_Weights", "RegNet_Y_8GF_Weights", "RegNet_Y_16GF_Weights", "RegNet_Y_32GF_Weights",
    "RegNet_Y_128GF_Weights", "RegNet_X_400MF_Weights", "RegNet_X_800MF_Weights",
    "RegNet_X_1_6GF_Weights", "RegNet_X_3_2GF_Weights", "RegNet_X_8GF_Weights", "RegNet_X_16GF_Weights",
    "RegNet_X_32GF_Weights", "regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf", "regnet_y_3_2gf",
    "regnet_y_8gf", "regnet_y_16gf", "regnet_y_32gf", "regnet_y_128gf", "regnet_x_400mf",
    "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf", "regnet_x_8gf", "regnet_x_16gf",
    "regnet_x_32gf",
]  # fmt: skip

_RECIPES = "tree/main/references/classification"
_small = partial(imagenet, recipe=_RECIPES + "#small-models", docs=SHORT_RECIPE)
_medium = partial(imagenet, recipe=_RECIPES + "#medium-models", docs=SHORT_RECIPE)
_large = partial(imagenet, recipe=_RECIPES + "#large-models", docs=SHORT_RECIPE)
_long = partial(imagenet, recipe="issues/3995#new-recipe", docs=LONG_RECIPE)


class RegNet_Y_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_y_400mf-c65dace8", 4344144, 74.046, 91.716, 0.402, 16.806)
    IMAGENET1K_V2 = _long("regnet_y_400mf-e6988f5f", 4344144, 75.804, 92.742, 0.402, 16.806, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_y_800mf-1b27b58c", 6432512, 76.420, 93.136, 0.834, 24.774)
    IMAGENET1K_V2 = _long("regnet_y_800mf-58fc7688", 6432512, 78.828, 94.502, 0.834, 24.774, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_y_1_6gf-b11a554e", 11202430, 77.950, 93.966, 1.612, 43.152)
    IMAGENET1K_V2 = _long("regnet_y_1_6gf-0d7bc02a", 11202430, 80.876, 95.444, 1.612, 43.152, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _medium("regnet_y_3_2gf-b5a9779c", 19436338, 78.948, 94.576, 3.176, 74.567)
    IMAGENET1K_V2 = _long("regnet_y_3_2gf-9180c971", 19436338, 81.982, 95.972, 3.176, 74.567, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _medium("regnet_y_8gf-d0d0e4a8", 39381472, 80.032, 95.048, 8.473, 150.701)
    IMAGENET1K_V2 = _long("regnet_y_8gf-dc2b1b54", 39381472, 82.828, 96.330, 8.473, 150.701, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _large("regnet_y_16gf-9e6ed7dd", 83590140, 80.424, 95.240, 15.912, 319.490)
    IMAGENET1K_V2 = _long(
        "regnet_y_16gf-3e4a00f9", 83590140, 82.886, 96.328, 15.912, 319.490,
        resize_size=232,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "regnet_y_16gf_swag-43afe44d", 83590140, 86.012, 98.054, 46.735, 319.490,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "regnet_y_16gf_lc_swag-f3ec0043", 83590140, 83.976, 97.244, 15.912, 319.490,
        resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _large("regnet_y_32gf-4dee3f7a", 145046770, 80.878, 95.340, 32.280, 554.076)
    IMAGENET1K_V2 = _long(
        "regnet_y_32gf-8db6d4b5", 145046770, 83.368, 96.498, 32.280, 554.076,
        resize_size=232,
    )  # fmt: skip
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "regnet_y_32gf_swag-04fdfa75", 145046770, 86.838, 98.362, 94.826, 554.076,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "regnet_y_32gf_lc_swag-e1583746", 145046770, 84.622, 97.480, 32.280, 554.076,
        resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = swag_end_to_end(
        "regnet_y_128gf_swag-c8ce3e52", 644812894, 88.228, 98.682, 374.570, 2461.564,
        crop_size=384, resize_size=384, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    IMAGENET1K_SWAG_LINEAR_V1 = swag_linear(
        "regnet_y_128gf_lc_swag-cbe8ce12", 644812894, 86.068, 97.844, 127.518, 2461.564,
        resize_size=224, interpolation=InterpolationMode.BICUBIC,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_X_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_x_400mf-adf1edd5", 5495976, 72.834, 90.950, 0.414, 21.258)
    IMAGENET1K_V2 = _long(
        "regnet_x_400mf-62229a5f", 5495976, 74.864, 92.322, 0.414, 21.257,
        recipe="issues/3995#new-recipe-with-fixres", resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_x_800mf-ad17e45c", 7259656, 75.212, 92.348, 0.800, 27.945)
    IMAGENET1K_V2 = _long(
        "regnet_x_800mf-94a99ebd", 7259656, 77.522, 93.826, 0.800, 27.945,
        recipe="issues/3995#new-recipe-with-fixres", resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _small("regnet_x_1_6gf-e3633e7f", 9190136, 77.040, 93.440, 1.603, 35.339)
    IMAGENET1K_V2 = _long(
        "regnet_x_1_6gf-a12f2b72", 9190136, 79.668, 94.922, 1.603, 35.339,
        recipe="issues/3995#new-recipe-with-fixres", resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _medium("regnet_x_3_2gf-f342aeae", 15296552, 78.364, 93.992, 3.177, 58.756)
    IMAGENET1K_V2 = _long("regnet_x_3_2gf-7071aa85", 15296552, 81.196, 95.430, 3.177, 58.756, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _medium("regnet_x_8gf-03ceed89", 39572648, 79.344, 94.686, 7.995, 151.456)
    IMAGENET1K_V2 = _long("regnet_x_8gf-2b70d774", 39572648, 81.682, 95.678, 7.995, 151.456, resize_size=232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _medium("regnet_x_16gf-2007eb11", 54278536, 80.058, 94.944, 15.941, 207.627)
    IMAGENET1K_V2 = _long(
        "regnet_x_16gf-ba3796d7", 54278536, 82.716, 96.196, 15.941, 207.627,
        resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = _large("regnet_x_32gf-9d47f8d0", 107811560, 80.622, 95.248, 31.736, 412.039)
    IMAGENET1K_V2 = _long(
        "regnet_x_32gf-6eb8fdc6", 107811560, 83.014, 96.288, 31.736, 412.039,
        resize_size=232,
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution of stride 2."""

    def __init__(self, width_in, width_out, norm_layer, activation_layer):
        super().__init__(
            width_in, width_out, kernel_size=3, stride=2, norm_layer=norm_layer,
            activation_layer=activation_layer,
        )  # fmt: skip


class BottleneckTransform(nn.Sequential):
    """A grouped 3x3 convolution between two 1x1 ones, with squeeze-excitation if `se_ratio` is given."""

    def __init__(
        self, width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier,
        se_ratio,
    ):  # fmt: skip
        width = int(round(width_out * bottleneck_multiplier))
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer)
        layers = OrderedDict()
        layers["a"] = conv(width_in, width, kernel_size=1, stride=1)
        layers["b"] = conv(width, width, kernel_size=3, stride=stride, groups=width // group_width)
        if se_ratio:
            squeezed = int(round(se_ratio * width_in))
            layers["se"] = SqueezeExcitation(width, squeezed, activation=activation_layer)
        layers["c"] = conv(width, width_out, kernel_size=1, stride=1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A BottleneckTransform beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(
        self, width_in, width_out, stride, norm_layer, activation_layer, group_width=1,
        bottleneck_multiplier=1.0, se_ratio=None,
    ):  # fmt: skip
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, kernel_size=1, stride=stride, norm_layer=norm_layer,
                activation_layer=None,
            )  # fmt: skip
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier,
            se_ratio,
        )  # fmt: skip
        self.activation = activation_layer(inplace=True)

    def forward(self, x):
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class AnyStage(nn.Sequential):
    """`depth` blocks, the first of which changes width and resolution."""

    def __init__(
        self, width_in, width_out, stride, depth, block_constructor, norm_layer, activation_layer,
        group_width, bottleneck_multiplier, se_ratio=None, stage_index=0,
    ):  # fmt: skip
        super().__init__()
        for i in range(depth):
            block = block_constructor(
                width_in if i == 0 else width_out, width_out, stride if i == 0 else 1, norm_layer,
                activation_layer, group_width, bottleneck_multiplier, se_ratio,
            )  # fmt: skip
            self.add_module(f"block{stage_index}-{i}", block)


class BlockParams:
    """The stages of a RegNet: lists with one entry per stage, and the squeeze ratio of all."""

    def __init__(self, depths, widths, group_widths, bottleneck_multipliers, strides, se_ratio=None):
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls, depth, w_0, w_a, w_m, group_width, bottleneck_multiplier=1.0, se_ratio=None, **kwargs
    ):  # fmt: skip
        """The stages that the paper's parameters give.

        Block j of `depth` would be w_0 + w_a * j wide (equation 2); that is rounded to w_0 times a power of
        w_m (equations 3, 4), then to a multiple of 8. Blocks of equal width are a stage, which starts with
        stride 2.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError(
                f"Invalid RegNet settings: w_a={w_a} should be at least 0, w_m={w_m} above 1, and w_0={w_0} "
                "a positive multiple of 8 [RG098]"
            )
        wanted = retrograd.arange(depth) * w_a + w_0
        powers = retrograd.round(retrograd.log(wanted / w_0) / math.log(w_m))
        rounded = retrograd.round(w_0 * retrograd.pow(w_m, powers) / 8) * 8
        block_widths = [int(width) for width in rounded.tolist()]
        widths = sorted(set(block_widths))  # they never fall
        depths = [block_widths.count(width) for width in widths]
        stages = len(widths)
        multipliers = [bottleneck_multiplier] * stages
        widths, group_widths = cls._compatible(widths, multipliers, [group_width] * stages)
        return cls(depths, widths, group_widths, multipliers, [2] * stages, se_ratio)

    @staticmethod
    def _compatible(widths, multipliers, group_widths):
        """Widths that the groups divide, and groups that are not wider than the bottlenecks."""
        bottlenecks = [int(w * b) for w, b in zip(widths, multipliers, strict=True)]
        group_widths = [min(g, width) for g, width in zip(group_widths, bottlenecks, strict=True)]
        bottlenecks = [_make_divisible(w, g) for w, g in zip(bottlenecks, group_widths, strict=True)]
        return [int(w / b) for w, b in zip(bottlenecks, multipliers, strict=True)], group_widths

    def _get_expanded_params(self):
        lists = self.widths, self.strides, self.depths, self.group_widths, self.bottleneck_multipliers
        return zip(*lists, strict=True)


class RegNet(nn.Module):
    """Images (N, 3, H, W) in, scores (N, num_classes) out.

    block_params: the stages. stem_type, block_type, norm_layer, activation: make the modules.
    """

    def __init__(
        self, block_params, num_classes=1000, stem_width=32, stem_type=None, block_type=None,
        norm_layer=None, activation=None,
    ):  # fmt: skip
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        block_type = block_type or ResBottleneckBlock
        activation = activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm_layer, activation)
        width = stem_width
        stages = OrderedDict()
        for i, (width_out, stride, depth, group_width, multiplier) in enumerate(
            block_params._get_expanded_params(), 1
        ):
            stages[f"block{i}"] = AnyStage(
                width, width_out, stride, depth, block_type, norm_layer, activation, group_width, multiplier,
                block_params.se_ratio, stage_index=i,
            )  # fmt: skip
            width = width_out
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=width, out_features=num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


def _regnet(line, se_ratio, weights, progress, **kwargs):
    """line: (depth, w_0, w_a, w_m, group_width), see `BlockParams.from_init_params`."""
    params = BlockParams.from_init_params(*line, se_ratio=se_ratio, **kwargs)
    norm_layer = kwargs.pop("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    return build(RegNet, weights, progress, params, norm_layer=norm_layer, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_400MF_Weights.IMAGENET1K_V1))
def regnet_y_400mf(
    *, weights: RegNet_Y_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-400 MF.

    weights: a RegNet_Y_400MF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet((16, 48, 27.89, 2.09, 8), 0.25, RegNet_Y_400MF_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_800MF_Weights.IMAGENET1K_V1))
def regnet_y_800mf(
    *, weights: RegNet_Y_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-800 MF.

    weights: a RegNet_Y_800MF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet((14, 56, 38.84, 2.4, 16), 0.25, RegNet_Y_800MF_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_1_6GF_Weights.IMAGENET1K_V1))
def regnet_y_1_6gf(
    *, weights: RegNet_Y_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-1.6 GF.

    weights: a RegNet_Y_1_6GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (27, 48, 20.71, 2.65, 24), 0.25, RegNet_Y_1_6GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_3_2GF_Weights.IMAGENET1K_V1))
def regnet_y_3_2gf(
    *, weights: RegNet_Y_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-3.2 GF.

    weights: a RegNet_Y_3_2GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (21, 80, 42.63, 2.66, 24), 0.25, RegNet_Y_3_2GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_8GF_Weights.IMAGENET1K_V1))
def regnet_y_8gf(
    *, weights: RegNet_Y_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-8 GF.

    weights: a RegNet_Y_8GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet((17, 192, 76.82, 2.19, 56), 0.25, RegNet_Y_8GF_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_16GF_Weights.IMAGENET1K_V1))
def regnet_y_16gf(
    *, weights: RegNet_Y_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-16 GF.

    weights: a RegNet_Y_16GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (18, 200, 106.23, 2.48, 112), 0.25, RegNet_Y_16GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_Y_32GF_Weights.IMAGENET1K_V1))
def regnet_y_32gf(
    *, weights: RegNet_Y_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-32 GF.

    weights: a RegNet_Y_32GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (20, 232, 115.89, 2.53, 232), 0.25, RegNet_Y_32GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", None))
def regnet_y_128gf(
    *, weights: RegNet_Y_128GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet Y-128 GF.

    weights: a RegNet_Y_128GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (27, 456, 160.83, 2.52, 264), 0.25, RegNet_Y_128GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_400MF_Weights.IMAGENET1K_V1))
def regnet_x_400mf(
    *, weights: RegNet_X_400MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-400 MF.

    weights: a RegNet_X_400MF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (22, 24, 24.48, 2.54, 16), None, RegNet_X_400MF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_800MF_Weights.IMAGENET1K_V1))
def regnet_x_800mf(
    *, weights: RegNet_X_800MF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-800 MF.

    weights: a RegNet_X_800MF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (16, 56, 35.73, 2.28, 16), None, RegNet_X_800MF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_1_6GF_Weights.IMAGENET1K_V1))
def regnet_x_1_6gf(
    *, weights: RegNet_X_1_6GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-1.6 GF.

    weights: a RegNet_X_1_6GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (18, 80, 34.01, 2.25, 24), None, RegNet_X_1_6GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_3_2GF_Weights.IMAGENET1K_V1))
def regnet_x_3_2gf(
    *, weights: RegNet_X_3_2GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-3.2 GF.

    weights: a RegNet_X_3_2GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (25, 88, 26.31, 2.25, 48), None, RegNet_X_3_2GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_8GF_Weights.IMAGENET1K_V1))
def regnet_x_8gf(
    *, weights: RegNet_X_8GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-8 GF.

    weights: a RegNet_X_8GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet((23, 80, 49.56, 2.88, 120), None, RegNet_X_8GF_Weights.verify(weights), progress, **kwargs)


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_16GF_Weights.IMAGENET1K_V1))
def regnet_x_16gf(
    *, weights: RegNet_X_16GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-16 GF.

    weights: a RegNet_X_16GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (22, 216, 55.59, 2.1, 128), None, RegNet_X_16GF_Weights.verify(weights), progress, **kwargs
    )


@register_model()
@handle_legacy_interface(weights=("pretrained", RegNet_X_32GF_Weights.IMAGENET1K_V1))
def regnet_x_32gf(
    *, weights: RegNet_X_32GF_Weights | None = None, progress: bool = True, **kwargs: Any
) -> RegNet:
    """RegNet X-32 GF.

    weights: a RegNet_X_32GF_Weights, its name, or None for random weights; kwargs: RegNet's.
    """
    return _regnet(
        (23, 320, 69.86, 2.0, 168), None, RegNet_X_32GF_Weights.verify(weights), progress, **kwargs
    )
