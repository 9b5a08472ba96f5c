"""nn.functional: embedding, attention, resizing, rearranging."""

import numpy as np

from . import Sample, arr, bools, const, ints

MASK = np.array(bools(5, 7))
MASK[2] = False
MASK[3] = True


def heads(n, length, features):
    return arr(2, n, length, features)


def attention(*qkv, **how):
    return Sample("nn.functional.scaled_dot_product_attention", *qkv, **how)


def _resized():
    for size in (5, 9, 20):
        for mode in ("nearest", "nearest-exact", "area"):
            yield arr(2, 3, 7), {"size": size, "mode": mode}
            yield arr(2, 3, 7, 6), {"size": (size, size + 2), "mode": mode}
        for corners in (True, False):
            how = {"size": size, "align_corners": corners}
            yield arr(2, 3, 7), {"mode": "linear", **how}
            yield arr(2, 3, 7, 6), {"mode": "bilinear", **how}
            yield arr(2, 3, 7, 6), {"mode": "bicubic", **how}
            yield arr(1, 2, 4, 3, 5), {"mode": "trilinear", **how}
    for mode in ("bilinear", "bicubic"):
        for size in (5, (20, 3)):
            yield arr(2, 3, 17, 16), {"size": size, "mode": mode, "antialias": True}
    for scale in (2, 0.7, (1.5, 0.5)):
        for mode in ("nearest", "bilinear", "bicubic", "area"):
            yield arr(2, 3, 7, 6), {"scale_factor": scale, "mode": mode}
        yield arr(2, 3, 7, 6), {"scale_factor": scale, "mode": "bilinear", "recompute_scale_factor": True}


SAMPLES = [
    *[Sample("nn.functional.embedding", i, arr(6, 3), padding_idx=p)
      .but(forward=True if p is None else "numbers", why="PyTorch's forward mode keeps the padding's tangent")
      for i in (ints(3, 4, high=6), ints(5, high=6), np.array(3)) for p in (None, 1, -2)],
    Sample("nn.functional.embedding", np.zeros(0, int), arr(6, 3))
    .but(second=False, why="an error in PyTorch"),
    Sample("nn.functional.embedding", ints(3, 4, high=6, dtype="int32"), arr(6, 3)),
    *[s.but(second=False, forward="numbers", why="PyTorch: no second derivative, unscaled tangents")
      for s in (
          Sample("nn.functional.embedding", ints(9, high=4), arr(6, 3), scale_grad_by_freq=True),
          Sample("nn.functional.embedding", ints(9, high=4), arr(6, 3), 2, scale_grad_by_freq=True),
          Sample("embedding", arr(6, 3), ints(3, 4, high=6), 2, True),
      )],
    *[Sample("nn.functional.embedding_bag", ints(3, 4, high=6), arr(6, 3), mode=m, padding_idx=p)
      .but(second="numbers", why="PyTorch has no second derivative")
      for m in ("sum", "mean", "max") for p in (None, 2)],
    *[Sample("nn.functional.embedding_bag", ints(7, high=6), arr(6, 3), np.array([0, 2, 2, 5]), mode=m)
      .but(second="numbers", why="PyTorch has no second derivative") for m in ("sum", "mean", "max")],
    Sample("nn.functional.embedding_bag", ints(7, high=6), arr(6, 3), np.array([0, 2, 2, 7]), mode="sum",
           per_sample_weights=arr(7), include_last_offset=True)
    .but(second="numbers", why="PyTorch has no second derivative"),
    Sample("nn.functional.one_hot", ints(3, 4)),
    Sample("nn.functional.one_hot", ints(3), 9),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3)),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3), is_causal=True),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3), scale=0.3),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3), MASK),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3), const(np.where(MASK, 0.5, -np.inf))),
    attention(heads(4, 5, 6), heads(4, 7, 6), heads(4, 7, 3), const(arr(4, 5, 7))),
    attention(heads(4, 5, 6), heads(2, 7, 6), heads(2, 7, 3), enable_gqa=True),
    attention(arr(5, 6), arr(7, 6), arr(7, 3)),
    *[Sample("nn.functional.interpolate", x, **how) for x, how in _resized()],
    Sample("nn.functional.pixel_shuffle", arr(2, 8, 3, 4), 2),
    Sample("nn.functional.pixel_unshuffle", arr(2, 2, 6, 4), 2),
    Sample("nn.functional.channel_shuffle", arr(2, 6, 3, 4), 3),
    Sample("nn.functional.softmax", arr(3, 4), 1),
    Sample("nn.functional.softmax", arr(3, 4), dim=0, dtype=None),
    Sample("nn.functional.softmin", arr(3, 4), -1),
    Sample("nn.functional.log_softmax", arr(2, 3, 4), 1),
]  # fmt: skip
