"""autograd.graph: hooks on saved tensors as contexts, on groups of tensors, edges; against PyTorch's."""

import numpy as np
import pytest

import retrograd
from oracle import both_refuse, same


def values(lib, *shape, seed=0):
    array = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    return lib.tensor(array.tolist(), dtype=lib.float64).reshape(shape)


# --- contexts of hooks -------------------------------------------------------


def test_the_innermost_hooks_are_called():
    def program(lib):
        hooks, log = lib.autograd.graph.saved_tensors_hooks, []

        def pair(name):
            return lambda t: (log.append(f"pack {name}"), t)[1], lambda t: (log.append(f"unpack {name}"), t)[
                1
            ]

        x = values(lib, 3).requires_grad_()
        with hooks(*pair("outer")):
            y = x.exp()
            with hooks(*pair("inner")):
                z = y.sin()
            out = z.tanh()
        out.sum().backward()
        return x.grad, log

    same(program)


def test_hooks_that_keep_something_else():
    def program(lib):
        store = []

        def pack(t):
            store.append(t.detach().numpy().copy())
            return len(store) - 1

        x, w = values(lib, 3).requires_grad_(), values(lib, 3, seed=1).requires_grad_()
        with lib.autograd.graph.saved_tensors_hooks(pack, lambda i: lib.from_numpy(store[i])):
            out = (x * w).exp() * x
        (g,) = lib.autograd.grad(out.sum(), x, create_graph=True)
        return g.detach(), lib.autograd.grad(g.pow(2).sum(), (x, w))

    same(program)


def test_hooks_see_values_from_before_a_write():
    def program(lib):
        x, w = values(lib, 3).requires_grad_(), values(lib, 3, seed=1).requires_grad_()
        with lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            y = x.clone()
            y.mul_(w)
            y.mul_(y.sin())
        return lib.autograd.grad(y.sum(), (x, w))

    same(program)


def test_save_on_cpu():
    def program(lib):
        x = values(lib, 3).requires_grad_()
        with lib.autograd.graph.save_on_cpu():
            out = (x * x).exp()
        out.sum().backward()
        return x.grad

    same(program)


def test_disabling():
    def program(lib):
        graph, texts = lib.autograd.graph, []

        def attempt():
            try:
                with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                    pass
            except RuntimeError as error:
                texts.append(str(error))

        x = values(lib, 3).requires_grad_()
        with graph.disable_saved_tensors_hooks("outer"):
            (x * x).sum().backward()
            with graph.disable_saved_tensors_hooks("inner"):
                attempt()
            attempt()
        attempt()
        return x.grad, texts

    same(program)


@pytest.mark.parametrize(
    "attempt, error, match",
    [
        (lambda g, x: g.disable_saved_tensors_hooks("not here").__enter__(), RuntimeError, "not here"),
        (lambda g, x: g.saved_tensors_hooks(1, 2).__enter__(), TypeError, "callable|Callable"),
    ],
)
def test_errors(attempt, error, match):
    def program(lib):
        graph = lib.autograd.graph
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            attempt(graph, values(lib, 3))

    both_refuse(program, error, match)


def test_bad_hooks():
    def gives(pack, unpack):
        def program(lib):
            x = values(lib, 3).requires_grad_()
            with lib.autograd.graph.saved_tensors_hooks(pack, unpack):
                y = x.exp() * x
            y.sum().backward()

        return program

    both_refuse(gives(lambda t: t, lambda t: "no tensor"), TypeError, "Tensor")
    both_refuse(gives(lambda t: t.mul_(2), lambda t: t), RuntimeError, "in.?place")


# --- writes to what was saved ------------------------------------------------


def test_allow_mutation_on_saved_tensors():
    def program(lib):
        with lib.autograd.graph.allow_mutation_on_saved_tensors():
            a = values(lib, 2, 3).requires_grad_()
            b = a.clone()
            out = (b**2).sum() + b.exp().sum()
            b.sin_()
            view = b[0]
            more = view.tanh() * view
            view.zero_()
            (out + b.sum() + more.sum()).backward(retain_graph=True)
            (g,) = lib.autograd.grad(out, a, create_graph=True)
            (second,) = lib.autograd.grad(g.pow(2).sum(), a)
        return a.grad, g.detach(), second

    same(program)


def test_allow_mutation_of_a_leaf():
    def program(lib):
        x, w = values(lib, 3).requires_grad_(), values(lib, 3, seed=1).requires_grad_()
        with lib.autograd.graph.allow_mutation_on_saved_tensors():
            out = (x * w).sum()
            with lib.no_grad():
                w.add_(1)
            out.backward()
        return x.grad, w.grad

    same(program)


