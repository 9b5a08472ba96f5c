"""Indexing, and picking and placing by index tensors and masks."""

import numpy as np

from . import Sample, arr, bools, const, ints

_complex = arr(3, 4, dtype="complex128")
_mask = np.array([[True, False, True], [False, False, True]])
_rows = np.array([0, 2, 2, -1])
_columns = np.array([[0], [3]])
_LARGER = "PyTorch has no gradient where src is larger than index"
_NO_TANGENT = "PyTorch's tangent of a scattered product is zero"
OTHERS = ("float32", "bfloat16", "float16")


def _at(*key):
    """x[key], where arrays in the key are index tensors."""

    def getitem(torch, x, *indices):
        return x[_filled(key, indices)]

    getitem.__name__ = f"x[{', '.join(map(_text, key))}]"
    return getitem


def _set(*key):
    """x[key] = value on a copy of x."""

    def setitem(torch, x, value, *indices):
        x = x.clone()
        x[_filled(key, indices)] = value
        return x

    setitem.__name__ = f"x[{', '.join(map(_text, key))}] = value"
    return setitem


def _filled(key, indices):
    indices = iter(indices)
    key = tuple(next(indices) if k is I else k for k in key)
    return key if len(key) != 1 else key[0]


def _text(k):
    if isinstance(k, slice):
        return ":".join("" if v is None else str(v) for v in (k.start, k.stop, k.step))
    return {Ellipsis: "...", I: "I"}.get(k, str(k)) if not isinstance(k, list) else str(k)


def _by_name(name):
    """A function by its name that has no in-place form to be tried as well: PyTorch can't differentiate
    these."""

    def function(torch, *args, **kwargs):
        return getattr(torch, name)(*args, **kwargs)

    function.__name__ = name
    return function


class _Index:
    def __repr__(self):
        return "I"


I = _Index()
_ = slice(None)

