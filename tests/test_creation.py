"""Tensors from data, of one value, sequences and random numbers: the calls of PyTorch, and what they give."""

import warnings

import numpy as np
import pytest
import torch

import retrograd
from oracle import assert_same

BOTH = pytest.mark.parametrize("library", [retrograd, torch], ids=["ours", "theirs"])


def check(call, where=""):
    """`call(library)` gives the same in both libraries, or an error of the same kind in both."""
    outcomes = []
    for library in (retrograd, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                outcomes.append((call(library), None))
            except (
                TypeError,
                ValueError,
                RuntimeError,
                IndexError,
                OverflowError,
                NotImplementedError,
                AssertionError,
            ) as error:
                outcomes.append((None, error))
    (mine, refused), (reference, expected) = outcomes
    if expected is not None:
        assert refused is not None, (
            f"{where}: PyTorch raises {type(expected).__name__}: {expected}; ours gives {mine!r}"
        )
        return
    if refused is not None:
        raise refused
    assert_same(mine, reference, where=where or "result")
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in (mine, reference)], strict=True):
        if isinstance(b, torch.Tensor):
            assert a.stride() == b.stride(), f"strides {a.stride()} instead of {b.stride()}"
            assert a.requires_grad == b.requires_grad


# Calls, as text: the text names the test, and `torch` in it is either library.
DATA = """
torch.tensor([1, 2])
torch.tensor([[1.5, 2], [3, 4]])
torch.tensor(3)
torch.tensor(3.5)
torch.tensor(True)
torch.tensor(2 + 1j)
torch.tensor([])
torch.tensor([[]])
torch.tensor([[], []])
torch.tensor([True, False])
torch.tensor([True, 2])
torch.tensor([True, 2.0])
torch.tensor([1, 2j])
torch.tensor((1, (2)))
torch.tensor(((1, 2), [3, 4]))
torch.tensor(range(4))
torch.tensor([range(2), range(2)])
torch.tensor(np.arange(3))
torch.tensor(np.arange(3, dtype="float16"))
torch.tensor(np.float64(2))
torch.tensor(np.float32(2))
torch.tensor(np.bool_(True))
torch.tensor([np.float32(1), np.float32(2)])
torch.tensor([np.float64(1), 2])
torch.tensor([np.int16(1), 2])
torch.tensor([np.float16(1), 2])
torch.tensor([np.arange(2), np.arange(2)])
torch.tensor([np.ones(2), np.zeros(2)])
torch.tensor([np.ones((1, 2), "float32")])
torch.tensor([[1, 2], np.ones(2)])
torch.tensor([torch.tensor(1), torch.tensor(2)])
torch.tensor([torch.tensor(1.0), 2])
torch.tensor([torch.tensor(1.0, dtype=torch.float64), 2])
torch.tensor([[torch.tensor([1.0])], [torch.tensor([2.0])]])
torch.tensor([1, 2], dtype=torch.float64)
torch.tensor([1.7, -1.7], dtype=torch.int64)
torch.tensor([1, 0, 2], dtype=torch.bool)
torch.tensor([0.5, 0.0], dtype=torch.bool)
torch.tensor([1.0, 2.0], dtype=torch.bfloat16)
torch.tensor([1, 2], dtype=torch.complex64)
torch.tensor(1, dtype=float)
torch.tensor([1.0], dtype=int)
torch.tensor([-1], dtype=torch.uint8)
torch.tensor(-1, dtype=torch.uint8)
torch.tensor([255], dtype=torch.uint8)
torch.tensor([2**62])
torch.tensor([2**63 - 1])
torch.tensor([2**63], dtype=torch.float64)
torch.tensor([2**60 + 1], dtype=torch.int64)
torch.tensor([1.0, 2.0], requires_grad=True)
torch.tensor([float("nan"), float("inf")])
torch.tensor([1.0], device="cpu")
torch.tensor([1.0], device=torch.device("cpu"))
torch.tensor(torch.ones(2))
torch.tensor(np.arange(6).reshape(2, 3).T)
torch.tensor([300], dtype=torch.uint8)
torch.tensor(300, dtype=torch.uint8)
torch.tensor([40000], dtype=torch.int16)
torch.tensor([1e30], dtype=torch.int64)
torch.tensor([float("nan")], dtype=torch.int64)
torch.tensor([1j], dtype=torch.float32)
torch.tensor([2**63])
torch.tensor([[1, 2], [3]])
torch.tensor([[1, 2], 3])
torch.tensor([1, [2, 3]])
torch.tensor([[[1], [2]], [[3]]])
torch.tensor([torch.ones(2), torch.ones(3)])
torch.tensor(None)
torch.tensor([None])
torch.tensor("a")
torch.tensor(["a", "b"])
torch.tensor({1, 2})
torch.tensor({"a": 1})
torch.tensor(np.array(["a"]))
torch.tensor(np.arange(2, dtype=">i4"))
torch.tensor([1, 2], requires_grad=True)
torch.tensor([1.0], dtype="float32")
torch.as_tensor([1, 2])
torch.as_tensor([1, 2], dtype=torch.float32)
torch.as_tensor(np.arange(3), dtype=torch.int32)
torch.as_tensor(torch.ones(2), dtype=torch.float64)
torch.as_tensor(2.5)
torch.asarray([1, 2])
torch.asarray(np.arange(2), dtype=torch.float32)
torch.asarray(torch.ones(2), copy=True)
torch.asarray(bytearray([1, 2, 3, 4]), dtype=torch.uint8)
torch.asarray(3.5)
torch.asarray([1.0], requires_grad=True)
torch.asarray([1, 2], copy=False)
torch.asarray(np.arange(2), dtype=torch.float32, copy=False)
torch.from_numpy(np.arange(3))
torch.from_numpy(np.arange(6).reshape(2, 3).T)
torch.from_numpy(np.arange(3)[::-1])
torch.from_numpy([1])
torch.from_numpy(np.arange(2, dtype=">i4"))
torch.frombuffer(bytearray(8), dtype=torch.int32)
torch.frombuffer(bytearray(range(8)), dtype=torch.uint8, count=2, offset=3)
torch.frombuffer(bytearray(8), dtype=torch.int32, offset=2)
torch.frombuffer(bytearray(8), dtype=torch.int32, count=3)
torch.frombuffer(bytearray(8), dtype=torch.int32, offset=9)
torch.frombuffer(bytearray(0), dtype=torch.int32)
torch.scalar_tensor(3)
torch.scalar_tensor(3.5, dtype=torch.float64)
torch.ones(2).new_tensor([1, 2])
torch.ones(2, dtype=torch.int32).new_tensor([1.5])
torch.ones(2).new_tensor([1, 2], dtype=torch.int64, requires_grad=False)
torch.FloatTensor([1, 2])
torch.LongTensor([1, 2])
torch.ByteTensor([1, 2])
torch.BoolTensor([True, False])
torch.DoubleTensor([[1], [2]])
torch.HalfTensor([1])
torch.FloatTensor(2, 3).shape
torch.FloatTensor(torch.Size([2, 3])).shape
torch.FloatTensor()
torch.FloatTensor(np.arange(2.0))
torch.FloatTensor(torch.ones(2))
torch.FloatTensor(torch.ones(2, dtype=torch.float64))
torch.FloatTensor(1.5)
torch.Tensor([1, 2])
torch.Tensor(2, 3).shape
torch.Tensor()
torch.Tensor([[1, 2], [3, 4]])
torch.Tensor(1.5)
torch.ones(2, dtype=torch.int32).new([1, 2])
torch.ones(2).new(2, 3).shape
torch.ones(2).new().shape
torch.Tensor(torch.ones(2))
torch.from_dlpack(np.arange(3))
torch.from_dlpack(torch.ones(2))
torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(torch.arange(3)))
"""

