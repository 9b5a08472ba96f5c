"""Pooling layers."""

from .. import functional as F
from .module import Module
from .utils import _ntuple, _single


class _MaxPoolNd(Module):
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
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest of each window of (N, C, L) or (C, L)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool1d(*args, **kwargs))


class MaxPool2d(_MaxPoolNd):
    """The largest of each window of (N, C, H, W) or (C, H, W)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool2d(*args, **kwargs))


class MaxPool3d(_MaxPoolNd):
    """The largest of each window of (N, C, D, H, W) or (C, D, H, W)."""

    pool = staticmethod(lambda *args, **kwargs: F.max_pool3d(*args, **kwargs))


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L)."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = _single(stride if stride is not None else kernel_size)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPoolNd(Module):
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


class AvgPool2d(_AvgPoolNd):
    """The mean of each window of (N, C, H, W) or (C, H, W)."""

    pool = staticmethod(lambda *args: F.avg_pool2d(*args))


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""

    pool = staticmethod(lambda *args: F.avg_pool3d(*args))


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return self.pool(input, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has length `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool1d(*args))


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has height and width `output_size`; None: the input's."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool2d(*args))


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has the depth, height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_avg_pool3d(*args))


class _AdaptiveMaxPoolNd(Module):
    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input):
        return self.pool(input, self.output_size, self.return_indices)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has length `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool1d(*args))


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has the height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool2d(*args))


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has the depth, height and width `output_size`."""

    pool = staticmethod(lambda *args: F.adaptive_max_pool3d(*args))


class _LPPoolNd(Module):
    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input):
        return self.pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool1d(*args))


class LPPool2d(_LPPoolNd):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool2d(*args))


class LPPool3d(_LPPoolNd):
    """(sum of x^p over each window)^(1/p), p = norm_type."""

    pool = staticmethod(lambda *args: F.lp_pool3d(*args))


class _MaxUnpoolNd(Module):
    dimensions: int

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        each = _ntuple(self.dimensions)
        self.kernel_size = each(kernel_size)
        self.stride = each(stride if stride is not None else kernel_size)
        self.padding = each(padding)

    def forward(self, input, indices, output_size=None):
        """indices: what max pooling returned with return_indices=True. output_size: the shape before it."""
        return self.unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the values of MaxPool1d back to where they came from, among zeros."""

    dimensions = 1
    unpool = staticmethod(lambda *args: F.max_unpool1d(*args))


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the values of MaxPool2d back to where they came from, among zeros."""

    dimensions = 2
    unpool = staticmethod(lambda *args: F.max_unpool2d(*args))


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the values of MaxPool3d back to where they came from, among zeros."""

    dimensions = 3
    unpool = staticmethod(lambda *args: F.max_unpool3d(*args))


class _FractionalMaxPoolNd(Module):
    dimensions: int

    def __init__(
        self, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
    ):
        super().__init__()
        each, name = _ntuple(self.dimensions), type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio [RG120]")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"{name}: only one of output_size and output_ratio may be specified [RG120]")
        if output_ratio is not None and not all(0 < r < 1 for r in each(output_ratio)):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio}) [RG049]")
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else each(output_size)
        self.output_ratio = None if output_ratio is None else each(output_ratio)

    def forward(self, input):
        return self.pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima over windows at random, evenly spaced places of (N, C, H, W) (Graham 2014).

    Give output_size, or output_ratio: the output's size over the input's.
    """

    dimensions = 2
    pool = staticmethod(lambda *args: F.fractional_max_pool2d(*args))


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima over windows at random, evenly spaced places of (N, C, D, H, W); see FractionalMaxPool2d."""

    dimensions = 3
    pool = staticmethod(lambda *args: F.fractional_max_pool3d(*args))
