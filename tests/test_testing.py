"""`testing`: the same verdict and the same message as PyTorch's, the same random tensors."""

import warnings

import numpy as np
import pytest
import torch

import retrograd
from retrograd import testing

T = "tensor"


def _outcome(library, actual, expected, **options):
    """The type and text of the error that comparing raises, or None."""

    def build(x):
        if isinstance(x, tuple) and len(x) == 3 and x[0] == T:
            return library.tensor(x[1], dtype=getattr(library, x[2]))
        if isinstance(x, list):
            return [build(v) for v in x]
        return {k: build(v) for k, v in x.items()} if isinstance(x, dict) else x

    try:
        library.testing.assert_close(build(actual), build(expected), **options)
    except Exception as error:
        text = str(error).removesuffix(" [RG160]").replace("retrograd.core.tensor.", "torch.")
        return type(error), text.replace("retrograd.", "torch.")
    return None


F, D = "float32", "float64"
CASES = [
    ((T, [1.0, 2.0], F), (T, [1.0, 2.0 + 1e-6], F), {}),
    ((T, [1.0, 2.0], F), (T, [1.0, 2.5], F), {}),
    ((T, [[1.0, 2.0], [3.0, 4.0]], D), (T, [[1.0, 2.0], [0.0, 4.1]], D), {}),
    ((T, [[1.0, 2.0], [3.0, 4.0]], D), (T, [[1.0, 2.0], [0.0, 4.1]], D), dict(rtol=0, atol=0)),
    ((T, 1.0, D), (T, 1.5, D), dict(rtol=0.1, atol=0.1)),
    ((T, [1, 2, 3], "int64"), (T, [1, 2, 5], "int64"), {}),
    ((T, [1, 2, 3], "uint8"), (T, [1, 2, 5], "uint8"), dict(rtol=0.1, atol=0.5)),
    ((T, [True, False], "bool"), (T, [True, True], "bool"), {}),
    ((T, [1.0, float("nan")], F), (T, [1.0, float("nan")], F), {}),
    ((T, [1.0, float("nan")], F), (T, [1.0, float("nan")], F), dict(equal_nan=True)),
    ((T, [1 + 2j, 3j], "complex64"), (T, [1 + 2j, 3.5j], "complex64"), {}),
    ((T, [1.0, 2.0], "bfloat16"), (T, [1.0, 2.5], "bfloat16"), {}),
    ((T, [1.0, 2.0], "float16"), (T, [1.0, 2.5], "float16"), {}),
    ((T, [1.0, 2.0], "float8_e5m2"), (T, [1.0, 3.0], "float8_e5m2"), {}),
    ((T, [1.0], F), (T, [1.0], D), {}),
    ((T, [1.0], F), (T, [1.1], D), dict(check_dtype=False)),
    ((T, [1], "uint32"), (T, [1], "int8"), dict(check_dtype=False)),
    ((T, [1.0, 2.0], F), (T, [[1.0, 2.0]], F), {}),
    (1.0, 1.0 + 1e-9, {}),
    (1.0, 1.1, {}),
    (1.0, 1, {}),
    (3, 1, dict(check_dtype=False, rtol=0, atol=0)),
    (1.0, 0.0, {}),
    (float("inf"), float("inf"), {}),
    (True, False, {}),
    (None, 1, {}),
    ("a", "b", {}),
    (1.0, "b", {}),
    ([1, [2, 3]], [1, [2, 4]], {}),
    ([1, 2], [1], dict(msg="unused here, as in PyTorch")),
    ({"a": 1, "b": [1, 2.0]}, {"a": 1, "b": [1, 2.5]}, {}),
    ({"a": 1, "b": 2}, {"a": 1, "c": 2}, {}),
    ([(T, [1.0], F)], [(T, [2.0], F)], dict(msg="mine")),
    ([(T, [1.0], F)], [(T, [2.0], F)], dict(msg=lambda text: f"before {text} after")),
    ((T, [1.0], F), (T, [1.0], F), dict(rtol=1e-3)),
    ((T, [1.0], F), 1.0, {}),
    (np.float32(1.0), np.float64(1.5), {}),
    (np.array([1.0, 2.0]), np.array([1.0, 3.0]), {}),
    ((T, [], F), (T, [], F), {}),
]


@pytest.mark.parametrize("actual, expected, options", CASES, ids=range(len(CASES)))
def test_assert_close_says_what_pytorch_says(actual, expected, options):
    ours, theirs = [_outcome(lib, actual, expected, **options) for lib in (retrograd, torch)]
    assert ours == theirs


def test_strides_and_subclasses_are_compared_where_asked():
    for lib in (torch, retrograd):
        x = lib.arange(6.0).reshape(2, 3)
        lib.testing.assert_close(x, x.t().contiguous().t())
        with pytest.raises(
            AssertionError, match=r"attribute 'stride\(\)' do not match: \(3, 1\) !="
        ):
            lib.testing.assert_close(x, x.t().contiguous().t(), check_stride=True)
        with pytest.raises(TypeError, match="No comparison pair"):
            lib.testing.assert_close(x, lib.nn.Parameter(x), allow_subclasses=False)
        lib.testing.assert_close(x, lib.nn.Parameter(x))


def test_assert_allclose_is_looser_and_deprecated():
    with pytest.warns(FutureWarning, match="assert_close"):
        testing.assert_allclose(retrograd.tensor([1.0]), [1.00005])
    with pytest.warns(FutureWarning), pytest.raises(AssertionError, match="not close"):
        testing.assert_allclose(retrograd.tensor([1.0]), [1.001])


@pytest.mark.parametrize(
    "dtype",
    "bool uint8 int16 int64 float16 bfloat16 float32 float64 complex64 complex128 float8_e4m3fn".split(),
)
@pytest.mark.parametrize(
    "options",
    [{}, dict(noncontiguous=True), dict(low=0, high=2), dict(low=-3e38, high=3e38), dict(exclude_zero=True)],
    ids=str,
)
def test_make_tensor_draws_pytorchs_numbers(dtype, options):
    if "float8" in dtype and options.get("exclude_zero"):
        pytest.skip("PyTorch can't write through a mask of float8")
    made = []
    for lib in (torch, retrograd):
        lib.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.append(lib.testing.make_tensor(3, 50, dtype=getattr(lib, dtype), device="cpu", **options))
    theirs, ours = made
    assert str(ours.dtype) == str(theirs.dtype) and ours.stride() == theirs.stride()
    wide = "complex128" if "complex" in dtype else "float64"
    np.testing.assert_array_equal(
        ours.to(getattr(retrograd, wide)).numpy(), theirs.to(getattr(torch, wide)).numpy()
    )


@pytest.mark.parametrize(
    "options",
    [
        dict(dtype="float32", low=3, high=1),
        dict(dtype="float32", low=float("nan")),
        dict(dtype="uint8", low=300, high=400),
        dict(dtype="int64", requires_grad=True),
        dict(dtype="float32", noncontiguous=True, memory_format="channels_last"),
        dict(dtype="float32", low=1, high=1),
    ],
    ids=str,
)
def test_make_tensor_refuses_what_pytorch_refuses(options):
    said = []
    for lib in (torch, retrograd):
        named = {k: getattr(lib, v) if isinstance(v, str) else v for k, v in options.items()}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                lib.testing.make_tensor((2, 3, 2, 2), device="cpu", **named)
            except ValueError as error:
                said.append(str(error).partition(" [RG")[0])
            else:
                said.append([str(w.message) for w in caught])
    theirs, ours = said
    assert ours and ours == theirs
