"""Sums, means, products, variances, extremes, norms, softmax, running sums."""

import math

import numpy as np

from . import Sample, arr, bools, const, ints, name

OTHERS = ("float32", "bfloat16", "float16")
_c = lambda *shape: arr(*shape, dtype="complex128")
_turned = arr(4, 3, 2).T
_ties = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
_nans = const(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [4.0, 5.0, 6.0]]))
_inf = const(np.array([[-np.inf, -np.inf, -np.inf], [1.0, -np.inf, 2.0]]))


def _dims(path, make=arr, several=True, dtypes=OTHERS, **kwargs):
    """A reduction, over everything and over dimensions in each spelling."""
    out = [
        Sample(path, make(2, 3, 4), **kwargs).but(dtypes=dtypes),
        Sample(path, make(2, 3, 4), 1, **kwargs).but(dtypes=dtypes),
        Sample(path, make(2, 3, 4), -1, keepdim=True, **kwargs),
        Sample(path, make(2, 3, 4), dim=0, **kwargs),
        Sample(path, make(4, 3, 2).T, 1, **kwargs),
        Sample(path, make(), **kwargs),
        Sample(path, make(), 0, **kwargs),
        Sample(path, make(0, 3), 1, **kwargs),
        Sample(path, make(2, 3), axis=1, keepdims=True, **kwargs),
    ]
    if several:
        out += [
            Sample(path, make(2, 3, 4), (0, 2), **kwargs).but(dtypes=dtypes),
            Sample(path, make(2, 3, 4), [-1, 0], True, **kwargs),
            Sample(path, make(2, 3, 4), (), **kwargs),
        ]
    return out


def _along(path, make=arr, *args, **kwargs):
    """A function along one dimension, which must be given."""
    return [
        Sample(path, make(2, 3, 4), 1, *args, **kwargs).but(dtypes=OTHERS),
        Sample(path, make(2, 3, 4), -1, *args, **kwargs),
        Sample(path, make(2, 3, 4), dim=0, *args, **kwargs)
        if not args
        else Sample(path, make(2, 3), 0, *args, **kwargs),
        Sample(path, make(4, 3, 2).T, 1, *args, **kwargs),
        Sample(path, make(), 0, *args, **kwargs),
        Sample(path, make(0, 3), 1, *args, **kwargs),
        Sample(path, const(make(3, 0)), 1, *args, **kwargs),
    ]


def in_float32(torch, x):
    return torch.cumsum(x, 0, dtype=torch.float32), torch.cumprod(x, 0, dtype=torch.float32)


def var_mean(torch, *args, **kwargs):
    return torch.var_mean(*args, **kwargs)  # PyTorch's documents an out= that it refuses


def std_mean(torch, *args, **kwargs):
    return torch.std_mean(*args, **kwargs)


_norms = [
    s
    for p in (2, 1, 0, 3, 1.5, 0.5, -1, -2.5, math.inf, -math.inf)
    for s in (
        Sample("norm", arr(2, 3, 4), p).but(dtypes=("float32",)),
        Sample("norm", arr(2, 3, 4), p, 1),
        Sample("norm", arr(2, 3, 4), p, dim=(0, 2), keepdim=True),
        Sample("norm", _c(3), p),
        Sample("norm", arr(), p),
        Sample("dist", arr(2, 3), arr(3), p) if p else Sample("dist", const(arr(2, 3)), const(arr(3)), p),
    )
]

