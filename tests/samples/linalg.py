"""Linear algebra."""

import math

import numpy as np

from . import Sample, arr, const

SQUARE = [(3, 3), (2, 3, 3)]
KINDS = ("float64", "complex128")
SIDES = [(4, 3), (3, 4), (2, 4, 3), (3, 3)]
NUMBERS = {"dtypes": (), "grad": "numbers", "second": "numbers", "forward": "numbers"}
LOSSY = {"tol": 1e-7, "why": "a longer computation"}


def wide(*shape, dtype="float64"):
    return arr(*shape, dtype=dtype)


def singular():
    a = arr(3, 3)
    a[2] = a[0] + a[1]
    return a


def positive(function, **how):
    """A function of a @ a^H + 1, which is positive-definite whatever a is."""

    def call(torch, a):
        return getattr(torch.linalg, function)(a @ a.mH + torch.eye(3, dtype=a.dtype), **how)

    call.__name__ = f"{function} of a @ a.mH + 1"
    return call


def hermitian(function, *args):
    """A function of a + a^H, with the absolute value of what is only defined up to a factor."""

    def call(torch, a):
        result = getattr(torch.linalg, function)(a + a.mH, *args)
        return result if function == "eigvalsh" else (result[0], abs(result[1]))

    call.__name__ = f"{function} of a + a.mH"
    return call


def eig(torch, a):
    values, vectors = torch.linalg.eig(a)
    return values, abs(vectors)


def svd(torch, a, full):
    u, s, vh = torch.linalg.svd(a, full)
    k = s.shape[-1]
    return abs(u[..., :k]), s, abs(vh[..., :k, :])


def svd_projection(torch, a):
    u, s, vh = torch.linalg.svd(a, False)
    return u @ vh


def lu_solve(torch, a, b, **how):
    return torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, **how)


def lu_unpack(torch, a):
    return torch.lu_unpack(*torch.linalg.lu_factor(a))


def _square():
    for shape in SQUARE:
        for kind in KINDS:
            a, b = wide(*shape, dtype=kind), wide(3, 2, dtype=kind)
            for name in ("inv", "det", "slogdet", "eigvals", "lu", "lu_factor"):
                yield Sample(f"linalg.{name}", a)
            for n in (3, -2, 0, 1):
                yield Sample("linalg.matrix_power", a, n)
            yield Sample("linalg.matrix_exp", a)
            yield Sample("linalg.matrix_exp", a * 8).but(dtypes=(), **LOSSY)
            yield Sample(positive("cholesky"), a)
            yield Sample(positive("cholesky", upper=True), a)
            yield Sample(hermitian("eigh"), a).but(dtypes=(), **LOSSY)
            yield Sample(hermitian("eigh", "U"), a).but(dtypes=(), **LOSSY)
            yield Sample(hermitian("eigvalsh"), a)
            yield Sample(eig, a).but(dtypes=(), **LOSSY)
            yield Sample("linalg.solve", a, b)
            yield Sample("linalg.solve", a, wide(3, dtype=kind)).but(dtypes=())
            yield Sample("linalg.solve", a, wide(5, *shape[:-2], 2, 3, dtype=kind), left=False).but(dtypes=())
            for upper in (True, False):
                for unit in (True, False):
                    how = {"upper": upper, "unitriangular": unit}
                    yield Sample("linalg.solve_triangular", a, b, **how).but(dtypes=())
                    yield Sample("linalg.solve_triangular", a, b.T, left=False, **how).but(dtypes=())
            for adjoint in (True, False):
                yield Sample(lu_solve, a, b, adjoint=adjoint).but(dtypes=())
                yield Sample(lu_solve, a, b.T, left=False, adjoint=adjoint).but(dtypes=())
            yield Sample(lu_unpack, a)
            for ord in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
                yield Sample("linalg.matrix_norm", a, ord).but(**LOSSY)
            for p in (None, 2, -2):
                yield Sample("linalg.cond", a, p).but(dtypes=(), **LOSSY)
            for p in ("fro", "nuc", 1, math.inf):
                yield Sample("linalg.cond", a, p).but(**NUMBERS, why="an error in PyTorch")


