"""Random numbers inside vmap: the same as PyTorch's for the same seed, for every `randomness`."""

import numpy as np
import pytest
import torch

import retrograd

PROGRAMS = {
    "rand": lambda lib, x, p: lib.rand(2, 3),
    "randn": lambda lib, x, p: lib.randn((3,)),
    "randint": lambda lib, x, p: lib.randint(5, 100, (3, 2)),
    "normal of a size": lambda lib, x, p: lib.normal(0.5, 2.0, (4,)),
    "normal of tensors": lambda lib, x, p: lib.normal(x, p),
    "bernoulli": lambda lib, x, p: lib.bernoulli(p),
    "bernoulli of p": lambda lib, x, p: lib.bernoulli(x, 0.3),
    "rand_like": lambda lib, x, p: lib.rand_like(x),
    "randn_like": lambda lib, x, p: lib.randn_like(x),
    "randint_like": lambda lib, x, p: lib.randint_like(x, 1, 9),
    "poisson": lambda lib, x, p: lib.poisson(p),
    "binomial": lambda lib, x, p: lib.binomial(lib.full_like(p, 5.0), p),
    "multinomial": lambda lib, x, p: lib.multinomial(p, 3),
    "multinomial of a vector": lambda lib, x, p: lib.multinomial(p[0], 3),
    "randperm": lambda lib, x, p: lib.randperm(7),
    "dropout": lambda lib, x, p: lib.nn.functional.dropout(x, 0.4),
    "alpha_dropout": lambda lib, x, p: lib.nn.functional.alpha_dropout(x, 0.4, True),
    "normal_": lambda lib, x, p: x.clone().normal_(),
    "uniform_": lambda lib, x, p: x.clone().uniform_(-1, 1),
    "bernoulli_": lambda lib, x, p: x.clone().bernoulli_(0.3),
    "bernoulli_ of a tensor": lambda lib, x, p: x.clone().bernoulli_(p),
}
BY_VALUE = {"normal of tensors", "bernoulli", "bernoulli of p", "poisson", "binomial", "multinomial",
            "multinomial of a vector", "bernoulli_ of a tensor"}  # fmt: skip


def answer(lib, program, randomness, in_dims=(0, 0)):
    rng = np.random.default_rng(0)
    x, p = [lib.from_numpy(rng.uniform(0.1, 0.9, (4, 5, 6)).astype(np.float32)) for _ in range(2)]
    lib.manual_seed(3)
    return lib.func.vmap(lambda x, p: program(lib, x, p), in_dims=in_dims, randomness=randomness)(x, p)


@pytest.mark.parametrize("in_dims", [(0, 0), (1, 1)])
@pytest.mark.parametrize("randomness", ["different", "same"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_numbers(name, randomness, in_dims):
    if randomness == "same" and name in BY_VALUE:
        for lib in (torch, retrograd):
            with pytest.raises(RuntimeError, match="same randomness with a batched tensor"):
                answer(lib, PROGRAMS[name], randomness, in_dims)
        return
    real = answer(torch, PROGRAMS[name], randomness, in_dims)
    ours = answer(retrograd, PROGRAMS[name], randomness, in_dims)
    np.testing.assert_allclose(ours.numpy(), real.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_refused_unless_asked_for(name):
    with pytest.raises(RuntimeError, match="randomness error mode"):
        answer(retrograd, PROGRAMS[name], "error")


def test_one_draw_written_to_a_shared_tensor_is_no_draw_for_each():
    for lib in (torch, retrograd):
        shared = lib.zeros(3)
        with pytest.raises(RuntimeError, match="different inplace randomness on an unbatched tensor"):
            lib.func.vmap(lambda x: shared.normal_() + x, randomness="different")(lib.zeros(2))  # noqa: B023


def test_two_levels():
    def program(lib):
        lib.manual_seed(1)
        inner = lib.func.vmap(lambda x: x + lib.rand(2), randomness="different")
        return lib.func.vmap(inner, randomness="same")(lib.zeros(3, 4, 1))

    np.testing.assert_array_equal(program(retrograd).numpy(), program(torch).numpy())


def test_chunks_share_what_all_examples_share():
    def program(lib):
        lib.manual_seed(1)
        return lib.func.vmap(lambda x: x + lib.rand(2), randomness="same", chunk_size=2)(lib.zeros(5, 1))

    np.testing.assert_array_equal(program(retrograd).numpy(), program(torch).numpy())


def test_out_is_refused():
    y = retrograd.zeros(3)
    with pytest.raises(RuntimeError, match="calling out variants"):
        retrograd.func.vmap(lambda x: x + retrograd.randn(3, out=y), randomness="same")(retrograd.zeros(2))
