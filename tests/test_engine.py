"""The graph and the backward walk: leaves, `.grad`, `backward`, `grad`, modes, errors, memory, threads."""

import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest
import torch

import retrograd
from oracle import as_array, both_refuse, same


def leaf(lib, values=(1.0, 2.0, 3.0)):
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


# --- leaves ------------------------------------------------------------


def test_who_requires_gradients():
    def program(lib):
        x, c = leaf(lib), lib.ones(3, dtype=lib.float64)
        y = x * c
        with lib.no_grad():
            z = x * c
        n = lib.tensor([1, 2, 3])
        results = [x, c, y, z, y.detach(), c * 2, (x > 0), n + 1, x.long()]
        return [(t.requires_grad, t.is_leaf, t.grad_fn is None) for t in results]

    same(program)


def test_names_of_nodes():
    def program(lib):
        x = leaf(lib)
        y = (x * 2).exp().sum()
        names = [y.grad_fn.name()]
        node = y.grad_fn
        while node.next_functions:
            node = node.next_functions[0][0]
            names.append(node.name().rpartition("::")[2])
        results = [
            x * x,
            x.view(3, 1),
            x.log1p(),
            x.deg2rad(),
            x.mean(),
            x.logsumexp(0),
            x @ x,
            x[1:],
            x.sigmoid(),
        ]
        return names, [type(r.grad_fn).__name__ for r in results]

    same(program)


def test_next_functions():
    def program(lib):
        x, y, c = leaf(lib), leaf(lib), lib.ones(3, dtype=lib.float64)
        z = x * y + c
        product, constant = z.grad_fn.next_functions
        left, right = product[0].next_functions
        q, r = lib.max(x.reshape(1, 3), dim=1)
        return (
            constant[0] is None, product[1], left[0].variable is x, right[0].variable is y,
            left[0].next_functions == (), (q * 2).grad_fn.next_functions[0][1], (x * 1).grad_fn is not None,
            (x * x).grad_fn.next_functions[0][0] is (x + x).grad_fn.next_functions[0][0],
        )  # fmt: skip

    same(program)


def test_output_number():
    def program(lib):
        parts = leaf(lib).unbind()
        return [p.output_nr for p in parts], [(p * 1).grad_fn.next_functions[0][1] for p in parts]

    same(program)


def test_requires_grad_is_set_on_leaves_only():
    def program(lib):
        x = lib.ones(2)
        x.requires_grad = True
        y = x.requires_grad_(False)
        return y is x, x.requires_grad, lib.ones(2).requires_grad_().requires_grad

    same(program)
    both_refuse(
        lambda lib: setattr(leaf(lib) * 2, "requires_grad", False),
        match="only change requires_grad flags of leaf",
    )
    both_refuse(lambda lib: setattr(lib.arange(3), "requires_grad", True), match="floating point")
    both_refuse(lambda lib: lib.tensor([1, 2], requires_grad=True), match="floating point")


def test_detach_shares_memory_and_no_history():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        d = y.detach()
        d[0] = 100
        e = leaf(lib)
        e.detach_()
        z = x * 3
        z.detach_()
        return y, d, d.requires_grad, d.is_leaf, e.requires_grad, z.is_leaf, z.requires_grad

    same(program)


def test_data_is_not_watched():
    def program(lib):
        x = leaf(lib)
        y = x.exp()
        before = y._version
        x.data.mul_(2)
        y.data.zero_()
        y.sum().backward()
        return x, x.grad, before == y._version

    same(program)


def test_grad_of_a_result_warns():
    for lib in (torch, retrograd):
        y = leaf(lib) * 2
        with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
            assert y.grad is None


def test_assigning_grad():
    def program(lib):
        x = leaf(lib)
        x.grad = lib.ones(3, dtype=lib.float64)
        (x * x).sum().backward()
        first = x.grad
        x.grad = None
        (x * x).sum().backward()
        return first, x.grad, first is x.grad

    same(program)
    both_refuse(lambda lib: setattr(leaf(lib), "grad", lib.ones(4, dtype=lib.float64)), match="size")
    both_refuse(lambda lib: setattr(leaf(lib), "grad", lib.ones(3)))
    both_refuse(lambda lib: setattr(leaf(lib), "grad", 1.0), TypeError)


