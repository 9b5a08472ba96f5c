"""Tensors print as PyTorch prints them: every repr here is compared with the one of the real thing."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from retrograd import printing
from retrograd.core.size import Size

DTYPES = [
    "float32", "float64", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "complex64", "complex128",
    "int64", "int32", "int16", "int8", "uint8", "bool",
]  # fmt: skip


@pytest.fixture(autouse=True)
def default_options():
    yield
    printing.set_printoptions(profile="default")
    torch.set_printoptions(profile="default")


def as_numpy(tensor):
    """The NumPy array that holds what `tensor` holds, bit for bit."""
    name = dtype_name(tensor)
    tensor = tensor.detach()
    if hasattr(ml_dtypes, name):
        bits = torch.int16 if tensor.element_size() == 2 else torch.uint8
        return tensor.contiguous().view(bits).numpy().view(getattr(ml_dtypes, name))
    return tensor.numpy()


def dtype_name(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def ours(tensor):
    return printing.format_tensor(
        as_numpy(tensor),
        dtype_name=dtype_name(tensor),
        default_dtype_name=str(torch.get_default_dtype()).removeprefix("torch."),
        requires_grad=tensor.requires_grad,
        grad_fn_name=type(tensor.grad_fn).__name__ if tensor.grad_fn is not None else None,
    )


def assert_prints_like_torch(tensor):
    assert ours(tensor) == repr(tensor)


def set_both(**options):
    printing.set_printoptions(**options)
    torch.set_printoptions(**options)


@pytest.mark.parametrize("values", [
    1.0, -0.0, 0.1, 1e10, float("nan"), float("inf"), 7, True, False, 2 + 3j, -0.0 - 1j, complex("nan+infj"),
    [1.0, 2.0], [1.0, float("nan")], [0.0, -0.0], [1.0, float("-inf"), 1.5], [1e-5, 1.0], [1000.0, 1.0],
    [1001.0, 1.0], [1e8, 9e7], [1.1e8, 9e7], [1e-4, 2e-4], [0.99e-4, 2e-4], [float("nan")], [1e-45, 1e38],
    [123456.789],
    [True, False], [1, -100, 10], [[1, 2], [3, 400]], [[[0.5]], [[-0.25]]], [1j, 1.5 + 2e9j],
    [-1 - 1j, 1 + 0j],
    [-(2 ** 63), 2 ** 63 - 1], [0.00123, float("inf")], [1e20, 1.0, 0.0],
], ids=str)
def test_values(values):
    assert_prints_like_torch(torch.tensor(values))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (), (1,), (3, 2), (2, 3, 4)], ids=str)
def test_dtypes_and_empty_tensors(dtype, shape):
    values = torch.arange(float(np.prod(shape))).reshape(shape) - 1.5
    assert_prints_like_torch(values.to(getattr(torch, dtype)))


@pytest.mark.parametrize("shape", [
    (1000,), (1001,), (40, 30), (600, 2), (2, 600), (1, 7, 11, 13), (3, 3, 500), (7, 7, 7, 7), (6, 6, 40),
    (1, 1, 1001),
], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex64", "bfloat16"])
def test_summaries(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    assert_prints_like_torch((torch.randn(shape, generator=generator) * 3).to(getattr(torch, dtype)))


def test_a_summary_takes_its_format_from_the_shown_elements():
    tensor = torch.ones(2000)
    tensor[1000] = 1e30
    assert_prints_like_torch(tensor)


@pytest.mark.parametrize("dtype", DTYPES)
def test_default_dtype_float64_shows_other_dtypes(dtype):
    tensor, empty = torch.ones(2).to(getattr(torch, dtype)), torch.ones(0).to(getattr(torch, dtype))
    torch.set_default_dtype(torch.float64)
    try:
        assert_prints_like_torch(tensor)
        assert_prints_like_torch(empty)
    finally:
        torch.set_default_dtype(torch.float32)


def test_place_in_the_graph():
    leaf = torch.ones(3, 2, requires_grad=True)
    wide = torch.randn(10, 10).requires_grad_() + 1
    for tensor in (leaf, leaf * 2, (leaf * 2.5).sum(), (leaf * 2).double(), wide):
        assert_prints_like_torch(tensor)


@pytest.mark.parametrize("count", range(1, 14))
def test_suffixes_move_to_a_new_line_at_the_line_width(count):
    assert_prints_like_torch(torch.arange(count).to(torch.float64).requires_grad_())
    assert_prints_like_torch(torch.arange(count, dtype=torch.int32))


def test_parameters_and_subclasses():
    class Image(torch.Tensor):
        pass

    values = torch.randn(3, 3, generator=torch.Generator().manual_seed(1))
    image = values.as_subclass(Image)
    assert printing.format_tensor(values.numpy(), dtype_name="float32", class_name="Image") == repr(image)
    assert printing.format_tensor(
        values.numpy(), dtype_name="float32", class_name="Parameter containing:\ntensor", requires_grad=True
    ) == repr(torch.nn.Parameter(values))


@pytest.mark.parametrize("make", [
    lambda lib: lib.arange(12.0).reshape(3, 4) / 7, lambda lib: lib.ones(2, 3, dtype=lib.float64),
    lambda lib: lib.ones(3, requires_grad=True) * 2, lambda lib: lib.ones(3, requires_grad=True).sum(),
    lambda lib: lib.tensor([1, 2]) > 1, lambda lib: lib.ones(2, dtype=lib.bfloat16),
    lambda lib: lib.tensor(3 + 4j), lambda lib: lib.ones(2, requires_grad=True), lambda lib: lib.zeros(0, 3),
    lambda lib: lib.ones(2, 3).shape, lambda lib: lib.nn.Parameter(lib.ones(2)), lambda lib: lib.arange(2000),
])  # fmt: skip
def test_the_repr_of_tensors(make):
    assert repr(make(retrograd)) == repr(make(torch))
    assert str(make(retrograd)) == str(make(torch))


def test_the_options_are_those_of_the_library():
    retrograd.set_printoptions(precision=2)
    torch.set_printoptions(precision=2)
    assert repr(retrograd.tensor([1.23456])) == repr(torch.tensor([1.23456]))


def test_contents_device_and_tangent_are_shown_as_given():
    text = printing.format_tensor(np.zeros((2, 3), "float16"), dtype_name="float16", tensor_contents="...",
                                  device="cuda:0", tangent="tensor([1.])", requires_grad=True)
    assert text == (
        "tensor(..., device='cuda:0', dtype=torch.float16, requires_grad=True,\n"
        "       tangent=tensor([1.]))"
    )


@pytest.mark.parametrize("options", [
    {"precision": 2}, {"precision": 0}, {"precision": 10}, {"threshold": 5}, {"threshold": 0, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0}, {"linewidth": 40}, {"linewidth": 1}, {"profile": "short"},
    {"profile": "full"}, {"profile": "short", "precision": 7}, {"sci_mode": True}, {"sci_mode": False},
    {"edgeitems": 10, "threshold": 20},
], ids=str)
def test_options(options):
    set_both(**options)
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    generator = torch.Generator().manual_seed(2)
    for tensor in (
        torch.randn(4, 5, generator=generator), torch.arange(30.0), torch.arange(1200), torch.tensor(1e10),
        torch.tensor([float("nan"), 0.0]), torch.ones(3, 8, 2) * 1j, torch.zeros(0, 2),
    ):
        assert_prints_like_torch(tensor)


def test_sci_mode_is_set_by_every_call():
    set_both(sci_mode=True)
    set_both(precision=3)
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    assert printing.get_printoptions()["sci_mode"] is None


def test_printoptions_restores_even_after_an_error():
    before = printing.get_printoptions()
    with pytest.raises(KeyError):
        with printing.printoptions(precision=1, sci_mode=True):
            assert printing.get_printoptions()["precision"] == 1
            raise KeyError
    assert printing.get_printoptions() == before


def test_unknown_profile_and_option():
    with pytest.raises(ValueError, match="unknown profile 'long'; choose one of"):
        printing.set_printoptions(profile="long")
    with pytest.raises(TypeError, match="digits"):
        printing.set_printoptions(digits=3)


def test_an_infinite_line_width_never_breaks_a_row():
    printing.set_printoptions(linewidth=float("inf"))
    text = printing.format_tensor(np.arange(500), dtype_name="int64")
    assert "\n" not in text


NUMBERS = st.one_of(
    st.floats(width=64), st.floats(-1e4, 1e4), st.integers(-2000, 2000).map(float),
    st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 1e-4, 1e8, 0.5, 1000.0]),
)


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 9), max_size=4))
    pool = draw(st.lists(NUMBERS, min_size=1, max_size=6))
    order = np.random.default_rng(draw(st.integers(0, 2 ** 32 - 1)))
    values = torch.from_numpy(order.choice(np.array(pool, dtype=np.float64), size=shape))
    dtype = getattr(torch, draw(st.sampled_from(DTYPES)))
    if dtype.is_complex:
        values = torch.complex(values, values.flip(0) if values.ndim else -values)
    elif not dtype.is_floating_point:
        values = values.nan_to_num(3.0, 40.0, -500.0).clamp(-2000, 2000)
    return values.to(dtype)


OPTIONS = st.fixed_dictionaries({}, optional={
    "precision": st.integers(0, 12), "threshold": st.integers(0, 200), "edgeitems": st.integers(0, 4),
    "linewidth": st.integers(1, 150), "sci_mode": st.sampled_from([None, True, False]),
    "profile": st.sampled_from(["default", "short", "full"]),
})


@settings(max_examples=150, deadline=None)
@given(tensors(), OPTIONS)
def test_any_tensor_under_any_options(tensor, options):
    set_both(profile="default")
    set_both(**options)
    assert_prints_like_torch(tensor)


SIZE_EXPRESSIONS = [
    lambda S: S(), lambda S: S([2, 3]), lambda S: S([2, 3]) + (1,), lambda S: (1,) + S([2, 3]),
    lambda S: S([2]) + S([3]), lambda S: S([2, 3]) * 2, lambda S: 2 * S([2, 3]), lambda S: S([2, 3, 4])[1:],
    lambda S: S([2, 3, 4])[::-1], lambda S: S([2, 3])[-1], lambda S: S([2, 3]).numel(), lambda S: S().numel(),
    lambda S: S([0, 3]).numel(), lambda S: S(iter([1, 2])), lambda S: S([True]), lambda S: S([np.int64(3)]),
    lambda S: S([-1]), lambda S: hash(S([2, 3])), lambda S: S([2, 3]) == (2, 3),
    lambda S: S([2, 3]) != [2, 3], lambda S: S([1, 2]) < S([1, 3]), lambda S: copy.deepcopy(S([2, 3])),
    lambda S: pickle.loads(pickle.dumps(S([2, 3]))), lambda S: f"{S([4])}", lambda S: S([4, 5]).index(5),
    lambda S: [*S([4, 5])],
]  # fmt: skip


@pytest.mark.parametrize("expression", SIZE_EXPRESSIONS)
def test_size(expression):
    got, expected = expression(Size), expression(torch.Size)
    assert repr(got) == repr(expected)
    assert (type(got) is Size) == (type(expected) is torch.Size)


@pytest.mark.parametrize("expression", [
    lambda S: S(3), lambda S: S([2.5]), lambda S: S("ab"), lambda S: S([None]), lambda S: S([1]) + [1],
    lambda S: S([1]) + (1.5,), lambda S: ("a",) + S([1]), lambda S: S([1]) * 1.5, lambda S: S(1, 2),
])
def test_size_errors(expression):
    with pytest.raises(TypeError):
        expression(torch.Size)
    with pytest.raises(TypeError):
        expression(Size)


def test_size_names_the_item_that_is_no_int():
    with pytest.raises(TypeError, match=r"torch.Size\(\) takes an iterable of 'int' \(item 1 is 'float'\)"):
        Size([1, 2.5])