FILLED = """
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2, 3])
torch.zeros(torch.Size([2, 3]))
torch.zeros(size=(2,))
torch.zeros(())
torch.zeros(0, 3)
torch.zeros(3, 0, 2)
torch.zeros(2, dtype=torch.int64)
torch.zeros(2, requires_grad=True)
torch.zeros(2, device="cpu", layout=torch.strided, pin_memory=False)
torch.zeros(2, dtype=torch.bfloat16)
torch.zeros(torch.tensor(2))
torch.zeros(-1)
torch.zeros(2.5)
torch.zeros(2, dtype=torch.int64, requires_grad=True)
torch.zeros(2, device="cuda")
torch.zeros(2, device="nowhere")
torch.ones(2, 3)
torch.ones(2, dtype=torch.bool)
torch.ones(2, out=torch.empty(2, dtype=torch.float64))
torch.full((2, 3), 7)
torch.full((2,), 1.5)
torch.full((2,), True)
torch.full((2,), 2j)
torch.full([2], 7, dtype=torch.float32)
torch.full(size=(2,), fill_value=3)
torch.full((2,), torch.tensor(2.0))
torch.full((), 2)
torch.full((2,), 3, requires_grad=True)
torch.full((2,), 300, dtype=torch.uint8)
torch.full((2,), 1j, dtype=torch.float32)
torch.full((2,), float("inf"))
torch.empty(2, 3).shape
torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride()
torch.empty(2, 3, dtype=torch.int32).dtype
torch.empty_strided((2, 3), (1, 2)).stride()
torch.empty_strided((2, 3), (1, 2, 3))
torch.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
torch.empty_permuted((2, 3), (1, 1))
torch.zeros_like(torch.ones(2, 3))
torch.zeros_like(torch.ones(2, 3).t())
torch.zeros_like(torch.ones(2, 3), dtype=torch.int64)
torch.zeros_like(torch.ones(2, 3), requires_grad=True)
torch.zeros_like(torch.ones(1, 3, 2, 2), memory_format=torch.channels_last)
torch.zeros_like(torch.ones(2, 3).t(), memory_format=torch.contiguous_format)
torch.zeros_like(torch.ones(3, 1).expand(3, 4))
torch.ones_like(torch.zeros(2, dtype=torch.int32))
torch.full_like(torch.zeros(2), 2.5)
torch.full_like(torch.zeros(2, dtype=torch.int64), 2.5)
torch.empty_like(torch.zeros(2, 3).t()).stride()
torch.empty_like(torch.zeros(2, 3), dtype=torch.float64).dtype
torch.ones(2, dtype=torch.int32).new_zeros(3)
torch.ones(2, dtype=torch.int32).new_zeros((3, 2), dtype=torch.float64)
torch.ones(2).new_ones(3, 2)
torch.ones(2, dtype=torch.int32).new_full((2,), 3.7)
torch.ones(2).new_full((2,), 3, requires_grad=True)
torch.ones(2).new_empty(2, 3).shape
torch.ones(2).new_empty_strided((2, 3), (1, 2)).stride()
torch.eye(3)
torch.eye(2, 4)
torch.eye(3, dtype=torch.int64)
torch.eye(0)
torch.eye(-1)
torch.tril_indices(3, 4)
torch.tril_indices(3, 4, -1)
torch.triu_indices(4, 3, offset=1)
torch.triu_indices(2, 2, dtype=torch.int32)
torch.hann_window(6, dtype=torch.float64)
torch.hann_window(6, False, dtype=torch.float64)
torch.hann_window(1)
torch.hann_window(0)
torch.hann_window(-1)
torch.hann_window(3, dtype=torch.int64)
torch.hamming_window(5, dtype=torch.float64)
torch.hamming_window(5, True, 0.6, 0.3, dtype=torch.float64)
torch.blackman_window(6, periodic=False, dtype=torch.float64)
torch.bartlett_window(6, dtype=torch.float64)
torch.bartlett_window(5, False)
torch.kaiser_window(6, dtype=torch.float64)
torch.kaiser_window(5, False, beta=8.0, dtype=torch.float64)
torch.hann_window(7, requires_grad=True)
"""

