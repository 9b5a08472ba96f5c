"""Arithmetic, powers, elementary and special functions, complex numbers."""

import numpy as np

from . import Sample, arr, bools, const, ints

_c = lambda *shape: arr(*shape, dtype="complex128")
_above = lambda *shape: arr(*shape, low=0.2, high=3.0)
_inside = lambda *shape: arr(*shape, low=-0.9, high=0.9)
_edges = const(np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan]))
_turned = arr(4, 3).T
OTHERS = ("float32", "bfloat16", "float16")
_equal = arr(4)


def _binary(path):
    """A function of two tensors, of different shapes and dtypes."""
    return [
        Sample(path, arr(2, 3), arr(2, 3)).but(dtypes=OTHERS),
        Sample(path, arr(2, 3), arr(3)),
        Sample(path, arr(2, 1), arr(1, 3)),
        Sample(path, arr(), arr(2, 3)),
        Sample(path, _turned, arr(3, 4)),
        Sample(path, arr(0, 3), arr(3)),
        Sample(path, arr(2, 3), arr(3, dtype="float32")).but(
            tol=1e-5, dtypes=(), why="float32 among the inputs"
        ),
        Sample(path, arr(3), ints(3, low=1)),
    ]


def _arithmetic(path):
    """What also takes numbers and whole numbers."""
    return _binary(path) + [
        Sample(path, arr(2, 3), 2.5).but(dtypes=OTHERS),
        Sample(path, arr(2, 3), 3),
        Sample(path, ints(2, 3), ints(3, low=1)),
        Sample(path, ints(3, dtype="uint8"), ints(3, low=1, dtype="int8")),
        Sample(path, ints(3), 2),
        Sample(path, ints(3), 2.5),
        Sample(path, ints(3), arr(3, low=1.0)),
        Sample(path, ints(3, dtype="int32"), const(np.array(2.5))),
        Sample(path, bools(3), 2),
    ]


def _complex_pairs(path):
    return [
        Sample(path, _c(2, 3), _c(3)),
        Sample(path, _c(3), arr(3)),
        Sample(path, arr(3), _c(3)),
        Sample(path, arr(3), 1 + 2j),
    ]


def _unary(path, make=arr, whole=True, complex=True):
    out = [
        Sample(path, make(2, 3)).but(dtypes=OTHERS),
        Sample(path, make()),
        Sample(path, make(0, 2)),
        Sample(path, make(3, 4).T),
        Sample(path, _edges),
    ]
    if whole:
        out.append(Sample(path, ints(2, 3, low=1)))
    if complex:
        out.append(Sample(path, _c(3)))
    return out


def operators(torch, x, y):
    return x + y, x - y, x * y, x / y, 2 + x, 2.5 - x, 3 * x, 1 / x, -x, +x, abs(x), x % 0.7


def powers(torch, x, n):
    return x**2, x**n, 2**x, 0.5**x, x**-1.5, x ** torch.tensor(3)


def in_place(torch, x, y):
    z = x.clone()
    first = z
    z += y
    z -= 2
    z *= y
    z /= 3
    z **= 2
    z %= 1.5
    assert z is first
    return z


def whole_in_place(torch, x):
    z = x.clone()
    z //= 2
    z &= 6
    z |= 1
    z ^= 3
    z <<= 2
    z >>= 1
    return z, ~z, z & 3, 3 | z, 5 ^ z, 1 << (z & 3), 64 >> (z & 3)


def real_and_imaginary(torch, x):
    return x.real * 2, x.imag * 3


def written_real_part(torch, x, y):
    z = x.clone()
    z.real = y
    z.imag *= y
    return z


def numpy_operands(torch, x):
    return x * np.float64(2.5), np.float32(2.0) * x, x + np.int64(3)