SAMPLES = [
    # basic: views
    Sample(_at(1), arr(3, 4)).but(dtypes=OTHERS),
    Sample(_at(-1, -2), arr(3, 4)),
    Sample(_at(2), arr(3)),
    Sample(_at(slice(1, 3)), arr(4)),
    Sample(_at(_, slice(None, None, 2)), arr(3, 4)),
    Sample(_at(slice(-2, None), 1), arr(3, 4)),
    Sample(_at(slice(5, 9)), arr(4)),
    Sample(_at(slice(2, 1)), arr(4)),
    Sample(_at(None), arr(3)),
    Sample(_at(Ellipsis, None, 0), arr(3, 4)),
    Sample(_at(Ellipsis), arr(3)),
    Sample(_at(Ellipsis), arr()),
    Sample(_at(_), arr(3)),
    Sample(_at(0, Ellipsis, 1), arr(2, 3, 4)),
    Sample(_at(None, slice(0, 2), None, 3), _complex),
    Sample(_at(I), arr(3, 4), ints(high=3)),
    # index tensors
    Sample(_at(I), arr(3, 4), _rows).but(dtypes=OTHERS),
    Sample(_at(I), arr(3), ints(2, 2, high=3)),
    Sample(_at([0, 2]), arr(3, 4)),
    Sample(_at([[0, 1], [2, 0]]), arr(3, 4)),
    Sample(_at([True, False, True]), arr(3, 4)),
    Sample(_at(_, I), arr(3, 4), _rows),
    Sample(_at(I, I), arr(3, 4), _rows, ints(4, high=4)),
    Sample(_at(I, I), arr(3, 4), _rows, _columns),
    Sample(_at(_, I, I), arr(2, 3, 4), _rows, _columns),
    Sample(_at(I, _, I), arr(3, 2, 4), _rows, _columns),
    Sample(_at(I, slice(1, None), 0), arr(3, 4, 2), _rows),
    Sample(_at(0, _, I), arr(2, 3, 4), _rows),
    Sample(_at(I, None), arr(3, 4), _rows),
    Sample(_at(Ellipsis, I), arr(2, 3, 4), ints(2, 2, high=4)),
    Sample(_at(I), arr(3, 4), ints(0)),
    Sample(_at(I), arr(0, 4), ints(0)),
    Sample(_at(I), _complex, _rows),
    Sample(_at(I), arr(3, 4), _rows.astype(np.int32)),
    Sample(_at(I, 1), arr(3, 4), ints(2, 2, high=3)),
    # masks
    Sample(_at(I), arr(2, 3), _mask).but(dtypes=OTHERS),
    Sample(_at(I), arr(2, 3, 2), _mask),
    Sample(_at(_, I), arr(2, 3), _mask[0]),
    Sample(_at(I, 1), arr(2, 3, 2), _mask[:, 0]),
    Sample(_at(I, I), arr(2, 3), np.array([True, True]), ints(2, high=3)),
    Sample(_at(I, _, I), arr(2, 2, 3), np.array([True, False]), ints(2, high=3)),
    Sample(_at(I), arr(2, 3), bools(2, 3) & False),
    Sample(_at(True), arr(2)),
    Sample(_at(False), arr(2)),
    Sample(_at(I), arr(2), np.array(True)),
    # assignment
    Sample(_set(1), arr(3, 4), arr(4)),
    Sample(_set(1), arr(3, 4), arr()),
    Sample(_set(slice(0, 2), 1), arr(3, 4), arr(1, 2)),
    Sample(_set(Ellipsis), arr(3), arr(1)),
    Sample(_set(Ellipsis), arr(), arr()),
    Sample(_set(_, slice(None, None, 3)), _complex, arr(3, 2, dtype="complex128")),
    Sample(_set(0), ints(3), 2.7),
    Sample(_set(0), ints(3, 2), arr(2)),
    Sample(_set(slice(0, 2)), arr(3), 4),
    Sample(_set(I), arr(5, 4), arr(3, 4), np.array([0, 3, -1])),
    Sample(_set(I), arr(3, 4), arr(), np.array([0, 2])),
    Sample(_set(_, I), arr(3, 4), arr(3, 1), np.array([0, 2])),
    Sample(_set(I, I), arr(3, 4), arr(2), np.array([0, 2]), np.array([1, 1])),
    Sample(_set(0, I), arr(3, 4), arr(2), np.array([1, 3])),
    Sample(_set(I), arr(2, 3), arr(3), _mask),
    Sample(_set(I), arr(2, 3), 7, _mask),
    Sample(_set(I), arr(2, 3), arr(), _mask),
    Sample(_set(_, I), arr(2, 3), arr(2, 2), _mask[0]),
    Sample(_set([0, 2]), arr(3), arr(2)),
    Sample("index_put", arr(3, 4), (np.array([0, 2]), np.array([1, 3])), arr(2)),
    Sample("index_put", arr(3, 4), (_rows,), arr(4, 4), True),
    Sample("index_put", arr(3, 4), (np.array([0, 0]), np.array([1, 1])), arr(1), accumulate=True),
    Sample("Tensor.index_put", arr(2, 3), (_mask,), arr()),
    Sample("Tensor.index_put", arr(2, 3), (_mask,), arr(3), accumulate=True),
    # along a dimension
    Sample("gather", arr(3, 4), 1, ints(3, 2, high=4)).but(dtypes=OTHERS),
    Sample("gather", arr(3, 4), 0, ints(5, 2, high=3)),
    Sample("gather", arr(3), dim=-1, index=ints(2, high=3)),
    Sample("gather", arr(), 0, ints(high=1)),
    Sample("gather", arr(3, 4), 0, ints(0, 4)),
    Sample("gather", _complex, 1, ints(2, 2, high=4)),
    Sample("take_along_dim", arr(3, 4), ints(3, 2, high=4), 1),
    Sample("take_along_dim", arr(3, 4), ints(1, 4, high=3), dim=0),
    Sample("take_along_dim", arr(3, 4), ints(5, high=12)),
    Sample("index_select", arr(3, 4), 0, np.array([0, 2, 2])).but(dtypes=OTHERS),
    Sample("index_select", arr(3, 4), dim=-1, index=ints(0)),
    Sample("index_select", arr(), 0, ints(1, high=1)),
    Sample("index_select", _complex, 1, ints(6, high=4)),
    Sample("index_add", arr(3, 4), 0, np.array([0, 2, 2]), arr(3, 4)).but(dtypes=OTHERS),
    Sample("index_add", arr(3, 4), 1, ints(2, high=4), arr(3, 2), alpha=2.5),
    Sample("index_add", arr(5), dim=0, index=ints(7), source=arr(7)),
    Sample("index_add", ints(5), 0, ints(7), ints(7)),
    Sample("index_copy", arr(3, 4), 0, np.array([2, 0]), arr(2, 4)),
    Sample("index_copy", arr(3, 4), 1, np.array([3]), arr(3, 1)),
    Sample("index_fill", arr(3, 4), 1, np.array([0, 2]), 1.5),
    Sample("index_fill", arr(3, 4), 0, np.array([1]), arr()),
    Sample("index_reduce", arr(3, 4), 0, np.array([0, 2, 2]), arr(3, 4), "amax"),
    Sample("index_reduce", arr(3, 4), 0, np.array([0, 2, 2]), arr(3, 4), "amin", include_self=False),
    Sample("index_reduce", arr(3, 4), 1, np.array([0, 2, 2]), arr(3, 3), "mean"),
    Sample("index_reduce", arr(3, 4), 1, np.array([0, 2, 2]), arr(3, 3), reduce="prod"),
    Sample("scatter", arr(3, 4), 1, np.array([[0, 2], [1, 0], [3, 1]]), arr(3, 2)).but(dtypes=OTHERS),
    Sample(_by_name("scatter"), arr(3, 4), 1, np.array([[0, 2], [1, 0], [3, 1]]), arr(3, 3)).but(
        grad=False, why=_LARGER
    ),
    Sample("scatter", arr(3, 4), 0, np.array([[0, 2, 1]]), 2.5),
    Sample("scatter", arr(3), dim=-1, index=np.array([2, 0]), value=1.0),
    Sample("scatter", arr(), 0, ints(high=1), arr()),
    Sample(_by_name("scatter"), arr(3), 0, np.array([1, 1, 0]), arr(3), reduce="add").but(
        grad=False, why="PyTorch has no derivative of scatter with reduce="
    ),
    Sample(_by_name("scatter"), arr(3), 0, np.array([1, 1, 0]), arr(3), reduce="multiply").but(
        grad=False, why="PyTorch has no derivative of scatter with reduce="
    ),
    Sample("scatter_add", arr(3, 4), 1, ints(3, 6, high=4), arr(3, 6)).but(dtypes=OTHERS),
    Sample(_by_name("scatter_add"), arr(3, 4), 0, ints(2, 2, high=3), arr(3, 4)).but(grad=False, why=_LARGER),
    Sample("scatter_add", arr(), 0, ints(high=1), arr()),
    Sample("scatter_add", _complex, 0, ints(2, 2, high=3), arr(2, 2, dtype="complex128")),
    *[
        Sample("scatter_reduce", arr(3, 4), 1, ints(3, 6, high=4), arr(3, 6), kind, include_self=own).but(
            forward=kind != "prod", why=_NO_TANGENT
        )
        for kind in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    Sample("scatter_reduce", ints(4), 0, ints(6, high=4), ints(6), reduce="mean"),
    Sample("scatter_reduce", ints(4), 0, ints(6, high=4), ints(6), "amax", include_self=False),
    Sample(
        "scatter_reduce",
        np.array([1.0, 0.0, 2.0]),
        0,
        np.array([0, 0, 1, 2, 2]),
        np.array([0.0, 3, 2, 0, 0]),
        "prod",
    ).but(second=False, forward=False, why="PyTorch has neither second derivatives at zeros nor tangents"),
    # masks and flat indices
    Sample("masked_fill", arr(2, 3), _mask, 1.5).but(dtypes=OTHERS),
    Sample("masked_fill", arr(2, 3), _mask[0], arr()),
    Sample("masked_fill", arr(3, 2).T, _mask, 1.5),
    Sample("masked_fill", arr(3), _mask, 0),
    Sample("masked_fill", ints(2, 3), _mask, 7),
    Sample("masked_fill", arr(2, 3), mask=_mask, value=float("-inf")),
    Sample("masked_select", arr(2, 3), _mask).but(dtypes=OTHERS),
    Sample("masked_select", arr(3), _mask),
    Sample("masked_select", arr(2, 1), _mask[0]),
    Sample("masked_select", arr(), np.array(True)),
    Sample("masked_scatter", arr(2, 3), _mask, arr(5)),
    Sample("masked_scatter", arr(2, 3), _mask[0], arr(2, 3)),
    Sample("nonzero", ints(3, 4, high=2)),
    Sample("nonzero", ints(3, 4, high=2), as_tuple=True),
    Sample("nonzero", const(arr())),
    Sample("argwhere", bools(3, 4)),
    Sample("nonzero_static", ints(6, high=2), size=4),
    Sample("nonzero_static", ints(2, 3, high=2), size=9, fill_value=7),
    Sample("take", arr(3, 4), ints(2, 2, high=12)),
    Sample("take", arr(3, 4), np.array([-1, 0, 0])),
    Sample("put", arr(3, 4), np.array([1, -1]), arr(2)),
    Sample("put", arr(3, 4), np.array([[1, 1]]), arr(2), True),
    Sample("put", arr(3), index=ints(2, high=3), source=arr(2), accumulate=True),
    # written views
    Sample("select_scatter", arr(3, 4), arr(4), 0, 1),
    Sample("select_scatter", arr(3, 4), arr(3), dim=-1, index=-1),
    Sample("slice_scatter", arr(4, 3), arr(2, 3), start=1, end=3),
    Sample("slice_scatter", arr(4, 3), arr(4, 2), 1, 0, None, 2),
    Sample("diagonal_scatter", arr(3, 3), arr(3)),
    Sample("diagonal_scatter", arr(3, 4), arr(3), offset=1),
    Sample("as_strided_scatter", arr(3, 3), arr(2, 2), (2, 2), (3, 1), 1).but(
        grad=False, why="PyTorch's gradient is that of the overwritten elements"
    ),
    Sample("where", bools(2, 3), arr(3), arr(2, 3)),
    Sample("where", ints(3, high=2)),
]
