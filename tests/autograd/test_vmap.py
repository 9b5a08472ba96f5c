"""vmap: dimensions in and out, in-place writes, random numbers, errors; against PyTorch's."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


# --- dimensions --------------------------------------------------------------


def test_in_and_out_dims():
    def program(lib):
        vmap, x, y = lib.func.vmap, values(lib, 3, 4), values(lib, 4, 3, seed=1)
        f = lambda a, b: a * 2 - b
        return [
            vmap(f)(x, x), vmap(f, in_dims=(0, 1))(x, y), vmap(f, in_dims=(-1, 0), out_dims=-1)(x, y),
            vmap(f, in_dims=(None, 0))(x[0], x), vmap(f, in_dims=(1, None), out_dims=1)(x, x[:, 0]),
            vmap(lambda a: (a, a.sum()), out_dims=(1, 0))(x), vmap(lambda a, b: a, in_dims=(0, None))(x, 7),
            vmap(lambda a: (x, a), out_dims=(None, 0))(x), vmap(lambda a: x)(x),
        ]  # fmt: skip

    same(program)


def test_structures_of_dims():
    def program(lib):
        vmap, x = lib.func.vmap, values(lib, 3, 4)
        tree = {"a": x, "b": [x.T, x[0]]}
        f = lambda t, c: {"s": t["a"] + c, "t": (t["b"][0], t["b"][1] * t["a"].sum())}
        dims = ({"a": 0, "b": [1, None]}, None)
        return vmap(f, in_dims=dims)(tree, 2.0), vmap(f, dims, {"s": 1, "t": 0})(tree, x[1])

    same(program)


def test_keyword_arguments_are_shared():
    same(lambda lib: lib.func.vmap(lambda a, b: a + b)(values(lib, 2, 3), b=values(lib, 2, 3, seed=1)))


def test_an_empty_batch():
    same(
        lambda lib: lib.func.vmap(lambda a: (a.sin().sum(), a @ a.T, lib.linalg.inv(a)))(values(lib, 0, 3, 3))
    )


def test_top_level_name():
    same(lambda lib: lib.vmap(lambda a: a.sum())(values(lib, 2, 3)))


def test_promotion_is_that_of_examples():
    def program(lib):
        vmap = lib.func.vmap
        half, double, whole = lib.ones(3, dtype=lib.float32), values(lib, 3), lib.arange(3)
        return (
            vmap(lambda a: a + double)(half), vmap(lambda a: double * a)(half),
            vmap(lambda a: half + a)(double),
            vmap(lambda a: a * 2.5)(whole), vmap(lambda a: lib.ones(2) * a)(double),
            vmap(lambda a, b: a / b)(whole, double),
            vmap(lambda a: lib.where(a > 0, a, 0.5))(double), vmap(lambda a: lib.maximum(a, whole))(half),
        )  # fmt: skip

    same(program)


# --- in place ----------------------------------------------------------------


def test_writes_into_a_batched_tensor():
    def program(lib):
        def f(x):
            y = x.clone()
            y.mul_(2).add_(x)
            y[0] = y[1]
            y[1:] += x[1:]
            y[lib.tensor([0, 2])] -= 1
            z = y.view(3, 1)
            z[1, 0] = x.sum()
            y.clamp_(-1, 1)
            return y, y.relu_()

        x = values(lib, 4, 3)
        fn = lib.func
        return (
            fn.vmap(f)(x),
            fn.vmap(f, in_dims=1, out_dims=1)(x.T),
            fn.vmap(fn.jacrev(lambda x: f(x)[1]))(x),
            fn.vmap(fn.jacfwd(lambda x: f(x)[0]))(x),
        )

    same(program)


def test_writes_reach_the_tensor_that_vmap_was_given():
    def program(lib):
        x, y, z = values(lib, 4, 3), values(lib, 4, 3), values(lib, 4, 3)
        lib.func.vmap(lambda v: v.mul_(2), in_dims=1)(x)
        lib.func.vmap(lambda v: v[1:].fill_(5))(y)
        lib.func.vmap(lambda v: v.detach().add_(1))(z)
        return x, y, z

    same(program)


def test_tensors_made_in_the_likeness_of_batched_ones_can_be_written_to():
    def program(lib):
        fs = [
            lambda v: lib.zeros_like(v).add_(v), lambda v: v.new_zeros(3).copy_(v),
            lambda v: v.new_full((3,), 2.0).mul_(v),
            lambda v: lib.ones_like(v).index_add_(0, lib.tensor([0, 0]), v[:2]),
            lambda v: lib.empty_like(v).copy_(v),
        ]  # fmt: skip
        return [lib.func.vmap(f)(values(lib, 4, 3)) for f in fs]

    same(program)


def test_shapes_changed_in_place():
    def program(lib):
        def f(x):
            y = x.clone().unsqueeze_(0).transpose_(0, 1)
            z = y.squeeze_(1).mul_(2)
            return y, z.t_()

        return lib.func.vmap(f)(values(lib, 4, 3)), lib.func.vmap(lib.func.jacrev(f))(values(lib, 4, 3))

    same(program)


def test_shared_tensors_can_be_written_to_with_shared_values():
    def program(lib):
        def f(v):
            y = lib.zeros(3, dtype=lib.float64)
            y[0] = 1.0
            y += 2
            return y * v

        return lib.func.vmap(f)(values(lib, 4, 3))

    same(program)


def test_gradients_through_writes_with_a_graph_outside():
    def program(lib):
        w = values(lib, 3, seed=5).requires_grad_()

        def f(x):
            y = x * w
            y.mul_(w)
            y[1] = w[0] * x[2]
            return y.sin().sum()

        out = lib.func.vmap(f)(values(lib, 4, 3))
        return out.detach(), lib.autograd.grad(out.pow(2).sum(), w)

    same(program)


def test_a_write_that_differs_from_example_to_example_needs_a_tensor_that_does():
    def attempts(lib):
        shared = values(lib, 3)
        yield lambda v: lib.zeros(3, dtype=lib.float64).__setitem__(0, v[0])
        yield lambda v: shared.clone().add_(v)
        yield lambda v: shared.clone().copy_(v)

    for i in range(3):
        both_refuse(lambda lib: lib.func.vmap(list(attempts(lib))[i])(values(lib, 4, 3)), RuntimeError)  # noqa: B023


def one_by_one(lib):
    """vmap in a loop."""

    def vmap(f, in_dims=(0, 0)):
        def mapped(*args):
            size = next(a.shape[d] for a, d in zip(args, in_dims, strict=True) if d is not None)
            pick = lambda a, d, k: a if d is None else a.select(d, k)
            return lib.stack(
                [f(*[pick(a, d, k) for a, d in zip(args, in_dims, strict=True)]) for k in range(size)]
            )

        return mapped

    return vmap


# --- indices that differ from example to example -----------------------------


def test_batched_indices():
    def program(lib):
        x, i = values(lib, 3, 4, 2), lib.tensor([[0, 2], [1, 1], [2, 0]])
        vmap = lib.func.vmap if lib is retrograd else one_by_one(lib)  # PyTorch's lacks some of these
        fs = [
            lambda v, i: v[i], lambda v, i: v[:, i % 2], lambda v, i: v[i, 0], lambda v, i: v[i[0]], lambda v,
            i: v[i[0], i[1] % 2],
            lambda v, i: v.index_select(0, i), lambda v, i: v.gather(0, i[:, None]), lambda v, i: v.take(i),
            lambda v, i: v.scatter(0, i[None], v[:1] * 10), lambda v, i: v.scatter_add(0, i[None], v[1:2]),
            lambda v, i: v.index_add(0, i, v[:2]), lambda v, i: v.index_copy(0, lib.tensor([0, 3]), v[1:3]),
            lambda v, i: v.index_put((i, i % 2), v[0], accumulate=True), lambda v, i: v.index_fill(0, i, 7.0),
            lambda v, i: lib.take_along_dim(v, i[:, None], 0), lambda v, i: lib.nn.functional.one_hot(i, 4),
            lambda v, i: lib.nn.functional.embedding(i, v), lambda v,
            i: lib.nn.functional.embedding(i, v, padding_idx=1),
        ]  # fmt: skip
        results = [vmap(f)(x, i) for f in fs]
        results += [vmap(f, in_dims=(None, 0))(x[0], i) for f in fs]
        results += [vmap(f, in_dims=(1, None))(x.movedim(0, 1), i[0]) for f in fs]
        gradient = lambda f: lib.func.grad(lambda v, i: (f(v, i) * 1.5).sin().sum())
        return results + [vmap(gradient(f))(x, i) for f in fs if f is not fs[15]]

    same(program)


def test_a_batched_mask_may_be_filled_with_one_value():
    x = values(retrograd, 3, 4)

    def f(v):
        v = v.clone()
        v[v > 0] = 9.0
        return v

    np.testing.assert_array_equal(retrograd.func.vmap(f)(x).numpy(), np.where(x.numpy() > 0, 9.0, x.numpy()))


# --- random numbers ----------------------------------------------------------

RANDOM = {
    "rand": lambda lib, v: lib.rand(3),
    "randn_like": lambda lib, v: lib.randn_like(v),
    "randint": lambda lib, v: lib.randint(0, 100, (3,)),
    "dropout": lambda lib, v: lib.nn.functional.dropout(v * 0 + 1.0),
    "bernoulli_": lambda lib, v: v.clone().bernoulli_(0.5),
    "normal_": lambda lib, v: v.clone().normal_(),
}


@pytest.mark.parametrize("name", RANDOM)
def test_randomness(name):
    f = lambda lib: lambda v: RANDOM[name](lib, v)
    x = lambda lib: values(lib, 40, 3)
    both_refuse(lambda lib: lib.func.vmap(f(lib))(x(lib)), match="randomness error mode")
    for lib in (retrograd,):
        lib.manual_seed(0)
        different = lib.func.vmap(f(lib), randomness="different")(x(lib)).numpy()
        assert different.shape == (40, 3) and len(np.unique(different, axis=0)) > 1
        same_for_all = lib.func.vmap(f(lib), randomness="same")(x(lib)).numpy()
        assert len(np.unique(same_for_all, axis=0)) == 1


def test_no_random_number_is_drawn_where_none_is_needed():
    def program(lib):
        drop = lib.nn.functional.dropout
        return lib.func.vmap(lambda v: drop(v, 0.5, training=False) + drop(v, 0.0))(values(lib, 4, 3))

    same(program)


# --- errors ------------------------------------------------------------------


@pytest.mark.parametrize(
    "f, match",
    [
        (lambda lib, v: v.sum().item(), "vmap"),
        (lambda lib, v: float(v[0]), "vmap"),
        (lambda lib, v: v if v.sum() > 0 else -v, "vmap"),
        (lambda lib, v: v[v > 0], "vmap"),
        (lambda lib, v: v.nonzero(), "vmap"),
        (lambda lib, v: lib.masked_select(v, v > 0), "vmap"),
        (lambda lib, v: lib.tensor([v[0], v[1]]), "vmap"),
        (lambda lib, v: lib.arange(v.sum()), "vmap"),
        (lambda lib, v: lib.allclose(v, v), "vmap"),
        (lambda lib, v: f"{v[0]}", "vmap"),
        (lambda lib, v: 1.0 in v, "vmap"),
        (lambda lib, v: v.tolist(), None),
        (lambda lib, v: v.numpy(), None),
        (lambda lib, v: (v * 2).requires_grad_(), "requires_grad_"),
    ],
)
def test_values_cannot_be_read(f, match):
    both_refuse(lambda lib: lib.func.vmap(lambda v: f(lib, v))(values(lib, 4, 3)), RuntimeError, match)


@pytest.mark.parametrize(
    "attempt, error, match",
    [
        (lambda vmap, x: vmap(lambda a, b: a)(x, x[:2]), ValueError, "same size"),
        (lambda vmap, x: vmap(lambda a: a, in_dims=[0])(x), ValueError, "in_dims"),
        (lambda vmap, x: vmap(lambda a: a, in_dims=None)(x), ValueError, "in_dims"),
        (lambda vmap, x: vmap(lambda a: a, in_dims=(None,))(x), ValueError, "vmap"),
        (lambda vmap, x: vmap(lambda a: a, in_dims=(0, 0))(x), ValueError, "structure"),
        (lambda vmap, x: vmap(lambda a: a, in_dims=5)(x), ValueError, "in_dim=5"),
        (lambda vmap, x: vmap(lambda a: a)(3.0), ValueError, "in_dim=0"),
        (lambda vmap, x: vmap(lambda: 1)(), ValueError, "no inputs"),
        (lambda vmap, x: vmap(lambda a: 1)(x), ValueError, "must only return Tensors"),
        (lambda vmap, x: vmap(lambda a: a, out_dims=3)(x), IndexError, "out of range"),
        (lambda vmap, x: vmap(lambda a: a, out_dims=None)(x), ValueError, "None"),
        (lambda vmap, x: vmap(lambda a: a, out_dims=(0, 0))(x), ValueError, "out_dims"),
        (lambda vmap, x: vmap(lambda a: a, randomness="often")(x), RuntimeError, "randomness"),
        (lambda vmap, x: vmap(lambda a: a, chunk_size=0)(x), ValueError, "chunk_size"),
    ],
)
def test_argument_errors(attempt, error, match):
    both_refuse(lambda lib: attempt(lib.func.vmap, values(lib, 3, 4)), error, match)


def test_backward_inside():
    def program(lib):
        w = values(lib, 3).requires_grad_()
        lib.func.vmap(lambda v: (w * v).sum().backward())(values(lib, 4, 3))

    both_refuse(program, match="backward")


def test_autograd_grad_inside():
    def program(lib):
        w = values(lib, 3).requires_grad_()
        y = w.sin() * w
        rows = lib.func.vmap(lambda v: lib.autograd.grad(y, w, v, retain_graph=True)[0])(
            lib.eye(3, dtype=lib.float64)
        )
        twice = lib.func.vmap(lambda v: lib.autograd.grad(y, w, v, create_graph=True)[0])(
            lib.eye(3, dtype=lib.float64)
        )
        return rows, lib.autograd.grad(twice.pow(2).sum(), w)

    same(program)
    with pytest.raises(RuntimeError, match="sum over the examples"):
        w = values(retrograd, 3).requires_grad_()
        retrograd.func.vmap(lambda v: retrograd.autograd.grad((w * v).sum(), w)[0])(values(retrograd, 4, 3))


def test_a_tensor_that_escapes_says_so():
    kept = []
    retrograd.func.vmap(lambda v: (kept.append(v), v)[1])(values(retrograd, 3, 2))
    with pytest.raises(RuntimeError, match="vmap"):
        kept[0] + 1


def test_printing():
    texts = []
    retrograd.func.vmap(lambda v: (texts.append(repr(v)), v)[1])(retrograd.ones(2, 2))
    assert texts[0].startswith("BatchedTensor(lvl=1, bdim=0, value=")


def test_what_a_batched_tensor_says_of_itself():
    def program(lib):
        seen = []

        def f(v):
            seen.append(
                (v.shape, v.ndim, v.dtype, v.numel(), v.stride(), v.is_contiguous(), len(v), v.is_leaf)
            )
            return sum(a for a in v)

        return lib.func.vmap(f, in_dims=1)(values(lib, 3, 4)), seen

    same(program)


# --- batched gradients -------------------------------------------------------


def test_is_grads_batched():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        w = values(lib, 2, 3).requires_grad_()
        outs = [(w @ x).sin(), x.exp()]
        vs = [values(lib, 5, 2, seed=1), values(lib, 5, 3, seed=2)]
        first = lib.autograd.grad(outs, [x, w], vs, is_grads_batched=True, create_graph=True)
        second = lib.autograd.grad(sum(g.pow(2).sum() for g in first), [x, w])
        unused = lib.autograd.grad(x.exp(), [x, w], vs[1], is_grads_batched=True, allow_unused=True)
        return [g.detach() for g in first], second, unused[0], unused[1] is None

    same(program)