# --- backward ------------------------------------------------------------


def test_gradients_accumulate_in_the_same_tensor():
    def program(lib):
        x = leaf(lib)
        (x * x).sum().backward()
        first = x.grad
        (x * x * x).sum().backward()
        return x.grad, first is x.grad, x.grad.requires_grad

    same(program)


def test_grad_is_no_alias_of_what_the_user_holds():
    def program(lib):
        x, g = leaf(lib), lib.ones(3, dtype=lib.float64)
        (x + 0).backward(g)
        x.grad[0] = 50
        y = leaf(lib)
        a = y + 0
        b = a.view(3)
        a.retain_grad()
        b.retain_grad()
        (b + 0).sum().backward()
        y.grad[1] = 70
        (a + 0).sum().backward()
        return g, x.grad, y.grad, b.grad

    same(program)


def test_two_leaves_of_one_sum_do_not_share_grad():
    def program(lib):
        x, y = leaf(lib), leaf(lib)
        (x + y).backward(lib.ones(3, dtype=lib.float64))
        x.grad.mul_(5)
        return x.grad, y.grad

    same(program)


def test_diamonds_and_reuse():
    def program(lib):
        x = leaf(lib)
        y = x * x
        z = y + y * x + x
        w = (z * z).sum() + z.sum() + y.sum()
        w.backward()
        return x.grad, w

    same(program)


def test_backward_from_a_vector():
    def program(lib):
        x = leaf(lib)
        y = x * x
        y.backward(lib.tensor([1.0, 0.5, 2.0], dtype=lib.float64), retain_graph=True)
        first = x.grad.clone()
        y.backward(gradient=lib.ones(3, dtype=lib.float64))
        one = leaf(lib, [[4.0]])
        (one * one).backward()
        return first, x.grad, one.grad

    same(program)
    assert "sum()" in both_refuse(
        lambda lib: (leaf(lib) * 2).backward(), match="implicitly created only for scalar outputs"
    )
    both_refuse(
        lambda lib: (leaf(lib) * 2).backward(lib.ones(2, dtype=lib.float64)), match="Mismatch in shape"
    )
    both_refuse(
        lambda lib: lib.ones(()).backward(), match="does not require grad and does not have a grad_fn"
    )
    both_refuse(
        lambda lib: (leaf(lib) * 1j).sum().backward(), match="implicitly created only for real scalar outputs"
    )


def test_gradient_of_another_dtype_is_cast():
    def program(lib):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        y = x.double() * 2
        (y.sum() + (x * 3).sum()).backward()
        return x.grad

    same(program)


def test_several_roots():
    def program(lib):
        x, y = leaf(lib), leaf(lib, [2.0, 2.0, 5.0])
        a, b = x * y, (x + y).sum()
        lib.autograd.backward([a, b], [lib.ones(3, dtype=lib.float64), None])
        u, v = leaf(lib), leaf(lib)
        lib.autograd.backward((u * v).sum(), inputs=[u])
        lib.autograd.backward([(u * u).sum(), (u * u * u).sum(), (u * u).sum()])
        w = leaf(lib)
        s = w.sum()
        lib.autograd.backward([s, s], retain_graph=True)
        return x.grad, y.grad, u.grad, v.grad, w.grad

    same(program)
    with pytest.raises(RuntimeError, match="got 1 tensors and 2 gradients"):  # PyTorch ignores the second
        retrograd.autograd.backward([leaf(retrograd).sum()], [None, None])
    both_refuse(lambda lib: leaf(lib).sum().backward(inputs=[]), match="cannot be empty")


def test_backward_into_chosen_inputs():
    def program(lib):
        x, y = leaf(lib), leaf(lib)
        a = x * y
        a.retain_grad()
        b = (a * x).sum()
        b.backward(inputs=[y, a], retain_graph=True)
        first = (x.grad is None, y.grad.clone(), a.grad.clone())
        b.backward(inputs=x)
        return first, x.grad, y.grad, a.grad

    same(program)


