"""Whether a graph is recorded: the switches, as contexts and decorators; inference mode; threads and
forks."""

import os
import sys
import threading
import traceback
import warnings

import pytest


def close(torch, a, b):
    return torch.allclose(a, torch.as_tensor(b, dtype=a.dtype))


# --- no_grad, enable_grad, set_grad_enabled ----------------------------------------------------------


def test_as_contexts_and_decorators(torch):
    x = torch.ones(5, requires_grad=True)

    def add(a):
        return a + 1

    for f in (torch.no_grad()(add), torch.no_grad(add)):
        z = f(x)
        assert not z.requires_grad and z.grad_fn is None
        with pytest.raises(RuntimeError):
            z.backward(torch.ones(5))
    with torch.no_grad():
        assert torch.enable_grad(add)(x).requires_grad
        assert not torch.is_grad_enabled()
        torch.no_grad(add)(x)
        assert not torch.is_grad_enabled()
    with torch.set_grad_enabled(False):
        assert not (x * 2).requires_grad
        torch.set_grad_enabled(True)
        assert (x * 2).requires_grad
    assert torch.is_grad_enabled()


def test_set_grad_enabled_as_decorator(torch):
    @torch.set_grad_enabled(False)
    def inner(x):
        return x.sin()

    assert torch.is_grad_enabled()
    x = torch.zeros(1, requires_grad=True)
    assert not inner(x).requires_grad
    switch = torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    inner = switch(lambda x: x.sin())
    assert torch.is_grad_enabled() and not inner(x).requires_grad


def test_classes_are_no_functions(torch):
    with pytest.warns(FutureWarning, match="Decorating classes is deprecated"):

        @torch.no_grad()
        class Thing:
            def __init__(self):
                self.recorded = torch.is_grad_enabled()

            def method(self):
                return torch.is_grad_enabled()

    thing = Thing()
    assert not thing.recorded and thing.method()
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Other:
            @torch.no_grad()
            def __init__(self):
                self.recorded = torch.is_grad_enabled()

    assert not Other().recorded


def test_decorators_that_call_each_other(torch):
    @torch.enable_grad()
    def on(depth):
        assert torch.is_grad_enabled()
        if depth:
            off(depth - 1)
            assert torch.is_grad_enabled()

    @torch.no_grad()
    def off(depth):
        assert not torch.is_grad_enabled()
        if depth:
            on(depth - 1)
            assert not torch.is_grad_enabled()

    for outside in (True, False):
        with torch.set_grad_enabled(outside):
            on(10)
            off(10)
            assert torch.is_grad_enabled() == outside


@pytest.mark.parametrize("inside", [True, False])
def test_generators(torch, inside):
    class Recoverable(Exception):
        pass

    class Other(Exception):
        pass

    log = []
    switch = torch.enable_grad if inside else torch.no_grad

    @switch()
    def numbers():
        for i in range(10):
            assert torch.is_grad_enabled() == inside
            try:
                received = yield i
                log.append(received)
            except Recoverable:
                assert torch.is_grad_enabled() == inside
                log.append("recovered")
            except GeneratorExit:
                assert torch.is_grad_enabled() == inside
                log.append("closed")
                raise
            except KeyError:
                assert torch.is_grad_enabled() == inside
                raise Other from None

    def mode_outside():
        assert torch.is_grad_enabled() != inside

    with torch.set_grad_enabled(not inside):
        for _ in numbers():
            mode_outside()
        log.clear()
        g = numbers()
        assert next(g) == 0
        mode_outside()
        assert g.send("sent") == 1
        assert g.throw(Recoverable) == 2
        mode_outside()
        g.close()
        assert log == ["sent", "recovered", "closed"]
        g = numbers()
        next(g)
        with pytest.raises(Other):
            g.throw(KeyError)
        mode_outside()


# --- inference mode ----------------------------------------------------------------------------------------


