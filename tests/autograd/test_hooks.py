"""Hooks on tensors, nodes and leaves: order, replacement, removal while running, lifetimes."""

import gc
import weakref
from functools import partial

import pytest
import torch

import retrograd
from oracle import both_refuse, same


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


def doubler(torch, custom):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return Double.apply if custom else lambda x: x * 2


def leaf_node(x):
    return x.view_as(x).grad_fn.next_functions[0][0]


# --- after accumulation --------------------------------------------------------------------------


def test_hooks_after_accumulation_run_in_order(torch):
    x = torch.rand(3, requires_grad=True)
    before = x.detach().clone()

    def subtract(p):
        p.sub_(p.grad)

    def multiply(p):
        p.mul_(4.0)

    x.register_post_accumulate_grad_hook(subtract)
    x.register_post_accumulate_grad_hook(multiply)
    x.sum().backward()
    assert close(torch, x.detach(), 4 * (before - 1))


def test_hooks_after_accumulation_are_refused(torch):
    x = torch.rand(3, requires_grad=True)
    with pytest.raises(
        RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"
    ):
        (x * 2).register_post_accumulate_grad_hook(lambda p: None)
    x.register_post_accumulate_grad_hook(lambda p: p.grad)
    with pytest.raises(RuntimeError, match="hooks should return None."):
        x.sum().backward()


