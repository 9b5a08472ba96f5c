"""Losses."""

import numpy as np

from . import Sample, arr, const, ints

REDUCTIONS = ("mean", "sum", "none")


def probabilities(*shape):
    return arr(*shape, low=0.05, high=0.95)


def each(name, *args, **kwargs):
    """The loss with each reduction."""
    return [Sample(f"nn.functional.{name}", *args, reduction=r, **kwargs) for r in REDUCTIONS]


def two():
    return arr(3, 4), arr(3, 4)


SIGNS = np.array([[1, -1, 1, 1], [-1, -1, 1, -1], [1, 1, -1, 1]])
FAR = np.array([99.0, -99, 800, -800])
EDGES = np.array([[0.0, 1.0], [1.0, 0.0]])
COUNTS = const(arr(3, 4, low=0.5, high=4))
LISTS = np.array([[3, 0, -1, 1], [-1, 0, 1, 2], [0, 1, 2, 3]])
SCORES = [((3, 5), (3,)), ((3, 5, 2), (3, 2)), ((3, 5, 2, 2), (3, 2, 2)), ((5,), ())]


def _classes():
    for x, t in SCORES:
        target = ints(*t)
        ignoring = np.where(target == 2, -100, target) if t else target
        for weight in (None, const(arr(5, low=0.5))):
            for r in REDUCTIONS:
                yield Sample("nn.functional.nll_loss", arr(*x), ignoring, weight, reduction=r)
                for smoothing in (0.0, 0.2):
                    how = {"reduction": r, "label_smoothing": smoothing}
                    yield Sample("nn.functional.cross_entropy", arr(*x), ignoring, weight, **how)
                    yield Sample("nn.functional.cross_entropy", arr(*x), arr(*x, low=0), weight, **how)


SAMPLES = [
    *[s for n in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss") for s in each(n, *two())],
    *[Sample(f"nn.functional.{n}", *two(), weight=arr(3, 4, low=0.5))
      for n in ("mse_loss", "l1_loss", "huber_loss")],
    Sample("nn.functional.mse_loss", arr(), arr()),
    Sample("nn.functional.mse_loss", arr(0, 3), arr(0, 3), reduction="none"),
    Sample("nn.functional.mse_loss", *two()).but(dtypes=("float32", "bfloat16", "float16")),
    Sample("nn.functional.mse_loss", arr(3, 4), ints(3, 4)).but(forward="numbers", why="an error in PyTorch"),
    Sample("nn.functional.smooth_l1_loss", *two(), beta=0.3),
    Sample("nn.functional.smooth_l1_loss", *two(), beta=0.0),
    Sample("nn.functional.huber_loss", *two(), delta=0.7),
    *each("binary_cross_entropy", probabilities(3, 4), probabilities(3, 4)),
    Sample("nn.functional.binary_cross_entropy", *[probabilities(3, 4) for _ in "xy"], const(arr(4, low=0))),
    Sample("nn.functional.binary_cross_entropy", EDGES, const(EDGES)).but(second=False, why="infinite there"),
    *each("binary_cross_entropy_with_logits", arr(3, 4), probabilities(3, 4)),
    *each("binary_cross_entropy_with_logits", arr(3, 4), probabilities(3, 4), const(arr(4, low=0)),
          pos_weight=const(arr(4, low=0.5))),
    Sample("nn.functional.binary_cross_entropy_with_logits", FAR, const(EDGES.ravel())),
    *[s for log in (False, True) for s in each("kl_div", arr(3, 4), probabilities(3, 4), log_target=log)],
    Sample("nn.functional.kl_div", arr(3, 4), probabilities(3, 4), reduction="batchmean"),
    *[Sample("nn.functional.poisson_nll_loss", probabilities(3, 4), COUNTS, log, full)
      for log in (False, True) for full in (False, True)],
    *[Sample("nn.functional.gaussian_nll_loss", *two(), var, full)
      for var in (arr(3, 4, low=0.1), arr(3, 1, low=0.1), arr(3, low=0.1), 0.5) for full in (False, True)],
    *each("soft_margin_loss", arr(3, 4), SIGNS),
    *each("hinge_embedding_loss", arr(3, 4), SIGNS, 0.7),
    *each("margin_ranking_loss", *two(), SIGNS, 0.3),
    *each("cosine_embedding_loss", *two(), np.array([1, -1, 1]), -0.5),
    Sample("nn.functional.cosine_embedding_loss", arr(4), arr(4), np.array(-1), -0.9),
    *[s for swap in (False, True) for s in each("triplet_margin_loss", *two(), arr(3, 4), swap=swap)],
    Sample("nn.functional.triplet_margin_loss", *two(), arr(3, 4), 2.0, 3.0),
    *each("triplet_margin_with_distance_loss", *two(), arr(3, 4), margin=2.0),
    *_classes(),
    Sample("nn.functional.cross_entropy", arr(3, 5), np.array([1, 0, 1]), ignore_index=1),
    Sample("nn.functional.cross_entropy", arr(3, 5), np.full(3, -100)),
    Sample("nn.functional.cross_entropy", arr(3, 5), ints(3, dtype="uint8")),
    Sample("nn.functional.linear_cross_entropy", arr(3, 4), arr(5, 4), ints(3), linear_bias=arr(5)),
    *[s for p in (1, 2) for w in (None, const(arr(4, low=0.5)))
      for s in each("multi_margin_loss", arr(3, 4), np.array([0, 3, 1]), p, 0.8, w)],
    Sample("nn.functional.multi_margin_loss", arr(4), np.array(2)),
    *each("multilabel_margin_loss", arr(3, 4), LISTS),
    Sample("nn.functional.multilabel_margin_loss", arr(4), LISTS[0]),
    *each("multilabel_soft_margin_loss", arr(3, 4), probabilities(3, 4)),
    Sample("nn.functional.multilabel_soft_margin_loss", *two(), const(arr(4))),
    *[Sample("nn.functional.cosine_similarity", arr(3, 4), arr(3, 4), dim=d) for d in (0, 1, -1)],
    Sample("nn.functional.cosine_similarity", arr(2, 3, 4), arr(3, 4), dim=-1),
    *[Sample("nn.functional.pairwise_distance", *two(), p, keepdim=k)
      for p in (1.0, 2.0, 3.0) for k in (False, True)],
    *[Sample("pdist", arr(4, 3), p) for p in (1.0, 2.0, 3.0)],
    *[Sample("cdist", arr(2, 3, 4), arr(2, 5, 4), p) for p in (1.0, 2.0, 3.0, float("inf"))],
    Sample("cdist", arr(3, 4), arr(5, 4)),
    Sample("cdist", arr(2, 1, 3, 4), arr(6, 5, 4)),
]  # fmt: skip
