"""Activation functions: rows, and functions with the signatures of `nn.functional`.

`inplace=True` writes the result into the input and returns it.
"""

import functools
import math

import numpy as np

from ..core import inplace as core
from ..core import random
from ..core.apply import drawing
from ..core.compiled import native
from ..core.op import ELEMENTWISE, Op, through_float32
from ..core.tensor import Tensor, wrap
from .arguments import normal_axis
from .elementary import exp, log1p, sigmoid, tanh
from .pointwise import choose, masked, mul, where_row
from .shape import reshape_row
from .special import erf
from .view import split_sizes_row

__all__ = [
    "celu", "celu_", "hardshrink", "prelu", "relu", "relu_", "rrelu", "rrelu_", "selu", "selu_", "threshold",
    "threshold_",
]  # fmt: skip
METHODS = ["hardshrink", "prelu", "relu"]
INPLACE = []


def activate(row, input, *parameters, inplace=False):
    """The row of `input`, written into it if `inplace`."""
    if not isinstance(input, Tensor):  # a row would take an array, and give one
        kind = type(input).__name__
        error = TypeError(f"{row.name}(): argument 'input' must be Tensor, not {kind} [RG047]")
        error.obj = input  # nn.Module's call tells what to do
        raise error
    if inplace:
        return _inplace(row)(input, *parameters)
    return row(input, *parameters)


@functools.cache
def _inplace(row):
    return core.inplace(row, row.name + "_")


def _compiled(xp, *arrays):
    """Whether there are compiled loops for these (native/elementwise.cpp)."""
    kind = arrays[0].dtype
    return native is not None and xp is np and kind.char in "fd" and all(a.dtype == kind for a in arrays)


# --- pieces of lines ----------------------------------------------------------------------------------------
# At a kink the gradient is that of the side that PyTorch takes; NaN passes it on where PyTorch does.


def _relu(xp, x):
    if x.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu [RG041]")
    return x.clip(0, math.inf) if x.dtype.kind == "f" else xp.maximum(x, 0)  # clip is 3 times as fast


relu_row = Op("relu", _relu, x=lambda g, out: relu_backward(g, out), jvp=ELEMENTWISE)

relu_backward = Op(
    "relu_backward", lambda xp, y, x: masked(y, ~(x <= 0)),
    y=lambda g, x: relu_backward(g, x), jvp=ELEMENTWISE, node="ThresholdBackwardBackward0",
    doc="0 where x, which a relu gave, is 0; y elsewhere, at NaN too.",
)  # fmt: skip

_threshold_row = Op(
    "threshold", lambda xp, x, limit, value: choose(xp, x <= limit, xp.asarray(value, x.dtype), x),
    x=lambda g, x, limit: masked(g, ~(x <= limit)), jvp=ELEMENTWISE,
)  # fmt: skip


def _leaky_relu(xp, x, slope):
    if _compiled(xp, x):
        return native.leaky_relu(x, slope)
    sloped = x * x.dtype.type(slope)
    return xp.maximum(x, sloped) if 0 < slope <= 1 else choose(xp, x > 0, x, sloped)


leaky_relu_row = Op(
    "leaky_relu", _leaky_relu, x=lambda g, x, slope: leaky_relu_backward(g, x, slope), jvp=ELEMENTWISE
)


def _leaky_relu_backward(xp, y, x, slope):
    if _compiled(xp, x, y):
        return native.leaky_relu_backward(y, x, slope)
    return choose(xp, x > 0, y, y * y.dtype.type(slope))


leaky_relu_backward = Op(
    "leaky_relu_backward", _leaky_relu_backward, y=lambda g, x, slope: leaky_relu_backward(g, x, slope),
    jvp=ELEMENTWISE, doc="y where x is positive, else slope * y.",
)  # fmt: skip

_prelu_row = Op(
    "prelu", lambda xp, x, weight: choose(xp, x > 0, x, x * weight),
    x=lambda g, x, weight: where_row(g, g * weight, x > 0),
    weight=lambda g, x: masked(g * x, ~(x > 0)), jvp=ELEMENTWISE, node="PreluKernelBackward0",
)  # fmt: skip


