"""Orthogonal polynomials, by their three-term recurrences. No gradients, as in PyTorch."""

import numpy as np

from ..core.op import PAIR_FLOAT, Op


def _polynomial(name, first, step, shifted=False, doc=""):
    """The row of p(x, n): p0 = 1, p1 = first(x), p(k + 1) = step(k, x, p(k), p(k - 1)); 0 for n < 0.

    shifted: of 2 x - 1 in the place of x.
    """

    def forward(xp, x, n):
        kind = np.result_type(x, np.float32)
        x, n = np.broadcast_arrays(np.asarray(x, np.float64), np.trunc(np.asarray(n, np.float64)))
        if shifted:
            x = 2 * x - 1
        last, now = np.ones(x.shape), first(x)
        out = np.where(n == 0, last, np.where(n == 1, now, 0.0))
        for k in range(1, int(n.max(initial=0))):
            last, now = now, step(k, x, now, last)
            out = np.where(n == k + 1, now, out)
        return out.astype(kind)

    return Op(name, forward, promote=PAIR_FLOAT, doc=f"{doc}, of degree `n` at `input`. No gradient.")


def _chebyshev(k, x, now, last):
    return 2 * x * now - last


chebyshev_polynomial_t, chebyshev_polynomial_u, chebyshev_polynomial_v, chebyshev_polynomial_w = [
    _polynomial(
        f"chebyshev_polynomial_{kind}", first, _chebyshev, doc=f"Chebyshev's polynomial of the {nth} kind"
    )
    for kind, nth, first in (
        ("t", "first", lambda x: x),
        ("u", "second", lambda x: 2 * x),
        ("v", "third", lambda x: 2 * x - 1),
        ("w", "fourth", lambda x: 2 * x + 1),
    )
]

(
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
) = [
    _polynomial(
        f"shifted_chebyshev_polynomial_{kind}", first, _chebyshev, True,
        doc=f"Chebyshev's polynomial of the {nth} kind, shifted to [0, 1]",
    )
    for kind, nth, first in (
        ("t", "first", lambda x: x),
        ("u", "second", lambda x: 2 * x),
        ("v", "third", lambda x: 2 * x - 1),
        ("w", "fourth", lambda x: 2 * x + 1),
    )
]  # fmt: skip

hermite_polynomial_h = _polynomial(
    "hermite_polynomial_h", lambda x: 2 * x, lambda k, x, now, last: 2 * x * now - 2 * k * last,
    doc="The physicists' Hermite polynomial",
)  # fmt: skip

hermite_polynomial_he = _polynomial(
    "hermite_polynomial_he", lambda x: x, lambda k, x, now, last: x * now - k * last,
    doc="The probabilists' Hermite polynomial",
)  # fmt: skip

laguerre_polynomial_l = _polynomial(
    "laguerre_polynomial_l", lambda x: 1 - x,
    lambda k, x, now, last: ((2 * k + 1 - x) * now - k * last) / (k + 1), doc="Laguerre's polynomial",
)  # fmt: skip

legendre_polynomial_p = _polynomial(
    "legendre_polynomial_p", lambda x: x,
    lambda k, x, now, last: ((2 * k + 1) * x * now - k * last) / (k + 1), doc="Legendre's polynomial",
)  # fmt: skip
