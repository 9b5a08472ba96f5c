"""Edge cases of many functions: empty and 0-d tensors, and arguments that are seldom given."""

import numpy as np

from . import Sample, arr, const, ints

EMPTY = np.zeros((0, 0))
REPEATED = np.array([1, 1, 0])


def lu_solve(torch, lu, pivots, b, **how):
    return torch.linalg.lu_solve(lu, pivots.int(), b, **how)


SAMPLES = [
    Sample("cov", arr(1, 4)),
    Sample("corrcoef", const(arr(1, 4))),
    Sample("diff", arr(3, 4), 0, 0, None, arr(2, 4)),
    Sample("gradient", arr(5), spacing=None),
    Sample("nn.functional.cosine_similarity", arr(1, 2, 3), arr(2, 1, 3), dim=-2),
    Sample("nextafter", arr(4), arr(4)),
    Sample("searchsorted", EMPTY, EMPTY),
    Sample("searchsorted", np.zeros((2, 0)), const(arr(2, 3))),
    Sample("histogram", const(arr()), 1),
    Sample("histogram", const(np.zeros(0)), 3),
    Sample("histogramdd", const(np.zeros((0, 2))), [2, 3]).but(outputs=(0, 1), why="the edges are a tuple"),
    Sample("histogram", const(arr(6)), 3, range=(1.0, 1.0)),
    Sample("linalg.vander", arr(), N=3).but(
        grad="numbers", second=False, forward="numbers", dtypes=(), why="an error in PyTorch"
    ),
    Sample("nn.functional.multi_margin_loss", arr(), np.array(0)),
    Sample("nn.functional.multilabel_margin_loss", arr(), np.array(0)),
    Sample("gather", arr(5), 0, np.zeros(0, np.uint8)),
    Sample("index_fill", arr(3, 4), 0, REPEATED, arr()),
    Sample("nn.functional.linear_cross_entropy", arr(5, 4), arr(3, 2, 4), ints(5, 2, high=3),
           linear_bias=arr(3, 2)),
    Sample(
        "nn.functional.conv_transpose2d", arr(1, 2, 4, 4), arr(2, 1, 4, 5), arr(2), stride=(3, 2),
        padding=(1, 2), output_padding=(2, 3), groups=2, dilation=4,
    ),
    Sample(lu_solve, const(np.zeros((0, 0))), np.zeros(0, np.int64), const(np.zeros((0, 4))), adjoint=True),
    Sample("put", arr(), np.array(0), arr(1), True),
    Sample("nn.functional.fractional_max_pool3d", const(np.zeros((0, 1, 4, 5, 4))), [2, 2, 1], output_size=2),
    Sample("hash_tensor", arr(3, 4)),
    Sample("hash_tensor", arr(3, 4), 1, keepdim=True),
    Sample("hash_tensor", ints(3, 4), (0, 1)),
]  # fmt: skip