def test_a_leaf_is_its_own_gradient():
    def program(lib):
        x = leaf(lib, 3.0)
        x.backward()
        y = leaf(lib)
        y.backward(lib.ones(3, dtype=lib.float64))
        return x.grad, y.grad, lib.autograd.grad(x, x)[0]

    same(program)


def test_retain_grad():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        y.retain_grad()
        y.retain_grad()
        z = y * y
        z.sum().backward(retain_graph=True)
        first = y.grad.clone()
        z.sum().backward()
        x.retain_grad()
        parts = (leaf(lib) * 3).unbind()
        parts[1].retain_grad()
        (parts[0] * parts[1]).backward()
        return first, y.grad, y.retains_grad, x.retains_grad, parts[1].grad, x.grad

    same(program)
    both_refuse(
        lambda lib: lib.ones(3).retain_grad(),
        match="can't retain_grad on Tensor that has requires_grad=False",
    )


def test_retain_grad_follows_writes_in_place():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        y.retain_grad()
        y.mul_(3)
        (y * y).sum().backward()
        z = x * 2
        z.retain_grad()
        z[0] = 5.0
        (z * z).sum().backward()
        grads = [x.grad, y.grad, z.grad]
        for write in (lambda base, view: view.mul_(3), lambda base, view: base.mul_(3)):
            base = x * 2
            view = base[:2]
            view.retain_grad()
            write(base, view)
            (base.sum() + (view * 10).sum()).backward()
            grads.append(view.grad)
        return grads

    same(program)


def test_graph_is_kept_on_demand():
    def program(lib):
        x = leaf(lib)
        y = x.exp().sum()
        y.backward(retain_graph=True)
        y.backward()
        z = x.sum()  # saves nothing: may be walked twice
        z.backward()
        z.backward()
        return x.grad

    same(program)


def second_time(lib):
    y = leaf(lib).exp().sum()  # made here
    y.backward()  # freed here
    y.backward()


def test_second_backward_names_both_lines():
    text = both_refuse(second_time, match="backward through the graph a second time")
    assert "retain_graph=True" in text
    assert "exp().sum()  # made here" in text and "y.backward()  # freed here" in text
    assert f"{__file__}:{second_time.__code__.co_firstlineno + 1}" in text
    assert f"{__file__}:{second_time.__code__.co_firstlineno + 2}" in text


def overwritten(lib):
    x = leaf(lib)
    y = x.exp()  # saved here
    y += 1  # overwritten here
    y.sum().backward()


def test_overwriting_what_is_saved_names_both_lines():
    text = both_refuse(overwritten, match="modified by an inplace operation")
    assert "y = x.exp()  # saved here" in text and "y += 1  # overwritten here" in text
    assert f"{__file__}:{overwritten.__code__.co_firstlineno + 2}" in text
    assert f"{__file__}:{overwritten.__code__.co_firstlineno + 3}" in text
    assert "is at version 1; expected version 0 instead" in text


def test_overwriting_through_a_view_or_detached_is_noticed():
    def through_view(lib):
        x = leaf(lib)
        y = x * 1
        z = y * y
        y[:1].mul_(2)
        z.sum().backward()

    def through_detach(lib):
        x = leaf(lib)
        y = x * 1
        z = y * y
        y.detach().mul_(2)
        z.sum().backward()

    for program in (through_view, through_detach):
        both_refuse(program, match="modified by an inplace operation")


def test_overwriting_what_is_not_saved_is_fine():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        y += 1
        y.mul_(3)
        z = y.exp()
        z.sum().backward()
        return x.grad

    same(program)