SEQUENCES = """
torch.arange(5)
torch.arange(5.0)
torch.arange(1, 5)
torch.arange(1, 5, 2)
torch.arange(5, 1, -2)
torch.arange(0, 1, 0.1)
torch.arange(0, 1, 0.3, dtype=torch.float64)
torch.arange(1, 4, dtype=torch.float32)
torch.arange(start=1, end=4, step=2)
torch.arange(end=3)
torch.arange(2, end=4)
torch.arange(0.5, 3)
torch.arange(0)
torch.arange(3, 3)
torch.arange(-1, 1, 0.01)
torch.arange(1e5, 1e5 + 10, 0.7)
torch.arange(3, dtype=torch.bfloat16)
torch.arange(0, 20, 3, dtype=torch.uint8)
torch.arange(torch.tensor(3))
torch.arange(torch.tensor(1.0), 3)
torch.arange(5, requires_grad=False)
torch.arange(3.0, requires_grad=True)
torch.arange(1, 5, 0)
torch.arange(5, 1)
torch.arange(float("inf"))
torch.arange(0, 10, 2.5, dtype=torch.int64)
torch.range(0, 3)
torch.range(1, 2, 0.5)
torch.range(3, 1)
torch.linspace(0, 1, 5)
torch.linspace(-3, 10, 7)
torch.linspace(0, 1, 1)
torch.linspace(0, 1, 0)
torch.linspace(0, 1, 3, dtype=torch.float64)
torch.linspace(0, 10, 5, dtype=torch.int64)
torch.linspace(0, 9, 5, dtype=torch.int32)
torch.linspace(start=1, end=2, steps=4)
torch.linspace(torch.tensor(0.0), torch.tensor(2.0), 3)
torch.linspace(0, 1j, 3)
torch.linspace(0, 1, -1)
torch.linspace(0, 1, 100)
torch.linspace(5, 3, 9, requires_grad=True)
torch.linspace(0, 1, 10, dtype=torch.float16)
torch.logspace(0, 2, 3)
torch.logspace(-2, 2, 5, base=2)
torch.logspace(0, 1, 4, dtype=torch.float64)
torch.logspace(0, 3, 4, dtype=torch.int64)
"""

