"""Matrix products and linear maps."""

from . import Sample, arr, ints

SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((1, 5, 2, 3), (4, 1, 3, 2)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((2, 2, 0), (0, 4)),
]  # fmt: skip


def complex_(*shape):
    return arr(*shape, dtype="complex128")


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)), ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...ij,...jk", (4, 1, 2, 3), (5, 3, 4)), ("i...->...", (3, 4, 5)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("ij,ij->ij", (2, 3), (2, 3)),
    ("ij,kj->jik", (2, 3), (4, 3)), ("iij,jk->ik", (3, 3, 4), (4, 2)), ("iji->j", (3, 4, 3)),
    ("iii->i", (3, 3, 3)), ("...,...->...", (3, 4), (4,)), ("ab,cd,ef->", (2, 3), (4, 5), (2, 2)),
    ("ij,ik", (2, 3), (1, 4)), ("ij,jk->ik", (2, 1), (3, 4)), ("ij , jk -> ik", (2, 3), (3, 4)),
    ("zA,Ab", (2, 3), (3, 4)), ("ij,j->i", (0, 3), (3,)), ("i,", (3,), ()), ("ij,jk->ik", (2, 0), (0, 4)),
    ("abc,cd,bde->ae", (2, 3, 4), (4, 5), (3, 5, 6)), ("bij->bi", (2, 3, 4)),
]  # fmt: skip

SAMPLES = [
    *[Sample("einsum", e, *[arr(*s) for s in shapes]) for e, *shapes in EQUATIONS],
    *[Sample("einsum", e, *[complex_(*s) for s in shapes]) for e, *shapes in EQUATIONS[:14:2]],
    Sample("einsum", "ij,jk", [arr(2, 3), arr(3, 4)]),
    Sample("einsum", "ij,jk", ints(2, 3), ints(3, 4)),
    Sample("einsum", "ij,jk", arr(2, 3), arr(3, 4)).but(dtypes=("float32", "bfloat16")),
    Sample("einsum", arr(2, 3), [0, 1], arr(3, 4), [1, 2], [2, 0]),
    Sample("einsum", arr(2, 3), [..., 1], arr(3, 4), [1, 27]),
    *[Sample("tensordot", arr(3, 4, 3), arr(3, 4, 3), d)
      for d in (0, 1, ([0, 1], [2, 1]), [[1], [1]], ([-1], [0]))],
    Sample("tensordot", arr(2, 3, 4), arr(3, 4, 5)),
    Sample("kron", arr(2, 3), arr(3, 2)),
    Sample("kron", arr(2, 3), complex_(2, 3, 2)),
    Sample("kron", arr(), arr(3)),
    Sample("trace", arr(3, 4)),
    Sample("trace", ints(3, 3)),
    Sample("chain_matmul", arr(2, 7), arr(7, 3), arr(3, 9), arr(9, 2)),
    Sample("chain_matmul", arr(2, 7)),
    *[Sample("matmul", arr(*x), arr(*y)).but(dtypes=("float32", "float16", "bfloat16")) for x, y in SHAPES],
    *[Sample("matmul", complex_(*x), complex_(*y)) for x, y in SHAPES[:9]],
    Sample("matmul", ints(2, 3), ints(3, 4)),
    Sample("matmul", ints(2, 3, dtype="uint8", high=250), ints(3, 4, dtype="uint8", high=250)),
    Sample("matmul", arr(3, 2).T, arr(4, 3).T),
    Sample("matmul", arr(4, 2, 3).transpose(2, 1, 0), arr(8, 4)[::2, ::-1]),
    Sample("Tensor.__matmul__", arr(2, 3), arr(3, 4)),
    Sample("Tensor.__rmatmul__", arr(3, 4), arr(2, 3)),
    Sample("mm", arr(2, 3), arr(3, 4)),
    Sample("mm", arr(2, 3), mat2=arr(3, 4)),
    Sample("bmm", arr(5, 2, 3), arr(5, 3, 4)),
    Sample("bmm", complex_(5, 2, 3), complex_(5, 3, 4)),
    Sample("mv", arr(2, 3), arr(3)),
    Sample("dot", arr(3), arr(3)),
    Sample("dot", ints(3), ints(3)),
    Sample("vdot", complex_(3), complex_(3)),
    Sample("inner", arr(2, 3), arr(5, 4, 3)),
    Sample("inner", arr(3), arr(3)),
    Sample("inner", arr(), arr(3)),
    Sample("outer", arr(3), arr(4)),
    Sample("outer", arr(3), vec2=arr(0)),
    Sample("ger", arr(3), arr(4)),
    *[
        Sample(name, arr(*shape), arr(*x), arr(*y), **scale)
        for name, shape, x, y in [
            ("addmm", (2, 4), (2, 3), (3, 4)), ("addmm", (4,), (2, 3), (3, 4)), ("addmv", (2,), (2, 3), (3,)),
            ("addmv", (), (2, 3), (3,)), ("baddbmm", (5, 2, 4), (5, 2, 3), (5, 3, 4)),
            ("baddbmm", (4,), (5, 2, 3), (5, 3, 4)), ("addbmm", (2, 4), (5, 2, 3), (5, 3, 4)),
            ("addr", (2, 4), (2,), (4,)),
        ]
        for scale in ({}, {"beta": 0.5, "alpha": 2}, {"beta": 0})
    ],
    Sample("addmm", complex_(2, 4), complex_(2, 3), complex_(3, 4), beta=1 + 2j, alpha=2 - 1j),
    Sample("addmm", ints(2, 4), ints(2, 3), ints(3, 4), beta=2, alpha=3),
    *[Sample("nn.functional.linear", arr(*x), arr(5, 3), arr(5)) for x in [(3,), (2, 3), (4, 2, 3), (0, 3)]],
    Sample("nn.functional.linear", arr(2, 3), arr(5, 3)).but(dtypes=("float32", "bfloat16", "float16")),
    Sample("nn.functional.linear", arr(4, 2, 3), arr(5, 3), bias=None),
    Sample("nn.functional.linear", arr(2, 3), arr(3)),
    Sample("nn.functional.linear", complex_(2, 3), complex_(5, 3), complex_(5)),
    Sample("nn.functional.bilinear", arr(2, 3, 4), arr(2, 3, 5), arr(6, 4, 5), arr(6)),
    Sample("nn.functional.bilinear", arr(4), arr(5), arr(6, 4, 5)),
    Sample("bilinear", arr(3, 4), arr(3, 5), arr(6, 4, 5), None),
]  # fmt: skip
