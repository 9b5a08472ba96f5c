"""Hooks on tensors and nodes: what they get, what they may return, and in which order they run."""

import pytest

import retrograd
from oracle import as_array, both_refuse, same


def leaf(lib, values=(1.0, 2.0, 3.0)):
    return lib.tensor(values, dtype=lib.float64, requires_grad=True)


def test_hooks_of_a_tensor():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        seen = []
        y.register_hook(lambda g: seen.append(g.clone()))
        y.register_hook(lambda g: g * 10)
        y.register_hook(lambda g: seen.append(g.clone()))
        x.register_hook(lambda g: seen.append(g.clone()))
        x.register_hook(lambda g: g + 1)
        (y * y).sum().backward()
        return seen, x.grad

    same(program)


def test_removing_hooks():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        handles = [
            y.register_hook(lambda g: g * 10),
            x.register_hook(lambda g: g * 7),
            y.register_hook(lambda g: g * 3),
        ]
        handles[0].remove()
        handles[0].remove()
        handles[1].remove()
        y.sum().backward()
        with x.register_hook(lambda g: g * 100):
            (x * 1).sum().backward()
        (x * 1).sum().backward()
        return x.grad

    same(program)


def test_hooks_that_err():
    def wrong_shape(lib):
        y = leaf(lib) * 2
        y.register_hook(lambda g: g[:2])
        y.sum().backward()

    def wrong_type(lib):
        y = leaf(lib) * 2
        y.register_hook(lambda g: 5)
        y.sum().backward()

    def its_own(lib):
        y = leaf(lib) * 2

        def hook(g):
            raise KeyError("mine")

        y.register_hook(hook)
        y.sum().backward()

    both_refuse(wrong_shape, match="size")
    both_refuse(wrong_type, (RuntimeError, TypeError))
    both_refuse(its_own, KeyError, "mine")
    both_refuse(lambda lib: lib.ones(2).register_hook(print), match="doesn't require gradient")


def test_hooks_registered_before_and_after_a_write_in_place():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        seen = []
        y.register_hook(lambda g: seen.append(("before", g.clone())))
        y.mul_(3)
        y.register_hook(lambda g: seen.append(("after", g.clone())))
        y.sum().backward()
        return seen, x.grad

    same(program)


def test_hooks_of_several_outputs():
    def program(lib):
        x = leaf(lib)
        a, b, c = (x * 2).unbind()
        seen = []
        b.register_hook(lambda g: seen.append(g.clone()))
        c.register_hook(lambda g: g * 5)
        (b * c).backward()
        return seen, x.grad

    same(program)


def test_a_hook_is_called_with_none_where_no_gradient_comes():
    def program(lib):
        a, b = (leaf(lib, [1.0, 2.0]) * 2).unbind()
        seen = []
        a.register_hook(seen.append)
        b.backward()
        return seen

    same(program)


def test_hooks_of_a_node():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        seen = []
        y.grad_fn.register_prehook(lambda gs: seen.append(("pre", gs[0].clone())))
        y.grad_fn.register_prehook(lambda gs: (gs[0] * 3,))
        y.grad_fn.register_hook(lambda gi, go: seen.append(("post", gi[0].clone(), gi[1], go[0].clone())))
        y.grad_fn.register_hook(lambda gi, go: (gi[0] + 1, *gi[1:]))
        (y * y).sum().backward()
        return seen, x.grad

    same(program)


def test_the_order_of_hooks():
    """Hooks of the tensor, then retain_grad, then hooks before the node, then hooks after it."""

    def program(lib):
        x = leaf(lib)
        y = x * 2
        order = []
        y.grad_fn.register_hook(lambda gi, go: order.append("node, after"))
        y.grad_fn.register_prehook(lambda gs: order.append("node, before"))
        y.grad_fn.register_prehook(lambda gs: (gs[0] * 5,))
        y.retain_grad()
        y.register_hook(lambda g: order.append("tensor"))
        y.register_hook(lambda g: g * 3)
        x.register_hook(lambda g: order.append("leaf"))
        x.register_post_accumulate_grad_hook(lambda p: order.append("accumulated"))
        (y * 1).sum().backward()
        return order, y.grad, x.grad

    same(program)


def test_hooks_and_gradients_that_are_asked_for():
    """`grad` gives what the tensor's hooks made of it; hooks of the node run only where the node does."""

    def program(lib, *inputs):
        x = leaf(lib)
        y = x * 2
        z = y * 3
        called = []
        y.register_hook(lambda g: g * 3)
        y.grad_fn.register_prehook(lambda gs: (gs[0] * 5,))
        y.grad_fn.register_prehook(lambda gs: called.append("y"))
        z.grad_fn.register_hook(lambda gi, go: called.append("z"))
        wanted = [{"x": x, "y": y}[i] for i in inputs]
        return lib.autograd.grad(z.sum(), wanted), called

    same(lambda lib: program(lib, "y"))
    same(lambda lib: program(lib, "x"))
    (gx, gy), called = program(retrograd, "x", "y")
    assert as_array(gy).tolist() == [9, 9, 9]  # PyTorch: 3, as y's node runs too
    assert as_array(gx).tolist() == [90, 90, 90] and called == ["z", "y"]


def test_hooks_of_accumulate_grad():
    def program(lib):
        x = leaf(lib)
        y = x * 2
        node = y.grad_fn.next_functions[0][0]
        seen = []
        node.register_prehook(lambda gs: (gs[0] * 2,))
        node.register_hook(lambda gi, go: seen.append((len(gi), go[0].clone())))
        x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
        y.sum().backward(retain_graph=True)
        y.sum().backward()
        return seen, x.grad

    same(program)


def test_hooks_after_accumulation():
    def program(lib):
        x = leaf(lib)
        norms = []

        def step(p):
            norms.append(p.grad.sum().item())
            with lib.no_grad():
                p -= 0.1 * p.grad
            p.grad = None

        handle = x.register_post_accumulate_grad_hook(step)
        (x * x).sum().backward()
        handle.remove()
        (x * x).sum().backward()
        return norms, x, x.grad

    same(program)
    both_refuse(lambda lib: (leaf(lib) * 2).register_post_accumulate_grad_hook(print), match="non-leaf")


def test_hooks_in_a_recorded_walk():
    def program(lib):
        x = leaf(lib)
        y = x * x
        y.register_hook(lambda g: g * g)
        (g,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
        return g, lib.autograd.grad(g.sum(), x)

    same(program)


def test_a_hook_may_look_at_the_graph():
    def program(lib):
        x = leaf(lib)
        y = x * x
        seen = []
        y.register_hook(lambda g: seen.append((g.requires_grad, lib.is_grad_enabled(), g.shape)))
        lib.autograd.grad(y.sum(), x, create_graph=True)
        (x * x).sum().backward()
        return seen

    same(program)


@pytest.mark.parametrize("which", ["tensor", "node"])
def test_prepended_and_repeated_hooks(which):
    def program(lib):
        x = leaf(lib)
        y = x * 2
        order = []

        def hook(*_):
            order.append("one")

        if which == "tensor":
            y.register_hook(hook)
            y.register_hook(lambda g: order.append("two"))
            y.register_hook(hook)
        else:
            y.grad_fn.register_hook(hook)
            y.grad_fn.register_hook(lambda gi, go: order.append("two"))
            y.grad_fn.register_hook(hook)
        y.sum().backward()
        return order

    same(program)
