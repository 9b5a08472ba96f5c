"""utils.checkpoint: against PyTorch's, and against the same without it; the budget in bytes."""

import functools
import gc
import importlib
import tracemalloc
import warnings
import weakref

import numpy as np
import pytest

import retrograd
import retrograd.utils.checkpoint
from oracle import both_refuse, same
from retrograd.core.op import TABLE
from retrograd.utils import checkpoint as C

both_ways = pytest.mark.parametrize("reentrant", [False, True])


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


def checkpoint(lib, f, *args, **options):
    return lib.utils.checkpoint.checkpoint(f, *args, **{"use_reentrant": False, **options})


# --- results and gradients ---------------------------------------------------


@both_ways
def test_gradients_are_those_without_it(reentrant):
    def program(lib):
        net = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 2)).double()
        with lib.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(values(lib, *p.shape, seed=i))
        x = values(lib, 5, 3).requires_grad_()
        y = checkpoint(lib, net, x, use_reentrant=reentrant)
        z = checkpoint(
            lib, lambda a, n, b: (a * b * n, [n], a.sum()), y, 3, y.detach(), use_reentrant=reentrant
        )
        (z[0].exp().sum() + z[2]).backward()
        return y.detach(), z[1], x.grad, [p.grad for p in net.parameters()]

    same(program)


def test_it_computes_again_once_per_backward():
    def program(lib):
        calls = []

        def f(x):
            calls.append("f")
            return x.sin().exp().tanh()

        x = values(lib, 3).requires_grad_()
        out = checkpoint(lib, f, x).sum()
        out.backward(retain_graph=True)
        out.backward(retain_graph=True)
        with lib.no_grad():
            checkpoint(lib, f, x)
        return x.grad, calls, lib.autograd.grad(out, x), calls

    same(program)


def test_early_stop():
    def program(lib):
        calls = []

        def f(x):
            y = x.sin()
            calls.append("sin")
            z = y.exp()
            calls.append("exp")
            return z * 2

        x = values(lib, 3).requires_grad_()
        checkpoint(lib, f, x).sum().backward()
        checkpoint(lib, f, x, early_stop=False).sum().backward()
        with lib.utils.checkpoint.set_checkpoint_early_stop(False):
            out = checkpoint(lib, f, x)
        out.sum().backward()
        return calls, x.grad

    same(program)


