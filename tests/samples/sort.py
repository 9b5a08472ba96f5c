"""Sorting, order statistics, distinct elements, histograms."""

import numpy as np

from . import Sample, arr, bools, const, ints

OTHERS = ("float32", "bfloat16", "float16")
_ties = np.array([3.0, 1.0, 2.0, 1.0, 3.0, 2.0, 2.0])
_nans = const(np.array([3.0, np.nan, 1.0, 2.0, np.nan]))
_lanes = const(np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0], [np.nan, np.nan, np.nan]]))
_sorted = const(np.array([1.0, 3.0, 5.0, 7.0]))
_repeats = ints(4, 6, high=3)


def histogramdd(torch, *args, **kwargs):
    return torch.histogramdd(*args, **kwargs)  # PyTorch's documents an out= that it refuses


SAMPLES = [
    *[
        s
        for f in ("sort", "argsort")
        for s in (
            Sample(f, arr(2, 5, 4)).but(dtypes=OTHERS),
            Sample(f, arr(2, 5, 4), 1),
            Sample(f, arr(2, 5, 4), dim=0, descending=True),
            Sample(f, _ties),
            Sample(f, _ties, descending=True),
            Sample(f, _ties, stable=True),
            Sample(f, _nans),
            Sample(f, _nans, descending=True),
            Sample(f, ints(3, 7), 1, True),
            Sample(f, bools(5)),
            Sample(f, arr()),
            Sample(f, arr(0, 3), 1),
            Sample(f, arr(4, 3).T, 0),
        )
    ],
    Sample("msort", arr(4, 3)).but(dtypes=OTHERS),
    Sample("msort", ints(5)),
    Sample("topk", arr(10), 3).but(dtypes=("float32",)),
    Sample("topk", arr(2, 5, 4), 3, 1),
    Sample("topk", arr(2, 5), 2, largest=False),
    Sample("topk", arr(2, 5), 0),
    Sample("topk", arr(2, 5), 5),
    Sample("topk", arr(), 1),
    Sample("topk", _nans, 3),
    Sample("topk", arr(2000), 7).but(
        dtypes=(), second=False, forward=False, why="large, for its other way of finding them"
    ),
    Sample("topk", arr(1500, 2), 7, 0, False).but(dtypes=(), second=False, forward=False, why="large"),
    Sample("kthvalue", arr(2, 5), 2).but(dtypes=("float32",)),
    Sample("kthvalue", arr(2, 5, 4), 3, 1, True),
    Sample("kthvalue", _nans, 4),
    Sample("kthvalue", arr(), 1),
    Sample("kthvalue", ints(3, 7), 2, dim=0).but(outputs=0, why="of equal elements PyTorch takes any"),
    *[
        s
        for f in ("median", "nanmedian")
        for s in (
            Sample(f, arr(2, 5)).but(dtypes=("float32", "bfloat16")),
            Sample(f, arr(2, 5, 4), 1),
            Sample(f, arr(2, 5), dim=0, keepdim=True),
            Sample(f, _ties),
            Sample(f, ints(6)),
            Sample(f, ints(3, 6), 1),
            Sample(f, arr()),
            Sample(f, arr(), 0),
            Sample(f, _nans),
            Sample(f, _nans, 0),
            Sample(f, _lanes, 1),
            Sample(f, const(arr(0))),
            Sample(f, arr(0, 3), 1),
        )
    ],
    Sample("mode", _ties),
    Sample("mode", _repeats),
    Sample("mode", _repeats, 0, True),
    Sample("mode", arr(2, 5)),
    Sample("mode", arr()),
    *[
        s
        for f in ("quantile", "nanquantile")
        for s in (
            *[
                Sample(f, arr(2, 5), 0.37, interpolation=i)
                for i in ("linear", "lower", "higher", "midpoint", "nearest")
            ],
            Sample(f, arr(2, 5, 3), 0.37, 1),
            Sample(f, arr(2, 5, 3), 0.37, 1, True),
            Sample(f, arr(2, 5), 0.5, keepdim=True),
            Sample(f, arr(2, 5), const(np.array([0.1, 0.5, 1.0]))),
            Sample(f, arr(2, 5), const(np.array([0.1, 0.5])), dim=-1, keepdim=True),
            Sample(f, arr(2, 5), const(np.array(0.3)), dim=0),
            Sample(f, _lanes, 0.4, 1),
            Sample(f, _nans, 0.5),
            Sample(f, arr(), 0.5),
        )
    ],
    Sample("quantile", arr(6), np.array([0.2, 0.7])),
    # no gradients
    *[
        s
        for f in ("unique", "unique_consecutive")
        for s in (
            Sample(f, _repeats),
            Sample(f, _repeats, return_inverse=True),
            Sample(f, _repeats, return_counts=True),
            Sample(f, _repeats, return_inverse=True, return_counts=True),
            Sample(f, const(_ties)),
            Sample(f, bools(6)),
            Sample(f, ints()),
            Sample(f, ints(0)),
            Sample(f, ints(6, 2, high=2), dim=0, return_inverse=True, return_counts=True),
            Sample(f, ints(2, 6, high=2), dim=-1),
            Sample(f, ints(2, 3, 4, high=2), dim=1, return_counts=True),
            Sample(f"Tensor.{f}", _repeats),
            Sample(f, _nans),
        )
    ],
    Sample("searchsorted", _sorted, const(arr(2, 3, high=8.0))),
    Sample("searchsorted", _sorted, 3.0),
    Sample("searchsorted", _sorted, const(np.array([3.0, 5.0])), right=True, out_int32=True),
    Sample("searchsorted", _sorted, const(np.array([3.0, 5.0])), side="right"),
    Sample("searchsorted", const(np.sort(arr(2, 2, 5))), const(arr(2, 2, 3))),
    Sample("searchsorted", const(_ties), const(arr(3)), sorter=np.argsort(_ties)),
    Sample("bucketize", const(arr(2, 3, high=8.0)), _sorted),
    Sample("bucketize", 3, np.array([1, 3])),
    Sample("bucketize", ints(5), np.array([1, 3]), right=True),
    *[Sample("histc", const(arr(30)), *a) for a in ((), (3,), (4, -1, 1))],
    Sample("histc", const(np.ones(3)), 4),
    Sample("histogram", const(arr(30)), 5),
    Sample("histogram", const(arr(30)), 5, range=(-1.0, 1.0)),
    Sample("histogram", const(arr(30)), const(np.array([-1.0, 0.0, 0.5, 1.0]))),
    Sample("histogram", const(arr(30)), 4, weight=const(arr(30, low=0.0)), density=True),
    Sample(histogramdd, const(arr(30, 2)), [3, 4]),
    Sample(histogramdd, const(arr(30, 2)), 3, range=(-1.0, 1.0, -2.0, 2.0)),
    Sample(
        histogramdd,
        const(arr(30, 2)),
        [const(np.array([-1.0, 0.0, 1.0]))] * 2,
        weight=const(arr(30, low=0.0)),
    ),
    Sample("bincount", ints(20)),
    Sample("bincount", ints(20), minlength=10),
    Sample("bincount", ints(20), const(arr(20))),
    Sample("bincount", ints(20), const(arr(20, dtype="float32"))),
    Sample("bincount", ints(0)),
    Sample("bincount", ints(20), ints(20)),
]
