"""The compiled kernels, registered for the rows they serve: importing this does it, where there are any.

Convolution, pooling and batch norm read any layout, but work on channels-last memory: NCHW shapes with the
strides of NHWC. Their results are laid out so, and what follows sees only shapes. Convolution weights are
best kept as OHWI in the same way (`channels_last`): forward and both gradients then read them as they are.
"""

import functools
from math import prod

import numpy as np

from ..core.op import TABLE, kernel
from . import describe, empty_like, native

if native is None:
    raise ImportError(f"there are no compiled kernels to register ({describe()}) [RG140]")

FLOATS = "fd"  # the dtypes, by NumPy's letters, that the kernels are compiled for
SMALL = 1 << 13  # elements below which NumPy's own loop is over before a kernel has started


# --- memory --------------------------------------------------------------------------------------


def channels_last(shape, like):
    """A new array of shape (N, C, ...) and of the dtype of `like` whose channels are contiguous."""
    return native.empty(shape, like, True)


def ready(x, *others):
    """Whether the kernels take these arrays (None: absent): float32 or float64, alike, of ordinary memory."""
    if type(x) is not np.ndarray or x.dtype.char not in FLOATS or not x.flags.aligned:
        return False
    for y in others:
        if y is not None and (type(y) is not np.ndarray or y.dtype != x.dtype or not y.flags.aligned):
            return False
    return True


# --- convolution ---------------------------------------------------------------------------------


def _fits(x, weight, bias, stride, padding, dilation, groups):
    """Whether the kernels do this convolution; a wrong one is left to the row, which explains it."""
    return (
        ready(x, weight, bias)
        and (bias is None or bias.shape == weight.shape[:1])
        and _conv_shape(x.shape, weight.shape, stride, padding, dilation, groups) is not None
    )


@functools.lru_cache(512)
def _conv_shape(x, weight, stride, padding, dilation, groups):
    """The shape of a convolution of these shapes, None where the kernels don't do it."""
    if (
        groups <= 0
        or x[1] != weight[1] * groups
        or weight[0] % groups
        or (groups > 1 and weight[1] == 1)  # one channel per group: the row goes tap by tap, which is faster
        or min(stride) <= 0
        or min(dilation) <= 0
        or min(padding) < 0
        or min(weight[2:]) <= 0
    ):
        return None
    size = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x[2:], weight[2:], stride, padding, dilation, strict=True)
    )
    return (x[0], weight[0], *size) if min(size) > 0 else None


def _input_fits(y, weight, size, stride, padding, dilation, groups):
    return ready(y, weight) and (groups == 1 or weight.shape[1] > 1)


def _weight_fits(y, x, size, stride, padding, dilation, groups):
    return ready(y, x) and (groups == 1 or x.shape[1] > groups)


@kernel("conv2d", when=lambda x, weight, *rest: x.ndim == weight.ndim == 4 and _fits(x, weight, *rest))
def conv2d(x, weight, bias, stride, padding, dilation, groups):
    out = channels_last(_conv_shape(x.shape, weight.shape, stride, padding, dilation, groups), x)
    native.conv2d_forward(x, weight, bias, out, stride, padding, dilation, groups)
    return out


@kernel("conv2d_input", when=_input_fits)
def conv2d_input(y, weight, size, stride, padding, dilation, groups):
    out = channels_last((y.shape[0], weight.shape[1] * groups, *size), y)
    native.conv2d_input_gradient(y, weight, out, stride, padding, dilation, groups)
    return out