SAMPLES = [
    *_arithmetic("add"),
    *_complex_pairs("add"),
    Sample("add", arr(2, 3), arr(3), alpha=2.5).but(dtypes=OTHERS),
    Sample("add", ints(3), ints(3), alpha=2),
    Sample("add", arr(3), 2, alpha=3),
    Sample("add", input=arr(3), other=arr(3)),
    Sample("add", bools(3), bools(3)),
    Sample("add", ints(3, dtype="uint8"), 300),
    *_arithmetic("sub")[:-1],
    *_complex_pairs("sub"),
    Sample("sub", arr(2, 3), arr(3), alpha=2.5),
    Sample("subtract", arr(3), arr(3)),
    *_arithmetic("rsub")[:-1],
    Sample("rsub", arr(2, 3), 3, alpha=2),
    *_arithmetic("mul"),
    *_complex_pairs("mul"),
    Sample("mul", bools(3), bools(3)),
    Sample("mul", ints(3, dtype="int8"), 1000),
    Sample("multiply", arr(3), arr(3)),
    *_arithmetic("div"),
    *_complex_pairs("div"),
    *[
        Sample("div", x, y, rounding_mode=r)
        for r in ("floor", "trunc", None)
        for x, y in (
            (arr(2, 3), arr(3)),
            (ints(9, low=-5), ints(9, low=1)),
            (ints(9, low=-5), -3),
            (arr(3), 0.7),
        )
    ],
    Sample("divide", arr(3), arr(3)),
    Sample("divide", arr(3), 0.3, rounding_mode="floor"),
    Sample("true_divide", arr(3), arr(3)),
    Sample("true_divide", ints(3), 2),
    *[s.but(grad=False, why="PyTorch has no gradient") for s in _arithmetic("floor_divide")],
    Sample("floor_divide", const(np.array([1.0, -1.0, 0.0])), 0.0),
    *_arithmetic("remainder"),
    Sample("remainder", ints(9, low=-5), -3),
    *_arithmetic("fmod"),
    Sample("fmod", ints(9, low=-5), 3),
    Sample(operators, arr(2, 3), arr(3)).but(dtypes=("float32", "bfloat16")),
    Sample(powers, _above(2, 3), arr(3)).but(dtypes=("float32",)),
    Sample(in_place, arr(2, 3), _above(3)),
    Sample(whole_in_place, ints(6, low=-5)),
    Sample(numpy_operands, arr(3)),
    Sample(numpy_operands, arr()),
    Sample(numpy_operands, ints(3)),
    # one of two, or between
    *[s for f in ("maximum", "minimum", "fmax", "fmin") for s in _binary(f)],
    *[Sample(f, _equal, _equal.copy()) for f in ("maximum", "minimum")],
    *[
        Sample(f, _equal, _equal.copy()).but(forward=False, why="PyTorch's forward and reverse modes differ")
        for f in ("fmax", "fmin")
    ],
    *[
        Sample(f, const(np.array([1.0, np.nan, np.nan])), const(np.array([np.nan, 2.0, np.nan])))
        for f in ("maximum", "minimum", "fmax", "fmin")
    ],
    *[Sample(f, ints(4), ints(4)) for f in ("maximum", "minimum", "fmax", "fmin")],
    Sample("clamp", arr(2, 3), -0.5, 0.5).but(dtypes=OTHERS),
    Sample("clamp", arr(2, 3), min=0.5),
    Sample("clamp", arr(2, 3), max=0.5),
    Sample("clamp", arr(3), 1, -1),
    Sample("clamp", arr(2, 3), arr(3), arr(2, 1)).but(dtypes=OTHERS),
    Sample("clamp", arr(2, 3), arr(3)),
    Sample("clamp", arr(2, 3), max=arr(3)),
    Sample("clamp", arr(3), const(np.array([1.0, 0.0, 1.0])), const(np.array([-1.0, 0.5, 2.0]))),
    Sample("clamp", np.array([1.0, 2.0, 3.0]), 1, 3),
    Sample("clamp", ints(5), 1, 3),
    Sample("clamp", ints(5), 1.5),
    Sample("clamp", ints(5), max=ints(5)),
    Sample("clamp", ints(5, dtype="uint8"), -1, 3),
    Sample("clamp", arr(0, 2), 0),
    Sample("clamp", arr(), 0),
    Sample("clamp", _edges, -1, 1),
    Sample("clip", arr(3), -1, 1),
    Sample("clamp_min", arr(2, 3), 0.3),
    Sample("clamp_min", arr(2, 3), arr(3)),
    Sample("clamp_max", arr(2, 3), 0.3),
    Sample("clamp_max", arr(2, 3), arr(3)),
    Sample("where", bools(2, 3), arr(2, 3), arr(3)).but(dtypes=OTHERS),
    Sample("where", bools(2, 3), arr(2, 3), 1.0),
    Sample("where", bools(2, 3), 2, arr(3)),
    Sample("where", bools(3), 1, 2),
    Sample("where", bools(3), 1, 2.5),
    Sample("where", bools(2, 1), ints(3), arr()),
    Sample("where", bools(3), arr(3, dtype="float32"), arr(3)).but(tol=1e-5, dtypes=(), why="float32 input"),
    Sample("where", bools(4, 3)),
    Sample("where", np.array(True)),
    Sample("where", bools(3), _c(3), _c(3)),
    Sample("where", bools(3), _c(3), arr(3)).but(grad=False, why="an error in PyTorch"),
    Sample("where", bools(2000), arr(2000), 0.0),
    Sample("Tensor.where", arr(2, 3), bools(2, 3), arr(3)),
    Sample("Tensor.where", arr(3), bools(3), 2),
    Sample("lerp", arr(2, 3), arr(3), 0.3).but(dtypes=("float32",)),
    Sample("lerp", arr(3), arr(3), 0.8),
    Sample("lerp", arr(2, 3), arr(2, 3), arr(3, low=0.0, high=1.0)),
    Sample("lerp", _c(3), _c(3), 0.3),
    Sample("addcmul", arr(2, 3), arr(3), arr(2, 1)).but(dtypes=("float32",)),
    Sample("addcmul", arr(3), arr(3), arr(3), value=0.5),
    Sample("addcmul", ints(3), ints(3), ints(3), value=2),
    Sample("addcdiv", arr(2, 3), arr(3), _above(2, 1)).but(dtypes=("float32",)),
    Sample("addcdiv", arr(3), arr(3), _above(3), value=0.5),
    Sample("addcdiv", arr(3), _c(3), _c(3)),
    *_binary("copysign"),
    Sample("copysign", arr(3), -1.0),
    Sample("copysign", ints(3), ints(3)),
    Sample("copysign", const(np.array([0.0, -0.0, 1.0])), const(np.array([-0.0, 0.0, -1.0]))),
    *_unary("nan_to_num", complex=False),
    Sample("nan_to_num", _edges, nan=2.0, posinf=3.0, neginf=4.0),
    Sample("nan_to_num", const(np.array([np.nan + 1j, 1 + 1j * np.inf]))),
    # signs
    *_unary("neg"),
    Sample("negative", arr(3)),
    *_unary("positive"),
    *_unary("abs"),
    Sample("absolute", arr(3)),
    Sample("abs", _c(2, 3)).but(dtypes=("float32",)),
    Sample("abs", ints(3, low=-5, dtype="int8")),
    *_unary("sign", complex=False),
    Sample("sign", bools(3)),
    Sample("sign", ints(4, low=-3)),
    *_unary("sgn"),
    *_unary("conj", complex=False),
    Sample("conj", _c(3)).but(outputs=lambda c: c.clone(), why="PyTorch puts the conjugation off: a view"),
    *_unary("conj_physical"),
    # powers, roots
    *[Sample("pow", _above(2, 3), n).but(dtypes=("float32",)) for n in (2, 3, 0.5, -1, -2, 0, 1, 2.5, -0.5)],
    Sample("pow", arr(2, 3), 2),
    Sample("pow", arr(2, 3), 3),
    Sample("pow", np.array([0.0, 1.0, 2.0]), 2),
    Sample("pow", _above(2, 3), arr(3)),
    Sample("pow", _above(2, 1), arr(3)),
    Sample("pow", 2, arr(3)),
    Sample("pow", 2.5, ints(3)),
    Sample("pow", ints(4), 2),
    Sample("pow", ints(4), 2.5),
    Sample("pow", ints(4), ints(4)),
    Sample("pow", ints(5, low=-2), ints(5, low=-3)),
    Sample("pow", _c(3), 2),
    Sample("pow", _c(3), _c(3)),
    Sample("pow", arr(3), 1 + 1j).but(forward=False, why="PyTorch drops the imaginary part"),
    Sample("pow", 2, _c(3)),
    Sample("pow", _above(3), ints(3)),
    Sample("pow", ints(3, dtype="uint8"), 3),
    Sample("pow", np.array([0.0, 0.0, 2.0]), np.array([1.0, 2.0, 3.0])).but(
        second=False, why="PyTorch's second derivative is NaN at 0 ** y"
    ),
    Sample("Tensor.pow", _above(3), 2),
    Sample("float_power", _above(3), 2),
    Sample("float_power", ints(3), ints(3)),
    Sample("float_power", 2, arr(3)),
    Sample("float_power", _c(3), 2),
    *_unary("sqrt", _above),
    *_unary("rsqrt", _above),
    *_unary("square"),
    Sample("square", bools(3)),
    *_unary("reciprocal", _above),
    # rounding
    *[
        s
        for f in ("floor", "ceil", "trunc", "round", "frac")
        for s in _unary(f, whole=f != "frac", complex=False)
    ],
    Sample("fix", arr(3)),
    Sample("round", arr(3), decimals=2),
    Sample("round", arr(3, low=-200.0), decimals=-1),
    Sample("round", const(np.array([0.5, 1.5, 2.5, -0.5]))),
    Sample("ldexp", arr(3), ints(3)),
    Sample("ldexp", ints(3), ints(3)),
    Sample("ldexp", arr(2, 1), arr(3)),
    Sample("frexp", arr(2, 3)),
    Sample("frexp", arr()).but(dtypes=("float32", "float16")),
    # exponentials and logarithms
    *_unary("exp"),
    *_unary("exp2"),
    *_unary("expm1"),
    *_unary("sigmoid"),
    *_unary("log", _above),
    *_unary("log2", _above),
    *_unary("log10", _above),
    *_unary("log1p", _above),
    Sample("log", bools(3)),
    *_binary("logaddexp")[:-1],
    *_binary("logaddexp2")[:-1],
    Sample("logaddexp", const(np.array([-np.inf, np.inf, 1e3])), const(np.array([-np.inf, 1.0, 1e3]))),
    Sample("xlogy", arr(2, 3), _above(3)),
    Sample("xlogy", arr(3), 2.0),
    Sample("xlogy", 2.0, _above(3)),
    Sample("xlogy", const(np.array([0.0, 0.0, 1.0])), const(np.array([0.0, np.nan, 0.0]))),
    Sample("xlogy", ints(3), ints(3, low=1)),
    Sample("logit", arr(3, low=0.1, high=0.9)).but(dtypes=("float32",)),
    Sample("logit", arr(5, low=-1.0), eps=0.1),
    Sample("logit", const(np.array([0.0, 1.0, 1.5]))),
    Sample("logit", ints(3)),
    # circular and hyperbolic
    *[s for f in ("sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "sinc") for s in _unary(f)],
    *[s for f in ("asin", "acos", "atanh") for s in _unary(f, _inside)],
    *_unary("acosh", lambda *shape: arr(*shape, low=1.1, high=3.0)),
    Sample("sinc", np.array([0.0, 1.0, 0.5])).but(
        second=False, why="PyTorch's second derivative is NaN at 0"
    ),
    *_unary("deg2rad", complex=False),
    *_unary("rad2deg", complex=False),
    *[Sample(f, _inside(3)) for f in ("arcsin", "arccos", "arctan", "arctanh", "arcsinh")],
    Sample("arccosh", arr(3, low=1.1)),
    *_binary("atan2"),
    Sample("arctan2", arr(3), arr(3)),
    Sample("atan2", ints(3), ints(3, low=1)),
    *_binary("hypot")[:-1],
    # complex numbers
    *_unary("angle"),
    Sample("angle", const(np.array([-1.0, np.nan, 0.0]))),
    Sample("real", _c(3)),
    Sample("real", arr(3)),
    Sample("imag", _c(2, 3)),
    Sample(real_and_imaginary, _c(2, 3)),
    Sample(written_real_part, _c(3), arr(3)),
    Sample("complex", arr(2, 3), arr(3)),
    Sample("polar", _above(2, 3), arr(3)),
    Sample("view_as_real", _c(2, 3)),
    Sample("view_as_real", _c(3, 2).T),
    Sample("view_as_complex", arr(3, 2)),
    Sample("view_as_complex", arr(2, 3, 2).transpose(1, 0, 2)),
    Sample("view_as_real_copy", _c(2, 3)),
    Sample("view_as_complex_copy", const(arr(3, 2))),
    Sample("resolve_conj", _c(3)),
    Sample("resolve_neg", arr(3)),
    Sample("is_conj", _c(3)),
    Sample("is_neg", _c(3)),
    *[Sample(f"{f}_", const(arr(3))) for f in ("abs", "neg", "exp", "sigmoid")],
]