RANDOM = """
torch.rand(5)
torch.rand(2, 3)
torch.rand((2, 3), dtype=torch.float64)
torch.rand(20, dtype=torch.float16)
torch.rand(3, dtype=torch.complex64)
torch.rand(3, requires_grad=True)
torch.rand(3, generator=torch.Generator().manual_seed(5))
torch.rand(size=(2,))
torch.rand(2, out=torch.empty(2))
torch.rand(3, dtype=torch.int64)
torch.randn(5)
torch.randn(4, 5)
torch.randn(5, dtype=torch.float64)
torch.randn(33, dtype=torch.float64)
torch.randn(3, dtype=torch.complex128)
torch.randn(20, dtype=torch.bfloat16)
torch.randint(10, (4,))
torch.randint(3, 10, (2, 2))
torch.randint(low=3, high=9, size=(3,))
torch.randint(10, (4,), dtype=torch.float32)
torch.randint(10, size=(4,), generator=torch.Generator().manual_seed(1))
torch.randint(5, 5, (2,))
torch.randperm(8)
torch.randperm(5, dtype=torch.int32)
torch.rand_like(torch.zeros(2, 3))
torch.rand_like(torch.zeros(2, 3).t())
torch.rand_like(torch.zeros(2, 3), dtype=torch.float64)
torch.randn_like(torch.zeros(4, 5).t())
torch.randn_like(torch.zeros(4, 5), requires_grad=True)
torch.randint_like(torch.zeros(2, 3), 5)
torch.randint_like(torch.zeros(2, 3), 2, 5)
torch.randint_like(torch.zeros(3, dtype=torch.int64), low=1, high=4)
torch.normal(0.0, 1.0, (3,))
torch.normal(torch.zeros(3), 2.0)
torch.normal(1.0, torch.ones(3))
torch.normal(torch.zeros(2, 1), torch.ones(3))
torch.normal(mean=torch.arange(3.0), std=torch.ones(3))
torch.normal(0.0, -1.0, (2,))
torch.normal(2.0, 3.0, size=(20,), dtype=torch.float64)
torch.bernoulli(torch.full((6,), 0.5))
torch.bernoulli(torch.full((6,), 0.5, dtype=torch.float64))
torch.bernoulli(torch.zeros(6), 0.3)
torch.bernoulli(torch.tensor([0.0, 1.0, 0.5]))
torch.bernoulli(torch.tensor([1.5]))
torch.multinomial(torch.tensor([1.0, 2.0, 3.0]), 2)
torch.multinomial(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), 4, replacement=True)
torch.multinomial(torch.tensor([1.0, 0.0]), 3)
torch.poisson(torch.tensor([0.5, 3.0, 20.0]))
torch.binomial(torch.tensor([5.0, 20.0]), torch.tensor([0.3, 0.6]))
torch.empty(5).uniform_()
torch.empty(5).uniform_(2, 4)
torch.empty(3, 4).t().uniform_(-1, 1)
torch.empty(5).normal_()
torch.empty(20).normal_(1, 2)
torch.empty(4, 5).t().normal_(mean=1, std=2)
torch.empty(4, 6)[:, ::2].normal_()
torch.empty(5).random_()
torch.empty(5, dtype=torch.int64).random_(10)
torch.empty(5, dtype=torch.int64).random_(2, 10)
torch.empty(5, dtype=torch.uint8).random_()
torch.empty(5).bernoulli_()
torch.empty(5).bernoulli_(0.2)
torch.empty(5).bernoulli_(torch.tensor(0.7))
torch.empty(5, dtype=torch.int64).bernoulli_(0.2)
torch.empty(5).exponential_()
torch.empty(5, dtype=torch.float64).exponential_(lambd=2)
torch.empty(5).geometric_(0.3)
torch.empty(5, dtype=torch.float64).cauchy_()
torch.empty(5, dtype=torch.float64).log_normal_()
torch.zeros(3).bernoulli(0.5)
torch.empty(3, dtype=torch.int64).uniform_()
torch.empty(5).uniform_(3, 1)
torch.manual_seed(3).initial_seed()
torch.initial_seed()
torch.random.initial_seed()
"""