SAMPLES = [
    *_dims("sum"),
    Sample("sum", ints(2, 3)),
    Sample("sum", ints(2, 3, dtype="uint8"), 1),
    Sample("sum", bools(2, 3), 0),
    Sample("sum", _c(2, 3), 1),
    Sample("sum", arr(2, 3), 1, dtype=name("float32")).but(tol=1e-5, why="float32"),
    Sample("sum", ints(3), dtype=name("float64")),
    Sample("sum", const(arr(3)), dtype=name("int64")),
    Sample("Tensor.sum", arr(2, 3), 0),
    Sample("sum", arr(3000, dtype="float16")).but(grad=False, dtypes=(), why="what it adds up in"),
    *_dims("mean"),
    Sample("mean", _c(2, 3)),
    Sample("mean", ints(3), dtype=name("float64")),
    Sample("Tensor.mean", arr(2, 3), 0),
    *_dims("nansum"),
    Sample("nansum", _nans),
    Sample("nansum", _nans, 1),
    Sample("nansum", ints(3)),
    *_dims("nanmean", dtypes=("float32",)),
    Sample("nanmean", _nans, 1),
    Sample("nanmean", _nans),
    *_dims("prod", several=False),
    Sample("prod", _c(3)),
    Sample("prod", ints(2, 3), 1),
    Sample("prod", bools(3)),
    *[Sample("prod", np.array(x)) for x in ([1.0, 0.0, 3.0, 2.0], [1.0, 0.0, 3.0, 0.0], [0.0], [2.0])],
    Sample("prod", np.array([[1.0, 0.0, 2.0], [3.0, 4.0, 5.0], [0.0, 0.0, 1.0]]), 1, True),
    Sample("prod", ints(3, dtype="int8"), dtype=name("float64")),
    *[
        s
        for f in ("var", "std")
        for s in _dims(f, dtypes=("float32",))[:5]
        + [
            Sample(f, arr(2, 3, 4), (0, 2), keepdim=True),
            Sample(f, arr(2, 3), 1, False),
            Sample(f, arr(2, 3), False),
            Sample(f, arr(2, 3), 1, unbiased=True),
            Sample(f, arr(2, 3), dim=None, correction=0),
            Sample(f, arr(2, 3, 4), 2, correction=1.5),
            Sample(f, _c(4)),
            Sample(f, arr(2, 3), correction=2, keepdim=True),
        ]
    ],
    Sample("std", const(np.ones(3))),
    Sample("Tensor.var", arr(2, 3), 1),
    Sample("Tensor.std", arr(2, 3)),
    *[
        Sample(f, arr(2, 3, 4), *a, **k)
        for f in (var_mean, std_mean)
        for a, k in (
            ((), {}),
            ((1,), {}),
            (((0, 2),), {"keepdim": True}),
            ((1, False), {}),
            ((), {"correction": 0}),
        )
    ],
    # extremes
    *[
        s
        for f in ("amax", "amin")
        for s in [
            *_dims(f),
            Sample(f, _ties),
            Sample(f, _ties, 1),
            Sample(f, ints(2, 3), 0),
            Sample(f, bools(2, 3)),
            Sample(f, _nans, 1),
        ]
    ],
    *[
        s
        for f in ("max", "min")
        for s in [
            *_dims(f, several=False),
            Sample(f, _ties),
            Sample(f, _ties, 1),
            Sample(f, ints(2, 3), 0),
            Sample(f, ints(3)),
            Sample(f, bools(3)),
            Sample(f, arr(2, 3), arr(3)),
            Sample(f, _ties, _ties.copy()),
            Sample(f, arr(2, 3), other=arr(3)),
            Sample(f, _nans),
            Sample(f, _nans, 1),
            Sample(f"Tensor.{f}", arr(2, 3), 1),
        ]
    ],
    *[
        s
        for f in ("argmax", "argmin")
        for s in [
            *_dims(f, several=False),
            Sample(f, const(_ties)),
            Sample(f, const(_ties), 1),
            Sample(f, arr(2, 3), keepdim=True),
            Sample(f, ints(3, 4), 0),
            Sample(f, _nans),
            Sample(f, _nans, 1),
        ]
    ],
    Sample("aminmax", arr(2, 3)),
    Sample("aminmax", arr(2, 3), dim=1),
    Sample("aminmax", arr(2, 3), dim=0, keepdim=True),
    Sample("aminmax", ints(3)),
    *[
        s
        for f in ("all", "any")
        for s in [
            *_dims(f, lambda *shape: bools(*shape)),
            Sample(f, ints(2, 3), 1),
            Sample(f, const(arr(3))),
            Sample(f, ints(2, 3, dtype="uint8"), 1),
        ]
    ],
    Sample("count_nonzero", ints(2, 3)),
    Sample("count_nonzero", ints(2, 3), 1),
    Sample("count_nonzero", ints(2, 3), (0, 1)),
    Sample("count_nonzero", const(arr(3))),
    Sample("count_nonzero", bools(2, 3), dim=-1),
    # softmax and its kin
    *_along("logsumexp"),
    Sample("logsumexp", arr(2, 3, 4), (0, 2), True),
    Sample("logsumexp", ints(2, 3), 1),
    Sample("logsumexp", const(np.array([[1e3, 1e3], [-1e3, 0.0]])), 1),
    Sample("logsumexp", _inf, 1),
    Sample("logsumexp", _c(3), 0),
    *_along("softmax"),
    Sample("softmax", _inf, 1),
    Sample("softmax", ints(2, 3), 1, dtype=name("float64")),
    Sample("softmax", const(np.array([1e4, 0.0])), 0),
    Sample("Tensor.softmax", arr(2, 3), 1),
    Sample("softmax", arr(3), 0, dtype=name("float32")).but(tol=1e-5, why="float32"),
    *_along("log_softmax"),
    Sample("log_softmax", _inf, 1),
    Sample("Tensor.log_softmax", arr(2, 3), 1),
    Sample("log_softmax", ints(2, 3), 1, dtype=name("float64")),
    # running sums
    *_along("cumsum"),
    Sample("cumsum", ints(2, 3, dtype="int8"), 1),
    Sample("cumsum", bools(3), 0),
    Sample("cumsum", _c(3), 0),
    Sample(in_float32, arr(3)).but(tol=1e-5, why="float32"),
    *_along("cumprod"),
    Sample("cumprod", ints(2, 3), 1),
    Sample("cumprod", _c(3), 0),
    *[Sample("cumprod", np.array(x), 0) for x in ([1.0, 0.0, 3.0, 2.0], [1.0, 0.0, 3.0, 0.0], [0.0, 2.0])],
    *_along("logcumsumexp"),
    Sample("logcumsumexp", const(np.array([-np.inf, -np.inf, 1e3, 0.0])), 0),
    *[
        s
        for f in ("cummax", "cummin")
        for s in [
            *_along(f),
            Sample(f, const(np.array([1.0, 3.0, 3.0, np.nan, 2.0])), 0),
            Sample(f, np.array([1.0, 3.0, 1.0, 3.0]), 0),
            Sample(f, ints(2, 5), 1),
            Sample(f, bools(4), 0),
        ]
    ],
    # norms
    *_norms,
    Sample("norm", arr(2, 3)),
    Sample("norm", arr(2, 3), "fro", (0, 1)),
    Sample("norm", arr(0)),
    Sample("norm", arr(0, 3), 2, 0),
    Sample("norm", arr(3, dtype="float32"), dtype=name("float64")).but(
        tol=1e-5, dtypes=(), forward="numbers", why="float32 in, whose tangent PyTorch leaves float32"
    ),
    Sample("Tensor.norm", arr(2, 3), 2, 1),
    *[
        Sample("norm", x, p).but(second=False, why="PyTorch's second derivative is NaN there")
        for x in (np.zeros(3), np.array([1.0, -1.0, 0.0, 2.0, 2.0]))
        for p in (2, 1, 3, 1.5, math.inf)
    ],
    *[
        s
        for p in (2, 1, 3, 1.5, math.inf)
        for s in (Sample("renorm", arr(3, 4), p, 0, 1.0), Sample("renorm", arr(3, 4, 2), p, -2, 0.5))
    ],
    # differences, integrals, statistics
    Sample("diff", arr(5)),
    Sample("diff", arr(2, 5, 3), 2, 1),
    Sample("diff", arr(2, 3), 1, 0, prepend=arr(1, 3)),
    Sample("diff", bools(6)),
    Sample("diff", arr(2, 3), append=arr(2, 2)),
    Sample("diff", arr(3), 5),
    Sample("diff", arr(3), 0),
    Sample("diff", ints(4, dtype="uint8")),
    *[
        s
        for f in ("trapezoid", "cumulative_trapezoid")
        for s in (
            Sample(f, arr(2, 5)),
            Sample(f, arr(2, 5, 3), dim=1),
            Sample(f, arr(5), dx=0.3),
            Sample(f, arr(2, 5), arr(5)),
            Sample(f, arr(2, 5, 3), arr(5), dim=1),
            Sample(f, arr(2, 5), arr(2, 5)),
            Sample(f, ints(4)),
        )
    ],
    Sample("trapz", arr(4)),
    Sample("gradient", arr(5)),
    Sample("gradient", arr(3, 4)),
    Sample("gradient", arr(3, 4), dim=1),
    Sample("gradient", arr(5), spacing=0.5),
    Sample("gradient", arr(5), edge_order=2),
    Sample("gradient", arr(3, 4), dim=(0, 1), spacing=[0.5, 2.0]),
    Sample("gradient", arr(5), spacing=(const(np.array([0.0, 1.0, 1.5, 3.0, 4.0])),)),
    Sample("gradient", arr(2, 5), dim=1, spacing=(const(np.array([0.0, 1.0, 1.5, 3.0, 4.0])),), edge_order=2),
    Sample("cov", arr(3, 5)),
    Sample("cov", arr(5)),
    Sample("cov", arr(3, 5), correction=0),
    Sample("cov", ints(2, 5)),
    Sample("cov", _c(2, 4)),
    Sample("cov", arr(2, 5), fweights=ints(5, low=1)),
    Sample("cov", arr(2, 5), aweights=arr(5, low=0.1)),
    Sample("cov", arr(2, 5), fweights=ints(5, low=1), aweights=const(arr(5, low=0.1))),
    Sample("corrcoef", arr(3, 5)),
    Sample("corrcoef", arr(5)),
    Sample("corrcoef", _c(2, 4)),
]
