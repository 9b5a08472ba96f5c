"""Convolution layers."""

import math

from ... import kernels
from ...ops import creation
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module


def _tuple(value, n, name):
    """`value`, one int or n of them, as a tuple of n."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    if len(value) != n:
        raise ValueError(f"{name} takes an int or {n} of them, got {value} [RG060]")
    return value


_PADDING_MODES = ["zeros", "reflect", "replicate", "circular"]


class _ConvNd(Module):
    dimensions: int
    transposed = False

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None, output_padding=0,
    ):  # fmt: skip
        super().__init__()
        n = self.dimensions
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, but got {groups} [RG060]")
        if in_channels % groups:
            raise ValueError(
                f"in_channels must be divisible by groups, but got {in_channels} and {groups} [RG060]"
            )
        if out_channels % groups:
            raise ValueError(
                f"out_channels must be divisible by groups, but got {out_channels} and {groups} [RG060]"
            )
        if self.transposed and padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__} [RG060]')
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}' [RG060]"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _tuple(kernel_size, n, "kernel_size")
        self.stride = _tuple(stride, n, "stride")
        self.dilation = _tuple(dilation, n, "dilation")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of 'same', 'valid' [RG060]"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions [RG060]")
            self.padding = padding
        else:
            self.padding = _tuple(padding, n, "padding")
        self.output_padding = _tuple(output_padding, n, "output_padding")
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_for_pad()
        shape = (
            (in_channels, out_channels // groups)
            if self.transposed
            else (out_channels, in_channels // groups)
        )
        self.weight = Parameter(creation.empty((*shape, *self.kernel_size), device=device, dtype=dtype))
        kernels.keep_in_cache(self.weight)
        if bias:
            self.bias = Parameter(creation.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_for_pad(self):
        """The padding as F.pad wants it: before and after, the last dimension first."""
        if self.padding == "valid":
            return [0] * (2 * self.dimensions)
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [n for t in reversed(totals) for n in (t // 2, t - t // 2)]
        return [p for p in reversed(self.padding) for _ in range(2)]

    def reset_parameters(self):
        """Draw the initial values again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _convolve(self, convolve, input):
        kernels.lay_out_weight(self.weight)
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self.dimensions
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self):
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * self.dimensions:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self.dimensions:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self.dimensions:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_ConvNd):
    """Convolution over (N, C, L) or (C, L). weight: (out_channels, in_channels / groups, kernel_size)."""

    dimensions = 1

    def forward(self, input):
        return self._convolve(F.conv1d, input)


class Conv2d(_ConvNd):
    """Convolution over (N, C, H, W) or (C, H, W). weight: (out_channels, in_channels / groups, *kernel)."""

    dimensions = 2

    def forward(self, input):
        return self._convolve(F.conv2d, input)


class Conv3d(_ConvNd):
    """Convolution over (N, C, D, H, W) or (C, D, H, W). weight: as Conv2d's, with three spatial axes."""

    dimensions = 3

    def forward(self, input):
        return self._convolve(F.conv3d, input)


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1,
        bias=True,
        dilation=1, padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
            device, dtype,
            output_padding,
        )  # fmt: skip

    def forward(self, input, output_size=None):
        """output_size: the wanted spatial shape, where the stride leaves a choice."""
        kernels.lay_out_weight(self.weight)
        extra = self.output_padding if output_size is None else self._output_padding_for(input, output_size)
        return self.convolve(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding_for(self, input, output_size):
        n = self.dimensions
        wanted = tuple(output_size)
        if len(wanted) not in (n, input.ndim):
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {n} or {input.ndim} "
                "elements "
                f"(got {len(wanted)}) [RG060]"
            )
        wanted = wanted[-n:]
        layout = zip(
            input.shape[-n:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
        )
        smallest = [(i - 1) * s - 2 * p + d * (k - 1) + 1 for i, s, p, d, k in layout]
        extra = tuple(w - m for w, m in zip(wanted, smallest, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            largest = [m + s - 1 for m, s in zip(smallest, self.stride, strict=True)]
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {smallest} to {largest} "
                "(for an "
                f"input of {list(input.shape)}) [RG060]"
            )
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over (N, C, L). weight: (in_channels, out_channels / groups, kernel_size)."""

    dimensions = 1
    convolve = staticmethod(lambda *args: F.conv_transpose1d(*args))


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over (N, C, H, W). weight: (in_channels, out_channels / groups, *kernel)."""

    dimensions = 2
    convolve = staticmethod(lambda *args: F.conv_transpose2d(*args))


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over (N, C, D, H, W). weight: as ConvTranspose2d's, with three spatial axes."""

    dimensions = 3
    convolve = staticmethod(lambda *args: F.conv_transpose3d(*args))