@through_float32
def _hardtanh(xp, x, low, high):
    if _compiled(xp, x):
        return native.hardtanh(x, low, high)
    return x.clip(low, high)


hardtanh_row = Op(
    "hardtanh", _hardtanh,
    x=lambda g, x, low, high: hardtanh_backward(g, x, low, high), jvp=ELEMENTWISE,
)  # fmt: skip


def _hardtanh_backward(xp, y, x, low, high):
    if _compiled(xp, x, y):
        return native.hardtanh_backward(y, x, low, high)
    return masked.run(y, ~((x <= low) | (x >= high)))


hardtanh_backward = Op(
    "hardtanh_backward", _hardtanh_backward, y=lambda g, x, low, high: hardtanh_backward(g, x, low, high),
    jvp=ELEMENTWISE, doc="y where x lies between the bounds, and at NaN; else 0.",
)  # fmt: skip


@through_float32
def _hardsigmoid(xp, x):
    if _compiled(xp, x):
        return native.hardsigmoid(x)
    return (x + 3).clip(0, 6) / 6


hardsigmoid_row = Op("hardsigmoid", _hardsigmoid, x=lambda g, x: hardsigmoid_backward(g, x), jvp=ELEMENTWISE)


def _hardsigmoid_backward(xp, y, x):
    if _compiled(xp, x, y):
        return native.hardsigmoid_backward(y, x)
    return masked.run(y / 6, (x > -3) & (x < 3))


hardsigmoid_backward = Op(
    "hardsigmoid_backward", _hardsigmoid_backward, y=lambda g, x: hardsigmoid_backward(g, x),
    jvp=ELEMENTWISE, doc="y / 6 where |x| < 3, else 0.",
)  # fmt: skip


@through_float32
def _hardswish(xp, x):
    if _compiled(xp, x):
        return native.hardswish(x)
    return x * (x + 3).clip(0, 6) / 6


hardswish_row = Op("hardswish", _hardswish, x=lambda g, x: hardswish_backward(g, x), jvp=ELEMENTWISE)


@through_float32
def _hardswish_backward(xp, y, x):
    if _compiled(xp, x, y):
        return native.hardswish_backward(y, x)
    return choose(xp, x < 3, masked.run(y * (x / 3 + 0.5), x > -3), y)


hardswish_backward = Op(
    "hardswish_backward", _hardswish_backward,
    y=lambda g, x: hardswish_backward(g, x), x=lambda g, y, x: masked(g * y / 3, (x > -3) & (x < 3)),
    jvp=ELEMENTWISE, doc="y times the derivative of hardswish at x.",
)  # fmt: skip

_hardshrink_row = Op(
    "hardshrink", lambda xp, x, size: choose(xp, (x >= -size) & (x <= size), xp.zeros((), x.dtype), x),
    x=lambda g, x, size: masked(g, ~((x >= -size) & (x <= size))), jvp=ELEMENTWISE,
)  # fmt: skip


@through_float32
def _softshrink(xp, x, size):
    return x - x.clip(-size, size)


_softshrink_row = Op(
    "softshrink", _softshrink,
    x=lambda g, x, size: masked(g, ~((x >= -size) & (x <= size))), jvp=ELEMENTWISE,
)  # fmt: skip

# --- exponentials -------------------------------------------------------------------------------------------


@through_float32
def _silu(xp, x):
    if _compiled(xp, x):
        return native.silu(x)
    return x / (1 + xp.exp(-x))


silu_row = Op("silu", _silu, x=lambda g, x: silu_backward(g, x), jvp=ELEMENTWISE)


@through_float32
def _silu_backward(xp, y, x):
    if _compiled(xp, x, y):
        return native.silu_backward(y, x)
    s = sigmoid.run(x)
    return y * (s * (1 + x * (1 - s)))


def _silu_bend(g, y, x):
    s = sigmoid(x)
    return g * y * (s * (1 - s) * (2 + x * (1 - 2 * s)))


silu_backward = Op(
    "silu_backward", _silu_backward, y=lambda g, x: silu_backward(g, x), x=_silu_bend, jvp=ELEMENTWISE,
    doc="y times the derivative of silu at x.",
)  # fmt: skip

