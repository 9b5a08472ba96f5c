"""torch.masked, and the window functions of torch.signal."""

import numpy as np

from . import Sample, arr, bools, const, ints, name

MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
EMPTY_ROW = np.array([[True, False, True, True], [False, False, False, False], [True, True, False, True]])
WINDOWS = (
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_hamming", "hamming", "hann",
    "kaiser",
    "nuttall",
)  # fmt: skip


def _reductions():
    for f in ("sum", "prod", "amax", "amin", "mean", "logsumexp", "norm", "var", "std"):
        for mask in (MASK, None):
            for dim, keepdim in ((None, False), (1, True), ((0, -1), False)):
                yield Sample(f"masked.{f}", arr(3, 4), dim=dim, keepdim=keepdim, mask=mask)
        yield Sample(f"masked.{f}", arr(3, 4), dim=1, mask=np.array([True, False, True, True]))
    for f in ("sum", "prod", "amax", "amin"):
        yield Sample(f"masked.{f}", ints(3, 4), dim=1, mask=EMPTY_ROW)
    for f in ("sum", "mean", "norm"):
        yield Sample(f"masked.{f}", const(arr(3, 4)), dim=1, mask=EMPTY_ROW)
        yield Sample(f"masked.{f}", arr(3, 4, dtype="complex128"), dim=1, mask=MASK)
    for f in ("argmax", "argmin"):
        for dim, keepdim in ((None, False), (1, True)):
            yield Sample(f"masked.{f}", arr(3, 4), dim=dim, keepdim=keepdim, mask=MASK)


SAMPLES = [
    *_reductions(),
    Sample("masked.median", arr(3, 4), 1, mask=MASK),
    Sample("masked.median", const(arr(3, 4)), mask=EMPTY_ROW),
    Sample("masked.median", ints(3, 4), 0, keepdim=True, mask=MASK),
    Sample("masked.sum", arr(3, 4), dtype=name("float32")),
    Sample("masked.norm", arr(3, 4), -np.inf, 1, mask=MASK),
    Sample("masked.norm", arr(3, 4), 1.0, 1, mask=MASK),
    Sample("masked.var", arr(3, 4), 1, False, mask=MASK),
    Sample("masked.std", arr(3, 4), 1, correction=0, mask=MASK),
    *[Sample(f"masked.{f}", arr(3, 4), dim, mask=mask)
      for f in ("cumsum", "cumprod", "softmax", "softmin", "log_softmax")
      for dim in (0, -1) for mask in (MASK, None)],
    Sample("masked.normalize", arr(3, 4), 2.0, 1, mask=MASK),
    Sample("masked.normalize", arr(3, 4), 3.0, 0),
    Sample("masked.logaddexp", arr(3, 4), arr(3, 4)),
    Sample("masked.logaddexp", const(arr(3, 4)), const(arr(3, 4)), input_mask=MASK, other_mask=bools(3, 4)),
    *[Sample(f"signal.windows.{f}", n, sym=sym, dtype=name("float64"))
      for f in WINDOWS for n in (0, 1, 5, 8) for sym in (True, False)],
    *[Sample(f"signal.windows.{f}", 6) for f in WINDOWS],
    Sample("signal.windows.exponential", 6, center=1.5, tau=2.0, sym=False),
    Sample("signal.windows.gaussian", 6, std=2.5),
    Sample("signal.windows.kaiser", 6, beta=3.0),
    Sample("signal.windows.general_cosine", 7, a=[0.4, 0.3, 0.2, 0.1]),
    Sample("signal.windows.general_hamming", 7, alpha=0.6),
]  # fmt: skip
