"""torch.func: derivatives in any composition, against PyTorch's."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


# --- compositions ------------------------------------------------------------

F = {  # functions of one tensor that give a number
    "elementwise": lambda lib: lambda x: (x.sin() * x.exp()).sum(),
    "softmax": lambda lib: lambda x: (lib.softmax(x, -1) * x.cos() + x.prod()).sum(),
    "outputs that are saved": lambda lib: lambda x: (x.exp().tanh() * x.sigmoid()).pow(2).sum(),
}
vector = pytest.mark.parametrize("name", F)

# What is done to f, as a function of (torch.func, lib, f).
COMPOSITIONS = {
    "grad": lambda fn, lib, f: fn.grad(f)(values(lib, 3)),
    "grad grad": lambda fn, lib, f: fn.grad(lambda x: fn.grad(f)(x).pow(2).sum())(values(lib, 3)),
    "grad grad grad": lambda fn, lib, f: fn.grad(
        lambda x: fn.grad(lambda y: fn.grad(f)(y).pow(2).sum())(x).sum()
    )(values(lib, 3)),
    "vmap": lambda fn, lib, f: fn.vmap(f)(values(lib, 4, 3)),
    "vmap grad": lambda fn, lib, f: fn.vmap(fn.grad(f))(values(lib, 4, 3)),
    "grad vmap": lambda fn, lib, f: fn.grad(lambda x: fn.vmap(f)(x).pow(2).sum())(values(lib, 4, 3)),
    "vmap vmap": lambda fn, lib, f: fn.vmap(fn.vmap(f), in_dims=1)(values(lib, 4, 5, 3)),
    "vmap vmap grad": lambda fn, lib, f: fn.vmap(fn.vmap(fn.grad(f), in_dims=1, out_dims=1))(
        values(lib, 4, 3, 2)
    ),
    "vmap grad vmap": lambda fn, lib, f: fn.vmap(fn.grad(lambda x: fn.vmap(f)(x).pow(2).sum()))(
        values(lib, 2, 4, 3)
    ),
    "jvp": lambda fn, lib, f: fn.jvp(f, (values(lib, 3),), (values(lib, 3, seed=1),)),
    "jvp jvp": lambda fn, lib, f: fn.jvp(
        lambda x: fn.jvp(f, (x,), (values(lib, 3, seed=1),))[1], (values(lib, 3),), (values(lib, 3, seed=2),)
    ),
    "jvp vmap": lambda fn, lib, f: fn.jvp(fn.vmap(f), (values(lib, 4, 3),), (values(lib, 4, 3, seed=1),)),
    "vmap jvp": lambda fn, lib, f: fn.vmap(lambda x, t: fn.jvp(f, (x,), (t,)))(
        values(lib, 4, 3), values(lib, 4, 3, seed=1)
    ),
    "vmap of a shared primal": lambda fn, lib, f: fn.vmap(lambda t: fn.jvp(f, (values(lib, 3),), (t,)))(
        values(lib, 4, 3, seed=1)
    ),
    "vmap of a shared tangent": lambda fn, lib, f: fn.vmap(
        lambda x: fn.jvp(f, (x,), (values(lib, 3, seed=1),))
    )(values(lib, 4, 3)),
    "jvp grad": lambda fn, lib, f: fn.jvp(fn.grad(f), (values(lib, 3),), (values(lib, 3, seed=1),)),
    "grad jvp": lambda fn, lib, f: fn.grad(
        lambda x: fn.jvp(f, (x,), (values(lib, 3, seed=1),))[1].pow(2).sum()
    )(values(lib, 3)),
    "vmap jvp grad": lambda fn, lib, f: fn.vmap(lambda x, t: fn.jvp(fn.grad(f), (x,), (t,)))(
        values(lib, 4, 3), values(lib, 4, 3, seed=1)
    ),
    "jvp vmap grad": lambda fn, lib, f: fn.jvp(
        fn.vmap(fn.grad(f)), (values(lib, 4, 3),), (values(lib, 4, 3, seed=1),)
    ),
    "hessian": lambda fn, lib, f: fn.hessian(f)(values(lib, 3)),
    "vmap hessian": lambda fn, lib, f: fn.vmap(fn.hessian(f))(values(lib, 4, 3)),
    "hessian vmap": lambda fn, lib, f: fn.hessian(lambda x: fn.vmap(f)(x).sum())(values(lib, 2, 3)),
    "jacrev jacrev": lambda fn, lib, f: fn.jacrev(fn.jacrev(f))(values(lib, 3)),
    "jacfwd jacfwd": lambda fn, lib, f: fn.jacfwd(fn.jacfwd(f))(values(lib, 3)),
    "jacrev jacfwd": lambda fn, lib, f: fn.jacrev(fn.jacfwd(f))(values(lib, 3)),
    "jacfwd jacrev jacfwd": lambda fn, lib, f: fn.jacfwd(fn.jacrev(fn.jacfwd(f)))(values(lib, 3)),
    "vmap jacrev": lambda fn, lib, f: fn.vmap(fn.jacrev(lambda x: x * f(x)))(values(lib, 4, 3)),
    "vmap jacfwd": lambda fn, lib, f: fn.vmap(fn.jacfwd(lambda x: x * f(x)))(values(lib, 4, 3)),
    "jacrev vmap": lambda fn, lib, f: fn.jacrev(fn.vmap(lambda x: x * f(x)))(values(lib, 2, 3)),
    "jacfwd vmap": lambda fn, lib, f: fn.jacfwd(fn.vmap(lambda x: x * f(x)))(values(lib, 2, 3)),
    "grad of jacobian": lambda fn, lib, f: fn.grad(lambda x: fn.jacfwd(lambda y: y * f(y))(x).pow(2).sum())(
        values(lib, 3)
    ),
    "vmap of a pull": lambda fn, lib, f: fn.vmap(fn.vjp(lambda x: x * f(x), values(lib, 3))[1])(
        values(lib, 5, 3, seed=1)
    ),
    "vmap of a pull in a vmap": lambda fn, lib, f: fn.vmap(
        lambda v: fn.vmap(lambda x: fn.vjp(lambda y: y * f(y), x)[1](v))(values(lib, 4, 3))
    )(values(lib, 5, 3, seed=1)),
}


@pytest.mark.parametrize("name", F)
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_compositions(composition, name):
    same(lambda lib: COMPOSITIONS[composition](lib.func, lib, F[name](lib)))


def test_derivatives_are_with_respect_to_their_own_level():
    def program(lib):
        fn = lib.func
        x, one = values(lib), values(lib) * 0 + 1
        nested = fn.grad(lambda x: x * fn.grad(lambda y: x + y)(one))(x)
        pushed = fn.jvp(lambda x: x * fn.jvp(lambda y: x * y, (x,), (one,))[1], (x,), (one,))
        inner_of_outer = fn.grad(lambda x: fn.grad(lambda y: (x * y * y).sum())(x * 2).sum())(values(lib, 3))
        return nested, pushed, inner_of_outer

    same(program)


# --- what f gets hold of besides its arguments -------------------------------


def test_tensors_outside_that_require_gradients_are_in_the_graph():
    def program(lib):
        fn, w, x = lib.func, values(lib, 3, seed=3).requires_grad_(), values(lib, 3)
        f = lambda x: (x * w).pow(2).sum()
        results = []
        for g in (
            fn.grad(f)(x), fn.vmap(fn.grad(f))(values(lib, 4, 3)), fn.jacrev(lambda x: (x * w).sin())(x),
            fn.vjp(lambda x: (x * w).sin(), x)[1](values(lib, 3, seed=4))[0],
            fn.jvp(lambda x: (x * w).sin(), (x,), (x,))[1], fn.hessian(f)(x), fn.grad_and_value(f)(x)[1],
        ):  # fmt: skip
            results.append((g.detach(), g.requires_grad, lib.autograd.grad(g.pow(2).sum(), w)))
        return results

    same(program)


def test_results_require_gradients_only_if_something_outside_does():
    def program(lib):
        fn, x = lib.func, values(lib, 3)
        f = lambda x: x.pow(3).sum()
        free = [fn.grad(f)(x).requires_grad, fn.vjp(f, x)[0].requires_grad, fn.hessian(f)(x).requires_grad]
        free += [fn.jvp(f, (x,), (x,))[1].requires_grad, x.requires_grad]
        x.requires_grad_()
        g = fn.grad(f)(x)
        with lib.no_grad():
            h = fn.grad(f)(x)
        return free, g.requires_grad, lib.autograd.grad(g.sum(), x), h.requires_grad, h

    same(program)


def test_no_grad_inside():
    def program(lib):
        def f(x):
            with lib.no_grad():
                y = x * 2
            return (x * y + x.detach()).sum()

        return lib.func.grad(f)(values(lib, 3)), lib.func.jacrev(lambda x: x * x.detach())(values(lib, 3))

    same(program)


# --- arguments and results ---------------------------------------------------


def test_argnums():
    def program(lib):
        a, b = values(lib, 3), values(lib, 3, seed=1)
        f = lambda a, b: (a * b.sin()).sum()
        fn = lib.func
        return (
            [fn.grad(f, n)(a, b) for n in (0, 1, -1, (0,), (1, 0), (-1, 0))]
            + [
                transform(lambda a, b: a * b.sin(), n)(a, b)
                for transform in (fn.jacrev, fn.jacfwd)
                for n in (1, (0, 1), (1, 0))
            ]
            + [fn.hessian(f, (0, 1))(a, b)]
        )

    same(program)


def test_structures():
    def program(lib):
        fn = lib.func
        tree = {"a": values(lib, 3), "b": [values(lib, 2), (values(lib, seed=4),)]}
        f = lambda t: t["a"].sin().sum() * t["b"][0].sum() * t["b"][1][0]
        out, pull = fn.vjp(lambda t: {"s": t["a"] * 2, "t": (t["b"][0].sum(),)}, tree)
        ones = {"s": values(lib, 3) * 0 + 1, "t": (values(lib) * 0 + 1,)}
        many = lambda x: {"k": x.sin(), "l": [x.sum()]}
        x = values(lib, 3)
        return (
            fn.grad(f)(tree), fn.grad_and_value(f)(tree), out, pull(ones), pull(ones),
            fn.jvp(f, (tree,), (tree,)), fn.jacrev(many)(x), fn.jacfwd(many)(x), fn.jacrev(f)(tree),
        )  # fmt: skip

    same(program)


def test_aux():
    def program(lib):
        fn, x = lib.func, values(lib, 3)
        f = lambda x: (x.pow(2).sum(), {"twice": x * 2})
        g = lambda x: (x.pow(2), x * 2)
        out, pull, more = fn.vjp(g, x, has_aux=True)
        return (
            fn.grad(f, has_aux=True)(x), fn.grad_and_value(f, has_aux=True)(x), out, pull(x), more,
            fn.jvp(g, (x,), (x,), has_aux=True), fn.jacrev(g, has_aux=True)(x), fn.jacfwd(g, has_aux=True)(x),
            fn.vmap(fn.grad(f, has_aux=True))(values(lib, 4, 3)),
        )  # fmt: skip

    same(program)


def test_chunks_give_the_same():
    def program(lib):
        fn, x = lib.func, values(lib, 5, 3)
        rows = [fn.jacrev(lambda x: x.sin() * x.sum(), chunk_size=n)(values(lib, 4)) for n in (1, 3, 100)]
        return rows + [
            fn.vmap(lambda a: (a * 2, a.sum()), out_dims=(1, 0), chunk_size=n)(x) for n in (1, 2, 5, 9)
        ]

    same(program)


def test_linearize():
    def program(lib):
        out, push = lib.func.linearize(
            lambda a, b: {"s": a.sin() * b}, values(lib, 3), values(lib, 3, seed=1)
        )
        return out, push(values(lib, 3, seed=2), values(lib, 3, seed=3)), push(*[values(lib, 3)] * 2)

    same(program)


def test_hooks_inside():
    def program(lib):
        def f(x):
            x.register_hook(lambda g: g * g.sum())
            return (x * 2).sum()

        return lib.func.grad(f)(values(lib, 3)), lib.func.vmap(lib.func.grad(f))(values(lib, 4, 3))

    same(program)


@pytest.mark.parametrize(
    "attempt, error, match",
    [
        (lambda fn, x: fn.grad(lambda x: x)(x), RuntimeError, "scalar"),
        (lambda fn, x: fn.grad(lambda x: 3)(x), RuntimeError, "(?i)to return a tensor"),
        (lambda fn, x: fn.grad(lambda x: x.sum())(1.0), ValueError, "Tensor"),
        (lambda fn, x: fn.grad(lambda x: x.sum())(x.long()), RuntimeError, "floating"),
        (lambda fn, x: fn.grad(lambda x: x.sum(), 2)(x), RuntimeError, "argnum=2, but only 1"),
        (lambda fn, x: fn.grad(lambda x, y: x.sum(), (0, 0))(x, x), RuntimeError, "unique"),
        (lambda fn, x: fn.grad(lambda x: x.sum(), has_aux=True)(x), RuntimeError, "tuple"),
        (lambda fn, x: fn.grad(lambda x: x.mul_(2).sum())(x), RuntimeError, "leaf Variable"),
        (lambda fn, x: fn.vjp(lambda x: x, x, has_aux=True), RuntimeError, "tuple"),
        (lambda fn, x: fn.vjp(lambda x: 3, x), RuntimeError, "only tensors"),
        (lambda fn, x: fn.vjp(lambda x: x, x)[1]((x, x)), RuntimeError, "structure"),
        (lambda fn, x: fn.vjp(lambda x: x, x)[1](x[:2]), RuntimeError, "Mismatch in shape"),
        (lambda fn, x: fn.jvp(lambda x: x, x, x), RuntimeError, "tuple"),
        (lambda fn, x: fn.jvp(lambda x: x, (x,), (x, x)), RuntimeError, "structure"),
        (lambda fn, x: fn.jvp(lambda x: x, (x,), (x[:2],)), RuntimeError, "size"),
        (lambda fn, x: fn.jvp(lambda y: x, (x,), (x,), strict=True), RuntimeError, "independent"),
        (lambda fn, x: fn.jacrev(lambda x: x, chunk_size=0), ValueError, "chunk_size"),
        (lambda fn, x: fn.jacrev(lambda x: 1)(x), RuntimeError, "only tensors"),
        (lambda fn, x: fn.jacfwd(lambda x: 1)(x), RuntimeError, "only tensors"),
        (lambda fn, x: fn.linearize(lambda x: x.sin(), x)[1](x[:2]), RuntimeError, "shape"),
    ],
)  # fmt: skip
def test_errors(attempt, error, match):
    both_refuse(lambda lib: attempt(lib.func, values(lib, 3)), error, match)


def test_an_error_inside_leaves_no_level_behind():
    def fails(x):
        raise KeyError("inside")

    fn, x = retrograd.func, values(retrograd, 3)
    for attempt in (
        lambda: fn.vmap(fn.grad(fails))(x), lambda: fn.jvp(fn.vmap(fails), (x,), (x,)),
        lambda: fn.hessian(fails)(x), lambda: fn.vmap(lambda v: fn.jvp(fails, (v,), (v,)))(x),
    ):  # fmt: skip
        with pytest.raises(KeyError):
            attempt()
        assert retrograd.core.modes.modes.interpreters == ()
    np.testing.assert_allclose(fn.grad(lambda x: x.sum())(x).numpy(), 1)


# --- modules -----------------------------------------------------------------


def linear(lib, **options):
    m = lib.nn.Linear(3, 2, dtype=lib.float64, **options)
    with lib.no_grad():
        m.weight.copy_(values(lib, 2, 3, seed=7))
        m.bias.copy_(values(lib, 2, seed=8))
    return m


def test_functional_call():
    def program(lib):
        net = lib.nn.Sequential(linear(lib), lib.nn.Tanh(), lib.nn.Linear(2, 1, dtype=lib.float64))
        given = {"0.weight": values(lib, 2, 3, seed=1), "2.bias": values(lib, 1, seed=2)}
        rest = {"2.weight": values(lib, 1, 2, seed=3)}
        x = values(lib, 4, 3)
        call = lib.func.functional_call
        before = net[0].weight.detach().clone()
        outs = [
            call(net, {**given, **rest}, x),
            call(net, (given, rest), (x,)),
            call(net, [given, rest], None, {"input": x}),
        ]
        gradient = lib.func.grad(lambda p: call(net, {**p, **rest}, x).sum())(given)
        return [o.detach() for o in outs], gradient, before, net[0].weight.detach()

    same(program)


def test_functional_call_of_tied_weights_and_buffers():
    def program(lib):
        class Net(lib.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = lib.nn.Parameter(lib.ones(2))
                self.b = self.a
                self.register_buffer("count", lib.zeros(1))

            def forward(self, x):
                self.count.add_(1)
                return x * self.a * self.b + self.count

        net, call, x = Net(), lib.func.functional_call, lib.ones(2)
        three, given = lib.full((2,), 3.0), {"count": lib.full((1,), 5.0)}
        outs = [
            call(net, {"a": three}, x),
            call(net, {"b": three}, x),
            call(net, {"a": three}, x, tie_weights=False),
        ]
        outs += [call(net, {"a": three, "b": three}, x), call(net, given, x)]
        return [o.detach() for o in outs], given, net.count, net.a is net.b

    same(program)


@pytest.mark.parametrize(
    "given, error, match",
    [
        (lambda lib, t: ({"weight": t}, {"weight": t}), ValueError, "multiple dictionaries"),
        (lambda lib, t: {"7.weight": t}, AttributeError, "no attribute `7`"),
        (lambda lib, t: {"weight": 3}, TypeError, "not an instance"),
        (lambda lib, t: 3, ValueError, "dict"),
    ],
)
def test_functional_call_errors(given, error, match):
    both_refuse(
        lambda lib: lib.func.functional_call(linear(lib), given(lib, values(lib, 2, 3)), values(lib, 3)),
        error, match,
    )  # fmt: skip


def test_functional_call_strict():
    text = both_refuse(
        lambda lib: lib.func.functional_call(
            linear(lib), {"weight": values(lib, 2, 3), "foo": values(lib)}, values(lib, 3), strict=True
        ),
        RuntimeError, "Unexpected key",
    )  # fmt: skip
    assert "'foo'" in text and "'bias'" in text


def test_ensembles():
    def program(lib):
        models = [linear(lib) for _ in range(3)]
        for i, m in enumerate(models):
            with lib.no_grad():
                m.weight.mul_(i + 1)
        params, buffers = lib.func.stack_module_state(models)
        x = values(lib, 5, 3)
        run = lambda p, b, x: lib.func.functional_call(models[0], (p, b), (x,))
        shared = lib.func.vmap(run, in_dims=(0, 0, None))(params, buffers, x)
        own = lib.func.vmap(run)(params, buffers, x[:3])
        gradient = lib.func.vmap(
            lib.func.grad(lambda p, b, x: run(p, b, x).pow(2).sum()), in_dims=(0, 0, None)
        )
        details = {k: (v.requires_grad, v.is_leaf) for k, v in params.items()}
        return (
            shared.detach(),
            own.detach(),
            gradient({k: v.detach() for k, v in params.items()}, buffers, x),
            details,
        )

    same(program)


@pytest.mark.parametrize(
    "models, match",
    [
        (lambda lib: [], "at least one model"),
        (lambda lib: [linear(lib), lib.nn.Conv1d(1, 1, 1)], "same class"),
        (lambda lib: [linear(lib), linear(lib).eval()], "training/eval"),
        (lambda lib: [linear(lib), linear(lib).requires_grad_(False)], "requires_grad"),
    ],
)
def test_stack_module_state_errors(models, match):
    both_refuse(lambda lib: lib.func.stack_module_state(models(lib)), RuntimeError, match)


def test_gradients_per_sample_of_a_resnet():
    from retrograd.vision.models import resnet18

    lib = retrograd
    lib.manual_seed(0)
    net = resnet18(weights=None).double().eval()
    params = {k: v.detach() for k, v in net.named_parameters()}
    buffers = dict(net.named_buffers())
    x, y = lib.randn(2, 3, 32, 32, dtype=lib.float64), lib.tensor([3, 7])

    def loss(params, buffers, x, y):
        out = lib.func.functional_call(net, (params, buffers), (x.unsqueeze(0),))
        return lib.nn.functional.cross_entropy(out, y.unsqueeze(0))

    each = lib.func.vmap(lib.func.grad(loss), in_dims=(None, None, 0, 0))(params, buffers, x, y)
    for i in range(2):
        one = lib.func.grad(loss)(params, buffers, x[i], y[i])
        for name, g in one.items():
            scale = float(g.abs().max())
            np.testing.assert_allclose(each[name][i].numpy(), g.numpy(), atol=1e-9 * scale, err_msg=name)


def test_replace_all_batch_norm_modules():
    def program(lib):
        net = lib.nn.Sequential(lib.nn.BatchNorm1d(3, dtype=lib.float64), lib.nn.ReLU())
        same_net = lib.func.replace_all_batch_norm_modules_(net)
        params = {k: v.detach() for k, v in net.named_parameters()}
        f = lambda p, x: lib.func.functional_call(net, p, (x,)).pow(2).sum()
        x = values(lib, 2, 4, 3)
        return (
            same_net is net,
            list(net.state_dict()),
            lib.func.vmap(lib.func.grad(f), in_dims=(None, 0))(params, x),
        )

    same(program)


# --- the rest ----------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern, sizes",
    [
        ("a b c -> c a b", {}), ("a b c -> a (b c)", {}), ("a (b1 b2) c -> b2 a (b1 c)", {"b1": 3}),
        ("... c -> c ...", {}), ("a b c -> (a b c)", {}), ("a b c -> a b c 1", {}), ("a b c -> a () b c", {}),
        ("a ... -> (...) a", {}), ("a ... -> ... a", {}), ("(x a) b c -> a (x b) c", {"a": 2}),
    ],
)  # fmt: skip
def test_rearrange(pattern, sizes):
    same(lambda lib: lib.func.rearrange(values(lib, 2, 3, 4), pattern, **sizes))


@pytest.mark.parametrize(
    "pattern, sizes",
    [
        ("a b c -> a b", {}), ("a b -> b a", {}), ("a b c -> a b d", {}), ("a b c", {}), ("a a c -> a c", {}),
        ("a b c -> a b c", {"z": 3}), ("a _ c -> a _ c", {}),
    ],
)  # fmt: skip
def test_rearrange_errors(pattern, sizes):
    both_refuse(lambda lib: lib.func.rearrange(values(lib, 2, 3, 4), pattern, **sizes), ValueError)


def test_rearrange_names_what_cannot_be_inferred():
    with pytest.raises(ValueError, match="b, c"):
        retrograd.func.rearrange(values(retrograd, 2, 12), "a (b c) -> a b c")
    with pytest.raises(ValueError, match="12"):
        retrograd.func.rearrange(values(retrograd, 2, 12), "a (b c) -> a b c", b=5)


def test_functionalize():
    def program(lib):
        def f(x):
            y = x.clone()
            y[0] = 5
            return y.mul_(2)

        x = values(lib, 3)
        return lib.func.functionalize(f)(x), lib.func.functionalize(f, remove="mutations_and_views")(x)

    same(program)
    both_refuse(lambda lib: lib.func.functionalize(lambda x: x, remove="foo")(values(lib)), match="remove")


def test_debug_unwrap():
    def program(lib):
        seen = []

        def f(x):
            seen.append(lib.func.debug_unwrap(x * 2))
            seen.append(lib.func.debug_unwrap(x).shape)
            return x

        lib.func.vmap(lib.func.vmap(f))(values(lib, 2, 3))
        lib.func.grad(lambda x: f(x).sum())(values(lib, 3))
        return seen

    same(program)


def test_rows_without_a_tangent_rule_nest():
    """The determinant, say. (PyTorch's jvp of jvp of it is wrong: the reference is reverse mode.)"""
    fn, det, x = retrograd.func, retrograd.linalg.det, values(retrograd, 3, 3)
    expected = fn.jacrev(fn.jacrev(det))(x).numpy()
    for nested in (fn.jacfwd(fn.jacfwd(det)), fn.jacfwd(fn.jacrev(det)), fn.jacrev(fn.jacfwd(det))):
        found = nested(x)
        assert not found.requires_grad
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    x.requires_grad_()
    pushed = fn.jvp(det, (x,), (x.detach().sin(),))[1]
    (g,) = retrograd.autograd.grad(pushed, x)
    np.testing.assert_allclose(g.numpy(), np.einsum("ijkl,kl->ij", expected, np.sin(x.detach().numpy())))
