"""The kernels of matrix products, attention and long sums, registered for their rows."""

from math import prod

import numpy as np

from ..core.op import kernel
from . import native
from .cpu import SMALL, ready

# --- matrix products -----------------------------------------------------------------------------


def multiply(x, y, bias=None):
    """x (..., M, K) @ y (..., K, N) + bias, of arrays that fit."""
    if y.ndim == 2 and x.ndim > 2:  # one product instead of many; a copy of x where its rows lie scattered
        x_rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
        return multiply(x_rows, y, bias).reshape(*x.shape[:-1], y.shape[1])
    if x.ndim != y.ndim or x.shape[:-2] != y.shape[:-2]:
        lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        x, y = (np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in (x, y))
    out = native.empty((*x.shape[:-1], y.shape[-1]), x)
    if x.ndim > 2 or not _multiply_few(x, y, bias, out):
        native.matmul(x, y, bias, out)
    return out


FEW, LARGE = 16, 1 << 16  # rows; elements


def _multiply_few(x, y, bias, out):
    """A layer's product, or one of its gradients, for few rows and a large weight (features out, in).

    As the convolution of so many images of one pixel: that reads or writes the weight once, as it lies.
    """
    few, features, large = min(x.shape), min(y.shape[1], max(x.shape)), max(y.size, out.size)
    if few > FEW or features < FEW or large < LARGE or few == 0:
        return False
    once = (1, 1), (0, 0), (1, 1), 1
    if x.shape[1] == few and x.T.flags.c_contiguous and y.flags.c_contiguous and bias is None:
        native.conv2d_weight_gradient(_pixels(x.T), _pixels(y), _pixels(out), *once)
    elif x.shape[0] == few and x.flags.c_contiguous and y.T.flags.c_contiguous:
        native.conv2d_forward(_pixels(x), _pixels(y.T), bias, _pixels(out), *once)
    elif x.shape[0] == few and x.flags.c_contiguous and y.flags.c_contiguous and bias is None:
        native.conv2d_input_gradient(_pixels(x), _pixels(y), _pixels(out), *once)
    else:
        return False
    return True


def _pixels(matrix):
    return matrix[:, :, None, None]


def _matrices_ready(x, y):
    return (
        ready(x, y)
        and 1 < x.ndim <= 8
        and 1 < y.ndim <= 8
        and x.shape[-1] == y.shape[-2]
        and _broadcast(x, y)
    )


def _broadcast(x, y):
    """Whether the leading sizes fit each other (where not, the row says so)."""
    if y.ndim == 2 or x.ndim == 2 or x.shape[:-2] == y.shape[:-2]:
        return True
    pairs = zip(x.shape[-3::-1], y.shape[-3::-1], strict=False)
    return all(m == n or m == 1 or n == 1 for m, n in pairs)


@kernel("matmul", when=_matrices_ready)
def matmul(x, y):
    return multiply(x, y)


def _linear_ready(x, weight, bias=None):
    return (
        ready(x, weight, bias)
        and 1 < x.ndim <= 8
        and weight.ndim == 2
        and x.shape[-1] == weight.shape[1]
        and (bias is None or (bias.shape == weight.shape[:1] and bias.flags.c_contiguous))
    )


@kernel("linear", when=_linear_ready)
def linear(x, weight, bias=None):
    return multiply(x, weight.T, bias)


# --- attention -----------------------------------------------------------------------------------


def _by_heads(x):
    """(B, H, L, E), for three dimensions too."""
    return x[:, None] if x.ndim == 3 else x


def _like_rows(x, features):
    """A new array (B, H, L, features) in the memory order (B, L, H, features), in which layers want it."""
    batch, heads, length, _ = x.shape
    return native.empty((batch, length, heads, features), x).transpose(0, 2, 1, 3)


def _attention_ready(query, key, value, mask, *rest):
    return ready(query, key, value, mask) and query.ndim in (3, 4)


@kernel("scaled_dot_product_attention", when=_attention_ready)
def attention(query, key, value, mask, causal, scale):
    q, k, v = map(_by_heads, (query, key, value))
    out = _like_rows(q, v.shape[3])
    native.attention(q, k, v, None if mask is None else _by_heads(mask), causal, scale, out)
    return out.reshape(*query.shape[:-1], v.shape[3])


@kernel(
    "scaled_dot_product_attention_backward",
    when=lambda g, needs, query, *rest: ready(g, query) and _attention_ready(query, *rest),
)
def attention_backward(g, needs, query, key, value, mask, causal, scale):
    q, k, v = map(_by_heads, (query, key, value))
    grads = [_like_rows(x, x.shape[3]) for x in (q, k, v)]
    masks = None if mask is None else _by_heads(mask)
    native.attention_gradient(q, k, v, masks, causal, scale, _by_heads(g), *grads)
    return tuple(a.reshape(x.shape) for a, x in zip(grads, (query, key, value), strict=True))


# --- sums ----------------------------------------------------------------------------------------


def _sums_rows(x, axes, keepdim):
    """Whether these are the leading axes of a C-ordered array, and its last ones stay."""
    count = len(axes)
    return ready(x) and 0 < count < x.ndim and axes == tuple(range(count)) and x.flags.c_contiguous


@kernel("sum", when=_sums_rows, least=SMALL)
def sum_leading(x, axes, keepdim):
    kept = x.shape[len(axes) :]
    out = np.empty(prod(kept), x.dtype)
    native.sum_rows(x.reshape(prod(x.shape[: len(axes)]), out.size), out)
    return out.reshape((*[1] * len(axes), *kept) if keepdim else kept)
