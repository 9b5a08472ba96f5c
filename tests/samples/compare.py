"""Comparisons, tests of numbers, logic and bits."""

import numpy as np

from . import Sample, arr, bools, const, ints

_edges = const(np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan]))
_x = const(arr(2, 3))
_whole = ints(20, low=-5)
OTHERS = ("float32", "bfloat16", "float16")


def operators(torch, x, y):
    return x == y, x != y, x < y, x <= y, x > y, x >= y, x == 1, 1 > x, 0.5 <= x


def with_others(torch, x):
    """Comparison with what is no number: Python's answer."""
    return torch.tensor([(x == None) is False, (x != "a") is True])  # noqa: E711


def _comparison(path):
    return [
        Sample(path, _x, _x),
        Sample(path, const(arr(2, 3)), const(arr(3))),
        Sample(path, const(arr()), _x),
        Sample(path, _x, 0.5),
        Sample(path, ints(5), 2),
        Sample(path, ints(5), 2.5),
        Sample(path, ints(5, dtype="uint8"), -1),
        Sample(path, ints(5, dtype="uint8"), ints(5, low=-3, dtype="int16")),
        Sample(path, bools(5), bools(5)),
        Sample(path, ints(3), const(arr(3))),
        Sample(path, const(arr(0, 3)), const(arr(3))),
        Sample(path, _edges, _edges),
        Sample(path, np.array([16777217]), 16777216.0),
    ]


SAMPLES = [
    *[s for f in ("eq", "ne", "lt", "le", "gt", "ge") for s in _comparison(f)],
    *[Sample(f, _x, _x) for f in ("not_equal", "less", "less_equal", "greater", "greater_equal")],
    Sample("eq", const(arr(3, dtype="complex128")), const(arr(3, dtype="complex128"))),
    Sample(operators, _x, const(arr(3))),
    Sample(with_others, _x),
    Sample("equal", _x, _x),
    Sample("equal", _x, const(arr(2, 3))),
    Sample("equal", _x, const(arr(3))),
    Sample("isclose", _x, const(_x.array + 1e-9)),
    Sample("isclose", _edges, _edges),
    Sample("isclose", ints(3), ints(3)),
    Sample("isclose", _edges, _edges, equal_nan=True),
    Sample("isclose", _x, const(_x.array * 1.1), rtol=0.2, atol=0.0),
    Sample("allclose", _x, const(_x.array + 1e-9)),
    Sample("allclose", _edges, _edges),
    *[
        Sample(f, x)
        for f in ("isnan", "isinf", "isfinite", "isreal", "isposinf", "isneginf", "signbit")
        for x in (_edges, _x, ints(3, low=-2), bools(3), const(arr()))
    ],
    *[
        Sample(f, const(np.array([1.0, 1j, np.nan, complex(0, np.inf)])))
        for f in ("isnan", "isinf", "isfinite", "isreal")
    ],
    Sample("isin", ints(6), ints(2)),
    Sample("isin", ints(2, 3), 2),
    Sample("isin", 2, ints(3)),
    Sample("isin", ints(6), ints(2), invert=True),
    Sample("isin", _x, const(_x.array[:1]), assume_unique=True),
    *[
        Sample(f, x, y)
        for f in ("logical_and", "logical_or", "logical_xor")
        for x, y in ((bools(4), bools(4)), (ints(2, 3), const(arr(3))), (_edges, _edges), (ints(3), ints(3)))
    ],
    *[Sample("logical_not", x) for x in (bools(3), ints(4), _edges, const(arr(2, 3)))],
    *[
        Sample(f, x, y)
        for f in ("bitwise_and", "bitwise_or", "bitwise_xor")
        for x, y in (
            (_whole, ints(20)),
            (ints(3, 1, dtype="int8"), ints(4, dtype="int32")),
            (bools(4), bools(4)),
            (ints(4), 3),
            (2, ints(4)),
            (bools(4), ints(4)),
        )
    ],
    Sample("bitwise_not", _whole),
    Sample("bitwise_not", bools(3)),
    Sample("bitwise_not", ints(3, dtype="uint8")),
    *[
        Sample(f, x, y)
        for f in ("bitwise_left_shift", "bitwise_right_shift")
        for x, y in (
            (_whole, ints(20)),
            (_whole, 2),
            (3, ints(4)),
            (ints(9, low=-100, high=100, dtype="int8"), np.arange(9, dtype="int8")),
            (ints(9, dtype="uint8"), np.arange(9, dtype="uint8")),
            (_whole, 70),
            (_whole, -1),
        )
    ],
    *[
        Sample(f, x, y)
        for f in ("gcd", "lcm")
        for x, y in (
            (_whole, ints(20)),
            (ints(2, 1, low=1, high=30), ints(3, low=1, high=30)),
            (ints(3, dtype="int16"), ints(3)),
        )
    ],
    Sample("heaviside", const(np.array([-1.0, 0.0, 2.0])), const(np.array([0.5]))),
    Sample("heaviside", ints(3), ints(3)),
    Sample("nextafter", _x, const(arr(3))),
    Sample("nextafter", _edges, const(np.zeros(7))),
]