_ROOT_HALF, _DENSITY = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)


@through_float32
def _gelu(xp, x):
    if _compiled(xp, x):
        return native.gelu(x)
    return x * (0.5 * (1 + erf.run(x * _ROOT_HALF)))


@through_float32
def _gelu_slope(xp, x):
    if _compiled(xp, x):
        return native.gelu_slope(x)
    return 0.5 * (1 + erf.run(x * _ROOT_HALF)) + x * xp.exp(x * x * -0.5) * _DENSITY


gelu_slope = Op(
    "gelu_slope", _gelu_slope, x=lambda g, x: g * (2 - x * x) * exp(x * x * -0.5) * _DENSITY, jvp=ELEMENTWISE
)

gelu_row = Op("gelu", _gelu, x=lambda g, x: g * gelu_slope(x), jvp=ELEMENTWISE)

_GELU_SCALE, _GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


@through_float32
def _gelu_tanh(xp, x):
    return 0.5 * x * (1 + xp.tanh(_GELU_SCALE * (x + _GELU_CUBE * x * x * x)))


def _gelu_tanh_formula(g, x):
    t = tanh((x + x * x * x * _GELU_CUBE) * _GELU_SCALE)
    slope = (x * x * (3 * _GELU_CUBE) + 1) * _GELU_SCALE
    return g * ((t + 1) * 0.5 + x * 0.5 * (1 - t * t) * slope)


gelu_tanh_row = Op("gelu_tanh", _gelu_tanh, x=_gelu_tanh_formula, jvp=ELEMENTWISE, node="GeluBackward0")


@through_float32
def _softplus(xp, x, beta, limit):
    scaled = x * beta
    return choose(xp, scaled > limit, x, xp.log1p(xp.exp(scaled)) / x.dtype.type(beta))


softplus_row = Op(
    "softplus", _softplus,
    x=lambda g, x, beta, limit: where_row(g, g * sigmoid(x * beta), x * beta > limit), jvp=ELEMENTWISE,
)  # fmt: skip


@through_float32
def _log_sigmoid(xp, x):
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x)))


logsigmoid_row = Op(
    "log_sigmoid", _log_sigmoid, x=lambda g, x: g * sigmoid(-x), jvp=ELEMENTWISE, node="LogSigmoidBackward0"
)


@through_float32
def _elu(xp, x, alpha, scale, input_scale):
    kind = x.dtype.type
    return choose(xp, x <= 0, xp.expm1(x * input_scale) * kind(alpha * scale), x * kind(scale))


elu_row = Op(
    "elu", _elu,
    x=lambda g, x, alpha, scale, input_scale: where_row(
        g * exp(x * input_scale) * (alpha * scale * input_scale), g * scale, x <= 0
    ), jvp=ELEMENTWISE,
)  # fmt: skip


@through_float32
def _mish(xp, x):
    return x * xp.tanh(xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(x, 0))


def _mish_formula(g, x):
    t = tanh(where_row(x, 0, x > 0) + log1p(exp(where_row(-x, x, x > 0))))
    return g * (t + x * sigmoid(x) * (1 - t * t))


mish_row = Op("mish", _mish, x=_mish_formula, jvp=ELEMENTWISE)


# --- functions ----------------------------------------------------------------------------------------------


def relu(input, inplace=False):
    """max(x, 0)."""
    return activate(relu_row, input, inplace=inplace)


def relu6(input, inplace=False):
    """min(max(x, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def threshold(input, threshold, value, inplace=False):
    """x where it is above `threshold`, else `value`."""
    return activate(_threshold_row, input, threshold, value, inplace=inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where it is positive, else negative_slope * x."""
    return activate(leaky_relu_row, input, negative_slope, inplace=inplace)