@kernel("conv2d_weight", when=_weight_fits)
def conv2d_weight(y, x, size, stride, padding, dilation, groups):
    out = channels_last((y.shape[1], x.shape[1] // groups, *size), y)
    native.conv2d_weight_gradient(y, x, out, stride, padding, dilation, groups)
    return out


def _flat(numbers, filling):
    """A number per axis of one axis, for two: the image has one row."""
    return (filling, *numbers)


@kernel("conv1d", when=lambda x, weight, *rest: x.ndim == weight.ndim == 3 and _fits(x, weight, *rest))
def conv1d(x, weight, bias, stride, padding, dilation, groups):
    two = _flat(stride, 1), _flat(padding, 0), _flat(dilation, 1), groups
    return conv2d(x[:, :, None], weight[:, :, None], bias, *two)[:, :, 0]


@kernel("conv1d_input", when=_input_fits)
def conv1d_input(y, weight, size, stride, padding, dilation, groups):
    two = _flat(size, 1), _flat(stride, 1), _flat(padding, 0), _flat(dilation, 1), groups
    return conv2d_input(y[:, :, None], weight[:, :, None], *two)[:, :, 0]


@kernel("conv1d_weight", when=_weight_fits)
def conv1d_weight(y, x, size, stride, padding, dilation, groups):
    two = _flat(size, 1), _flat(stride, 1), _flat(padding, 0), _flat(dilation, 1), groups
    return conv2d_weight(y[:, :, None], x[:, :, None], *two)[:, :, 0]


# --- normalisation -------------------------------------------------------------------------------


def _channels_ready(x, *channels):
    return ready(x, *channels) and 2 <= x.ndim <= 8 and x.size > 0


@kernel("batch_norm", when=lambda x, weight, bias, eps: _channels_ready(x, weight, bias))
def batch_norm(x, weight, bias, eps):
    mean, var = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    out = channels_last(x.shape, x)
    native.batch_norm_forward(x, mean, var, eps, _run(weight), _run(bias), out, True)
    return out, mean, var


def _inverse(var, eps):
    return (var + eps) ** -0.5


def _run(value):
    """One number per channel or per element of a row, as contiguous memory."""
    return value if value is None or value.flags.c_contiguous else np.ascontiguousarray(value)


def _runs(*values):
    return [_run(v) for v in values]


@kernel(
    "batch_norm_eval",
    when=lambda x, weight, bias, mean, var, eps: _channels_ready(x, weight, bias, mean, var),
)
def batch_norm_eval(x, weight, bias, mean, var, eps):
    out = channels_last(x.shape, x)
    native.batch_norm_forward(x, _run(mean), _run(var), eps, _run(weight), _run(bias), out, False)
    return out


@kernel(
    "batch_norm_backward",
    when=lambda g, g_mean, g_var, needs, x, weight, mean, var, eps: (
        g is not None and g_mean is None and g_var is None and _channels_ready(x, g, weight, mean, var)
    ),
)
def batch_norm_backward(g, g_mean, g_var, needs, x, weight, mean, var, eps):
    gx = channels_last(x.shape, x) if needs[0] else None
    gw, gb = (np.empty(x.shape[1], x.dtype) if needed else None for needed in needs[1:])
    native.batch_norm_gradient(g, x, _run(mean), _run(var), eps, _run(weight), gx, gw, gb, True)
    return gx, gw, gb


def _last_ready(x, kept, *others):
    return ready(x, *others) and x.ndim <= 8 and x.size > 0 and kept > 0


LONGEST = 1 << 16  # elements of a row that layer_norm's kernel sums in running sums without losing digits


@kernel(
    "layer_norm",
    when=lambda x, weight, bias, kept, eps: (
        _last_ready(x, kept, weight, bias) and prod(x.shape[x.ndim - kept :]) <= LONGEST
    ),
)
def layer_norm(x, weight, bias, kept, eps):
    rows = x.shape[: x.ndim - kept]
    flat, weight, bias = (_flattened(a, kept) for a in (x, weight, bias))
    out, mean, var = native.empty(flat.shape, x), np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    native.layer_norm(flat, *_runs(weight, bias), eps, out, mean, var)
    return out.reshape(x.shape), mean.reshape(*rows, *[1] * kept), var.reshape(*rows, *[1] * kept)


@kernel(
    "layer_norm_backward",
    when=lambda g, g_mean, g_var, needs, x, weight, mean, var, kept, eps: (
        g is not None and g_mean is None and g_var is None and _last_ready(x, kept, g, weight, mean, var)
    ),
)
def layer_norm_backward(g, g_mean, g_var, needs, x, weight, mean, var, kept, eps):
    rows, last = x.shape[: x.ndim - kept], x.shape[x.ndim - kept :]
    flat_g, flat, flat_weight = (_flattened(a, kept) for a in (g, x, weight))
    gx = native.empty(flat.shape, x) if needs[0] else None
    gw, gb = (np.empty(flat.shape[-1], x.dtype) if needed else None for needed in needs[1:])
    mean, invstd = mean.reshape(rows), _inverse(var, eps).reshape(rows)
    native.layer_norm_gradient(flat_g, flat, *_runs(mean, invstd, flat_weight), gx, gw, gb)
    return tuple(a if a is None else a.reshape(s) for a, s in ((gx, x.shape), (gw, last), (gb, last)))


def _flattened(x, kept):
    """`x` with its last `kept` axes made one."""
    if x is None or kept == 1:
        return x
    return x.reshape(*x.shape[: x.ndim - kept], prod(x.shape[x.ndim - kept :]))


# --- softmax -------------------------------------------------------------------------------------


def _softmax_ready(x, axis):
    return ready(x) and 0 < x.ndim <= 8 and axis == x.ndim - 1 and x.size > 0


@kernel("softmax", when=_softmax_ready)
def softmax(x, axis):
    out = native.empty(x.shape, x)
    native.softmax(x, out, False)
    return out


@kernel("log_softmax", when=_softmax_ready)
def log_softmax(x, axis):
    out = native.empty(x.shape, x)
    native.softmax(x, out, True)
    return out


# --- pooling -------------------------------------------------------------------------------------


_INDICES = np.empty(0, np.int64)


def _images(x):
    """(C, H, W) as a batch of one."""
    return x[None] if x.ndim == 3 else x


def _images_ready(x):
    return ready(x) and x.ndim in (3, 4) and x.size > 0


def _pooled_size(size, window, stride, padding, dilation, ceil_mode):
    out = []
    for n, k, s, p, d in zip(size, window, stride, padding, dilation, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        windows = (-(-span // s) if ceil_mode else span // s) + 1
        if (
            ceil_mode and (windows - 1) * s >= n + p
        ):  # the last must start inside the image or its left padding
            windows -= 1
        out.append(windows)
    return tuple(out)


def _one_inside(n, k, s, p, d, windows):
    """Whether every window along one axis has an element inside the image."""
    return all(any(0 <= i * s - p + j * d < n for j in range(k)) for i in (0, windows - 1))


def _max_pool_ready(x, window, stride, padding, dilation, ceil_mode):
    if not _images_ready(x):
        return False
    size = x.shape[-2:]
    out = _pooled_size(size, window, stride, padding, dilation, ceil_mode)
    return all(map(_one_inside, size, window, stride, padding, dilation, out))


@kernel("max_pool2d", when=_max_pool_ready)
def max_pool2d(x, window, stride, padding, dilation, ceil_mode):
    images = _images(x)
    size = _pooled_size(images.shape[2:], window, stride, padding, dilation, ceil_mode)
    shape = (*images.shape[:2], *size)
    out, indices = channels_last(shape, x), channels_last(shape, _INDICES)
    native.max_pool2d(images, out, indices, window, stride, padding, dilation)
    return (out[0], indices[0]) if x.ndim == 3 else (out, indices)


@kernel("pool_place", when=lambda y, indices, size: len(size) == 2 and _images_ready(y))
def pool_place(y, indices, size):
    images = _images(y)
    out = channels_last((*images.shape[:2], *size), y)
    native.max_pool2d_gradient(images, _images(indices), out)
    return out[0] if y.ndim == 3 else out


def _bounds(size, window, stride, padding, out, count_include_pad):
    """Of the windows along one axis: [start, end) inside the image, and how many elements each counts."""
    start = np.arange(out) * stride - padding
    end = np.minimum(start + window, size + padding)
    inside = np.stack([np.maximum(start, 0), np.minimum(end, size)], 1)
    inside[:, 1] = np.maximum(inside[:, 0], inside[:, 1])
    return inside, end - start if count_include_pad else inside[:, 1] - inside[:, 0]


def _average_windows(size, window, stride, padding, ceil_mode, count_include_pad, divisor):
    out = _pooled_size(size, window, stride, padding, (1, 1), ceil_mode)
    rows, columns = (
        _bounds(n, k, s, p, o, count_include_pad)
        for n, k, s, p, o in zip(size, window, stride, padding, out, strict=True)
    )
    counts = np.multiply.outer(rows[1], columns[1]).astype(float)
    return rows[0], columns[0], counts if divisor is None else np.full(out, float(divisor))


def _adaptive_windows(size, out):
    rows, columns = (
        np.array([[i * n // o, -(-(i + 1) * n // o)] for i in range(o)])
        for n, o in zip(size, out, strict=True)
    )
    return (
        rows,
        columns,
        np.multiply.outer(rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]).astype(float),
    )


def _average(x, windows):
    images = _images(x)
    out = channels_last((*images.shape[:2], *windows[2].shape), x)
    native.average_pool2d(images, *windows, out)
    return out[0] if x.ndim == 3 else out


def _average_gradient(y, size, windows):
    images = _images(y)
    out = channels_last((*images.shape[:2], *size), y)
    native.average_pool2d_gradient(images, *windows, out)
    return out[0] if y.ndim == 3 else out


@kernel("avg_pool", when=lambda x, window, *rest: len(window) == 2 and _images_ready(x))
def avg_pool(x, *how):
    return _average(x, _average_windows(x.shape[-2:], *how))


@kernel("avg_pool_input", when=lambda y, size, *rest: len(size) == 2 and _images_ready(y))
def avg_pool_input(y, size, *how):
    return _average_gradient(y, size, _average_windows(size, *how))


@kernel("adaptive_avg_pool2d", when=lambda x, size: _images_ready(x) and min(size) > 0)
def adaptive_avg_pool2d(x, size):
    return _average(x, _adaptive_windows(x.shape[-2:], size))


@kernel("adaptive_avg_pool_input", when=lambda y, size: len(size) == 2 and _images_ready(y) and min(size) > 0)
def adaptive_avg_pool_input(y, size):
    return _average_gradient(y, size, _adaptive_windows(size, y.shape[-2:]))


# --- elementwise ---------------------------------------------------------------------------------


@kernel("relu", when=ready, least=SMALL)
def relu(x):
    out = empty_like(x)
    native.relu(x, out)
    return out


def _binary(name, symbol):
    @kernel(name, when=lambda x, y: ready(x, y) and x.shape == y.shape, least=SMALL)
    def binary(x, y):
        out = empty_like(x)
        native.binary(symbol, x, y, out)
        return out


for _name, _symbol in (("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/")):
    _binary(_name, _symbol)


@kernel(
    "masked",
    when=lambda x, mask: (
        ready(x) and type(mask) is np.ndarray and mask.dtype.char == "?" and mask.shape == x.shape
    ),
    least=SMALL,
)
def masked(x, mask):
    out = empty_like(x)
    native.masked(x, mask, out)
    return out


# --- losses --------------------------------------------------------------------------------------


def _classes_ready(x, target, weight):
    return ready(x, weight) and type(target) is np.ndarray and target.ndim == 1 and target.dtype == np.int64


@kernel("nll_loss", when=lambda x, target, weight, *rest: x.ndim == 2 and _classes_ready(x, target, weight))
def nll_loss(x, target, weight, ignore_index, reduction):
    out = np.empty(x.shape[:1] if reduction == "none" else (), x.dtype)
    if native.nll_loss(x, target, weight, ignore_index, out, reduction == "mean"):
        return out
    # A target is no class: the row says which.
    return TABLE["nll_loss"].forward(np, x, target, weight, ignore_index, reduction)


@kernel(
    "nll_loss_backward",
    when=lambda y, target, weight, shape, *rest: len(shape) == 2 and _classes_ready(y, target, weight),
)
def nll_loss_backward(y, target, weight, shape, ignore_index, reduction):
    out = np.empty(shape, y.dtype)
    if native.nll_loss_gradient(y, target, weight, ignore_index, out, reduction == "mean"):
        return out
    return TABLE["nll_loss_backward"].forward(np, y, target, weight, shape, ignore_index, reduction)


# --- views ---------------------------------------------------------------------------------------


@kernel("broadcast_to", when=lambda x, shape: type(x) is np.ndarray and x.ndim <= len(shape) <= 8)
def broadcast_to(x, shape):
    out = native.expand(x, shape)
    return TABLE["broadcast_to"].forward(np, x, shape) if out is None else out
