"""Random numbers against PyTorch's CPU generator: the same bits, and the stream at the same place after."""

import copy
import math
import pickle
import threading
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch

import retrograd
from retrograd.core import random as rng
from retrograd.core import random_rejection as rejection
from retrograd.core.random_math import fma32, fma64

SIZES = [0, 1, 2, 15, 16, 17, 31, 100, 1000, 70_001]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]
SEEDS = [0, 1, 2**32 + 7, -5]


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else "bool" if name == "bool" else name)


def torch_dtype(name):
    return getattr(torch, name)


def bits(x):
    """Values as integers, so that comparisons see every bit; a tensor or an array."""
    if isinstance(x, torch.Tensor):
        x = torch.view_as_real(x) if x.is_complex() else x
        if x.dtype == torch.bfloat16:
            return x.contiguous().view(torch.int16).numpy()
        x = x.numpy()
    if np.iscomplexobj(x):
        x = np.stack([x.real, x.imag], -1)
    return x.view(f"i{x.itemsize}") if x.dtype.kind in "fV" else x


def array_of(tensor):
    """The tensor's values as an array of ours."""
    return tensor.double().numpy().astype(numpy_dtype(str(tensor.dtype).removeprefix("torch.")))


def assert_same(ours, theirs, generator, torch_generator):
    assert ours.shape == tuple(theirs.shape)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(bits(ours), bits(theirs))
    np.testing.assert_array_equal(generator.get_state(), torch_generator.get_state().numpy())


def pair(seed=0):
    return rng.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def avx2():
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


needs_avx2 = pytest.mark.skipif(
    not avx2(), reason="PyTorch takes the C library's logf, cosf and sinf where there is no AVX2"
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128"])
def test_uniform(dtype, seed):
    g, t = pair(seed)
    for n in SIZES:
        for low, high in [(0, 1), (-0.3, 0.7), (-1 / 3, 1 / 3), (2, 1000.1), (5, 5), (-0.1, 0)]:
            theirs = torch.empty(n, dtype=torch_dtype(dtype)).uniform_(low, high, generator=t)
            assert_same(rng.uniform((n,), numpy_dtype(dtype), low, high, g), theirs, g, t)


@needs_avx2
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [*FLOATS, "complex64", "complex128"])
def test_normal(dtype, seed):
    g, t = pair(seed)
    for n in SIZES:
        for mean, std in [(0, 1), (0.1, 3.3), (-2, 0), (0, 0.05), (1e3, 1 / 3)]:
            theirs = torch.empty(n, dtype=torch_dtype(dtype)).normal_(mean, std, generator=t)
            assert_same(rng.normal((n,), numpy_dtype(dtype), mean, std, g), theirs, g, t)


