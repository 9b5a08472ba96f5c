"""The gradients of convolutions as functions: of the input, and of the weight."""

from ..core.tensor import Tensor
from ..ops.conv import _ROWS
from ..ops.sliding import sizes


def conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv1d`'s input, of shape `input_size` (N, C, L), from that of its output."""
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv1d`'s weight, of shape `weight_size`, from that of its output."""
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv2d`'s input, of shape `input_size` (N, C, H, W), from that of its output."""
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv2d`'s weight, of shape `weight_size`, from that of its output."""
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups)


def conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv3d`'s input, of shape `input_size` (N, C, D, H, W), from that of its output."""
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


def conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv3d`'s weight, of shape `weight_size`, from that of its output."""
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups)


def _input(n, size, weight, grad, stride, padding, dilation, groups):
    _check(n, "conv{}d_input", size, weight, grad)
    return _ROWS[n - 1][1](grad, weight, tuple(size[2:]), *_by_axis(n, stride, padding, dilation), groups)


def _weight(n, input, size, grad, stride, padding, dilation, groups):
    _check(n, "conv{}d_weight", size, input, grad)
    return _ROWS[n - 1][2](grad, input, tuple(size[2:]), *_by_axis(n, stride, padding, dilation), groups)


def _by_axis(n, *options):  # stride, padding, dilation
    names = ("stride", "padding", "dilation")
    return [sizes(option, n, name) for option, name in zip(options, names, strict=True)]


def _check(n, name, size, *tensors):
    if len(size) != n + 2 or any(not isinstance(t, Tensor) or t.ndim != n + 2 for t in tensors):
        shapes = [list(getattr(t, "shape", ())) for t in tensors]
        raise ValueError(
            f"{name.format(n)}: expected sizes of {n + 2} numbers, a batch and channels among them, but got "
            f"{list(size)} and tensors of the shapes {shapes} [RG058]"
        )