def test_leaves_are_not_overwritten():
    both_refuse(lambda lib: leaf(lib).mul_(2), match="leaf Variable that requires grad")
    both_refuse(lambda lib: leaf(lib)[0].mul_(2), match="view of a leaf Variable that requires grad")
    both_refuse(lambda lib: leaf(lib).__setitem__(0, 1.0), match="leaf Variable that requires grad")
    view = lambda lib: (
        lib.arange(6.0).reshape(2, 3).requires_grad_()
    )  # a leaf, and a view of what isn't tracked
    both_refuse(lambda lib: view(lib).mul_(2), match="leaf Variable that requires grad")
    both_refuse(lambda lib: view(lib)[0].mul_(2), match="view of a leaf Variable that requires grad")

    def program(lib):
        x = leaf(lib)
        y = (x * x).sum()
        with lib.no_grad():
            x -= 0.1
        z = leaf(lib)
        with lib.no_grad():
            z += 1
        z.sum().backward()
        return x, z.grad, x._version, z.is_leaf, y

    same(program)


def test_views_and_their_base_share_history():
    def program(lib):
        x = leaf(lib)
        base = x * 1
        view = base[:2]
        view.mul_(10)
        base.sum().backward(retain_graph=True)
        first = x.grad.clone()
        base.add_(view.sum())
        (view * view).sum().backward()
        return first, x.grad, base, view

    same(program)


def test_a_write_in_place_then_used_before_and_after():
    def program(lib):
        x, w = leaf(lib), leaf(lib, [4.0, 5.0, 6.0])
        y = x * 2
        z = y + w
        y.copy_(w)
        out = (y * z).sum()
        out.backward()
        return x.grad, w.grad

    same(program)


# --- grad ------------------------------------------------------------


def test_grad_leaves_grad_alone():
    def program(lib):
        x, y = leaf(lib), leaf(lib, [3.0, 1.0, 2.0])
        z = x * y * y
        gx, gy = lib.autograd.grad(z.sum(), (x, y), retain_graph=True)
        gz = lib.autograd.grad(z.sum(), z, retain_graph=True)
        (only,) = lib.autograd.grad([z], [y], grad_outputs=[lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64)])
        return gx, gy, gz, only, x.grad is None and y.grad is None

    same(program)


def test_grad_of_unused_inputs():
    def program(lib):
        x, y = leaf(lib), leaf(lib)
        z = (x * x).sum()
        a = lib.autograd.grad(z, (x, y), allow_unused=True, retain_graph=True)
        b = lib.autograd.grad(z, (x, y), materialize_grads=True)
        return a, b

    same(program)
    both_refuse(
        lambda lib: lib.autograd.grad(leaf(lib).sum(), leaf(lib)),
        match="appears to not have been used in the graph",
    )
    both_refuse(lambda lib: lib.autograd.grad(leaf(lib).sum(), lib.ones(3)), match="does not require grad")
    both_refuse(
        lambda lib: lib.autograd.grad(leaf(lib).sum(), leaf(lib), allow_unused=False, materialize_grads=True),
        ValueError, "allow_unused",
    )  # fmt: skip


def test_grad_of_results_and_of_both_ends():
    def program(lib):
        x = leaf(lib)
        y = x * x
        z = y * x
        return lib.autograd.grad(z.sum(), (x, y, z)), x.grad

    same(program)


def test_grad_in_batches():
    def program(lib):
        x, y = leaf(lib), leaf(lib)
        z = x * x * y
        return lib.autograd.grad(
            z, (x, y), lib.eye(3, dtype=lib.float64), is_grads_batched=True, retain_graph=True
        )

    same(program)


def test_only_what_leads_to_the_inputs_is_run():
    def program(lib):
        x, y = leaf(lib), leaf(lib)
        ran = []
        a, b = x * 2, y * 3
        a.register_hook(lambda g: ran.append("a"))
        b.register_hook(lambda g: ran.append("b"))
        lib.autograd.grad((a * b).sum(), x)
        return ran

    same(program)


def test_higher_orders():
    def program(lib):
        x = leaf(lib)
        results = []
        g = (x**4).sum()
        for _ in range(5):
            (g,) = lib.autograd.grad(g.sum(), x, create_graph=True)
            results.append(g)
        y = leaf(lib)
        (y**3).sum().backward(create_graph=True)
        first = y.grad
        y.grad = None
        (first * first).sum().backward()
        return results[:4], results[0].requires_grad, first.requires_grad, y.grad

    same(program)