def test_inference_mode_nests_and_decorates(torch):
    assert not torch.is_inference_mode_enabled()
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled()
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled()
    for options, mode in (((), True), ((True,), True), ((False,), False)):

        def f(x, mode=mode):
            assert torch.is_inference_mode_enabled() == mode
            return x * x

        decorated = torch.inference_mode(*options)(f)
        for requires in (True, False):
            out = decorated(torch.ones(3, requires_grad=requires))
            assert torch.is_inference(out) == mode and out.requires_grad == (requires and not mode)
    assert torch.is_inference(torch.inference_mode(lambda x: x * x)(torch.ones(1)))
    assert torch.is_inference(torch.inference_mode(mode=lambda x: x * x)(torch.ones(1)))


def test_what_is_made_in_inference_mode(torch):
    with torch.inference_mode():
        for requires in (True, False):
            c = torch.ones(1, 2, 3, requires_grad=requires)
            assert torch.is_inference(c) and c.requires_grad == requires
            assert torch.is_inference(c * c) and not (c * c).requires_grad
            view = c.view(-1)
            assert torch.is_inference(view) and not view.requires_grad
            for change in (
                lambda x: x.add_(2),
                lambda x: x.transpose_(0, 1),
                lambda x: x.copy_(torch.ones(2, 1, 3)),
            ):
                change(c)
                assert torch.is_inference(c) and c.requires_grad == requires
            with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
                c._version  # noqa: B018


def test_inference_tensors_outside(torch):
    with torch.inference_mode():
        plain, requires = torch.ones(1, 2, 3), torch.ones(1, 2, 3, requires_grad=True)
    assert not torch.is_inference(plain * plain) and not torch.is_inference(plain.clone())
    for c in (plain, requires):
        view = c.view(-1)
        assert torch.is_inference(view) and not view.requires_grad and not view._is_view() and view.is_leaf
    for change in (lambda x: x.add_(2), lambda x: x.transpose_(0, 1)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
            change(plain)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        torch.mul(torch.ones(1, 2, 3), 2, out=plain)
    with pytest.raises(RuntimeError, match="inference tensor outside InferenceMode"):
        plain.requires_grad_(True)
    s = torch.ones(1, 2, 3, requires_grad=True)
    out = requires.add(s)
    out.backward(torch.ones_like(out))
    assert close(torch, requires.grad, torch.ones(1, 2, 3))
    for use in (lambda: requires * s, lambda: s.clone().mul_(plain)):
        with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
            use()
    with pytest.raises(RuntimeError, match="out=... arguments don't support automatic differentiation"):
        torch.mul(s, s, out=plain)
    assert torch.is_inference(plain.view_as(s))
    seen = s.view_as(plain)
    assert not torch.is_inference(seen) and seen.requires_grad


@pytest.mark.parametrize("requires", [True, False])
def test_other_tensors_in_inference_mode(torch, requires):
    for change in (lambda x: x.add_(2), lambda x: x.transpose_(0, 1)):
        a = torch.ones(1, 2, 3, requires_grad=requires).clone()
        with torch.inference_mode():
            for _ in range(2):
                change(a)
                assert not torch.is_inference(a) and a.requires_grad == requires
            view = a.view(-1)
            assert not torch.is_inference(view) and view.requires_grad == requires and view._is_view()
            deeper = view.view(-1)
            assert deeper._is_view() and deeper.is_leaf and deeper.requires_grad == requires
            deeper.add_(2)
            assert a._version == deeper._version and not torch.is_inference(deeper)
        change(a)
        assert not torch.is_inference(a) and a.requires_grad == requires


@pytest.mark.parametrize("requires", [True, False])
def test_views_made_in_inference_mode(torch, requires):
    direct = "A view was created in inference mode and is being modified inplace"
    indirect = "A view was created in inference mode and its base or another view "
    for change in (lambda x: x.add_(2), lambda x: x.transpose_(0, 1)):
        a = torch.ones(1, 2, 3, requires_grad=requires).clone()
        with torch.inference_mode():
            view, flat = a.view_as(a), a.view(-1)
        assert view._is_view() and view.is_leaf and (view * view).requires_grad == requires
        assert flat.view(2, 3).requires_grad == requires
        if requires:
            with pytest.raises(RuntimeError, match=direct):
                change(view)
        else:
            change(view)
        change(a)
        if requires:
            with pytest.raises(RuntimeError, match=indirect):
                flat.grad_fn  # noqa: B018
        else:
            assert flat.grad_fn is None


def test_writes_in_inference_mode_are_noticed(torch):
    a = torch.ones(3, requires_grad=True).clone()
    out = a * a
    with torch.inference_mode():
        a.add_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward(torch.ones(3))


# --- threads --------------------------------------------------------------------------------------


def run_threads(function, count=10):
    errors = []

    def run():
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def test_modes_belong_to_threads(torch):
    seen = []
    with torch.no_grad(), torch.inference_mode():
        run_threads(lambda: seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled())), 1)
    assert seen == [(True, False)]


