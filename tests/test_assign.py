"""x[key] = value, masked_fill_, pow_ and draws in place: compiled, as in Python, and as PyTorch does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from retrograd.core.compiled import native

DTYPES = ["float32", "float64", "int64", "bool", "int32"]
SHAPES = [(), (5,), (3, 4), (2, 3, 4), (0, 3)]
BOUNDS = st.one_of(st.none(), st.integers(-6, 6))
SLICES = st.builds(slice, BOUNDS, BOUNDS, st.sampled_from([None, 1, 2, 3]))


@st.composite
def places(draw):
    """A shape and a key: ints, slices and Ellipsis, some out of range."""
    shape = draw(st.sampled_from(SHAPES))
    one = st.one_of(st.integers(-5, 5), SLICES, st.just(Ellipsis))
    key = draw(st.one_of(one, st.lists(st.one_of(st.integers(-4, 3), SLICES), max_size=3).map(tuple)))
    return shape, key


def filled(shape, dtype, transposed=False):
    array = np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)
    return array.T.copy().T if transposed else array


def outcome(module, array, write):
    """What `write` leaves of a tensor with these values and of a view made before, or its error's kind."""
    x = module.tensor(array)
    if array.ndim > 1 and not array.flags.c_contiguous:
        x = module.tensor(np.ascontiguousarray(array.T)).permute(*range(array.ndim)[::-1])
    view, before = x.detach(), x._version
    try:
        write(module, x)
    except (RuntimeError, IndexError, TypeError) as error:
        return type(error)
    return view.numpy().tolist(), x._version - before


def same(array, write):
    """As PyTorch does, and as without the compiled door."""
    expected = outcome(torch, array, write)
    assert outcome(retrograd, array, write) == expected
    if native is not None:
        before = native.use_door(False)
        try:
            assert outcome(retrograd, array, write) == expected
        finally:
            native.use_door(before)


@settings(max_examples=200, deadline=None)
@given(places(), st.sampled_from(DTYPES), st.sampled_from([0, 1, 2.5, True, -3]), st.booleans())
def test_numbers_at_places(place, dtype, value, transposed):
    shape, key = place
    same(filled(shape, dtype, transposed), lambda module, x: x.__setitem__(key, value))


@settings(max_examples=200, deadline=None)
@given(places(), st.sampled_from(DTYPES), st.data())
def test_tensors_at_places(place, dtype, data):
    shape, key = place
    try:
        target = np.zeros(shape)[key].shape
    except IndexError:
        target = (2,)
    drop = data.draw(st.integers(0, len(target)))
    ones = data.draw(st.lists(st.booleans(), min_size=len(target), max_size=len(target)))
    other = tuple([1 if one else n for n, one in zip(target, ones, strict=True)])[drop:]
    values = filled(other, data.draw(st.sampled_from([dtype, "float64"])))
    same(filled(shape, dtype), lambda module, x: x.__setitem__(key, module.tensor(values)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHAPES[1:]), st.sampled_from(DTYPES), st.sampled_from([0, 2.5, 7]), st.data())
def test_masks(shape, dtype, value, data):
    mask = filled(shape, "int64") % data.draw(st.integers(1, 3)) == 0
    same(filled(shape, dtype), lambda module, x: x.__setitem__(module.tensor(mask), value))
    if dtype.startswith("float") or value != 2.5:
        same(filled(shape, dtype), lambda module, x: x.masked_fill_(module.tensor(mask), value))


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SHAPES[1:4]),
    st.lists(st.integers(-3, 2), max_size=5),
    st.sampled_from(DTYPES[:3]),
    st.booleans(),
)
def test_rows(shape, rows, dtype, number):
    index = np.array(rows, np.int64)
    values = filled((len(rows), *shape[1:]), dtype)

    def write(module, x):
        x[module.tensor(index)] = 3 if number else module.tensor(values)

    same(filled(shape, dtype), write)


def test_overlapping_memory():
    x = retrograd.arange(1.0, 7.0)  # PyTorch refuses it in part
    x[1:] = x[:-1]
    assert x.tolist() == [1, 1, 2, 3, 4, 5]


def test_what_numbers_become():
    for value in (float("nan"), float("inf"), 2**53 + 1, 1e30, 2**24 + 1, 0.1):
        for dtype in ("float32", "float64"):
            x, y = (
                retrograd.zeros(3, dtype=getattr(retrograd, dtype)),
                torch.zeros(3, dtype=getattr(torch, dtype)),
            )
            x[1:] = y[1:] = value
            np.testing.assert_array_equal(x.numpy(), y.numpy())


def test_writes_in_a_graph():
    for module in (retrograd, torch):
        x = module.ones(4, requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            x[0] = 1
        with pytest.raises(RuntimeError, match="leaf"):
            x.normal_()
        y, value = x * 2, module.ones((), requires_grad=True)
        y[0] = value
        y[1:3] = 5
        y.sum().backward()
        assert x.grad.tolist() == [0, 0, 0, 2] and value.grad.item() == 1
        a = module.ones(4)
        saved = (x * a).sum()
        a[1] = 3
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            saved.backward()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3,), (16,), (5, 7), (40, 50)])
def test_draws(shape, dtype):
    made = []
    for module in (retrograd, torch):
        module.manual_seed(3)
        x = module.zeros(shape, dtype=getattr(module, dtype))
        before = x._version
        draws = [
            x.normal_(),
            x.normal_(1, 2.5),
            x.uniform_(),
            x.uniform_(-2, 3),
            x.bernoulli_(),
            x.bernoulli_(0.3),
        ]
        assert all([d is x for d in draws]) and x._version == before + 6
        module.manual_seed(4)
        made.append(
            [
                x.clone().normal_(0.5, 2),
                x.clone().uniform_(-1, 3),
                x.clone().bernoulli_(0.25),
                x.clone().exponential_(2),
                module.rand(3),
            ]
        )
        for wrong in (
            lambda: x.exponential_(0),
            lambda: x.normal_(0, -1),
            lambda: x.uniform_(2, 1),
            lambda: x.bernoulli_(1.5),
        ):
            with pytest.raises(RuntimeError):
                wrong()
    for ours, theirs in zip(*made, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


def test_powers():
    for exponent in (2, 2.0, 3, 0.5, -1):
        same(filled((5,), "float32"), lambda module, x, exponent=exponent: x.pow_(exponent))
    for module in (retrograd, torch):
        with pytest.raises(TypeError):
            module.ones(3).square_(2)


def test_dimensions_in_place():
    def write(module, x):
        view = x[0]
        x.unsqueeze_(0)
        x.squeeze_()
        x.transpose_(0, 1)
        view.add_(1)

    same(filled((3, 4), "float32"), write)


def test_results_into_out():
    for module in (retrograd, torch):
        x, out = module.ones(4), module.zeros(4)
        view, before = out.detach(), out._version
        assert module.add(x, x, out=out) is out and view.tolist() == [2] * 4 and out._version > before
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            module.add(x, x, out=module.zeros(4, requires_grad=True))
