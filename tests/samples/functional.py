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


def _gridded():
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            for corners in (True, False):
                grid = arr(2, 4, 3, 2, low=-1.6, high=1.6)
                yield Sample("nn.functional.grid_sample", arr(2, 3, 5, 4), grid, mode, padding, corners)
                if mode != "bicubic":
                    grid = arr(2, 2, 3, 2, 3, low=-1.6, high=1.6)
                    x = arr(2, 2, 4, 5, 3)
                    yield Sample("nn.functional.grid_sample", x, grid, mode, padding, corners)


def ctc(torch, scores, *args, **kwargs):
    """The loss behind a log_softmax, where its gradient is exact."""
    return torch.nn.functional.ctc_loss(torch.log_softmax(scores, -1), *args, **kwargs)


def ctc_gradient(torch, scores, *args):
    """The gradient, recorded."""
    scores = scores.detach().requires_grad_()
    loss = ctc(torch, scores, *args)
    return torch.autograd.grad(loss, scores, create_graph=True)[0].detach()


LABELS = ints(3, 4, low=1, high=6)
REPEATED = np.array([[1, 1, 2, 2], [3, 3, 3, 3], [1, 2, 1, 2]])
ENDS = np.array([10, 8, 9]), np.array([4, 2, 3])
FEW = np.array([10, 5, 6]), np.array([4, 4, 0])
SAID = "PyTorch has no second derivative"


def _ctc():
    for r in ("mean", "sum", "none"):
        yield Sample(ctc, arr(10, 3, 6), LABELS, *ENDS, reduction=r)
        yield Sample("nn.functional.ctc_loss", arr(10, 3, 6, low=-3, high=-1), LABELS, *ENDS, reduction=r)
    for zero in (True, False):
        yield Sample(ctc, arr(10, 3, 6), REPEATED, *FEW, reduction="none", zero_infinity=zero)
    yield Sample(ctc, arr(10, 3, 6), LABELS - 1, *ENDS, blank=5)
    yield Sample(ctc, arr(10, 3, 6), np.arange(9) % 5 + 1, (10, 8, 9), (4, 2, 3))
    yield Sample(ctc, arr(10, 6), LABELS[0], np.array(10), np.array(4), reduction="none")
    yield Sample(ctc_gradient, arr(10, 3, 6), LABELS, *ENDS).but(grad=False, why="it is the gradient")
    yield Sample("ctc_loss", arr(10, 3, 6, low=-3, high=-1), LABELS, *ENDS, 0, 2, True)


BLOCKED = np.array(bools(5, 7))
BLOCKED[:, 0] = False
PADDED = np.zeros((2, 7), bool)
PADDED[0, 3:] = True


def heads_forward(torch, q, k, v, w, b, out_w, out_b, bias_k, bias_v, zero=False, separate=False, **how):
    """multi_head_attention_forward with two heads over eight features."""
    if separate:
        parts = torch.split(w, 8)
        how |= dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), parts, strict=True))
        how["use_separate_proj_weight"] = True
    return torch.nn.functional.multi_head_attention_forward(
        q, k, v, 8, 2, w, b, bias_k, bias_v, zero, 0.0, out_w, out_b, **how
    )


def _heads():
    for need in (True, False):
        def sample(q, k, v, biased=False, need=need, **how):
            weights = arr(24, 8, high=0.5), arr(24), arr(8, 8, high=0.5), arr(8)
            rows = (arr(1, 1, 8), arr(1, 1, 8)) if biased else (None, None)
            return Sample(heads_forward, q, k, v, *weights, *rows, need_weights=need, **how)

        q, k, v = arr(5, 2, 8), arr(7, 2, 8), arr(7, 2, 8)
        yield sample(q, k, v)
        yield sample(q, k, v, separate=True)
        yield sample(q, k, v, biased=True, attn_mask=BLOCKED, key_padding_mask=PADDED)
        yield sample(q, k, v, zero=True, key_padding_mask=PADDED)
        yield sample(q, k, v, attn_mask=const(arr(4, 5, 7)), average_attn_weights=False)
        yield sample(arr(5, 8), arr(7, 8), arr(7, 8), attn_mask=BLOCKED)
        yield sample(q, q, q, attn_mask=np.triu(np.ones((5, 5), bool), 1), is_causal=True)


SAMPLES = [
    *_gridded(),
    *[Sample("nn.functional.affine_grid", arr(2, 2, 3), (2, 3, 4, 5), c) for c in (True, False)],
    *[Sample("nn.functional.affine_grid", arr(2, 3, 4), (2, 3, 4, 5, 3), c) for c in (True, False)],
    Sample("grid_sampler", arr(2, 3, 5, 4), arr(2, 4, 3, 2), 0, 1, True),
    Sample("affine_grid_generator", arr(2, 2, 3), (2, 3, 4, 5), False),
    *[s if s.why else s.but(second=False, why=SAID) for s in _ctc()],
    *_heads(),
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