def test_threads_apart_and_on_shared_leaves(torch):
    def apart():
        x = torch.ones(5, 5, requires_grad=True)
        ((x + 3) * (x + 4) * 0.5).sum().backward()
        assert close(torch, x.grad, x.detach() + 3.5)

    run_threads(apart)
    x = torch.ones(5, 5, requires_grad=True)

    def shared():
        ((x + 3) * (x + 4) * 0.5).sum().backward()

    run_threads(shared)
    assert close(torch, x.grad, 10 * (x.detach() + 3.5))

    def asked():
        y = (x + 3) * (x + 4) * 0.5
        assert close(torch, torch.autograd.grad(y.sum(), x)[0], x.detach() + 3.5)

    run_threads(asked)


def test_threads_on_one_graph(torch):
    x = torch.ones(5, 5, requires_grad=True)
    middle = x + x**2
    outcomes = []

    def without():
        try:
            (middle + middle**2).sum().backward()
            outcomes.append("worked")
        except RuntimeError as error:
            assert "Specify retain_graph=True" in str(error)

    run_threads(without, 5)
    assert outcomes
    y = torch.ones(5, 5, requires_grad=True)
    middle = y + y**2
    run_threads(lambda: (middle + middle**2).sum().backward(retain_graph=True), 5)
    v = y.detach()
    assert close(torch, y.grad, 5 * (4 * v**3 + 6 * v**2 + 4 * v + 1))


def test_hooks_on_groups_of_tensors_count_walks(torch):
    tensors = [torch.rand(2, requires_grad=True) for _ in range(4)]
    seen, lock = [], threading.Lock()

    def hook(grads):
        with lock:
            seen.append([g is not None for g in grads])

    handle = torch.autograd.graph.register_multi_grad_hook(tensors, hook)
    out = (tensors[1] * tensors[2]).sum()
    run_threads(lambda: out.backward(inputs=tensors[1:3], retain_graph=True), 5)
    handle.remove()
    assert seen == [[False, True, True, False]] * 5


def test_multithreading_switch(torch):
    autograd = torch.autograd
    for mode in (False, True):
        with autograd.set_multithreading_enabled(mode):
            assert autograd.is_multithreading_enabled() == mode
        assert autograd.is_multithreading_enabled()
    with autograd.set_multithreading_enabled(False):
        autograd.set_multithreading_enabled(True)
        assert autograd.is_multithreading_enabled()
    autograd.set_multithreading_enabled(False)
    assert not autograd.is_multithreading_enabled()
    autograd.set_multithreading_enabled(True)
    with autograd.enforce_grad_layout_policy(False):
        torch.ones(2, requires_grad=True).sum().backward()


def test_the_users_traceback_is_kept(torch):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            raise ValueError("something")

    with pytest.raises(ValueError) as caught:
        Fails.apply(torch.rand(3, requires_grad=True)).sum().backward()
    assert 'raise ValueError("something")' in "".join(traceback.format_tb(caught.value.__traceback__))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_backward_after_a_fork():
    import retrograd as torch

    x = torch.ones(3, requires_grad=True)
    (x * x).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            (x * x).sum().backward()
            ok = x.grad.tolist() == [4.0, 4.0, 4.0]
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            ok = False
        os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0 and x.grad.tolist() == [2.0, 2.0, 2.0]
