"""The compiled kernels, registered for the rows they serve: importing this does it, where there are any.

Convolution, pooling and batch norm read any layout, but work on channels-last memory: NCHW shapes with the
strides of NHWC. Their results are laid out so, and what follows sees only shapes. Convolution weights are
best kept as OHWI in the same way (`channels_last`): forward and both gradients then read them as they are.
"""

import functools
from math import prod

import numpy as np

from ..core.deferred import deferral
from ..core.op import TABLE, kernel
from . import describe, native

if native is None:
    raise ImportError(f"there are no compiled kernels to register ({describe()}) [RG140]")

FLOATS = "fd"  # the dtypes, by NumPy's letters, that the kernels are compiled for


# --- memory --------------------------------------------------------------------------------------


def channels_last(shape, like):
    """A new array of shape (N, C, ...) and of the dtype of `like` whose channels are contiguous."""
    return native.empty(shape, like, True)


def fill(out, x):
    """out[...] = x, by all threads where the compiled copy takes these arrays."""
    if not native.copy_into(out, x):
        out[...] = x


def ready(x, *others):
    """Whether the kernels take these arrays (None: absent): float32 or float64, alike, of ordinary memory."""
    if type(x) is not np.ndarray or x.dtype.char not in FLOATS or not x.flags.aligned:
        return False
    for y in others:
        if y is not None and (type(y) is not np.ndarray or y.dtype != x.dtype or not y.flags.aligned):
            return False
    return True


# --- those that take no Python: native/row_kernels.cpp says what each takes ------------------------

for _name, _function in native.row_kernels.items():
    kernel(_name)(_function)

# --- convolution over one axis ---------------------------------------------------------------------


def _one_row(name, function):
    """The kernel of a convolution over one axis: that over two, of images of one row."""

    @kernel(name)
    def of_one_row(*arguments):
        *arrays, stride, padding, dilation, groups = arguments
        if any(a is not None and (type(a) is not np.ndarray or a.ndim != 3) for a in arrays[:2]):
            return NotImplemented
        arrays[:2] = [a[:, :, None] for a in arrays[:2]]
        if name != "conv1d":
            arrays[2] = (1, *arrays[2])  # the size, not a bias
        out = function(*arrays, (1, *stride), (0, *padding), (1, *dilation), groups)
        return out if out is NotImplemented else out[:, :, 0]


for _name in ("conv1d", "conv1d_input", "conv1d_weight"):
    _one_row(_name, native.row_kernels[_name.replace("1", "2")])


@deferral("conv2d", "weight")
def conv2d_weight_factors(g, x, weight_shape, stride, padding, dilation, groups):
    if not ready(g, x) or x.ndim != 4 or groups != 1:
        return None
    return native.weight_factors(g, x, weight_shape, stride, padding, dilation, groups)


# --- linear layers -------------------------------------------------------------------------------

ONE_PASS = 256  # rows that native/matmul.cpp sums up in one pass: the same bits as by the factors


@deferral("linear", "weight")
def linear_weight_factors(g, x, weight_shape):
    if not ready(g, x) or min(g.ndim, x.ndim) < 2 or not (g.flags.c_contiguous and x.flags.c_contiguous):
        return None
    rows = prod(g.shape[:-1])
    if not 0 < rows <= ONE_PASS or min(weight_shape) < 16:
        return None
    rows_of = [a.reshape(rows, a.shape[-1]) for a in (g, x)]
    return native.weight_factors(*rows_of, weight_shape, (1, 1), (0, 0), (1, 1), 1)


# --- normalisation -------------------------------------------------------------------------------


def _inverse(var, eps):
    return (var + eps) ** -0.5


def _run(value):
    """One number per channel or per element of a row, as contiguous memory."""
    return value if value is None or value.flags.c_contiguous else np.ascontiguousarray(value)


def _runs(*values):
    return [_run(v) for v in values]


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


# --- pooling -------------------------------------------------------------------------------------


_BYTES, _WORDS = np.empty(0, np.uint8), np.empty(0, np.int32)


