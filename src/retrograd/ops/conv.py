"""Convolution in one, two and three dimensions, and its transpose.

Three rows per number of dimensions: `conv2d`, and its gradients `conv2d_input` and `conv2d_weight`. Each is
bilinear and its gradients are the other two, so every order exists. The transposed convolution is
`conv2d_input`. Their NumPy forwards copy the windows into a matrix (im2col), a block at a time, and leave the
rest to BLAS.
"""

from ..core.op import Op
from .im2col import convolve, input_gradient, weight_gradient
from .padding import constant_pad_nd
from .pointwise import conj
from .reduce import sum_row
from .shape import permute_row, reshape_row
from .sliding import sizes

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution",
    "conv_tbc",
]  # fmt: skip
METHODS = INPLACE = []


# --- checks -------------------------------------------------------------------------------------------


def _check(x, weight, bias, stride, padding, dilation, groups):
    if x.dtype != weight.dtype or (bias is not None and bias.dtype != x.dtype):
        which, other = ("weight", weight) if x.dtype != weight.dtype else ("bias", bias)
        raise RuntimeError(
            f"input has dtype {x.dtype.name} and {which} {other.dtype.name}; they should be the same: "
            "convert one with .to() [RG040]"
        )
    if weight.ndim != x.ndim:
        raise RuntimeError(
            f"expected a weight of {x.ndim} dimensions, its shape is {list(weight.shape)} [RG058]"
        )
    if groups <= 0 or weight.shape[0] % groups:
        raise RuntimeError(
            f"groups={groups} must be positive and divide {weight.shape[0]}, the output channels [RG060]"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to "
            f"have {weight.shape[1] * groups} channels, but got {x.shape[1]} channels instead [RG051]"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(
            f"Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with "
            f"{weight.shape[0]} elements, but got bias of size {list(bias.shape)} instead [RG059]"
        )
    _check_steps(stride, padding, dilation)
    full = [n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(n < r for n, r in zip(full, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({_by(full)}). Kernel size: ({_by(reach)}). "
            "Kernel size can't be greater than actual input size [RG061]"
        )


def _check_steps(stride, padding, dilation):
    if min(stride) <= 0:
        raise RuntimeError(f"stride must be greater than zero, but got {list(stride)} [RG060]")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation must be greater than zero, but got {list(dilation)} [RG060]")
    if min(padding) < 0:
        raise RuntimeError(f"negative padding is not supported, but got {list(padding)} [RG060]")


def _by(sizes):
    return " x ".join(map(str, sizes))


# --- the rows -----------------------------------------------------------------------------------------


def _convolution(xp, x, weight, bias, stride, padding, dilation, groups):
    _check(x, weight, bias, stride, padding, dilation, groups)
    out = convolve(xp, x, weight, stride, padding, dilation, groups)
    if bias is not None:
        out += bias.reshape(-1, *[1] * (out.ndim - 2))
    return out


def _rows(name):
    """The rows `name`, `name`_input and `name`_weight.

    All parameters after the arrays are tuples, one number per spatial axis, and `groups`. `size` in the
    second is the spatial size of its output (that of the convolution's input), in the third the kernel's.
    """
    conv = Op(
        name, _convolution,
        x=lambda g, weight, x_shape, stride, padding, dilation, groups: (
            conv_input(g, conj(weight), x_shape[2:], stride, padding, dilation, groups)
        ),
        weight=lambda g, x, weight_shape, stride, padding, dilation, groups: (
            conv_weight(g, conj(x), weight_shape[2:], stride, padding, dilation, groups)
        ),
        bias=lambda g: sum_row(g, (0, *range(2, g.ndim)), False),
        jvp=lambda t_x, t_weight, t_bias, x, weight, stride, padding, dilation, groups: (
            conv(t_x, weight, t_bias, stride, padding, dilation, groups)
            + conv(x, t_weight, None, stride, padding, dilation, groups)
        ),
        node="ConvolutionBackward0",
    )  # fmt: skip

    conv_input = Op(
        name + "_input",
        lambda xp, y, weight, size, stride, padding, dilation, groups: (
            input_gradient(xp, y, weight, size, stride, padding, dilation, groups)
        ),
        y=lambda g, weight, stride, padding, dilation, groups: (
            conv(g, conj(weight), None, stride, padding, dilation, groups)
        ),
        weight=lambda g, y, weight_shape, stride, padding, dilation, groups: (
            conv_weight(conj(y), g, weight_shape[2:], stride, padding, dilation, groups)
        ),
        jvp=lambda t_y, t_weight, y, weight, size, stride, padding, dilation, groups: (
            conv_input(t_y, weight, size, stride, padding, dilation, groups)
            + conv_input(y, t_weight, size, stride, padding, dilation, groups)
        ),
        node="ConvolutionBackward0",
    )  # fmt: skip

    conv_weight = Op(
        name + "_weight",
        lambda xp, y, x, size, stride, padding, dilation, groups: (
            weight_gradient(xp, y, x, size, stride, padding, dilation, groups)
        ),
        y=lambda g, x, stride, padding, dilation, groups: (
            conv(conj(x), g, None, stride, padding, dilation, groups)
        ),
        x=lambda g, y, x_shape, stride, padding, dilation, groups: (
            conv_input(conj(y), g, x_shape[2:], stride, padding, dilation, groups)
        ),
        jvp=lambda t_y, t_x, y, x, size, stride, padding, dilation, groups: (
            conv_weight(t_y, x, size, stride, padding, dilation, groups)
            + conv_weight(y, t_x, size, stride, padding, dilation, groups)
        ),
    )  # fmt: skip
    return conv, conv_input, conv_weight


_ROWS = [_rows("conv1d"), _rows("conv2d"), _rows("conv3d")]


# --- public -------------------------------------------------------------------------------------------


def _batched(n, name, input):
    """`input` with a batch axis, and whether it lacked one."""
    if input.ndim == n + 2:
        return input, False
    if input.ndim == n + 1:
        return reshape_row(input, (1, *input.shape)), True
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, "
        f"but got input of size: {list(input.shape)} [RG058]"
    )


def _unbatched(output, lacked):
    return reshape_row(output, output.shape[1:]) if lacked else output


def _conv(n, input, weight, bias, stride, padding, dilation, groups):
    if (
        type(stride) is type(padding) is type(dilation) is tuple
        and len(stride) == len(padding) == len(dilation) == n
        and input.ndim == n + 2
    ):  # what layers give
        return _ROWS[n - 1][0](input, weight, bias, stride, padding, dilation, groups)
    name = f"conv{n}d"
    input, lacked = _batched(n, name, input)
    stride, dilation = sizes(stride, n, "stride"), sizes(dilation, n, "dilation")
    cut = None
    if isinstance(padding, str):
        padding, cut = _named_padding(padding, weight.shape[2:], stride, dilation, name)
    padding = sizes(padding, n, "padding")
    out = _ROWS[n - 1][0](input, weight, bias, stride, padding, dilation, groups)
    return _unbatched(out[cut] if cut else out, lacked)


def _named_padding(padding, kernel, stride, dilation, name):
    """'valid' and 'same' as numbers, and an index that takes off what they add too much.

    Where 'same' needs an odd total, PyTorch pads one more at the end: here both sides get that one more, and
    the first output is dropped.
    """
    if padding == "valid":
        return 0, None
    if padding != "same":
        raise RuntimeError(f"{name}: invalid padding string {padding!r}; expected 'valid' or 'same' [RG060]")
    if max(stride) != 1:
        raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions [RG060]")
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if not any(t % 2 for t in total):
        return tuple(t // 2 for t in total), None
    return tuple((t + 1) // 2 for t in total), (..., *[slice(t % 2, None) for t in total])


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlate `input` (N, C, L) or (C, L) with `weight` (O, C / groups, K)."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlate `input` (N, C, H, W) or (C, H, W) with `weight` (O, C / groups, KH, KW).

    `padding` is a number of zeros on both sides, or 'valid' or 'same'.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlate `input` (N, C, D, H, W) or (C, D, H, W) with `weight` (O, C / groups, KD, KH, KW)."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    name = f"conv_transpose{n}d"
    input, lacked = _batched(n, name, input)
    stride, padding = sizes(stride, n, "stride"), sizes(padding, n, "padding")
    extra, dilation = sizes(output_padding, n, "output_padding"), sizes(dilation, n, "dilation")
    _check_steps(stride, padding, dilation)
    if weight.ndim != n + 2 or input.shape[1] != weight.shape[0]:
        raise RuntimeError(
            f"{name}: Given transposed=1, weight of size {list(weight.shape)}, "
            f"expected "
            f"input{list(input.shape)} to have {weight.shape[0]} channels, but got {input.shape[1]} channels "
            "instead [RG051]"
        )
    if groups <= 0 or weight.shape[0] % groups:
        raise RuntimeError(
            f"{name}: groups={groups} must be positive and divide the {weight.shape[0]} input channels "
            "[RG060]"
        )
    if input.dtype != weight.dtype:
        raise RuntimeError(
            f"{name}: input has dtype {input.dtype} and weight {weight.dtype}; they should be the same "
            "[RG040]"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: output padding must be smaller than either stride or dilation, but got output_padding "
            f"{list(extra)}, stride {list(stride)}, dilation {list(dilation)} [RG060]"
        )
    kernel = weight.shape[2:]
    size = tuple(
        (i - 1) * s - 2 * p + d * (k - 1) + e + 1
        for i, k, s, p, d, e in zip(input.shape[2:], kernel, stride, padding, dilation, extra, strict=True)
    )
    if min(size) < 1:
        raise RuntimeError(f"{name}: the output would have the sizes {list(size)}; it is too small [RG061]")
    more = [
        (z + 2 * p - d * (k - 1) - 1) // s + 1 - i
        for z, i, k, s, p, d in zip(size, input.shape[2:], kernel, stride, padding, dilation, strict=True)
    ]
    if any(more):  # output_padding of a stride or more: as if zeros followed the input
        input = constant_pad_nd(input, [p for m in reversed(more) for p in (0, m)])
    out = _ROWS[n - 1][1](input, weight, size, stride, padding, dilation, groups)
    if bias is not None:
        if tuple(bias.shape) != (out.shape[1],):
            raise RuntimeError(
                f"{name}: expected bias of shape [{out.shape[1]}], but got {list(bias.shape)} [RG059]"
            )
        out = out + reshape_row(bias, (-1, *[1] * n))
    return _unbatched(out, lacked)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv1d as a linear map, from (N, C, L) with `weight` (C, O / groups, K)."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv2d as a linear map, from (N, C, H, W) with `weight` (C, O / groups, KH, KW)."""
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv3d as a linear map, from (N, C, D, H, W); `weight` (C, O / groups, KD, KH, KW)."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Any of the convolutions, by the rank of `weight` and `transposed`."""
    n = weight.ndim - 2
    if transposed:
        return _conv_transpose(n, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return _conv(n, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input, weight, bias, pad=0):
    """conv1d on (time, batch, channel) with `weight` (K, C, O)."""
    out = _conv(1, permute_row(input, (1, 2, 0)), permute_row(weight, (2, 1, 0)), bias, 1, pad, 1, 1)
    return permute_row(out, (2, 0, 1))