def _oblong():
    for shape in SIDES:
        for kind in KINDS:
            a = wide(*shape, dtype=kind)
            b = wide(*shape[:-1], 2, dtype=kind)
            yield Sample("linalg.qr", a)
            yield Sample("linalg.qr", a, "r").but(grad=False, why="there is none")
            if shape[-2] <= shape[-1]:
                yield Sample("linalg.qr", a, mode="complete")
            else:
                yield Sample("linalg.qr", a, mode="complete").but(grad=False, why="there is none")
            for name in ("lu", "lu_factor"):
                yield Sample(f"linalg.{name}", a)
            yield Sample("linalg.svdvals", a)
            yield Sample("linalg.matrix_rank", a)
            yield Sample("linalg.pinv", a).but(dtypes=(), **LOSSY)
            yield Sample(svd, a, True).but(dtypes=(), **LOSSY)
            yield Sample(svd, a, False).but(dtypes=(), **LOSSY)
            yield Sample(svd_projection, a).but(dtypes=(), **LOSSY)
            yield Sample("linalg.lstsq", a, b).but(outputs=0, **LOSSY)
            yield Sample("linalg.lstsq", a, b, driver="gelsd").but(grad=False, why="the others have none")


def ldl(torch, a, hermitian=False):
    a = a + (a.mH if hermitian else a.mT)
    return torch.linalg.ldl_factor(a, hermitian=hermitian)


def ldl_solve(torch, a, b, hermitian=False):
    return torch.linalg.ldl_solve(*ldl(torch, a, hermitian), b, hermitian=hermitian)


def low_rank(function, **how):
    """Singular values of a matrix of rank 2, and the product: whatever the random directions were."""

    def call(torch, a, b):
        u, s, v = getattr(torch, function)(a @ b, q=2, **how)
        return s, u * s[..., None, :] @ v.mH

    call.__name__ = function
    return call


