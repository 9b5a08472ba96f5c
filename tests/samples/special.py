"""Special functions."""

import numpy as np

from . import Sample, arr, const, ints

_edges = const(np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan]))
_above = lambda *shape: arr(*shape, low=0.2, high=3.0)
_inside = lambda *shape: arr(*shape, low=-0.9, high=0.9)
OTHERS = ("float32", "bfloat16", "float16")


def _unary(path, make=arr, whole=True, dtypes=OTHERS):
    out = [
        Sample(path, make(2, 3)).but(dtypes=dtypes),
        Sample(path, make()),
        Sample(path, make(0, 2)),
        Sample(path, make(3, 4).T),
        Sample(path, _edges),
    ]
    return out + [Sample(path, ints(2, 3, low=1))] if whole else out


_POLYNOMIALS = (
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
)  # fmt: skip

_BESSEL = ("bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")
_BESSEL_K = (
    "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
)  # fmt: skip

SAMPLES = [
    *[
        Sample(f"special.{f}", const(np.array([0.0, -1.0, np.nan])))
        for f in (*_BESSEL, *_BESSEL_K, "spherical_bessel_j0")
    ],
    *[
        Sample(f"special.{f}", const(np.linspace(0.05, 60, 90))).but(tol=2e-6, why="so exact is PyTorch's")
        for f in _BESSEL
    ],
    *[Sample(f"special.{f}", const(np.linspace(-20, 0, 30))).but(tol=2e-6, why="as above") for f in _BESSEL],
    *[Sample(f"special.{f}", const(np.geomspace(1e-8, 100, 60))) for f in _BESSEL_K],
    *[Sample(f"special.{f}", ints(2, 3, low=1)) for f in (*_BESSEL_K, "spherical_bessel_j0", "airy_ai")],
    Sample("special.spherical_bessel_j0", const(np.linspace(-20, 30, 40))),
    Sample("special.spherical_bessel_j0", const(np.array([np.inf, -np.inf, 1e-9]))),
    Sample("special.airy_ai", const(np.array([0.0, 1.0, -1.0, np.nan]))),
    Sample("special.airy_ai", const(np.linspace(-30, 10, 81))).but(tol=1e-6, why="so exact is PyTorch's"),
    # special functions
    *_unary("erf"),
    *_unary("erfc"),
    Sample("erf", np.linspace(-6, 6, 50)).but(tol=1e-14, dtypes=("float32",), why="all of its range"),
    Sample("erfc", np.linspace(-6, 25, 50)).but(tol=1e-14, dtypes=("float32",), why="all of its range"),
    *_unary("erfinv", _inside, whole=False),
    *_unary("lgamma", _above),
    *_unary("digamma", _above),
    Sample("digamma", np.array([-0.5, -3.3, 12.0])),
    Sample("lgamma", np.array([-0.5, -3.3, 12.0])),
    *[Sample("polygamma", n, _above(4)) for n in range(4)],
    Sample("polygamma", 1, np.array([-0.4, -2.7])),
    Sample("Tensor.polygamma", _above(3), 2),
    Sample("mvlgamma", arr(3, low=2.0, high=5.0), 3),
    *_unary("i0"),
    Sample("i0", arr(5, low=-20.0, high=20.0)),
    *[
        Sample(f, const(arr(20, low=0.1, high=20.0)), arr(20, low=0.1, high=20.0))
        for f in ("igamma", "igammac")
    ],
    Sample("igamma", const(np.array([0.0, 1.0, -1.0, 2.0])), const(np.array([1.0, 0.0, 1.0, np.inf]))),
    *_unary("special.i0e"),
    *_unary("special.i1"),
    *_unary("special.i1e"),
    *[Sample(f"special.{f}", arr(6, low=-20.0, high=20.0)) for f in ("i0e", "i1", "i1e")],
    Sample("special.modified_bessel_i0", const(arr(3))),
    Sample("special.modified_bessel_i1", const(arr(3))),
    *_unary("special.ndtr", dtypes=("float32",)),
    *_unary("special.log_ndtr", dtypes=("float32",)),
    Sample("special.log_ndtr", np.array([-30.0, -1.0, 5.0])),
    Sample("special.ndtr", np.array([-30.0, 5.0])),
    *_unary("special.ndtri", lambda *shape: arr(*shape, low=0.05, high=0.95), dtypes=("float32",)),
    Sample("special.ndtri", np.array([1e-10, 1e-200, 1 - 1e-12])),
    Sample("special.ndtri", const(np.array([0.0, 1.0, -1.0]))),
    *_unary("special.erfcx", dtypes=("float32",)),
    Sample("special.erfcx", np.array([-3.0, 1.0, 50.0])),
    *_unary("special.entr", _above, dtypes=("float32",)),
    Sample("special.xlog1py", arr(2, 3), _inside(3)),
    Sample("special.xlog1py", arr(3), 2.0),
    Sample("special.xlog1py", const(np.array([0.0, 1.0, 0.0])), const(np.array([-1.0, 2.0, np.nan]))),
    Sample("special.zeta", const(arr(6, low=1.1, high=8.0)), const(arr(6, low=0.1, high=9.0))),
    Sample(
        "special.zeta",
        const(np.array([2.0, 1.0, 0.5, 2.0, 3.0, 2.5])),
        const(np.array([1.0, 1.0, 1.0, -1.0, -0.5, -0.5])),
    ),
    Sample("special.zeta", 2.0, const(arr(3, low=1.0))),
    Sample("special.zeta", ints(3, low=2), 1.5),
    *[Sample(f"special.{f}", const(arr(5)), n) for f in _POLYNOMIALS for n in (-1, 0, 1, 2, 7)],
    *[Sample(f"special.{f}", const(arr(3, 1)), const(np.array([0.0, 1.0, 4.0]))) for f in _POLYNOMIALS],
    *[
        Sample(f"special.{f}", _above(3))
        for f in ("digamma", "psi", "gammaln", "erf", "erfc", "expit", "exp2", "expm1", "log1p", "sinc", "i0")
    ],
    Sample("special.erfinv", _inside(3)),
    Sample("special.logit", arr(3, low=0.1, high=0.9)),
    Sample("special.round", arr(3)),
    Sample("special.xlogy", arr(3), _above(3)),
    Sample("special.polygamma", 2, _above(3)),
    Sample("special.multigammaln", _above(3) + 2, 2),
    Sample("special.gammainc", const(_above(3)), _above(3)),
    Sample("special.gammaincc", const(_above(3)), _above(3)),
    Sample("special.softmax", arr(2, 3), 1),
    Sample("special.log_softmax", arr(2, 3), 1),
    Sample("special.logsumexp", arr(2, 3), 1),
]