def test_accumulating_into_a_saved_gradient_is_noticed():
    def program(lib):
        x, w = leaf(lib), leaf(lib)
        (x * x).sum().backward()
        y = (x.grad * w).sum()
        (x * x).sum().backward()
        y.backward()

    both_refuse(program, match="modified by an inplace operation")


def test_accumulating_onto_a_recorded_gradient():
    def program(lib):
        x = leaf(lib)
        (x * x).sum().backward(create_graph=True)
        first = x.grad
        (x * x * x).sum().backward(create_graph=True)
        second = x.grad
        (x * 2).sum().backward()
        values = (
            first.detach().clone(),
            second.detach().clone(),
            x.grad.detach().clone(),
            x.grad.requires_grad,
        )
        x.grad = None
        return values

    same(program)


def test_create_graph_keeps_the_graph():
    def program(lib):
        x = leaf(lib)
        y = x.exp().sum()
        lib.autograd.grad(y, x, create_graph=True)
        a = lib.autograd.grad(y, x, create_graph=True, retain_graph=True)
        b = lib.autograd.grad(y, x)
        return a, b, a[0].requires_grad, b[0].requires_grad

    same(program)


def test_penalty_on_the_gradient():
    def program(lib):
        x, w = leaf(lib, [[1.0, 2.0], [3.0, 4.0]]), leaf(lib, [[0.5, -1.0], [2.0, 1.5]])
        y = (x @ w).tanh().sum()
        (g,) = lib.autograd.grad(y, x, create_graph=True)
        loss = y + (g * g).sum().sqrt()
        loss.backward()
        return loss, x.grad, w.grad

    same(program)


def test_complex_gradients():
    def program(lib):
        z = lib.tensor([1 + 2j, -0.5 + 1j], dtype=lib.complex128, requires_grad=True)
        x = leaf(lib, [1.0, 2.0])
        w = z * z.conj() * z * x
        (w.abs() ** 2).sum().backward()
        return z.grad, x.grad

    same(program)
    both_refuse(
        lambda lib: (leaf(lib) * 1j).backward(lib.ones(3, dtype=lib.float64)), match="omplex",
    )  # fmt: skip


# --- modes ------------------------------------------------------------


def modes_program(lib):
    seen = [lib.is_grad_enabled()]
    with lib.no_grad():
        seen.append(lib.is_grad_enabled())
        with lib.enable_grad():
            seen.append(lib.is_grad_enabled())
            with lib.set_grad_enabled(False):
                seen.append(lib.is_grad_enabled())
            seen.append(lib.is_grad_enabled())
        seen.append(lib.is_grad_enabled())
    lib.set_grad_enabled(False)
    seen.append(lib.is_grad_enabled())
    lib.set_grad_enabled(True)
    try:
        with lib.no_grad():
            raise KeyError
    except KeyError:
        seen.append(lib.is_grad_enabled())
    guard = lib.no_grad()
    for _ in range(2):
        with guard:
            seen.append(lib.is_grad_enabled())
        seen.append(lib.is_grad_enabled())
    return seen


def decorators_program(lib):
    seen = []

    @lib.no_grad()
    def off():
        """Docs."""
        seen.append(lib.is_grad_enabled())
        return on()

    @lib.enable_grad()
    def on():
        seen.append(lib.is_grad_enabled())

    @lib.no_grad
    def bare(n):
        seen.append(lib.is_grad_enabled())
        return bare(n - 1) if n else None

    setter = lib.set_grad_enabled(False)

    @setter
    def set_off():
        seen.append(lib.is_grad_enabled())

    off()
    bare(2)
    set_off()
    seen.append(lib.is_grad_enabled())
    return seen, off.__name__, off.__doc__


def generators_program(lib):
    seen = []

    @lib.no_grad()
    def numbers():
        try:
            got = yield lib.is_grad_enabled()
            seen.append((got, lib.is_grad_enabled()))
            try:
                yield 2
            except ValueError:
                seen.append(("thrown", lib.is_grad_enabled()))
                yield 3
            return "end"
        finally:
            seen.append(("closed", lib.is_grad_enabled()))

    g = numbers()
    seen += [next(g), lib.is_grad_enabled(), g.send("sent"), lib.is_grad_enabled(), g.throw(ValueError())]
    try:
        next(g)
    except StopIteration as stop:
        seen.append(stop.value)
    seen.append(lib.is_grad_enabled())
    h = numbers()
    next(h)
    h.close()
    seen.append(lib.is_grad_enabled())
    return seen