def lines(text):
    return pytest.mark.parametrize("call", text.strip().split("\n"))


def evaluate(call):
    check(lambda library: eval(call, {"torch": library, "np": np}), call)


@lines(DATA)
def test_from_data(call):
    evaluate(call)


@lines(FILLED)
def test_filled(call):
    evaluate(call)


@lines(SEQUENCES)
def test_sequence(call):
    evaluate(call)


@lines(RANDOM)
def test_random(call):
    """After the same seed, the same numbers; and the generators stay in step."""

    def seeded(library):
        library.manual_seed(7)
        return eval(call, {"torch": library, "np": np}), library.rand(2)

    check(seeded, call)


# --- memory -------------------------------------------------------------------------------------------------


@BOTH
def test_what_shares_memory_and_what_copies(library):
    array = np.zeros(3, np.float32)
    shared = [
        library.from_numpy(array),
        library.as_tensor(array),
        library.asarray(array),
        library.from_dlpack(array),
    ]
    copies = [
        library.tensor(array),
        library.asarray(array, copy=True),
        library.as_tensor(array, dtype=library.float64),
    ]
    array[0] = 1
    assert all(t[0] == 1 for t in shared) and all(t[0] == 0 for t in copies)
    shared[0][1] = 2
    assert array[1] == 2
    t = library.ones(2)
    assert library.as_tensor(t) is t and library.as_tensor(t, dtype=library.float32) is t


@BOTH
def test_a_buffer_is_shared(library):
    data = bytearray(4)
    t = library.frombuffer(data, dtype=library.uint8)
    data[1] = 5
    assert t.tolist() == [0, 5, 0, 0]