def test_allow_mutation_has_an_end():
    def recorded(lib, clear):
        with lib.autograd.graph.allow_mutation_on_saved_tensors() as context:
            out = values(lib, 3).requires_grad_().exp().sin().sum()
            if clear:
                context.clear()
                out.backward()
        out.backward()

    for clear in (False, True):
        both_refuse(lambda lib: recorded(lib, clear), AssertionError, "outside of the")  # noqa: B023

    def nested(lib):
        with lib.autograd.graph.allow_mutation_on_saved_tensors():
            with lib.autograd.graph.allow_mutation_on_saved_tensors():
                pass

    both_refuse(nested, RuntimeError, "nested")


def test_allow_mutation_of_what_was_saved_before_is_an_error():
    def program(lib):
        b = values(lib, 3).requires_grad_().clone()
        out = (b**2).sum()
        with lib.autograd.graph.allow_mutation_on_saved_tensors():
            b.sin_()
        out.backward()

    both_refuse(program, match="modified by an inplace operation")


# --- hooks on groups ---------------------------------------------------------


@pytest.mark.parametrize("mode", ["all", "any"])
def test_multi_grad_hooks(mode):
    def program(lib):
        log = []
        a, b, c = [values(lib, 2, seed=i).requires_grad_() for i in range(3)]
        middle = a * 2

        def hook(gradients):
            if mode == "any":
                log.append(gradients.detach().clone())
            else:
                log.append([-1.0 if g is None else g.detach().clone() for g in gradients])

        handle = lib.autograd.graph.register_multi_grad_hook((a, b, middle), hook, mode=mode)
        (middle * b).sum().backward(retain_graph=True)
        (middle * c).sum().backward(retain_graph=True)
        (a * b).sum().backward(inputs=(b,))
        log.append(lib.autograd.grad((middle * b).sum(), c, allow_unused=True)[0] is None)
        handle.remove()
        (a * b).sum().backward()
        with lib.autograd.graph.register_multi_grad_hook((c,), hook, mode=mode):
            (c * 3).sum().backward()
        (c * 3).sum().backward()
        return log

    same(program)


def test_multi_grad_hooks_after_a_walk_that_failed():
    log = []
    a, b = [values(retrograd, 2, seed=i).requires_grad_() for i in range(2)]
    hook = retrograd.autograd.graph.register_multi_grad_hook((a, b), lambda g: log.append(len(g)))

    def refuse(g):
        raise KeyError("in a hook")

    out = (a * b).sum()
    first = b.register_hook(refuse)
    with pytest.raises(KeyError):
        out.backward(retain_graph=True)
    first.remove()
    log.clear()
    out.backward()
    assert log == [2]
    hook.remove()


def test_multi_grad_hook_errors():
    register = lambda lib: lib.autograd.graph.register_multi_grad_hook
    both_refuse(
        lambda lib: register(lib)((values(lib, 2).requires_grad_(),), print, mode="some"), ValueError, "some"
    )
    both_refuse(lambda lib: register(lib)((values(lib, 2),), print), AssertionError)


# --- edges and versions ------------------------------------------------------


def test_get_gradient_edge():
    def program(lib):
        edge = lib.autograd.graph.get_gradient_edge
        x = values(lib, 3).requires_grad_()
        y = x.exp()
        parts = (y * 2).split(1)
        e, f = edge(y), edge(parts[1])
        found = lib.autograd.grad(parts[1].sum(), [e, edge(x), f])
        isinstance_of_node = isinstance(e.node, lib.autograd.graph.Node)
        return (
            found,
            e.node.name(),
            e.output_nr,
            f.output_nr,
            edge(x).node.name(),
            isinstance_of_node,
            e._fields,
        )

    same(program)
    both_refuse(
        lambda lib: lib.autograd.graph.get_gradient_edge(values(lib)), match="does not require gradients"
    )


def test_increment_version():
    def program(lib):
        increment = lib.autograd.graph.increment_version
        x, y = values(lib, 3), values(lib, 3)
        increment(x)
        increment([x, y])
        with lib.inference_mode():
            z = values(lib, 3)
        increment(z)
        w = values(lib, 3).requires_grad_()
        out = (w * x).sum()
        increment((x,))
        try:
            out.backward()
        except RuntimeError as error:
            return x._version, y._version, "modified" in str(error)

    same(program)
    both_refuse(lambda lib: lib.autograd.graph.increment_version(3), match="Iterable")


def test_what_is_for_compilers_and_devices():
    both_refuse(
        lambda lib: lib.autograd.graph.region_activation_memory_budget(0.5).__enter__(),
        RuntimeError,
        "torch.compile",
    )
    retrograd.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(True)
    retrograd.autograd.graph.set_override_stale_capture_stream(False)