@needs_avx2
def test_normal_of_every_angle_and_many_radii():
    g, t = pair(3)
    for _ in range(4):
        theirs = torch.empty(2_000_000).normal_(generator=t)
        assert_same(rng.normal((2_000_000,), np.float32, generator=g), theirs, g, t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_of_a_tensor_that_is_not_contiguous(dtype):
    g, t = pair()
    theirs = torch.empty(10, 14, dtype=torch_dtype(dtype))[:, ::2].normal_(0.5, 2, generator=t)
    assert_same(rng.normal((10, 7), numpy_dtype(dtype), 0.5, 2, g, contiguous=False), theirs, g, t)


@needs_avx2
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_of_arrays(dtype):
    g, t = pair()
    mean = torch.linspace(-1, 1, 20, dtype=torch_dtype(dtype))
    std = torch.linspace(0, 2, 60, dtype=torch_dtype(dtype)).reshape(3, 20)
    arrays = array_of(mean), array_of(std)
    d = numpy_dtype(dtype)
    assert_same(rng.normal(None, d, *arrays, g), torch.normal(mean, std, generator=t), g, t)
    assert_same(rng.normal(None, d, arrays[0], 0.3, g), torch.normal(mean, 0.3, generator=t), g, t)
    assert_same(rng.normal(None, d, 0.3, arrays[1], g), torch.normal(0.3, std, generator=t), g, t)
    ours = rng.normal(None, d, arrays[0][3, ...], arrays[1][1, 2, ...], g)
    assert_same(ours, torch.normal(mean[3], std[1, 2], generator=t), g, t)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_random(dtype):
    g, t = pair(4)
    d, small = numpy_dtype(dtype), dtype == "bool"
    cases = [(None, None), (0, 1 if small else 100), (1 if small else 3, None), (0, 1 if small else 7)]
    if dtype in ("int32", "int64", "float64"):
        cases += [(-5, 2**28 - 6), (-5, 2**28 - 5), (0, 2**31 - 1), (-(2**31), 2**31 - 1)]
    if dtype in ("int64", "float64"):
        cases += [(0, 2**40), (-(2**50), 2**40)]
    if dtype == "int64":
        cases += [(-(2**63), 2**63 - 1), (2, 2**63 - 1), (-(2**62), None), (-1, 2**32)]
    if dtype in ("int64", "float64", "float32", "bfloat16"):
        cases += [(-(2**63), None)]
    for n in SIZES:
        for low, high in cases:
            theirs = torch.empty(n, dtype=torch_dtype(dtype))
            theirs = theirs.random_(generator=t) if low is None else theirs.random_(low, high, generator=t)
            assert_same(rng.random_((n,), d, low, high, g), theirs, g, t)


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize(
    "dtype, low, high",
    [
        ("float16", 2047, 2049), ("float16", 2049, 2051), ("float16", 0, 65504), ("float16", -2049, 5),
        ("bfloat16", -300, 300), ("bfloat16", 257, 1001), ("float32", 0, 2**24 + 2),
        ("float32", -(10**10), 10**10),
        ("float64", 0, 2**60), ("float64", -(2**54) - 1, 3),
    ],
)  # fmt: skip
def test_random_beyond_the_integers_that_a_float_holds(dtype, low, high):
    g, t = pair(4)
    theirs = torch.empty(500, dtype=torch_dtype(dtype)).random_(low, high, generator=t)
    assert_same(rng.random_((500,), numpy_dtype(dtype), low, high, g), theirs, g, t)


def test_random_beyond_the_integers_that_a_float_holds_warns():
    with pytest.warns(UserWarning, match=r"to - 1 = 9999999999 is out of bounds \[-\(2\*\*24\), 2\*\*24\]"):
        rng.random_((2,), np.float32, 0, 10**10)


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_randint_of_unsigned_dtypes(dtype):
    g, t = pair(6)
    theirs = torch.randint(3, 60_000, (1000,), dtype=torch_dtype(dtype), generator=t)
    assert_same(rng.randint((1000,), 3, 60_000, numpy_dtype(dtype), g), theirs, g, t)
    with pytest.raises(NotImplementedError, match="needs bounds"):
        rng.random_((2,), numpy_dtype(dtype))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_randperm(dtype):
    g, t = pair(8)
    for n in [*SIZES[:-3], *([1000, 70_001] if dtype in ("int32", "int64", "float32", "float64") else [])]:
        theirs = torch.randperm(n, dtype=torch_dtype(dtype), generator=t)
        assert_same(rng.randperm(n, numpy_dtype(dtype), g), theirs, g, t)


def test_randperm_of_every_small_size():
    g, t = pair(9)
    for n in range(60):
        for _ in range(20):
            assert_same(rng.randperm(n, generator=g), torch.randperm(n, generator=t), g, t)


def test_randperm_of_the_sizes_that_take_64_bits(monkeypatch):
    """PyTorch's rule from 2**32 // 20 elements on, too long to run: a plain statement of it instead."""
    monkeypatch.setattr(rng, "_RANDPERM_SMALL", 10)
    words = rng.Generator().manual_seed(5).bits64(50)
    expected = []
    for i, word in enumerate(words.tolist()):
        expected.append(i)
        z = word % (i + 1)
        expected[i], expected[z] = expected[z], i
    assert rng.randperm(50, generator=rng.Generator().manual_seed(5)).tolist() == expected


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
@pytest.mark.parametrize("p", [0.0, 1e-9, 0.1, 0.5, 1 / 3, 1 - 2**-53, 1.0])
def test_bernoulli_of_a_number(dtype, p):
    g, t = pair(10)
    for n in SIZES:
        theirs = torch.empty(n, dtype=torch_dtype(dtype)).bernoulli_(p, generator=t)
        assert_same(rng.bernoulli(p, (n,), numpy_dtype(dtype), g), theirs, g, t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_of_an_array(dtype):
    g, t = pair(11)
    p = torch.rand(31, dtype=torch_dtype(dtype))
    array = array_of(p)
    assert_same(rng.bernoulli(array, None, array.dtype, g), torch.bernoulli(p, generator=t), g, t)
    theirs = torch.empty(50, 31, dtype=torch.int32).bernoulli_(p, generator=t)
    assert_same(rng.bernoulli(array, (50, 31), np.int32, g), theirs, g, t)


def test_dropout_mask():
    torch.manual_seed(0)
    theirs = torch.nn.functional.dropout(torch.ones(2000), 0.3)
    ours = rng.bernoulli(1 - 0.3, (2000,), np.float32, rng.Generator().manual_seed(0))
    np.testing.assert_array_equal(ours, (theirs != 0).numpy())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "ours, theirs, arguments",
    [
        (rng.exponential, "exponential_", (1.0,)),
        (rng.exponential, "exponential_", (0.3,)),
        (rng.cauchy, "cauchy_", (0.0, 1.0)),
        (rng.cauchy, "cauchy_", (0.1, 1.7)),
        (rng.log_normal, "log_normal_", (1.0, 2.0)),
        (rng.log_normal, "log_normal_", (0.0, 0.1)),
        (rng.geometric, "geometric_", (0.3,)),
        (rng.geometric, "geometric_", (0.001,)),
    ],
)
def test_other_distributions(dtype, ours, theirs, arguments):
    g, t = pair(12)
    for n in SIZES:
        expected = getattr(torch.empty(n, dtype=torch_dtype(dtype)), theirs)(*arguments, generator=t)
        assert_same(ours((n,), numpy_dtype(dtype), *arguments, generator=g), expected, g, t)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_geometric_of_integers(dtype):
    g, t = pair(13)
    theirs = torch.empty(1000, dtype=torch_dtype(dtype)).geometric_(0.4, generator=t)
    assert_same(rng.geometric((1000,), numpy_dtype(dtype), 0.4, g), theirs, g, t)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("shape", [(10,), (3, 10), (2, 1000), (0, 4), (1, 1)])
def test_multinomial(dtype, replacement, shape):
    g, t = pair(14)
    weights = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    weights = (weights + 0.01).to(torch_dtype(dtype))
    array = array_of(weights)
    for n in (1, 2, shape[-1], 2000 if replacement else 1):
        if not replacement and n > shape[-1]:
            continue
        theirs = torch.multinomial(weights, n, replacement, generator=t)
        ours = rng.multinomial(array, n, replacement, g)
        if numpy_dtype(dtype).itemsize == 2 and not replacement:  # of equal ratios the order is free
            ours.sort(-1)
            theirs = theirs.sort(-1).values
        assert_same(ours, theirs, g, t)


@pytest.mark.parametrize("dtype", FLOATS)
def test_poisson(dtype):
    g, t = pair(20)
    for size, largest in [(1, 0), (3000, 9), (3000, 60), (500, 5000), (0, 1)]:
        rates = (torch.rand(size, generator=torch.Generator()) * largest).to(torch_dtype(dtype))
        assert_same(rejection.poisson(array_of(rates), g), torch.poisson(rates, generator=t), g, t)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binomial(dtype):
    g, t = pair(21)
    for largest in (0, 5, 40, 3000):
        count = torch.randint(0, largest + 1, (60, 40), generator=torch.Generator()).to(torch_dtype(dtype))
        prob = torch.linspace(0, 1, 40, dtype=torch_dtype(dtype)).expand(60, 40)
        ours = rejection.binomial(array_of(count), array_of(prob[0]), g)
        assert_same(ours, torch.binomial(count, prob, generator=t), g, t)
    assert np.isnan(rejection.binomial(np.array([np.nan, 2.0]), np.array([0.5, np.nan]))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma_and_dirichlet(dtype):
    g, t = pair(22)
    shapes = torch.rand(40, 10, 5, dtype=torch_dtype(dtype), generator=torch.Generator())
    shapes *= torch.tensor([0.05, 1, 3, 30, 0])
    theirs = torch._standard_gamma(shapes, generator=t)
    assert_same(rejection.standard_gamma(array_of(shapes), g), theirs, g, t)
    shapes += 0.1
    ours, theirs = rejection.dirichlet(array_of(shapes), g), torch._sample_dirichlet(shapes, generator=t)
    # The sums are taken in another order.
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-15 if dtype == "float64" else 2e-7)
    np.testing.assert_array_equal(g.get_state(), t.get_state().numpy())


def test_draws_of_different_kinds_in_turn():
    g, t = pair(15)
    order = np.random.default_rng(0).integers(0, 9, 120)
    for turn, kind in enumerate(order):
        n = [1, 3, 5, 16, 21, 333][turn % 6]
        f, d = torch.empty(n), torch.empty(n, dtype=torch.float64)
        ours, theirs = [
            lambda: (rng.uniform((n,), np.float32, generator=g), f.uniform_(generator=t)),
            lambda: (rng.normal((n,), np.float64, generator=g), d.normal_(generator=t)),
            lambda: (rng.normal((3,), np.float32, generator=g), torch.empty(3).normal_(generator=t)),
            lambda: (rng.randint((n,), 0, 10, generator=g), torch.randint(0, 10, (n,), generator=t)),
            lambda: (rng.randperm(n, generator=g), torch.randperm(n, generator=t)),
            lambda: (rng.bernoulli(0.5, (n,), generator=g), f.bernoulli_(0.5, generator=t)),
            lambda: (rng.log_normal((n,), np.float64, generator=g), d.log_normal_(generator=t)),
            lambda: (rng.exponential((n,), np.float64, generator=g), d.exponential_(generator=t)),
            lambda: (rng.uniform((n,), np.float64, generator=g), d.uniform_(generator=t)),
        ][kind]()
        assert_same(ours, theirs, g, t)


@pytest.mark.parametrize("words", [0, 1, 5, 623, 624, 625, 1248, 3000])
def test_states_pass_both_ways(words):
    g, t = pair(16)
    g.bits32(words)
    torch.empty(words).uniform_(generator=t)
    np.testing.assert_array_equal(g.get_state(), t.get_state().numpy())
    for ours, theirs in [(rng.Generator(), t), (g, torch.Generator())]:
        ours.set_state(t.get_state().numpy())
        theirs.set_state(torch.from_numpy(g.get_state().numpy()))
        assert ours.initial_seed() == theirs.initial_seed() == 16
        expected = torch.empty(1000, dtype=torch.float64).normal_(generator=theirs)
        assert_same(rng.normal((1000,), np.float64, generator=ours), expected, ours, theirs)


def test_a_state_keeps_the_waiting_normal():
    g, t = pair(17)
    rng.normal((3,), np.float32, generator=g)
    torch.empty(3).normal_(generator=t)
    other = rng.Generator()
    other.set_state(t.get_state().numpy())
    for again in (g, other, g.clone_state(), copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        u = torch.Generator()
        u.set_state(t.get_state())
        expected = torch.empty(4, dtype=torch.float64).normal_(generator=u)
        assert_same(rng.normal((4,), np.float64, generator=again), expected, again, u)


def test_a_clone_goes_its_own_way():
    g, _ = pair(18)
    clone = g.clone_state()
    first = rng.uniform((5,), np.float32, generator=g)
    np.testing.assert_array_equal(rng.uniform((5,), np.float32, generator=clone), first)


@pytest.mark.parametrize("seed", [0, 1, -1, -(2**63), 2**63, 2**64 - 1, 2**32, np.int64(12)])
def test_seeds(seed):
    g, t = rng.Generator(), torch.Generator()
    assert g.manual_seed(seed) is g
    t.manual_seed(int(seed))
    assert g.initial_seed() == t.initial_seed()
    assert_same(rng.uniform((3,), np.float32, generator=g), torch.empty(3).uniform_(generator=t), g, t)


def test_a_new_generator_starts_from_pytorchs_seed():
    g, t = rng.Generator(), torch.Generator()
    assert g.initial_seed() == t.initial_seed()
    assert str(g.device) == str(t.device)
    np.testing.assert_array_equal(g.get_state(), t.get_state().numpy())


def test_seed_takes_another_seed_each_time():
    g = rng.Generator()
    assert g.seed() == g.initial_seed() != g.seed()
    assert rng.default_generator.initial_seed() != rng.Generator().initial_seed()


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed):
    with pytest.raises(ValueError, match="from -2\\*\\*63 to 2\\*\\*64 - 1, but got"):
        rng.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [1.5, "1", True, None])
