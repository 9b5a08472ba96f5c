"""Operations on lists of tensors in one pass, and the methods and functions that are made of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from retrograd.core import lists
from retrograd.core.compiled import native

needs_kernels = pytest.mark.skipif(native is None, reason="there is no compiled module here")

# name: (arrays that are read, numbers, the same in NumPy)
OPERATIONS = {
    "fill": (1, 1, lambda x, a: np.full_like(x, a)),
    "copy": (2, 0, lambda x, y: y),
    "add": (2, 1, lambda x, y, a: x + a * y),
    "shift": (1, 1, lambda x, a: x + a),
    "mul": (2, 0, lambda x, y: x * y),
    "scale": (1, 1, lambda x, a: x * a),
    "divide": (2, 0, lambda x, y: x / y),
    "over": (1, 1, lambda x, a: x / a),
    "lerp": (2, 1, lambda x, y, a: x + a * (y - x) if abs(a) < 0.5 else y - (y - x) * (1 - a)),
    "addcmul": (3, 1, lambda x, y, z, a: x + a * y * z),
    "addcdiv": (3, 1, lambda x, y, z, a: x + a * (y / z)),
    "maximum": (2, 0, np.maximum),
    "minimum": (2, 0, np.minimum),
    "clamp": (1, 2, lambda x, a, b: np.minimum(np.maximum(x, a), b)),
    "clamp_min": (1, 1, np.maximum),
    "clamp_max": (1, 1, np.minimum),
    "relu": (1, 0, lambda x: np.maximum(x, 0)),
    "neg": (1, 0, np.negative),
    "abs": (1, 0, np.abs),
    "sign": (1, 0, lambda x: np.nan_to_num(np.sign(x))),
    "sqrt": (1, 0, np.sqrt),
    "reciprocal": (1, 0, lambda x: 1 / x),
    "square": (1, 0, lambda x: x * x),
}
shapes = st.lists(
    st.one_of(
        st.lists(st.integers(0, 5), max_size=3).map(tuple), st.integers(1, 300).map(lambda n: (n,)),
        st.sampled_from([(40_000,), (300, 200), (2, 3, 5, 7)]),
    ),
    max_size=6,
)  # fmt: skip


def _arrays(shapes, dtype, seed, special, order):
    random = np.random.default_rng(seed)
    arrays = []
    for shape in shapes:
        array = random.standard_normal(shape).astype(dtype)
        if special and array.size:
            array.flat[random.integers(array.size)] = random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0])
        if order and len(shape) == 4:  # channels last, as a convolution's weights are
            array = np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        arrays.append(array)
    return arrays


def _close(got, expected):
    tolerance = 1e-5 if expected.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@needs_kernels
@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=25, deadline=None)
@given(
    shapes=shapes, dtype=st.sampled_from(["float32", "float64"]), seed=st.integers(0, 99),
    special=st.booleans(), order=st.booleans(), numbers=st.tuples(*[st.floats(-2, 2, width=32)] * 2),
    each=st.booleans(),
)  # fmt: skip
def test_operations(name, shapes, dtype, seed, special, order, numbers, each):
    arrays, count, reference = OPERATIONS[name]
    columns = [_arrays(shapes, dtype, seed + i, special, order) for i in range(arrays)]
    numbers = [np.array(n, dtype).item() for n in numbers[:count]]
    with np.errstate(all="ignore"):
        expected = [reference(*row, *np.array(numbers, dtype)) for row in zip(*columns, strict=True)]
    tensors = [[retrograd.from_numpy(a.copy(order="K")) for a in column] for column in columns]
    given_numbers = tuple([n] * len(shapes) for n in numbers) if each else tuple(numbers)
    made = lists.make(name, given_numbers, *tensors)
    if made is not None:  # it may be a layout that new arrays don't have
        for got, wanted in zip(made, expected, strict=True):
            _close(got.numpy(), wanted)
    for got, array in zip(tensors[0], columns[0], strict=True):
        np.testing.assert_array_equal(got.numpy(), array)
    before = [t._version for t in tensors[0]]
    assert lists.update(name, given_numbers, *tensors)
    for got, wanted, version in zip(tensors[0], expected, before, strict=True):
        _close(got.numpy(), wanted)
        assert got._version == version + 1


@needs_kernels
@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["magnitudes", "squares", "largest"]), shapes=shapes, seed=st.integers(0, 99),
    dtype=st.sampled_from(["float32", "float64"]), special=st.booleans(),
)  # fmt: skip
def test_folds(name, shapes, seed, dtype, special):
    arrays = _arrays(shapes, dtype, seed, special, True)
    folds = lists.fold(name, [retrograd.from_numpy(a) for a in arrays])
    assert folds.dtype == np.float64
    with np.errstate(all="ignore"):
        for got, array in zip(folds, [a.astype(np.float64) for a in arrays], strict=True):
            sizes = np.abs(array)
            if name == "largest":
                wanted = sizes.max(initial=0)
            else:
                wanted = (sizes if name == "magnitudes" else sizes * sizes).sum()
            np.testing.assert_allclose(got, wanted, rtol=1e-5)


@needs_kernels
def test_the_same_bits_for_any_number_of_threads():
    x = retrograd.randn(1_000_003)
    results = []
    for threads in (1, 2, 3):
        before = retrograd.get_num_threads()
        retrograd.set_num_threads(threads)
        try:
            results.append(lists.fold("squares", [x, x[:70_001]]).tobytes())
        finally:
            retrograd.set_num_threads(before)
    assert len(set(results)) == 1


@needs_kernels
def test_what_is_left_to_python():
    x, y = retrograd.randn(3), retrograd.randn(3)
    grown = retrograd.randn(3, requires_grad=True)
    column = retrograd.randn(4, 4)[:, 1]
    for tensor in (grown, x.to(retrograd.bfloat16), x.to(retrograd.int64), column):
        assert not lists.update("shift", (1.0,), [tensor])
    assert not lists.update("shift", (1.0,), [x, x])  # one after the other would add 2
    whole = retrograd.zeros(10)
    assert not lists.update("copy", (), [whole[:6]], [whole[2:8]])
    assert not lists.update("copy", (), [whole[:5], whole[5:]], [y[:0], y[:0]])
    assert not lists.update("add", (1.0,), [x], [grown])
    assert not lists.update("add", (x,), [x], [y])
    assert lists.make("sqrt", (), [grown]) is None
    with retrograd.no_grad():
        assert lists.update("shift", (1.0,), [grown])
    with pytest.raises(ValueError, match="no operation on lists named 'nothing'"):
        native.update_each("nothing", (), [x])
    with pytest.raises(TypeError, match="a tuple of 1 numbers"):
        native.update_each("shift", (), [x])
    with pytest.raises(TypeError, match="takes 2 lists, got 1"):
        native.update_each("mul", (), [x])
    with pytest.raises(TypeError, match="takes lists of Tensors, got Tensor"):
        native.update_each("neg", (), x)
    with pytest.raises(ValueError, match="folds magnitudes, squares or largest"):
        native.fold_each("mean", [x])


METHODS = [
    ("relu_",), ("abs_",), ("neg_",), ("sign_",), ("sqrt_",), ("square_",), ("reciprocal_",), ("zero_",),
    ("fill_", 2.5), ("fill_", 3), ("add_", 1.5), ("add_", 2), ("sub_", 1.5), ("sub_", "y"), ("add_", "y"),
    ("mul_", "y"), ("mul_", 3), ("div_", "y"), ("div_", 3.0), ("lerp_", "y", 0.25), ("lerp_", "y", 0.75),
    ("addcmul_", "y", "z"), ("addcdiv_", "y", "z"), ("clamp_", -0.5, 0.5), ("clamp_", 0.5, -0.5),
    ("clamp_", 0.25), ("clamp_min_", 0.25), ("clamp_max_", 0.25), ("copy_", "y"), ("subtract_", 2.0),
    ("multiply_", "y"), ("__iadd__", "y"), ("__isub__", "y"), ("__imul__", 2.0), ("__itruediv__", "y"),
    ("__isub__", 2), ("clip_", -0.5, 0.5),
]  # fmt: skip
KEYWORDS = [
    ("addcmul_", ("y", "z"), {"value": -0.3}), ("addcdiv_", ("y", "z"), {"value": 2}),
    ("clamp_", (), {"min": 0}), ("clamp_", (), {"max": 0.1}), ("clip_", (), {"min": -0.1, "max": 0.1}),
    ("add_", ("y",), {"alpha": -0.1}), ("sub_", ("y",), {"alpha": 3}),
    ("div_", ("y",), {"rounding_mode": "floor"}),
    ("add_", (), {"other": "y"}), ("lerp_", (), {"end": "y", "weight": 0.3}), ("fill_", (), {"value": 2}),
    ("relu_", (), {}), ("copy_", ("y",), {"non_blocking": True}),
]  # fmt: skip


def _in_place(library, name, args, named, dtype, shape, graph):
    random = np.random.default_rng(0)
    draw = lambda: library.tensor(random.standard_normal(shape).tolist(), dtype=getattr(library, dtype))
    x, y, z = draw(), draw(), draw()
    operands = {"y": y, "z": z}
    leaf = x
    if graph:
        leaf = x.requires_grad_()
        x = leaf * 1
    args = [operands.get(a, a) if isinstance(a, str) and len(a) == 1 else a for a in args]
    named = {k: operands.get(v, v) if isinstance(v, str) and len(v) == 1 else v for k, v in named.items()}
    result = getattr(x, name)(*args, **named)
    assert result is x
    if graph:
        x.sum().backward()
        return x.detach(), leaf.grad, x.grad_fn.name().removesuffix("0") if x.grad_fn else None
    return x, x._version


@pytest.mark.parametrize("call", [*[(n, a, {}) for n, *a in METHODS], *KEYWORDS], ids=str)
@pytest.mark.parametrize("graph", [False, True])
def test_in_place_methods(call, graph):
    for dtype, shape in (("float32", (3, 5)), ("float64", ()), ("float32", (0, 2)), ("bfloat16", (7,))):
        own, theirs = (_in_place(lib, *call, dtype, shape, graph) for lib in (retrograd, torch))
        assert own[0].dtype == getattr(retrograd, dtype)
        tolerance = 1e-2 if dtype == "bfloat16" else 1e-6
        np.testing.assert_allclose(
            own[0].double().numpy(), theirs[0].double().numpy(), rtol=tolerance, atol=tolerance
        )
        if graph:
            np.testing.assert_allclose(
                own[1].double().numpy(), theirs[1].double().numpy(), rtol=tolerance, atol=tolerance
            )
        else:
            assert own[1] == theirs[1]


def test_in_place_methods_refuse_what_they_did_before():
    leaf = retrograd.randn(3, requires_grad=True)
    for call in (lambda: leaf.zero_(), lambda: leaf.add_(1.0), lambda: leaf.copy_(retrograd.ones(3))):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            call()
    with pytest.raises(RuntimeError, match="shape"):
        retrograd.zeros(3).add_(retrograd.zeros(2, 3))
    with pytest.raises(RuntimeError, match="single memory location"):
        retrograd.zeros(1).expand(3).zero_()
    x = retrograd.randn(3, requires_grad=True)
    y = x * 1
    out = (y * y).sum()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


@pytest.mark.parametrize("shapes", [[(3,), (2, 2)], [(64,)] * 20, [(300, 300), (), (1, 1)]])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf"), 3.0])
def test_clipping_and_norms(shapes, norm_type):
    results = []
    for library in (retrograd, torch):
        random = np.random.default_rng(1)
        params = [library.zeros(s, requires_grad=True) for s in shapes]
        for p, s in zip(params, shapes, strict=True):
            p.grad = library.tensor(random.standard_normal(s).tolist()).reshape(s)
        utils = library.nn.utils
        norms = [utils.get_total_norm([p.grad for p in params], norm_type)]
        norms.append(utils.clip_grad_norm_(params, 0.5, norm_type))
        clipped = [p.grad.numpy().copy() for p in params]
        utils.clip_grad_value_(params, 0.01)
        results.append((*norms, *clipped, *[p.grad for p in params]))
    for own, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(np.asarray(own), np.asarray(theirs), rtol=3e-5, atol=1e-7)


def test_zero_grad_keeps_the_memory():
    params = [retrograd.ones(3, requires_grad=True), retrograd.ones(2, 2, requires_grad=True)]
    for p in params:
        p.grad = retrograd.ones_like(p)
    params.append(retrograd.ones(1, requires_grad=True))
    grads = [p.grad for p in params]
    retrograd.optim.SGD(params, lr=0.1).zero_grad(set_to_none=False)
    assert [p.grad is g for p, g in zip(params, grads, strict=True)] == [True, True, True]
    assert all(not g.any() for g in grads[:2]) and params[2].grad is None