def test_an_optimizer_may_step_in_backward(torch):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    twin = torch.nn.Linear(3, 2)
    twin.load_state_dict(model.state_dict())
    steppers = {p: torch.optim.Adam([p]) for p in model.parameters()}

    def step(p):
        steppers[p].step()
        steppers[p].zero_grad()

    handles = [p.register_post_accumulate_grad_hook(step) for p in model.parameters()]
    optimizer = torch.optim.Adam(twin.parameters())
    x = torch.rand(2, 3)
    for _ in range(3):
        model(x).sum().backward()
        twin(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(close(torch, p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    for h in handles:
        h.remove()
    frozen = [p.detach().clone() for p in model.parameters()]
    model(x).sum().backward()
    assert all(close(torch, p, q) for p, q in zip(model.parameters(), frozen, strict=True))


def test_a_hook_lives_as_long_as_its_leaf(torch):
    class Thing:
        pass

    def make():
        thing = Thing()
        x = torch.rand(3, requires_grad=True)
        x.register_post_accumulate_grad_hook(lambda p, thing=thing: None)
        x.sum().backward()
        return x, weakref.ref(thing)

    x, ref = make()
    gc.collect()
    assert ref() is not None
    del x
    gc.collect()
    assert ref() is None


# --- order -----------------------------------------------------------------------------------------


def test_order_at_a_leaf(torch):
    x = torch.rand(3, requires_grad=True)
    node = leaf_node(x)
    x.register_hook(lambda g: g - 2.0)
    node.register_prehook(lambda gs: (gs[0] / 5.0,))

    def add(p):
        p.grad.add_(0.5)

    x.register_post_accumulate_grad_hook(add)

    def last(grad_inputs, grad_outputs):
        assert grad_inputs == ()
        x.grad = grad_outputs[0].mul(10)

    node.register_hook(last)
    x.sum().backward()
    assert close(torch, x.grad, [3.0, 3.0, 3.0])  # ((1 - 2) / 5 + 0.5) * 10


def test_order_of_hooks_on_a_tensor_and_its_node(torch):
    log = []

    def on_tensor(g):
        log.append("tensor")
        return g * 3

    def on_node(gs):
        log.append("node")
        return tuple(g * 2 for g in gs)

    a = torch.tensor(1.0, requires_grad=True)
    b = a.clone()
    b.grad_fn.register_prehook(on_node)
    b.register_hook(on_tensor)
    b.grad_fn.register_prehook(on_node)
    leaf = b.grad_fn.next_functions[0][0]
    a.register_hook(on_tensor)
    leaf.register_prehook(on_node)
    a.register_hook(on_tensor)
    b.sum().backward(retain_graph=True)
    assert log == ["tensor", "node", "node", "tensor", "tensor", "node"]
    log.clear()
    torch.autograd.grad(b.sum(), inputs=(a,), retain_graph=True)
    assert log == ["tensor", "node", "node", "tensor", "tensor"]
    log.clear()
    b.sum().backward(inputs=(b,))
    assert log == ["tensor", "node", "node"] and b.grad == 3


def test_hooks_of_modules_stand_between(torch):
    order = []
    module = torch.nn.Linear(4, 4)
    module.register_full_backward_hook(lambda *args: order.append("module"))
    x = torch.randn(4, 4, requires_grad=True)
    loss = module(x).sum()

    def watch(node):
        if node is not None:
            node.register_prehook(lambda _: order.append("pre " + node.name()))
            node.register_hook(lambda *_: order.append("post " + node.name()))
            for following, _ in node.next_functions:
                watch(following)

    watch(loss.grad_fn)
    names = {"x": x, "weight": module.weight, "bias": module.bias}
    for name, tensor in names.items():
        tensor.register_hook(lambda g, name=name: order.append("tensor " + name))
        tensor.register_post_accumulate_grad_hook(lambda p, name=name: order.append("after " + name))
    loss.backward()
    order = [line for line in order if "TBackward0" not in line]  # our addmm takes the weight as it lies
    leaf = "torch::autograd::AccumulateGrad"
    assert order == [
        "pre SumBackward0", "post SumBackward0",
        "pre BackwardHookFunctionBackward", "post BackwardHookFunctionBackward",
        "pre AddmmBackward0", "post AddmmBackward0",
        "tensor bias", f"pre {leaf}", "after bias", f"post {leaf}",
        "tensor weight", f"pre {leaf}", "after weight", f"post {leaf}",
        "pre BackwardHookFunctionBackward", "module", "post BackwardHookFunctionBackward",
        "tensor x", f"pre {leaf}", "after x", f"post {leaf}",
    ]  # fmt: skip


def test_retained_gradients_see_all_hooks_of_the_tensor(torch):
    for first in (True, False):
        b = torch.tensor(1.0, requires_grad=True).clone()
        if first:
            b.register_hook(lambda g: g * 2)
        b.retain_grad()
        b.register_hook(lambda g: g * 2)
        b.clone().backward()
        assert b.grad == (4 if first else 2)


def test_which_hooks_grad_runs(torch):
    counts = dict.fromkeys(["tensor", "pre", "post"], 0)

    def count(kind, *_):
        counts[kind] += 1

    a = torch.tensor(1.0, requires_grad=True)
    b = a * 2
    c = b * 2
    a.register_hook(partial(count, "tensor"))
    b.register_hook(partial(count, "tensor"))
    for node in (b.grad_fn.next_functions[0][0], b.grad_fn):
        node.register_hook(partial(count, "post"))
        node.register_prehook(partial(count, "pre"))

    def counted(function):
        counts.update(dict.fromkeys(counts, 0))
        function()
        return list(counts.values())

    assert counted(lambda: torch.autograd.grad(c, inputs=b, retain_graph=True)) == [1, 0, 0]
    assert counted(lambda: torch.autograd.grad(c, inputs=(a, b), retain_graph=True)) == [2, 1, 1]
    assert counted(lambda: c.backward(retain_graph=True)) == [2, 2, 2]
    assert counted(lambda: c.backward(inputs=(a, b), retain_graph=True)) == [2, 2, 2]


def test_hooks_off_the_way_do_not_run(torch):
    def fail(*args):
        raise AssertionError("off the way")

    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(1.0, requires_grad=True)
    a.register_hook(fail)
    c = a.clone()
    c.grad_fn.next_functions[0][0].register_hook(fail)
    (a + b + c).sum().backward(inputs=[b])
    assert b.grad == 1


# --- on nodes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("custom", [True, False])
def test_hooks_before_and_after_a_node(torch, custom):
    a = torch.tensor([1.0], requires_grad=True)
    b = doubler(torch, custom)(a)
    log = []

    def before(gs):
        log.append("before")
        return (gs[0] * 2,)

    def after(grad_inputs, grad_outputs):
        log.append("after")
        assert grad_outputs[0].item() == 8 and grad_inputs[0].item() == 16
        return grad_inputs

    b.grad_fn.register_hook(after)
    b.grad_fn.register_hook(after)
    for hook in (before, lambda gs: None, before, before, lambda gs: gs):
        b.grad_fn.register_prehook(hook)
    b.sum().backward()
    assert log == ["before"] * 3 + ["after"] * 2 and a.grad == 16


@pytest.mark.parametrize("custom", [True, False])
def test_hooks_removed_while_running(torch, custom):
    a = torch.rand(3, requires_grad=True)
    b = doubler(torch, custom)(a)
    log = []
    handles = []

    def first(gs):
        handles[0].remove()
        handles[1].remove()

    b.grad_fn.register_prehook(first)
    handles.append(b.grad_fn.register_prehook(lambda gs: log.append("second")))
    handles.append(b.grad_fn.register_prehook(lambda gs: log.append("third")))
    handles[1].remove()
    b.sum().backward()
    assert log == ["second"] and close(torch, a.grad, [2, 2, 2])


def test_hooks_on_a_node_of_several_outputs(torch):
    x = torch.rand(3, 3, requires_grad=True)
    var, mean = torch.var_mean(x, dim=0)
    (expected,) = torch.autograd.grad((var + mean).sum(), x)
    var, mean = torch.var_mean(x, dim=0)
    mean.grad_fn.register_prehook(lambda gs: (gs[0] * 2, gs[1] * 2))
    assert close(torch, torch.autograd.grad((var + mean).sum(), x)[0], expected * 2)

    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k, y):
            ctx.k = k
            return k * x * 2, k, k * y * 2

        @staticmethod
        def backward(ctx, gx, _, gy):
            return ctx.k * gx * 2, None, ctx.k * gy * 2

    a, b = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)
    c, _, d = Mixed.apply(a, 3, b)
    seen = []

    def before(gs):
        seen.append(gs[1])
        return gs[0] * 2, None, gs[2] * 2

    c.grad_fn.register_prehook(before)
    (c + d).sum().backward()
    assert seen == [None] and close(torch, a.grad, [12.0] * 3) and close(torch, b.grad, [12.0] * 3)


def test_gradients_that_never_come(torch):
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            assert ctx.needs_input_grad == (True, False)
            return x, y

        @staticmethod
        def backward(ctx, gx, gy):
            return gx, None

    seen = []
    a, b = Two.apply(torch.randn(5, requires_grad=True), torch.randn(5))
    a.register_hook(lambda g: seen.append(g))
    b.register_hook(lambda g: seen.append(g))
    (a + b).sum().backward()
    assert len(seen) == 2 and all(g is not None for g in seen)


def test_a_hook_without_a_name(torch):
    class Hook:
        def __call__(self, g):
            return g * 2

    x = torch.ones(5, requires_grad=True)
    y = x.clone()
    y.register_hook(Hook())
    y.sum().backward()
    assert close(torch, x.grad, [2.0] * 5)


# --- with writes in place --------------------------------------------------------------------------------


def test_retained_gradients_follow_writes(torch):
    a = torch.tensor([1.0], requires_grad=True).clone()
    a.retain_grad()
    a.mul_(2)
    a.mul_(2)
    a.sum().backward()
    assert a.grad == 1
    base = torch.tensor([1.0], requires_grad=True).clone()
    base.retain_grad()
    view = base[:]
    view *= 2
    base *= 2
    base.sum().backward()
    assert base.grad == 1
    plain = torch.zeros(4)
    plain.view(2, 2).add_(torch.randn(2, 2, requires_grad=True))
    assert plain.requires_grad


def test_retained_gradients_of_views(torch):
    base = torch.tensor([1.0], requires_grad=True).clone()
    view, other = base[:], base[:]
    view.retain_grad()
    other.retain_grad()
    view.mul_(2)
    (view + other).sum().backward()
    assert view.grad == 1 and other.grad == 1


@pytest.mark.parametrize("custom", [True, False])
def test_retained_gradients_and_hooks_of_several_outputs(torch, custom):
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    f = Two.apply if custom else partial(torch.var_mean, dim=0)
    x = torch.rand(3, 3, requires_grad=True)
    a, b = f(x)
    a.retain_grad()
    b.retain_grad()
    seen = []
    a.register_hook(lambda g: seen.append(("old a", g.mean().item())))
    b.register_hook(lambda g: seen.append(("b", g.mean().item())))
    a.mul_(2)
    a.register_hook(lambda g: seen.append(("new a", g.mean().item())))
    (a + b * 3).sum().backward()
    assert close(torch, a.grad, torch.ones_like(a)) and close(torch, b.grad, torch.ones_like(b) * 3)
    assert seen == [("new a", 1.0), ("old a", 2.0), ("b", 3.0)]


def test_hooks_stay_with_the_value_they_were_put_on(torch):
    log = []

    def hook(name, g):
        log.append((name, g.item()))
        return g * 2

    a = torch.tensor([1.0], requires_grad=True)
    b = a.clone()
    b.register_hook(partial(hook, "before"))
    b.mul_(2)
    b.register_hook(partial(hook, "after"))
    b.sum().backward()
    assert log == [("after", 1.0), ("before", 4.0)] and a.grad == 8


def test_hooks_on_views_whose_base_changed(torch):
    def fail(g):
        raise AssertionError("this value has no use any more")

    seen = []
    base = torch.tensor([1.0], requires_grad=True).clone()
    view, other = base[:], base[:]
    view.register_hook(fail)
    other.register_hook(fail)
    view.mul_(2)
    other.grad_fn  # noqa: B018
    other.register_hook(lambda g: seen.append(g.item()))
    (view + other).sum().backward()
    assert seen == [1.0]


def test_retaining_keeps_no_cycle(torch):
    def make():
        y = torch.ones(5, requires_grad=True) * 2
        y.retain_grad()
        return y / 2, weakref.ref(y)

    gc.disable()
    try:
        z, ref = make()
        assert ref() is None
        z.sum().backward()
    finally:
        gc.enable()


@pytest.mark.parametrize("custom", [True, False])
@pytest.mark.parametrize("on_tensor", [True, False])
def test_a_hook_that_refers_to_its_node(torch, custom, on_tensor):
    class Thing:
        pass

    count = []

    def make():
        thing = Thing()
        b = doubler(torch, custom)(torch.tensor(1.0, requires_grad=True))
        node = b.grad_fn

        def hook(*args):
            count.append((node, thing))

        (b if on_tensor else b.grad_fn).register_hook(hook)
        return b.clone(), weakref.ref(thing)

    out, ref = make()
    out.backward(retain_graph=True)
    gc.collect()
    out.backward(retain_graph=True)
    assert len(count) == 2 and ref() is not None
    count.clear()
    del out
    gc.collect()
    assert ref() is None


# --- callbacks, nested walks ----------------------------------------------------------------------------


def test_callbacks_after_the_walk(torch):
    queue = torch.autograd.Variable._execution_engine.queue_callback
    log = []

    class Calls(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            queue(lambda: (log.append("first"), queue(lambda: log.append("second"))))
            log.append("backward")
            return g

    x = torch.rand(3, requires_grad=True)
    Calls.apply(x).sum().backward()
    assert log == ["backward", "first", "second"]
    with pytest.raises(RuntimeError, match="during backward pass"):
        queue(lambda: None)


@pytest.mark.parametrize("depths", [(0,), (1,), (0, 1)])
def test_callbacks_of_nested_walks(torch, depths):
    queue = torch.autograd.Variable._execution_engine.queue_callback
    log = []

    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if 1 in depths:
                queue(lambda: log.append(1))
            return g

    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if 0 in depths:
                queue(lambda: log.append(0))
            with torch.enable_grad():
                Inner.apply(g.detach().requires_grad_()).sum().backward()
            return g

    Outer.apply(torch.rand(3, requires_grad=True)).sum().backward()
    assert sorted(log) == sorted(depths)


def test_a_walk_inside_a_hook(torch):
    x = torch.rand(10, requires_grad=True)
    handles = []

    def penalty(grad):
        handles.pop().remove()
        before, x.grad = x.grad, None
        with torch.enable_grad():
            g = grad.detach().requires_grad_()
            ((g * 2) + x.detach().requires_grad_()).sum().backward()
        x.grad = before
        return g.grad + grad

    handles.append(x.register_hook(penalty))
    (x * x).sum().backward()
    assert close(torch, x.grad, 2 * x.detach() + 2)


def test_a_walk_inside_a_walk(torch):
    order = []

    class Passes(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            order.append("passes")
            return g

    class Deeper(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx, g):
            order.append("deeper")
            if ctx.x < 0:
                return g
            with torch.enable_grad():
                Deeper.apply(ctx.x).backward()
            return g

    a = Passes.apply(torch.tensor(6.0, requires_grad=True))
    b = Deeper.apply(torch.tensor(9.0, requires_grad=True))
    (a * b).backward()
    assert order == ["deeper"] * 10 + ["passes"]


def test_many_walks_inside_each_other(torch):
    class Deeper(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx, g):
            if ctx.x < 0:
                return g
            with torch.enable_grad():
                Deeper.apply(ctx.x).sum().backward()
            return g

    x = torch.tensor(2000.0, requires_grad=True)
    Deeper.apply(x).sum().backward()
    assert x.grad == 1


def test_an_error_inside_an_inner_walk(torch):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise ValueError("on purpose")

    b = torch.rand(3, requires_grad=True)
    inner = Fails.apply(b * b).sum()

    class Walks(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            inner.backward()
            return g

    a = torch.rand(3, requires_grad=True)
    with pytest.raises(ValueError, match="on purpose"):
        Walks.apply(a * a).sum().backward()
    assert a.grad is None


def test_the_mode_is_restored_after_inner_walks(torch):
    seen = []

    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            before = torch.is_grad_enabled()
            with torch.enable_grad():
                y = torch.rand(g.shape, requires_grad=True)
                (grad,) = torch.autograd.grad(y**3, y, grad_outputs=g)
                seen.append(torch.is_grad_enabled())
            seen.append(torch.is_grad_enabled() == before)
            return grad

    x = torch.rand(3, requires_grad=True)
    Inner.apply(x).sum().backward()
    torch.autograd.grad(Inner.apply(x).sum(), x, create_graph=True)
    assert seen == [True] * 4


# --- where no gradient comes -----------------------------------------------------------------------------


def test_a_function_behind_none_runs_with_zeros():
    """backward returns None for a tensor: what made it runs all the same, a custom Function with zeros."""

    def program(lib):
        seen = []

        class Nothing(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return None

        class Note(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, materialize):
                ctx.set_materialize_grads(materialize)
                return x * 1

            @staticmethod
            def backward(ctx, g):
                seen.append(g)
                return g, None

        for materialize in (True, False):
            x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
            y = x * 2
            y.register_hook(lambda g: seen.append(g))
            y.grad_fn.register_prehook(lambda gs: seen.append(gs))
            y.grad_fn.register_hook(lambda gi, go: seen.append((gi[0], go)))
            Nothing.apply(Note.apply(y, materialize).exp()).sum().backward()
            seen.append(x.grad)
        return seen

    same(program)


def test_a_hook_may_not_make_a_gradient_of_none():
    def program(lib):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        a, b = (x * 1).unbind()
        a.register_hook(lambda g: lib.ones(()))
        b.backward()

    # PyTorch raises something else than an Error of its own here
    with pytest.raises(Exception, match="can't replace a None gradient with a non-None value"):
        program(torch)
    with pytest.raises(RuntimeError, match="can't replace a None gradient with a non-None value"):
        program(retrograd)


@pytest.mark.parametrize("create_graph", [False, True])
def test_none_beside_a_gradient(create_graph):
    def program(lib):
        class Half(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1

            @staticmethod
            def backward(ctx, g):
                return None

        x = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
        y = x.sin()
        a, b = y.unbind()
        return lib.autograd.grad(Half.apply(a) * 2 + b.exp() + (y * y).sum(), x, create_graph=create_graph)

    same(program)


# --- what a hook may ask about the walk ---------------------------------------------------------------


def test_questions_about_the_walk():
    def program(lib):
        C = lib._C
        asked = []
        x = lib.tensor(0.5, requires_grad=True)
        y = lib.tensor(0.25, requires_grad=True)
        c, d = y.sin(), x.cos()
        out = (c * d).exp()
        other = c.tan()

        def hook(g):
            order = C._current_graph_task_execution_order()
            asked.append([n.name().split(" ")[-1] for n in order[:3]])
            asked.append(C._current_autograd_node().name().split(" ")[-1])
            asked.append([C._will_engine_execute_node(n.grad_fn) for n in (c, d, other)])
            asked.append(C._autograd._get_current_graph_task_keep_graph())

        out.register_hook(hook)
        ids = []
        out.register_hook(lambda g: ids.append(C._current_graph_task_id()))
        with lib.autograd.set_multithreading_enabled(False):
            out.backward(retain_graph=True)
            lib.autograd.grad(out, (c,))
        return asked, ids[1] - ids[0], C._current_graph_task_id()

    same(program)


def test_questions_outside_of_a_walk():
    for ask in (
        lambda lib: lib._C._current_graph_task_execution_order(),
        lambda lib: lib._C._will_engine_execute_node((lib.ones(2, requires_grad=True) * 2).grad_fn),
    ):
        both_refuse(ask, match="during the backward pass")
    both_refuse(lambda lib: lib._C._will_engine_execute_node(lib.ones(2)), match="expects an grad_fn")
    y = retrograd.ones(2, requires_grad=True) * 2
    y.register_hook(lambda g: retrograd._C._current_graph_task_execution_order())
    with pytest.raises(RuntimeError, match="multithreading disabled"):
        y.sum().backward()


def test_errors_delayed_until_backward():
    def program(lib):
        x, y = [lib.tensor([v], requires_grad=True) for v in (1.0, 2.0)]
        safe = lib._C._functions.DelayedError("too late", 1)(y)
        (x * safe).sum().backward()

    both_refuse(program, match="too late")

    def around(lib):
        x, y = [lib.tensor([v], requires_grad=True) for v in (1.0, 2.0)]
        out = x.clone().view(-1)
        out += lib._C._functions.DelayedError("too late", 1)(y)
        return lib.autograd.grad(out.sum(), x)

    same(around)