def prelu(input, weight):
    """x where it is positive, else weight * x; `weight` has one element, or one per channel (dimension 1)."""
    if weight._array.ndim > 1 or (weight._array.size != 1 and input._array.ndim == 0):
        raise RuntimeError(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got "
            f"{list(weight._array.shape)} with an input of shape "
            f"{list(input._array.shape)} [RG059]"
        )
    if weight._array.size != 1:
        channels = input._array.shape[1] if input._array.ndim > 1 else 1
        if weight._array.size != channels:
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight._array.size} and "
                f"channel size = {channels}. [RG059]"
            )
        weight = reshape_row(weight, (-1,) + (1,) * (input._array.ndim - 2))
    elif weight._array.ndim:
        weight = reshape_row(weight, ())
    return _prelu_row(input, weight)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x brought between `min_val` and `max_val`; at the bounds the gradient is zero."""
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val: got {min_val} and {max_val} [RG049]")
    return activate(hardtanh_row, input, min_val, max_val, inplace=inplace)


def hardsigmoid(input, inplace=False):
    """min(max(x + 3, 0), 6) / 6."""
    return activate(hardsigmoid_row, input, inplace=inplace)


def hardswish(input, inplace=False):
    """x * hardsigmoid(x)."""
    return activate(hardswish_row, input, inplace=inplace)


def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, else 0."""
    return _hardshrink_row(input, lambd)


def softshrink(input, lambd=0.5):
    """x brought nearer to zero by `lambd`, at most to zero."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}. [RG049]")
    return _softshrink_row(input, lambd)


def tanhshrink(input):
    """x - tanh(x)."""
    return input - tanh(input)


def softsign(input):
    """x / (1 + |x|)."""
    return input / (abs(input) + 1)


def silu(input, inplace=False):
    """x * sigmoid(x)."""
    return activate(silu_row, input, inplace=inplace)


def gelu(input, approximate="none"):
    """x times the normal distribution's cumulative function at x, exactly or by `approximate="tanh"`."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}. [RG048]")
    return gelu_row(input) if approximate == "none" else gelu_tanh_row(input)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    return softplus_row(input, beta, threshold)


def logsigmoid(input):
    """log(sigmoid(x)), without overflow."""
    return logsigmoid_row(input)


def elu(input, alpha=1.0, inplace=False):
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return activate(elu_row, input, alpha, 1.0, 1.0, inplace=inplace)


def celu(input, alpha=1.0, inplace=False):
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU [RG049]")
    return activate(elu_row, input, alpha, 1.0, 1.0 / alpha, inplace=inplace)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input, inplace=False):
    """`elu` with the scales of Klambauer et al., 2017, which keep activations normalised."""
    return activate(elu_row, input, SELU_ALPHA, SELU_SCALE, 1.0, inplace=inplace)


def mish(input, inplace=False):
    """x * tanh(softplus(x))."""
    return activate(mish_row, input, inplace=inplace)


def glu(input, dim=-1):
    """The first half of `input` along `dim`, times the sigmoid of the second."""
    axis = normal_axis(dim, input._array.ndim)
    if input._array.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors [RG038]")
    if input._array.shape[axis] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {axis} is size {input._array.shape[axis]} [RG045]"
        )
    half = input._array.shape[axis] // 2
    x, gate = split_sizes_row(input, axis, (half, half))
    return x * sigmoid(gate)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """x where it is positive, else x times a slope between the bounds.

    When training, each element's slope is drawn at random; else it is the mean of the bounds.
    """
    if lower > upper:
        raise ValueError(
            f"lower bound should be less than or equal to the upper bound: got {lower} and {upper} [RG049]"
        )
    if not training:
        return activate(leaky_relu_row, input, (lower + upper) / 2, inplace=inplace)
    return activate(mul, input, _slopes(input, lower, upper), inplace=inplace)


@drawing
def _slopes(input, lower, upper):
    array = input._array
    slopes, low = np.ones(array.shape), array <= 0
    slopes[low] = random.uniform((np.count_nonzero(low),), np.float64, lower, upper)
    return wrap(slopes.astype(array.dtype))


elu_, leaky_relu_, hardtanh_, selu_, celu_, threshold_, rrelu_ = [
    core.inplace(function, function.__name__ + "_")
    for function in (elu, leaky_relu, hardtanh, selu, celu, threshold, rrelu)
]
relu_ = _inplace(relu_row)
OPERATORS = {"relu_": relu_}