def inference_program(lib):
    with lib.inference_mode():
        a = lib.ones(2)
        state = (lib.is_inference_mode_enabled(), lib.is_grad_enabled(), a.is_inference())
        with lib.inference_mode(False):
            state += (lib.is_inference_mode_enabled(), lib.is_grad_enabled())
    return (
        state,
        a.requires_grad,
        lib.is_inference_mode_enabled(),
        a.clone().is_inference(),
        leaf(lib).is_inference(),
    )


@pytest.mark.parametrize(
    "program", [modes_program, decorators_program, generators_program, inference_program]
)
def test_modes(program):
    same(program)


def test_the_mode_holds_for_one_thread():
    seen = []
    with retrograd.no_grad():
        t = threading.Thread(target=lambda: seen.append(retrograd.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


def test_backward_under_no_grad():
    def program(lib):
        x = leaf(lib)
        y = (x * x).sum()
        with lib.no_grad():
            y.backward()
        return x.grad, x.grad.requires_grad

    same(program)


# --- the same each time, and no more than needed ------------------------------------------------------------


def training_step(lib, x, target, weights):
    for w in weights:
        w.grad = None
    h = x
    for w in weights:
        h = (h @ w).tanh()
    loss = ((h - target) ** 2).mean()
    loss.backward()
    with lib.no_grad():
        for w in weights:
            w -= 0.1 * w.grad
    return loss


def network(lib, size=4, depth=3):
    rng = np.random.default_rng(0)
    make = lambda *shape: lib.tensor(rng.normal(size=shape), dtype=lib.float32)
    x, target = make(5, size), make(5, size)
    return x, target, [make(size, size).requires_grad_() for _ in range(depth)]


def test_runs_are_bitwise_equal():
    def run():
        rng = np.random.default_rng(1)
        x = retrograd.tensor(rng.normal(size=(50, 40)), dtype=retrograd.float32, requires_grad=True)
        y = x * 1.1
        total = sum(
            ((y * float(c)).sin().sum() * (x + float(c)).mean() for c in rng.normal(size=20)), start=0.0
        )
        total.backward()
        return as_array(x.grad).tobytes()

    first = run()
    assert all(run() == first for _ in range(5))


def test_a_training_step_makes_no_reference_cycles():
    x, target, weights = network(retrograd)
    training_step(retrograd, x, target, weights)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            training_step(retrograd, x, target, weights)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_recorded_walk_makes_no_reference_cycles():
    x = leaf(retrograd)
    gc.collect()
    gc.disable()
    try:
        y = (x.exp() * x).sum()
        (g,) = retrograd.autograd.grad(y, x, create_graph=True)
        retrograd.autograd.grad((g.exp() * g).sum(), x)
        del y, g
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_saved_values_go_after_backward():
    x = leaf(retrograd)
    a = x * 1
    y = (a * a).sum()
    ref = weakref.ref(a._array)
    del a
    assert ref() is not None
    y.backward()
    assert ref() is None


def test_saved_values_go_with_the_graph():
    x = leaf(retrograd)
    a = x * 1
    y = (a * a).sum()
    ref = weakref.ref(a._array)
    del a, y
    assert ref() is None


def test_what_no_gradient_needs_is_not_saved():
    x = leaf(retrograd)
    a = x * 1
    ref = weakref.ref(a._array)
    y = a + 1
    del a
    assert ref() is None
    y.sum().backward()
    assert as_array(x.grad).tolist() == [1, 1, 1]


LONG_CHAIN = """
    import sys, threading
    import retrograd as torch

    def work():
        n = 1_000_000
        x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        y = x
        for _ in range(n):
            y = y + 1.0
        y.backward()
        assert float(x.grad) == 1.0 and float(y.detach()) == n + 1
        y = x
        for _ in range(n // 10):
            y = y * 1.0
        (g,) = torch.autograd.grad(y, x)
        assert float(g) == 1.0
        del y
        done.append(True)

    done = []
    threading.stack_size(256 * 1024)  # recursion a million deep would not survive in this
    t = threading.Thread(target=work)
    t.start()
    t.join()
    print("done" if done else "failed")
"""


def test_a_chain_of_a_million_operations():
    """Forward, backward, the search for the way to an input, and freeing: nothing may recurse."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LONG_CHAIN)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0 and run.stdout.strip() == "done", (
        run.stderr[-2000:] or f"exit code {run.returncode}"
    )


# --- threads ------------------------------------------------------------


def test_threads_add_to_shared_leaves():
    w = leaf(retrograd, [1.0, 2.0, 3.0])
    barrier = threading.Barrier(8)
    failures = []

    def work(k):
        try:
            barrier.wait()
            for _ in range(50):
                ((w * float(k)).sum() + w.sum()).backward()
        except Exception as error:  # noqa: BLE001  reported below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert as_array(w.grad).tolist() == [50.0 * (sum(range(8)) + 8)] * 3


def test_backward_inside_backward():
    def program(lib):
        x = leaf(lib)
        y = x * 2

        def hook(g):
            z = leaf(lib)
            with lib.enable_grad():
                (z * z).sum().backward()
            return g * z.grad

        y.register_hook(hook)
        (y * y).sum().backward()
        return x.grad

    same(program)


# --- whose memory a gradient is ---------------------------------------------------------------


def test_gradients_that_somebody_holds_are_not_overwritten():
    def program(torch):
        x = torch.arange(-6.0, 6.0).reshape(3, 4).requires_grad_()
        held = []
        y = x * 2
        y.register_hook(held.append)
        y.retain_grad()
        z = y.relu()
        z.register_hook(held.append)
        seed = torch.full((3, 4), 3.0)
        z.tanh().backward(seed)
        return [x.grad, y.grad, *held, seed]

    same(program)


def test_one_gradient_for_two_inputs_serves_both():
    def program(torch):
        x = torch.arange(-6.0, 6.0).reshape(3, 4).requires_grad_()
        y = (x * -1).relu() + (x * 3).sigmoid() + x.exp().view(4, 3).tanh().view(3, 4)
        y.mul(2).backward(torch.ones(3, 4))
        (g,) = torch.autograd.grad((x.cos().relu() + x.sin().relu()).sum(), x)
        return x.grad, g

    same(program)


@pytest.mark.skipif(not retrograd.kernels.available(), reason="not compiled: each gradient is new")
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
def test_a_gradient_that_nobody_needs_is_overwritten_by_the_next(layout):
    shape = (2, 16, 64, 64)
    layout = getattr(retrograd, layout)
    x = retrograd.randn(shape).contiguous(memory_format=layout).requires_grad_()
    places, y = [], x * 2
    for _ in range(3):
        y = y.relu()
        y.register_hook(lambda g: places.append(g._array.ctypes.data))
    y.mul(2).backward(retrograd.ones(shape).contiguous(memory_format=layout))
    assert len(set(places)) == 1
    assert np.array_equal(x.grad._array, 4.0 * (x._array > 0))


@pytest.mark.parametrize("order", ["qkv", "kqv", "vkq", "qk", "qkk"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_of_parts_of_one_array(order, batch_first):
    """Its gradients may be parts of one array too, which splitting then gives as it is."""

    def program(torch):
        x = torch.linspace(-1, 1, 2 * 4 * 24).reshape(2, 4, 24).requires_grad_()
        parts = (x * 1).split(8, -1)
        axes = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
        heads = [part.view(2, 4, 2, 4).permute(axes) for part in parts]
        q, k, v = [heads["qkv".index(name)] for name in (order * 2)[:3]]
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        (g,) = torch.autograd.grad((out * out).sum() + parts[1].sin().sum(), x, retain_graph=True)
        g = g.clone()
        (again,) = torch.autograd.grad((out * out).sum(), parts[2 if "v" in order else 1])
        return out, g, again

    same(program, tol=1e-5)
