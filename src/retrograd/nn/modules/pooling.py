"""Pooling layers."""

from .. import functional as F
from .module import Module


class _MaxPool(Module):
    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self.pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )  # fmt: skip

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest of each window of (N, C, L) or (C, L)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool1d(*args, **kwargs))


class MaxPool2d(_MaxPool):
    """The largest of each window of (N, C, H, W) or (C, H, W)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool2d(*args, **kwargs))


class MaxPool3d(_MaxPool):
    """The largest of each window of (N, C, D, H, W) or (C, D, H, W)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool3d(*args, **kwargs))


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L)."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        single = lambda v: (v,) if isinstance(v, int) else tuple(v)  # noqa: E731
        self.kernel_size = single(kernel_size)
        self.stride = single(stride if stride is not None else kernel_size)
        self.padding = single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        return self.pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W) or (C, H, W)."""

    pool = staticmethod(lambda *args: F.avg_pool2d(*args))


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""

    pool = staticmethod(lambda *args: F.avg_pool3d(*args))


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return self.pool(input, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows chosen so that the output has length `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool1d(*args))


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows chosen so that the output has the height and width `output_size` (None: as the input)."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool2d(*args))


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows chosen so that the output has the depth, height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool3d(*args))


class _AdaptiveMaxPool(Module):
    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return self.pool(input, self.output_size, self.return_indices)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over windows chosen so that the output has length `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool1d(*args))


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over windows chosen so that the output has the height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool2d(*args))


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maxima over windows chosen so that the output has the depth, height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool3d(*args))


class _LPPool(Module):
    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self.pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool1d(*args))


class LPPool2d(_LPPool):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool2d(*args))


class LPPool3d(_LPPool):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool3d(*args))