SAMPLES = [
    *[Sample(f, const(arr(n, n, dtype=kind)), *rest).but(dtypes=())
      for n in (1, 2, 5, 9) for kind in KINDS
      for f, rest in ((ldl, ()), (ldl_solve, (const(arr(n, 2, dtype=kind)),)))],
    *[Sample(ldl, const(arr(2, 5, 5, dtype="complex128")), hermitian=True).but(dtypes=()) for _ in range(2)],
    Sample(ldl_solve, const(wide(5, 5, dtype=KINDS[1])), const(wide(5, 2, dtype=KINDS[1])), hermitian=True)
    .but(dtypes=()),
    Sample("linalg.ldl_factor_ex", const(np.array([[0.0, 1.0], [1.0, 0.0]]))),
    Sample("linalg.ldl_factor_ex", const(np.zeros((2, 2)))),
    *[Sample("geqrf", const(arr(*shape, dtype=kind))) for shape in SIDES for kind in KINDS],
    *[Sample("ormqr", arr(4, 3, dtype=kind), arr(3, dtype=kind), arr(4, 2, dtype=kind), True, t)
      .but(dtypes=())
      for t in (True, False) for kind in KINDS],
    *[Sample("ormqr", arr(2, 4, 3), arr(2, 3), arr(2, 5, 4), left=False, transpose=t) for t in (True, False)],
    Sample("lu", arr(3, 3)),
    Sample("lu", arr(2, 3, 4), get_infos=True),
    *[Sample(low_rank("svd_lowrank"), arr(*m, 2), arr(2, n))
      .but(dtypes=(), grad="numbers", second=False, forward="numbers", tol=1e-7, why="random directions")
      for m, n in (((5,), 4), ((2, 4), 6))],
    Sample(low_rank("pca_lowrank", center=True), const(arr(5, 2)), const(arr(2, 4)))
    .but(dtypes=(), tol=1e-7, why="random directions"),
    *_square(),
    *_oblong(),
    Sample("linalg.det", singular()).but(**NUMBERS, why="where PyTorch's derivatives are 0 or inexact"),
    Sample("linalg.det", singular() + 0j).but(**NUMBERS, why="where PyTorch is wrong"),
    Sample("linalg.inv", np.zeros((0, 3, 3))),
    Sample("linalg.inv_ex", arr(3, 3)),
    Sample(positive("cholesky_ex"), arr(3, 3)),
    Sample("linalg.solve_ex", arr(3, 3), arr(3, 2)),
    Sample("linalg.lu_factor_ex", arr(2, 3, 3)),
    Sample("linalg.multi_dot", [arr(2, 7), arr(7, 3), arr(3, 9), arr(9, 2)]),
    Sample("linalg.multi_dot", [arr(7), arr(7, 3), arr(3)]),
    Sample("linalg.tensorinv", arr(2, 3, 6)),
    Sample("linalg.tensorinv", arr(6, 2, 3), 1),
    Sample("linalg.tensorsolve", arr(2, 3, 6), arr(2, 3)),
    Sample("linalg.tensorsolve", arr(3, 6, 2), arr(3, 2), dims=(1,)),
    Sample("linalg.householder_product", arr(4, 3), arr(3)),
    Sample("linalg.householder_product", wide(2, 4, 3, dtype=KINDS[1]), wide(2, 2, dtype=KINDS[1])),
    Sample("linalg.cross", arr(4, 3), arr(4, 3)),
    Sample("linalg.cross", arr(3, 4), arr(3, 1), dim=0),
    Sample("linalg.cross", arr(4, 3, dtype="complex128"), arr(1, 3, dtype="complex128")),
    Sample("cross", arr(4, 3), arr(4, 3)),
    Sample("linalg.vecdot", arr(4, 3), arr(4, 3)),
    Sample("linalg.vecdot", arr(4, 3, dtype="complex128"), arr(3, dtype="complex128")),
    *[s.but(**NUMBERS, why="an error in PyTorch")
      for s in (Sample("linalg.vander", arr(4)), Sample("linalg.vander", arr(2, 4), N=3),
                Sample("vander", arr(4)),
                Sample("vander", arr(4), 3, increasing=True))],
    Sample("linalg.norm", arr(3, 4)),
    Sample("linalg.norm", arr(3, 4), "fro"),
    Sample("linalg.norm", arr(3, 4), 1),
    Sample("linalg.norm", arr(3, 4), 3, 1),
    Sample("linalg.norm", arr(2, 3, 4), "nuc", (0, 2)),
    Sample("linalg.norm", arr(4), 2.5),
    Sample("linalg.norm", arr(2, 3, 4), None, (0, 1), True),
    Sample("linalg.matrix_norm", arr(2, 3, 4), 1, (0, 2), keepdim=True),
    Sample("linalg.vector_norm", arr(2, 3, 4), 3, (0, 1)),
    Sample("linalg.diagonal", arr(2, 3, 4), offset=1),
    Sample("linalg.matmul", arr(2, 3), arr(3, 2)),
    Sample("linalg.pinv", arr(4, 4), hermitian=False, rtol=0.3).but(**LOSSY),
    Sample("linalg.matrix_rank", singular(), hermitian=False, atol=0.1),
    Sample("logdet", arr(3, 3) @ np.eye(3) * [1, 1, 1]),
    Sample("det", arr(3, 3)),
    Sample("slogdet", arr(3, 3)),
    Sample("inverse", arr(3, 3)),
    Sample("pinverse", arr(4, 3)).but(dtypes=(), **LOSSY),
    Sample("matrix_power", arr(3, 3), 2),
    Sample("matrix_exp", arr(3, 3)),
    Sample("qr", arr(4, 3)),
    Sample("svd", arr(4, 3), compute_uv=False),
    Sample("cholesky", np.array([[2.0, 1.0], [1.0, 3.0]])),
    Sample("cholesky_solve", arr(3, 2), np.tril(arr(3, 3, low=1)))
    .but(**NUMBERS, why="PyTorch's gradient isn't triangular"),
    Sample("cholesky_inverse", np.tril(arr(3, 3, low=1)))
    .but(**NUMBERS, why="PyTorch's gradient isn't triangular"),
    Sample("triangular_solve", arr(3, 2), arr(3, 3), False)
    .but(forward="numbers", why="PyTorch's tangent counts the triangle of A that is not read"),
    Sample("triangular_solve", arr(3, 2), arr(3, 3), False, True)
    .but(forward="numbers", why="PyTorch's tangent disagrees with its gradient"),
    Sample("orgqr", arr(4, 3), arr(3)),
    Sample("nuclear_norm", arr(3, 4)),
    Sample("frobenius_norm", arr(3, 4), (0, 1)),
]  # fmt: skip
