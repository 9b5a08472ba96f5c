"""Small compositions of layers: convolution with normalisation and activation, squeeze-excitation, MLP."""

import warnings

import retrograd
from retrograd import nn

__all__ = [
    "Conv2dNormActivation", "Conv3dNormActivation", "FrozenBatchNorm2d", "MLP", "Permute",
    "SqueezeExcitation",
]  # fmt: skip


class FrozenBatchNorm2d(nn.Module):
    """BatchNorm2d with fixed statistics and fixed weights, which are buffers."""

    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", retrograd.ones(num_features))
        self.register_buffer("bias", retrograd.zeros(num_features))
        self.register_buffer("running_mean", retrograd.zeros(num_features))
        self.register_buffer("running_var", retrograd.ones(num_features))

    def _load_from_state_dict(self, state_dict, prefix, *args):
        state_dict.pop(prefix + "num_batches_tracked", None)  # a BatchNorm2d's checkpoint fits
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x):
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self):
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


def _per_dimension(value, dims):
    return (value,) * dims if isinstance(value, int) else tuple(value)


def _same_padding(kernel_size, dilation):
    """The padding that keeps the size at stride 1, for odd kernels."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    dims = len(dilation if isinstance(kernel_size, int) else kernel_size)
    sizes, spacings = _per_dimension(kernel_size, dims), _per_dimension(dilation, dims)
    return tuple((k - 1) // 2 * d for k, d in zip(sizes, spacings, strict=True))


class ConvNormActivation(nn.Sequential):
    """The base of the two classes below: `conv_layer` is its kind of convolution."""

    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, groups=1,
        norm_layer=nn.BatchNorm2d, activation_layer=nn.ReLU, dilation=1, inplace=True, bias=None,
        conv_layer=nn.Conv2d,
    ):  # fmt: skip
        if padding is None:
            padding = _same_padding(kernel_size, dilation)
        if bias is None:
            bias = norm_layer is None  # a norm's own shift makes it superfluous
        layers = [
            conv_layer(
                in_channels, out_channels, kernel_size, stride, padding,
                dilation=dilation, groups=groups, bias=bias,
            )
        ]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels
        if type(self) is ConvNormActivation:
            warnings.warn(
                "ConvNormActivation is a base class; use Conv2dNormActivation or Conv3dNormActivation",
                stacklevel=2,
            )


class Conv2dNormActivation(ConvNormActivation):
    """A convolution, a normalisation and an activation, in a row; either of the last two may be None.

    padding: by default such that an odd kernel keeps the size. bias: by default only without `norm_layer`.
    inplace: passed to `activation_layer`, unless None.
    """

    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, groups=1,
        norm_layer=nn.BatchNorm2d, activation_layer=nn.ReLU, dilation=1, inplace=True, bias=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups,
            norm_layer, activation_layer, dilation, inplace, bias, nn.Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """`Conv2dNormActivation` for volumes."""

    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, padding=None, groups=1,
        norm_layer=nn.BatchNorm3d, activation_layer=nn.ReLU, dilation=1, inplace=True, bias=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups,
            norm_layer, activation_layer, dilation, inplace, bias, nn.Conv3d,
        )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Channels scaled by weights computed from the channels' means (Hu et al. 2017).

    squeeze_channels: the width between the two 1x1 convolutions. activation, scale_activation: make the
    layers after the first and the second.
    """

    def __init__(
        self, input_channels, squeeze_channels, activation=nn.ReLU, scale_activation=nn.Sigmoid
    ):  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, input):
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed))

    def forward(self, input):
        return self._scale(input) * input


class MLP(nn.Sequential):
    """Linear layers of the widths `hidden_channels`, each but the last followed by norm and activation.

    norm_layer: none if None. inplace: passed to activations and dropouts, unless None.
    """

    def __init__(
        self, in_channels, hidden_channels, norm_layer=None, activation_layer=nn.ReLU, inplace=None,
        bias=True, dropout=0.0,
    ):  # fmt: skip
        options = {} if inplace is None else {"inplace": inplace}
        layers = []
        widths = [in_channels, *hidden_channels]
        last = len(hidden_channels) - 1
        for i, width in enumerate(hidden_channels):
            layers.append(nn.Linear(widths[i], width, bias=bias))
            if i < last:
                if norm_layer is not None:
                    layers.append(norm_layer(width))
                layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
        super().__init__(*layers)


class Permute(nn.Module):
    """`permute` as a layer."""

    def __init__(self, dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return retrograd.permute(x, self.dims)