def test_the_last_operation_is_not_run_where_its_inputs_are_all_that_is_wanted():
    def program(lib):
        mode = importlib.import_module(f"{lib.__name__}.utils._python_dispatch").TorchDispatchMode

        class Log(mode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                seen.append(str(func))
                return func(*args, **(kwargs or {}))

        seen, x = [], values(lib, 3).requires_grad_()
        for f in (lambda x: x.exp().sin(), lambda x: x.sin() * x, lambda x: x.sin().exp()):
            out = checkpoint(lib, f, x).sum()
            with Log():
                out.backward()
            seen.append("next")
        wanted = ("aten.exp.default", "aten.sin.default", "next")
        return [name for name in seen if name in wanted], x.grad

    same(program)


@pytest.mark.parametrize("early_stop", [True, False])
def test_gradients_within_and_checkpoints_within_checkpoints(early_stop):
    """`g` takes a gradient itself, inside and outside of checkpoints."""

    def program(lib):
        c = lambda f: lambda x: checkpoint(lib, f, x, early_stop=early_stop)

        def g(f):
            def gradient(x):
                with lib.enable_grad():
                    return lib.autograd.grad(f(x).sum(), x, create_graph=True)[0]

            return gradient

        f = lambda x: x.sin().exp().sin()
        h = lambda x: c(lambda y: y.cos().exp())(c(f)(x))
        x = values(lib, 3).requires_grad_()
        return [
            k(x)
            for k in (
                c(c(f)), g(c(c(f))), g(c(g(c(f)))), c(g(g(c(f)))), g(c(g(c(g(c(f)))))), g(g(c(h))),
                g(c(g(c(h)))),
            )
        ]  # fmt: skip

    same(program)


def test_graphs_of_nested_checkpoints_die():
    x, alive = values(retrograd, 3).requires_grad_(), []
    f = lambda x: retrograd.autograd.grad(x.sin().exp().sum(), x, create_graph=True)[0]

    class Note:
        pass

    gc.disable()
    try:
        out = checkpoint(retrograd, lambda x: f(x).tanh(), x)
        grad = retrograd.autograd.grad(out.sum(), x, create_graph=True)[0]
        stack, seen = [grad.grad_fn], set()
        while stack:
            node = stack.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            node.metadata["note"] = note = Note()
            alive.append(weakref.ref(note))
            stack.extend([n for n, _ in node.next_functions])
        assert len(alive) > 5
        del out, grad, node, note, stack, seen
        assert not [r for r in alive if r() is not None]
    finally:
        gc.enable()


def test_saved_tensors_are_let_go_as_a_function_reads_them():
    class Twice(retrograd.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with pytest.raises(RuntimeError, match="already unpacked once"):
                ctx.saved_tensors  # noqa: B018
            return g * 2

    x = values(retrograd, 3).requires_grad_()
    checkpoint(retrograd, lambda x: Twice.apply(x.sin()), x).sum().backward()
    assert x.grad is not None


def test_a_saved_tensor_without_gradient_is_the_same_object():
    def program(lib):
        seen = []

        class Keep(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                ctx.save_for_backward(y)
                return x * 1

            @staticmethod
            def backward(ctx, g):
                seen.append(ctx.saved_tensors[0])
                return g, None

        x, y = values(lib, 2).requires_grad_(), values(lib, 2)
        checkpoint(lib, Keep.apply, x, y).sum().backward()
        return seen[0] is y

    assert same(program)


def test_higher_order():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        out = checkpoint(lib, lambda a: (a.sin() * a.exp()).pow(2), x)
        (g,) = lib.autograd.grad(out.sum(), x, create_graph=True)
        (gg,) = lib.autograd.grad(g.pow(2).sum(), x, create_graph=True)
        return g.detach(), gg.detach(), lib.autograd.grad(gg.sum(), x)

    same(program)


def test_nested():
    def program(lib):
        calls = []

        def inner(x):
            calls.append("inner")
            return x.sin().exp()

        def outer(x):
            calls.append("outer")
            return checkpoint(lib, inner, x.cos()).tanh().sigmoid()

        x = values(lib, 3).requires_grad_()
        out = checkpoint(lib, outer, checkpoint(lib, outer, x))
        out.sum().backward()
        return x.grad, calls.count("inner") >= 4

    same(program)


@both_ways
def test_random_numbers_are_drawn_again(reentrant):
    def program(lib):
        lib.manual_seed(3)
        x = lib.ones(50, dtype=lib.float64, requires_grad=True)
        y = checkpoint(lib, lambda a: lib.nn.functional.dropout(a).exp(), x, use_reentrant=reentrant)
        lib.rand(7)
        y.sum().backward()
        return y.detach(), x.grad, lib.rand(3)

    same(program)


def test_random_numbers_may_go_on():
    lib = retrograd
    x = lib.ones(200, requires_grad=True)
    y = checkpoint(lib, lambda a: lib.nn.functional.dropout(a) * a.exp(), x, preserve_rng_state=False)
    before = lib.get_rng_state().numpy().copy()
    y.sum().backward()
    assert not np.array_equal(lib.get_rng_state().numpy(), before)


def test_keyword_arguments_and_structures():
    def program(lib):
        x, y = values(lib, 3).requires_grad_(), values(lib, 3, seed=1).requires_grad_()
        out = checkpoint(lib, lambda a, *, b, n: {"out": (a * b["y"]).exp() * n}, x, b={"y": y}, n=2)
        out["out"].sum().backward()
        return x.grad, y.grad

    same(program)


@both_ways
def test_sequential(reentrant):
    def program(lib):
        net = lib.nn.Sequential(*[lib.nn.Linear(3, 3, dtype=lib.float64) for _ in range(5)])
        with lib.no_grad():
            for i, p in enumerate(net.parameters()):
                p.copy_(values(lib, *p.shape, seed=i))
        x = values(lib, 2, 3).requires_grad_()
        outs = []
        for segments in (1, 2, 3):
            for functions in (net, list(net)):
                out = lib.utils.checkpoint.checkpoint_sequential(
                    functions, segments, x, use_reentrant=reentrant
                )
                out.sum().backward()
                outs.append(out.detach())
        return outs, x.grad, [p.grad for p in net.parameters()]

    same(program)


def test_contexts():
    def program(lib):
        log = []

        class Noting:
            def __init__(self, name):
                self.name = name

            def __enter__(self):
                log.append(self.name)

            def __exit__(self, *exc):
                log.append("end of " + self.name)

        x = values(lib, 3).requires_grad_()
        out = checkpoint(
            lib, lambda a: a.sin().exp(), x, context_fn=lambda: (Noting("forward"), Noting("again"))
        )
        out.sum().backward()
        return log

    same(program)


def test_under_vmap_and_grad():
    def program(lib):
        f = lambda x: (
            checkpoint(lib, lambda a: a.sin().exp(), x).sum() if lib is retrograd else x.sin().exp().sum()
        )
        fn, x = lib.func, values(lib, 4, 3)
        return (
            fn.grad(f)(x), fn.vmap(fn.grad(f))(x), fn.grad(lambda x: fn.vmap(f)(x).pow(2).sum())(x),
            fn.hessian(f)(x[0]),
            fn.jvp(fn.grad(f), (x,), (x,)), fn.jvp(f, (x,), (x,)),
        )  # fmt: skip

    same(program)


def test_what_is_saved_can_be_looked_at():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        node = checkpoint(lib, lambda a: a.exp().sin(), x).grad_fn
        return node._saved_self.detach(), node._saved_self.grad_fn.name()

    same(program)


def test_memory_is_let_go():
    lib = retrograd

    def peak(run):
        x = lib.ones(200_000, requires_grad=True)
        gc.collect()
        tracemalloc.start()
        out = x
        for _ in range(4):
            out = run(lambda a: a.sin().cos().sin().cos().sin().cos(), out)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        out.sum().backward()
        return held, x.grad.numpy()

    plain, g = peak(lambda f, x: f(x))
    less, again = peak(lambda f, x: checkpoint(lib, f, x))
    assert less < plain / 4
    np.testing.assert_array_equal(g, again)


# --- selective ---------------------------------------------------------------


def selective(lib, policy):
    return functools.partial(lib.utils.checkpoint.create_selective_checkpoint_contexts, policy)


@pytest.mark.parametrize("kind", ["policy", "bool", "names", "functions"])
def test_selected_operations_are_not_run_again(kind):
    lib, ran = retrograd, []
    save, again = C.CheckpointPolicy.MUST_SAVE, C.CheckpointPolicy.PREFER_RECOMPUTE

    def policy(ctx, op, *args):
        assert isinstance(ctx.is_recompute, bool)
        return save if op == lib.ops.aten.mm.default else again

    policies = {
        "policy": policy, "bool": lambda ctx, op, *args: op is lib.ops.aten.mm.default, "names": ["mm"],
        "functions": [lib.mm],
    }  # fmt: skip
    x, w = values(lib, 4, 3).requires_grad_(), values(lib, 3, 3, seed=1).requires_grad_()
    f = lambda x: (x @ w).exp() @ w
    expected = lib.autograd.grad(f(x).sin().sum(), (x, w))
    row = TABLE["mm"]
    forward = row.forward
    row.forward = lambda *args: (ran.append("mm"), forward(*args))[1]
    kernels, row.kernels = row.kernels, None
    try:
        out = checkpoint(lib, f, x, context_fn=selective(lib, policies[kind]))
        found = lib.autograd.grad(out.sin().sum(), (x, w), create_graph=True)
        times = len(ran)
        second = lib.autograd.grad(found[0].pow(2).sum(), (x, w))
    finally:
        row.forward, row.kernels = forward, kernels
    assert times == 2
    g = lib.autograd.grad(f(x).sin().sum(), (x, w), create_graph=True)
    for a, b in zip(
        (*found, *second), (*expected, *lib.autograd.grad(g[0].pow(2).sum(), (x, w))), strict=True
    ):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_selective_errors():
    lib, x = retrograd, values(retrograd, 3).requires_grad_()
    with pytest.raises(TypeError, match="function or a list"):
        C.create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="nonsense"):
        C.create_selective_checkpoint_contexts(["nonsense"])

    def writes(x):
        y = x.exp()
        z = y.sin()
        y.add_(1)
        return z.cos()

    out = checkpoint(lib, writes, x, context_fn=selective(lib, ["exp"]))
    with pytest.raises(RuntimeError, match="mutated"):
        out.sum().backward()


def test_what_a_selective_checkpoint_keeps_is_let_go_by_backward():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        chosen = [lib.ops.aten.sin.default]
        out = checkpoint(lib, lambda x: x.sin().cos().exp(), x, context_fn=selective(lib, chosen))
        out.sum().backward(retain_graph=True)
        return out

    def again(lib):
        program(lib).sum().backward()

    both_refuse(again, match="Trying to backward an extra time")


def test_selective_checkpoints_take_single_operators():
    def of_a_packet(lib):
        lib.utils.checkpoint.create_selective_checkpoint_contexts([lib.ops.aten.sin])

    both_refuse(of_a_packet, ValueError, match="update the OpOverloadPacket to a specific OpOverload")


# --- errors ------------------------------------------------------------------


def unsteady(lib, first, later, **options):
    """Backward through a function that does something else when it is called again."""
    calls = []

    def f(x):
        calls.append(1)
        return first(x) if len(calls) == 1 else later(x)

    checkpoint(lib, f, values(lib, 3).requires_grad_(), **options).sum().backward()


def test_another_number_of_saved_tensors():
    both_refuse(
        lambda lib: unsteady(lib, lambda x: x.sin().cos(), lambda x: x.sin()), match="number of tensors"
    )


def test_more_tensors_are_saved_when_computing_again():
    both_refuse(
        lambda lib: unsteady(lib, lambda x: x.sin(), lambda x: x.sin().cos(), early_stop=False),
        match="trying to save more tensors during recomputation",
    )


def test_another_shape():
    f = lambda lib: lambda x: lib.cat([x, x]).sin()
    text = both_refuse(lambda lib: unsteady(lib, lambda x: x.sin(), f(lib)), match="different metadata")
    assert "position 0" in text
    with pytest.raises(C.CheckpointError, match="Saved when computed again") as caught:
        unsteady(retrograd, lambda x: x.sin(), f(retrograd), debug=True)
    assert "test_checkpoint.py" in str(caught.value)


def test_no_check():
    with pytest.raises((ValueError, RuntimeError)) as caught:
        f = lambda x: retrograd.cat([x, x]).sin()
        unsteady(retrograd, lambda x: x.sin(), f, determinism_check="none")
    assert not isinstance(caught.value, C.CheckpointError)


def test_an_input_that_was_overwritten():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        y = x * 1
        out = checkpoint(lib, lambda a: a.sin().exp(), y)
        y.add_(1)
        out.sum().backward()

    both_refuse(program, match="modified by an inplace operation")


@pytest.mark.parametrize(
    "attempt, error, match",
    [
        (
            lambda c, x: c(lambda a, b: a, x, b=x, use_reentrant=True),
            ValueError,
            "Unexpected keyword arguments: b",
        ),
        (lambda c, x: c(lambda a: a, x, use_reentrant=True, debug=True), ValueError, "use_reentrant=False"),
        (lambda c, x: c(lambda a: a, x, use_reentrant=True, context_fn=lambda: 1), ValueError, "context_fn"),
        (
            lambda c, x: c(lambda a: a.detach() * 2, x, use_reentrant=True).sum().backward(),
            RuntimeError,
            "none of output",
        ),
        (
            lambda c, x: c(lambda a: a, x, use_reentrant=False, determinism_check="no"),
            ValueError,
            "determinism_check",
        ),
    ],
)
def test_argument_errors(attempt, error, match):
    both_refuse(
        lambda lib: attempt(lib.utils.checkpoint.checkpoint, values(lib, 3).requires_grad_()), error, match
    )


def test_reentrance_and_chosen_inputs():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        lib.autograd.grad(checkpoint(lib, lambda a: a.sin(), x, use_reentrant=True).sum(), x)

    both_refuse(program, match="incompatible with .grad")


def test_warnings():
    def program(lib):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            lib.utils.checkpoint.checkpoint(lambda a: a.sin(), values(lib, 3).requires_grad_())
            checkpoint(lib, lambda a: a.sin(), values(lib, 3), use_reentrant=True)
        return ["use_reentrant" in str(w.message) for w in caught], str(caught[-1].message)

    same(program)


def test_hooks_that_are_disabled():
    def program(lib):
        with lib.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
            checkpoint(lib, lambda a: a.sin(), values(lib, 3).requires_grad_())

    both_refuse(program, match="no hooks here")


def test_small_things():
    def program(lib):
        c = lib.utils.checkpoint
        x = values(lib, 3).requires_grad_()
        y, n = c.detach_variable((x, 3))
        return y.requires_grad, y.is_leaf, n, c.get_device_states(x), [p.name for p in c.CheckpointPolicy]

    same(program)
    both_refuse(lambda lib: lib.utils.checkpoint.detach_variable([values(lib)]), match="tuple")


# --- a budget in bytes -------------------------------------------------------


def net_and_input():
    lib = retrograd
    lib.manual_seed(0)
    net = lib.nn.Sequential(
        lib.nn.Conv2d(3, 8, 3, padding=1), lib.nn.BatchNorm2d(8), lib.nn.ReLU(), lib.nn.Dropout(0.3),
        lib.nn.Conv2d(8, 8, 3, padding=1), lib.nn.BatchNorm2d(8), lib.nn.ReLU(inplace=True),
        lib.nn.MaxPool2d(2),
        lib.nn.Conv2d(8, 8, 3, padding=1), lib.nn.Tanh(), lib.nn.Flatten(), lib.nn.Linear(8 * 64, 5),
    )  # fmt: skip
    return net, lib.randn(4, 3, 16, 16)


def step(net, x, limit):
    retrograd.manual_seed(1)
    net.zero_grad()
    x = x.detach().requires_grad_()
    if limit is None:
        plan, loss = None, net(x).pow(2).sum()
    else:
        with C.budget(limit) as plan:
            loss = net(x).pow(2).sum()
    held = plan and plan.kept
    loss.backward()
    return plan, held, [x.grad.numpy(), *[p.grad.numpy().copy() for p in net.parameters()]]


def test_a_budget_is_kept_and_changes_nothing():
    net, x = net_and_input()
    _, _, expected = step(net, x, None)
    roomy, held, _ = step(net, x, 10**9)
    assert held == roomy.wanted and roomy.recomputed == 0 and not roomy.chosen
    for share in (0.75, 0.5, 0.25, 0.0):
        limit = int(roomy.wanted * share)
        plan, held, found = step(net, x, limit)
        assert held <= limit
        assert plan.recomputed and plan.kept == 0  # all is let go in the end
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_cheapest_goes_first(monkeypatch):
    """On a clock where a convolution takes a second and anything else a millisecond."""
    clock, run = [0.0], retrograd._recompute.budget.apply

    def timed(op, args):
        clock[0] += 1.0 if op.name.startswith("conv") else 1e-3
        return run(op, args)

    monkeypatch.setattr("retrograd._recompute.budget.apply", timed)
    monkeypatch.setattr("retrograd._recompute.budget.time.perf_counter", lambda: clock[0])
    net, x = net_and_input()
    roomy, _, _ = step(net, x, 10**9)
    plan, _, _ = step(net, x, int(roomy.wanted * 0.6))
    names = {name for name, _ in plan.chosen}
    assert names and "conv2d" not in names
    assert "computes again" in str(plan) and "test_checkpoint.py" in str(plan)
    assert f"{roomy.wanted / 2**20:.2f} MiB would have been saved" in str(plan)


def test_a_budget_with_second_derivatives_and_views():
    x = values(retrograd, 30, 4).requires_grad_()

    def run(limit):
        with C.budget(limit):
            y = (x.T.sin() @ x.exp()).view(-1)[3:].tanh()
            z = y.pow(2).sum() + y.clone().mul_(y).sum()
            (g,) = retrograd.autograd.grad(z, x, create_graph=True)
        (h,) = retrograd.autograd.grad(g.pow(2).sum(), x)
        return g.detach().numpy(), h.numpy()

    for a, b in zip(run(0), run(10**9), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_budget_notices_what_was_overwritten():
    x = values(retrograd, 3).requires_grad_()
    y = x.detach() * 2
    with C.budget(0):
        out = (x * y).exp().sin()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_negative_budget():
    with pytest.raises(ValueError, match="-1"):
        C.budget(-1)