def _images(x):
    """(C, H, W) as a batch of one."""
    return x[None] if x.ndim == 3 else x


def _images_ready(x):
    return ready(x) and x.ndim in (3, 4) and x.size > 0


@functools.lru_cache(512)
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


def _max_pool_ready(x, window, *how):
    return _images_ready(x) and _all_inside(x.shape[-2:], window, *how)


@functools.lru_cache(512)
def _all_inside(size, window, stride, padding, dilation, ceil_mode):
    """Whether every window has an element inside the image."""
    out = _pooled_size(size, window, stride, padding, dilation, ceil_mode)
    return all(map(_one_inside, size, window, stride, padding, dilation, out))


@kernel("max_pool2d", when=_max_pool_ready)
def max_pool2d(x, window, stride, padding, dilation, ceil_mode):
    images = _images(x)
    size = _pooled_size(images.shape[2:], window, stride, padding, dilation, ceil_mode)
    shape = (*images.shape[:2], *size)
    out, which = channels_last(shape, x), channels_last(shape, _BYTES if prod(window) <= 256 else _WORDS)
    native.max_pool2d(images, out, which, window, stride, padding, dilation)
    return (out[0], which[0]) if x.ndim == 3 else (out, which)


@kernel("max_pool_input", when=lambda y, which, size, *how: len(size) == 2 and _images_ready(y))
def max_pool_input(y, which, size, *how):
    images = _images(y)
    out = channels_last((*images.shape[:2], *size), y)
    native.max_pool2d_gradient(images, _images(which), out, *how)
    return out[0] if y.ndim == 3 else out


@kernel("pool_place", when=lambda y, indices, size: len(size) == 2 and _images_ready(y))
def pool_place(y, indices, size):
    images = _images(y)
    out = channels_last((*images.shape[:2], *size), y)
    native.pool_place(images, _images(indices), out)
    return out[0] if y.ndim == 3 else out


def _bounds(size, window, stride, padding, out, count_include_pad):
    """Of the windows along one axis: [start, end) inside the image, and how many elements each counts."""
    start = np.arange(out) * stride - padding
    end = np.minimum(start + window, size + padding)
    inside = np.stack([np.maximum(start, 0), np.minimum(end, size)], 1)
    inside[:, 1] = np.maximum(inside[:, 0], inside[:, 1])
    return inside, end - start if count_include_pad else inside[:, 1] - inside[:, 0]


@functools.lru_cache(512)
def _average_windows(size, window, stride, padding, ceil_mode, count_include_pad, divisor):
    out = _pooled_size(size, window, stride, padding, (1, 1), ceil_mode)
    rows, columns = (
        _bounds(n, k, s, p, o, count_include_pad)
        for n, k, s, p, o in zip(size, window, stride, padding, out, strict=True)
    )
    counts = np.multiply.outer(rows[1], columns[1]).astype(float)
    return rows[0], columns[0], counts if divisor is None else np.full(out, float(divisor))


@functools.lru_cache(512)
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


# --- parts ---------------------------------------------------------------------------------------


@kernel("uncut", when=lambda shape, axis, sizes, given, *parts: all(given) and ready(*parts))
def uncut(shape, axis, sizes, given, *parts):
    strides = parts[0].strides
    last = len(shape) > 2 and strides[1] == parts[0].itemsize and shape[1] > 1
    order = (strides[0], *strides[2:], strides[1]) if last else strides
    if any(a < b for a, b in zip(order, order[1:], strict=False)):
        return NotImplemented
    out, start, lead = native.empty(shape, parts[0], last), 0, (slice(None),) * axis
    for part, n in zip(parts, sizes, strict=True):
        fill(out[(*lead, slice(start, start + n))], part)
        start += n
    return out


# --- views ---------------------------------------------------------------------------------------


@kernel("broadcast_to", when=lambda x, shape: type(x) is np.ndarray and x.ndim <= len(shape) <= 8)
def broadcast_to(x, shape):
    out = native.expand(x, shape)
    return TABLE["broadcast_to"].forward(np, x, shape) if out is None else out