def test_seeds_of_other_types(seed):
    with pytest.raises(RuntimeError, match="expected an int, but got"):
        rng.Generator().manual_seed(seed)


def test_states_that_are_none():
    g = rng.Generator()
    with pytest.raises(TypeError, match="uint8, but got float64"):
        g.set_state(np.zeros(5056))
    with pytest.raises(RuntimeError, match="5056 bytes, but got 10"):
        g.set_state(np.zeros(10, np.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state: seeded=0"):
        g.set_state(np.zeros(5056, np.uint8))


def test_threads_that_share_a_generator_get_different_numbers():
    g = rng.Generator().manual_seed(19)
    parts = [[] for _ in range(4)]

    def work(part):
        for _ in range(50):
            part.append(rng.uniform((501,), np.float64, generator=g))
            part.append(rng.normal((3,), np.float64, generator=g))

    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drawn = np.concatenate([x for part in parts for x in part])
    assert np.unique(drawn).size == drawn.size
    alone = rng.Generator().manual_seed(19)
    alone.bits64(200 * 501 + 2 * 300)  # 600 normals: 300 pairs
    np.testing.assert_array_equal(g.get_state(), alone.get_state())


@needs_avx2
def test_a_resnet_block_starts_with_pytorchs_weights():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(64, 128, 3, bias=False)
    linear = torch.nn.Linear(512, 1000)
    torch.nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    g = rng.Generator().manual_seed(0)
    shape = (128, 64, 3, 3)
    bound = math.sqrt(3) * (math.sqrt(2 / (1 + 5)) / math.sqrt(64 * 9))
    rng.uniform(shape, np.float32, -bound, bound, g)
    bound = math.sqrt(3) * (math.sqrt(2 / (1 + 5)) / math.sqrt(512))
    weight = rng.uniform((1000, 512), np.float32, -bound, bound, g)
    bias = rng.uniform((1000,), np.float32, -1 / math.sqrt(512), 1 / math.sqrt(512), g)
    normal = rng.normal(shape, np.float32, 0, math.sqrt(2) / math.sqrt(128 * 9), g)
    np.testing.assert_array_equal(bits(weight), bits(linear.weight.detach()))
    np.testing.assert_array_equal(bits(bias), bits(linear.bias.detach()))
    np.testing.assert_array_equal(bits(normal), bits(convolution.weight.detach()))


def test_the_default_generator_is_used_and_seeded():
    rng.default_generator.manual_seed(0)
    torch.manual_seed(0)
    np.testing.assert_array_equal(rng.uniform((3,), np.float32), torch.rand(3).numpy())
    np.testing.assert_array_equal(rng.randint((3,), 0, 10), torch.randint(0, 10, (3,)).numpy())


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: rng.uniform((2,), np.float32, 2, 1), RuntimeError, r"from=2 > to=1"),
        (lambda: rng.uniform((2,), np.float32, 0, 1e39), RuntimeError, "to is out of bounds for float32"),
        (lambda: rng.uniform((2,), np.float16, -6e4, 6e4), RuntimeError, "to - from <= 65504"),
        (lambda: rng.uniform((2,), np.int64), NotImplementedError, "uniform_ .* not implemented for int64"),
        (lambda: rng.normal((2,), np.float32, 0, -1), RuntimeError, "std >= 0.0, but found std -1"),
        (lambda: rng.normal(None, np.float32, 0, np.array([1.0, -2])), RuntimeError, "all elements .* -2"),
        (lambda: rng.normal((2,), np.int64), NotImplementedError, "normal_ .* not implemented for int64"),
        (lambda: rng.randint((2,), 3, 3), RuntimeError, "from=3 >= to=3"),
        (lambda: rng.randint((2,), 0, 300, np.uint8), RuntimeError, "to - 1 is out of bounds for uint8"),
        (lambda: rng.randint((2,), -1, 3, np.uint8), RuntimeError, "from is out of bounds for uint8"),
        (lambda: rng.random_((2,), np.bool_, 0, 3), RuntimeError, "to - 1 is out of bounds for bool"),
        (lambda: rng.random_((2,), np.complex64), NotImplementedError, "not implemented for complex64"),
        (lambda: rng.random_((2,), np.int32, -(2**63)), NotImplementedError, "but got int32"),
        (lambda: rng.randperm(-1), RuntimeError, "n >= 0, but got -1"),
        (lambda: rng.randperm(300, np.uint8), RuntimeError, "cannot be greater than 255 for uint8"),
        (lambda: rng.randperm(2050, np.float16), RuntimeError, "cannot be greater than 2049 for float16"),
        (lambda: rng.bernoulli(2, (2,)), RuntimeError, "got p=2"),
        (lambda: rng.bernoulli(math.nan, (2,)), RuntimeError, "got p=nan"),
        (lambda: rng.bernoulli(np.array([0.5, 1.5])), RuntimeError, "p from 0.5 to 1.5"),
        (lambda: rng.bernoulli(np.array([0, 1])), NotImplementedError, "floating dtype, but got int64"),
        (lambda: rng.exponential((2,), np.float32, 0), RuntimeError, "lambda=0"),
        (lambda: rng.exponential((2,), np.int64), NotImplementedError, "exponential_ .* int64"),
        (lambda: rng.geometric((2,), np.float32, 1), RuntimeError, "got p=1"),
        (lambda: rng.geometric((2,), np.complex64, 0.5), NotImplementedError, "geometric_ .* complex64"),
        (lambda: rng.cauchy((2,), np.float32, 0, -1), RuntimeError, "sigma=-1"),
        (lambda: rng.log_normal((2,), np.float32, 0, 0), RuntimeError, "std=0"),
        (lambda: rng.multinomial(np.ones((2, 2, 2)), 1), RuntimeError, r"shape \(2, 2, 2\)"),
        (lambda: rng.multinomial(np.ones(3, np.int64), 1), RuntimeError, "got int64"),
        (lambda: rng.multinomial(np.ones(3), 0), RuntimeError, "cannot draw 0 samples"),
        (lambda: rng.multinomial(np.ones(3), 4), RuntimeError, "4 samples without replacement from 3"),
        (lambda: rng.multinomial(np.array([1, -1.0]), 1), RuntimeError, "below 0"),
        (lambda: rng.multinomial(np.array([1, np.nan]), 3, True), RuntimeError, "inf, nan"),
        (lambda: rng.multinomial(np.zeros(3), 1), RuntimeError, "sum to 0"),
        (lambda: rejection.poisson(np.array([1, -2.0])), RuntimeError, "rates >= 0, but got -2"),
        (lambda: rejection.poisson(np.array([1])), NotImplementedError, "int64; use one of float16"),
        (lambda: rejection.binomial(np.ones(2), np.ones(2, "f")), RuntimeError, "got float64 and float32"),
        (lambda: rejection.standard_gamma(np.array([-1.0])), RuntimeError, "shapes >= 0, but got -1"),
    ],
)  # fmt: skip
def test_errors_say_what_was_given(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_fma_rounds_once():
    normals = np.random.default_rng(0).standard_normal
    for dtype, fma in ((np.float32, fma32), (np.float64, fma64)):
        a, b, c = (normals(300).astype(dtype) for _ in range(3))
        for scale in (1, 1e-3, 1e6):
            for bi, ci in zip(b[:20], c[:20] * dtype(scale)):
                expected = [Fraction(float(x)) * Fraction(float(bi)) + Fraction(float(ci)) for x in a]
                ours = fma(a, float(bi), float(ci))
                for got, true in zip(ours.tolist(), expected):
                    neighbours = [float(np.nextafter(dtype(got), dtype(to))) for to in (-np.inf, np.inf)]
                    assert all(abs(Fraction(got) - true) <= abs(Fraction(x) - true) for x in neighbours)


@pytest.mark.parametrize("draw", ["dropout", "rand_like", "randn_like", "bernoulli_"])
def test_images_of_convolutions_are_filled_as_pytorchs(draw):
    """A convolution gives its result with channels innermost in memory here, and not in PyTorch."""

    def drawn(library):
        library.manual_seed(0)
        with library.no_grad():
            image = library.nn.functional.conv2d(library.ones(2, 3, 8, 8), library.ones(4, 3, 3, 3))
        library.manual_seed(1)
        if draw == "dropout":
            return library.nn.functional.dropout(image, 0.3)
        if draw == "bernoulli_":
            return image.bernoulli_(0.3)
        return getattr(library, draw)(image)

    np.testing.assert_allclose(drawn(retrograd).numpy(), drawn(torch).numpy(), rtol=1e-6)
