"""Pooling."""

import numpy as np

from . import Sample, arr, const, ints

X = {1: (2, 3, 9), 2: (2, 3, 9, 8), 3: (1, 2, 5, 6, 5)}

# kernel, stride, padding, dilation, ceil_mode
WAYS = [
    (2, None, 0, 1, False), (3, 2, 1, 1, False), (3, 2, 1, 1, True), (2, 3, 1, 2, True), (3, 1, 1, 2, False),
]  # fmt: skip

DTYPES = ("float32", "bfloat16", "float16")

HOLES = arr(2, 3, 9, 8)
HOLES[0, 0, 3, 3] = HOLES[0, 1, 2:5, 2:6] = np.nan
HOLES[1, 0] = -np.inf


def distinct(*shape):
    """Values far enough from each other that finite differences don't reorder them."""
    n = int(np.prod(shape))
    return np.random.default_rng(n).permutation(n).reshape(shape) / n * 4.0 - 2.0


def _samples():
    for k, s, p, d, ceil in WAYS:
        for n in (1, 2, 3):
            name = f"nn.functional.max_pool{n}d"
            yield Sample(name, distinct(*X[n]), k, s, p, d, ceil)
            yield Sample(name, distinct(*X[n]), k, s, p, d, ceil, return_indices=True)
            if d == 1:
                yield Sample(f"nn.functional.avg_pool{n}d", arr(*X[n]), k, s, p, ceil)
                yield Sample(f"nn.functional.avg_pool{n}d", arr(*X[n]), k, s, p, ceil, False)
    for n in (1, 2, 3):
        for size in (1, 3, 7):
            yield Sample(f"nn.functional.adaptive_avg_pool{n}d", arr(*X[n]), size)
            yield Sample(f"nn.functional.adaptive_max_pool{n}d", distinct(*X[n]), size)
        yield Sample(f"nn.functional.adaptive_max_pool{n}d", distinct(*X[n]), 3, return_indices=True)
        yield Sample(f"nn.functional.adaptive_max_pool{n}d_with_indices", distinct(*X[n]), 2)
        yield Sample(f"nn.functional.max_pool{n}d_with_indices", distinct(*X[n]), 2)
        yield Sample(f"nn.functional.lp_pool{n}d", arr(*X[n], low=0.1), 2, 2)
        yield Sample(f"nn.functional.lp_pool{n}d", arr(*X[n], low=0.1), 3, 2, ceil_mode=True)


def _undone():
    for n in (1, 2, 3):
        windows = np.array([[3, 4, 9], [0, 5, 7]])[:, None].repeat(3, 1)
        indices = windows if n == 1 else windows[..., None] if n == 2 else windows[..., None, None]
        yield Sample(f"nn.functional.max_unpool{n}d", arr(*indices.shape), indices, 4, 4)
    yield Sample("nn.functional.max_unpool2d", arr(1, 4, 3), ints(1, 4, 3, high=60), 2, output_size=(9, 7))


def _fractional():
    for n in (2, 3):
        x = distinct(2, 3, 9, 8) if n == 2 else distinct(1, 2, 7, 8, 9)
        for indices in (False, True):
            samples = const(arr(*x.shape[:2], n, low=0, high=1))
            name = f"nn.functional.fractional_max_pool{n}d"
            yield Sample(name, x, 2, output_size=4, return_indices=indices, _random_samples=samples)
        yield Sample(name + "_with_indices", x, 2, output_ratio=(0.5,) * n, _random_samples=samples)


SAMPLES = [
    *_undone(),
    *_fractional(),
    *_samples(),
    Sample("nn.functional.max_pool2d", distinct(3, 9, 8), (2, 3)),
    Sample("nn.functional.max_pool2d", arr(0, 3, 9, 8), 2),
    Sample("nn.functional.max_pool2d", ints(2, 3, 9, 8), 2, return_indices=True),
    Sample("nn.functional.max_pool2d", HOLES, 3, return_indices=True).but(grad=False, why="NaN and infinity"),
    Sample("nn.functional.max_pool2d", HOLES, 3, 1, 1, 2, return_indices=True).but(grad=False, why="too"),
    Sample("nn.functional.adaptive_max_pool2d", HOLES, 4, return_indices=True).but(grad=False, why="too"),
    Sample("nn.functional.avg_pool2d", HOLES, 3).but(grad=False, why="as above"),
    Sample("nn.functional.max_pool2d", distinct(2, 3, 8, 9).transpose(0, 1, 3, 2), 2),
    Sample("nn.functional.max_pool2d", distinct(2, 3, 8, 9), 3).but(dtypes=DTYPES),
    Sample("nn.functional.avg_pool2d", arr(2, 3, 8, 9), 3).but(dtypes=DTYPES),
    Sample("nn.functional.avg_pool2d", arr(2, 3, 9, 8), (2, 3), (1, 2), (1, 0), divisor_override=5),
    Sample("nn.functional.avg_pool3d", arr(1, 2, 5, 6, 5), 2, divisor_override=3),
    Sample("nn.functional.avg_pool2d", arr(3, 9, 8), 3),
    Sample("nn.functional.adaptive_avg_pool2d", arr(2, 3, 9, 8), (2, 5)),
    Sample("nn.functional.adaptive_avg_pool2d", arr(3, 9, 8), (None, 4)),
    Sample("nn.functional.adaptive_avg_pool2d", arr(2, 3, 9, 8), 1).but(dtypes=DTYPES),
    Sample("nn.functional.adaptive_avg_pool2d", arr(2, 3, 4, 5), 12),
    Sample("nn.functional.adaptive_max_pool2d", distinct(3, 9, 8), (None, 12)),
    Sample("avg_pool1d", arr(2, 3, 9), 3),
    Sample("max_pool1d", distinct(2, 3, 9), 3),
    Sample("max_pool1d_with_indices", distinct(2, 3, 9), 3),
    Sample("max_pool2d", distinct(2, 3, 9, 8), 3),
    Sample("max_pool3d", distinct(1, 2, 5, 6, 5), 3),
    Sample("adaptive_avg_pool1d", arr(2, 3, 9), 4),
    Sample("adaptive_max_pool1d", distinct(2, 3, 9), 4),
]  # fmt: skip