@BOTH
def test_a_file_is_mapped(library, tmp_path):
    path = str(tmp_path / "numbers")
    np.arange(4, dtype=np.float32).tofile(path)
    shared, private = [library.from_file(path, shared=s, size=4) for s in (True, False)]
    shared[0] = 5
    private[1] = 7
    assert np.fromfile(path, np.float32).tolist() == [5, 1, 2, 3]
    with pytest.raises(RuntimeError):
        library.from_file(path, size=100)


@BOTH
def test_as_tensor_keeps_the_history(library):
    x = library.ones(2, requires_grad=True)
    y = library.as_tensor(x * 2, dtype=library.float64)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


@BOTH
def test_the_default_dtype_and_device(library):
    before = library.get_default_dtype()
    try:
        library.set_default_dtype(library.float64)
        assert library.zeros(1).dtype is library.float64 and library.tensor(1.5).dtype is library.float64
        assert library.tensor(1j).dtype is library.complex128 and library.arange(1.0).dtype is library.float64
        assert library.rand(2).dtype is library.float64 and library.tensor([1]).dtype is library.int64
        assert (library.tensor([1]) / 2).dtype is library.float64
    finally:
        library.set_default_dtype(before)
    with pytest.raises(TypeError, match="floating"):
        library.set_default_dtype(library.int64)
    with library.device("cpu"):
        assert library.zeros(1).device == library.device("cpu")
    assert library.get_default_device() == library.device("cpu")


# --- errors that say where, and what to do ------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, message",
    [
        ([[1, 2], [3]], r"length 2 at dim 1 \(got 1\), in data\[1\]|length 2 at dim 1 \(got 1\)"),
        ([[[1, 2]], [[3, 4, 5]]], r"length 2 at dim 2 \(got 3\)"),
        ([[1, 2], 3], r"data\[1\].*int"),
        ([1, [2, 3]], r"data\[1\].*length 2"),
    ],
)
def test_ragged_data_says_where(data, message):
    with pytest.raises((ValueError, TypeError), match=message):
        retrograd.tensor(data)


def test_no_gpu_says_so():
    with pytest.raises(RuntimeError, match="device='cpu'"):
        retrograd.zeros(2, device="cuda")


# --- the generator's state ----------------------------------------------------------------------------------


@BOTH
def test_the_state_can_be_kept_and_restored(library):
    library.manual_seed(1)
    state = library.get_rng_state()
    first = library.rand(3)
    library.set_rng_state(state)
    assert library.equal(library.rand(3), first)
    with library.random.fork_rng():
        library.rand(100)
    assert library.equal(library.rand(2), _after(library, state, 3, 2))


def _after(library, state, skip, n):
    library.set_rng_state(state)
    library.rand(skip)
    return library.rand(n)


def test_the_state_is_pytorchs():
    torch.manual_seed(3)
    torch.randn(5)
    retrograd.manual_seed(3)
    retrograd.randn(5)
    assert_same(retrograd.get_rng_state(), torch.get_rng_state())
    retrograd.set_rng_state(retrograd.from_numpy(torch.get_rng_state().numpy()))
    assert_same(retrograd.randn(4), torch.randn(4))


@BOTH
def test_generators_are_independent(library):
    a, b = library.Generator().manual_seed(1), library.Generator().manual_seed(1)
    first = library.rand(2, generator=a)
    library.rand(5)
    assert library.equal(library.rand(2, generator=b), first)
    assert a.initial_seed() == 1 and a.device == library.device("cpu")
    c = library.Generator()
    c.set_state(a.get_state())
    assert library.equal(library.rand(2, generator=c), library.rand(2, generator=a))
    assert isinstance(library.default_generator, library.Generator)
    assert isinstance(library.seed(), int)


@pytest.mark.parametrize("start, end, steps", [(0, 0.99, 31), (1, 0, 10), (0, 32, 31), (0.1, 7.3, 97)])
def test_linspace_to_the_last_bit(start, end, steps):
    """Programs cut these to whole numbers: 15.999999 is another than 16."""
    got, expected = (library.linspace(start, end, steps) for library in (retrograd, torch))
    assert np.array_equal(got.numpy(), expected.numpy())
