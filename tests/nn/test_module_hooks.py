"""Hooks of Modules: forward, forward pre, full backward, backward pre; of one module and of all of them."""

import copy
import warnings

import pytest
import torch
from twins import BOTH, same_refusal

import retrograd
from oracle import same


def inputs(library, requires_grad=True):
    return library.linspace(-1, 1, 6).reshape(2, 3).sin().requires_grad_(requires_grad)


class Recorder:
    """Keeps what hooks were given, as plain lists of numbers and texts."""

    def __init__(self, library):
        self.library = library
        self.calls = []

    def plain(self, value):
        if isinstance(value, self.library.Tensor):
            return [round(x, 5) for x in value.detach().reshape(-1).tolist()]
        if isinstance(value, tuple | list):
            return [self.plain(v) for v in value]
        if isinstance(value, dict):
            return {k: self.plain(v) for k, v in value.items()}
        return type(value).__name__ if isinstance(value, self.library.nn.Module) else value

    def __call__(self, name, result=None):
        def hook(*args):
            self.calls.append((name, *[self.plain(a) for a in args]))
            return result(*args) if callable(result) else result

        return hook


def linear(library):
    library.manual_seed(0)
    return library.nn.Linear(3, 2)


# --- forward ----------------------------------------------------------------------------------------------


def test_forward_hooks_in_order():
    def program(library):
        note = Recorder(library)
        m = linear(library)
        m.register_forward_hook(note("a"))
        m.register_forward_hook(note("b", lambda m, x, y: y * 2))
        m.register_forward_hook(note("c"), prepend=True)
        m.register_forward_pre_hook(note("d"))
        m.register_forward_pre_hook(note("e", lambda m, x: x[0] + 1))
        m.register_forward_pre_hook(note("f", lambda m, x: (x[0] * 2,)), prepend=True)
        return m(inputs(library)), note.calls

    same(program, tol=2e-5)


def test_hooks_with_keywords():
    def program(library):
        note = Recorder(library)

        class Scaled(library.nn.Module):
            def forward(self, x, scale=1.0, *, shift=0.0):
                return x * scale + shift

        m = Scaled()
        m.register_forward_pre_hook(note("no kwargs"))
        m.register_forward_pre_hook(note("kwargs"), with_kwargs=True)
        m.register_forward_pre_hook(
            note("change", lambda m, a, k: ((a[0] * 3,), {**k, "shift": 5.0})), with_kwargs=True
        )
        m.register_forward_hook(note("after", lambda m, a, k, y: y + k["scale"]), with_kwargs=True)
        m.register_forward_hook(note("plain after"))
        return m(inputs(library), scale=2.0), note.calls

    same(program, tol=2e-5)


def test_removal():
    def program(library):
        note = Recorder(library)
        m = linear(library)
        handles = [
            m.register_forward_hook(note("a"), with_kwargs=True, always_call=True),
            m.register_forward_hook(note("b")),
            m.register_forward_pre_hook(note("c"), with_kwargs=True),
            m.register_full_backward_hook(note("d")),
            m.register_full_backward_pre_hook(note("e")),
        ]  # fmt: skip
        for handle in handles[::2]:
            handle.remove()
        handles[0].remove()
        with handles[3]:
            m(inputs(library)).sum().backward()
        m(inputs(library)).sum().backward()
        stores = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
        "_forward_pre_hooks",
                  "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks")  # fmt: skip
        return note.calls, [len(getattr(m, s)) for s in stores]

    same(program, tol=2e-5)


@pytest.mark.parametrize("failing", ["forward", "hook", "pre hook", "none"])
def test_hooks_always_called(failing):
    def program(library):
        note = Recorder(library)

        def fail(*args):
            raise ValueError("no")

        m = linear(library)
        if failing == "pre hook":
            m.register_forward_pre_hook(fail)
        m.register_forward_hook(note("first"), always_call=True)
        m.register_forward_hook(note("not after an error"))
        if failing == "hook":
            m.register_forward_hook(fail)
        m.register_forward_hook(note("kwargs"), always_call=True, with_kwargs=True)
        m.register_forward_hook(fail if failing == "forward" else note("last"), always_call=True)
        x = library.ones(2, 7) if failing == "forward" else inputs(library)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                m(x)
                raised = None
            except (RuntimeError, ValueError) as error:
                raised = type(error).__name__
        silenced = [str(w.message) for w in caught if "silenced" in str(w.message)]
        return note.calls, raised, silenced

    same(program, tol=2e-5)


def test_pre_hook_with_keywords_must_return_a_pair():
    def program(library):
        m = linear(library)
        m.register_forward_pre_hook(lambda m, a, k: (a,), with_kwargs=True)
        m(library.ones(1, 3))

    same_refusal(program, "forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got")


def test_hooks_run_in_nested_modules_and_survive_a_copy():
    def program(library):
        note = Recorder(library)
        m = library.nn.Sequential(linear(library), library.nn.Tanh())
        for child in m:
            child.register_forward_hook(note("child"))
        m.register_forward_hook(note("whole"))
        m(inputs(library))
        twin = copy.deepcopy(m)
        before = len(note.calls)
        twin(inputs(library))
        return note.calls, before, [len(c._forward_hooks) for c in twin.modules()]

    same(program, tol=2e-5)


# --- backward ---------------------------------------------------------------------------------------------


def two_in_two_out(library):
    class Cross(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = library.nn.Parameter(library.tensor([1.0, 2.0, 3.0]))

        def forward(self, x, y, scale=2.0):
            return x * y * self.w, y + scale

    return Cross()


def test_full_backward_hooks_see_gradients_together():
    def program(library):
        note = Recorder(library)
        m = two_in_two_out(library)
        m.register_full_backward_hook(note("hook"))
        m.register_full_backward_hook(note("first"), prepend=True)
        m.register_full_backward_pre_hook(note("pre"))
        m.register_full_backward_pre_hook(note("first pre"), prepend=True)
        x, y = inputs(library), inputs(library) + 2
        y.retain_grad()
        a, b = m(x, y, 3.0)
        (a.sum() + (b**2).sum()).backward()
        return note.calls, x.grad, y.grad, m.w.grad

    same(program, tol=2e-5)


def test_backward_hooks_replace_gradients():
    def program(library):
        note = Recorder(library)
        m = two_in_two_out(library)
        m.register_full_backward_pre_hook(note("pre", lambda m, g: (g[0] * 10, g[1])))
        m.register_full_backward_hook(note("hook", lambda m, gi, go: (gi[0] * 2, gi[1] * 3, None)))
        m.register_full_backward_hook(note("sees"))
        x, y = inputs(library), inputs(library)
        a, b = m(x, y, 3.0)
        (a.sum() + (b**2).sum()).backward()
        return note.calls, x.grad, y.grad, m.w.grad

    same(program, tol=2e-5)


@pytest.mark.parametrize("which", ["x", "y", "none", "second output only", "first output only"])
def test_backward_hooks_where_not_all_is_differentiated(which):
    def program(library):
        note = Recorder(library)
        m = two_in_two_out(library)
        m.register_full_backward_pre_hook(note("pre"))
        m.register_full_backward_hook(note("hook"))
        x, y = inputs(library, which not in ("y", "none")), inputs(library, which not in ("x", "none"))
        a, b = m(x, y)
        required = a.requires_grad, b.requires_grad
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            {"second output only": b, "first output only": a}.get(which, a + b).sum().backward()
        return note.calls, required, x.grad, y.grad, m.w.grad

    same(program, tol=2e-5)


def test_no_hooks_fire_without_a_graph():
    def program(library):
        note = Recorder(library)
        m = linear(library)
        m.register_full_backward_hook(note("hook"))
        m.register_full_backward_pre_hook(note("pre"))
        with library.no_grad():
            y = m(inputs(library))
        frozen = linear(library).requires_grad_(False)
        frozen.register_full_backward_hook(note("frozen"))
        z = frozen(inputs(library, False))
        return y, y.requires_grad, z.requires_grad, note.calls

    same(program, tol=2e-5)


def test_frozen_module_passes_gradients_through_its_hooks():
    def program(library):
        note = Recorder(library)
        m = linear(library).requires_grad_(False)
        m.register_full_backward_hook(note("hook"))
        x = inputs(library)
        m(x).sum().backward()
        return note.calls, x.grad, m.weight.grad

    same(program, tol=2e-5)


def test_backward_hooks_of_nested_modules():
    def program(library):
        note = Recorder(library)
        m = library.nn.Sequential(linear(library), library.nn.Tanh(), library.nn.Linear(2, 1))
        library.nn.init.ones_(m[2].weight)
        for child in m.modules():
            child.register_full_backward_hook(note("hook"))
        x = inputs(library)
        m(x).sum().backward()
        return note.calls, x.grad

    same(program, tol=2e-5)


def test_backward_hooks_called_once_per_call():
    def program(library):
        note = Recorder(library)
        m = library.nn.Tanh()
        m.register_full_backward_hook(note("hook"))
        x = inputs(library)
        m(m(m(x))).sum().backward()
        y = m(inputs(library)).sum()
        y.backward(retain_graph=True)
        y.backward()
        return note.calls, x.grad

    same(program, tol=2e-5)


def test_second_derivatives_pass_backward_hooks():
    def program(library):
        note = Recorder(library)
        m = library.nn.Tanh()
        m.register_full_backward_hook(note("hook"))
        x = inputs(library)
        (g,) = library.autograd.grad(m(x).sum(), x, create_graph=True)
        (h,) = library.autograd.grad((g**2).sum(), x)
        return note.calls[0], g, h

    same(program, tol=2e-5)


def test_wrong_numbers_of_gradients_are_refused():
    def hook(library):
        m = two_in_two_out(library)
        m.register_full_backward_hook(lambda m, gi, go: (gi[0],))
        sum(y.sum() for y in m(inputs(library), inputs(library))).backward()

    def pre_hook(library):
        m = two_in_two_out(library)
        m.register_full_backward_pre_hook(lambda m, g: (g[0],))
        sum(y.sum() for y in m(inputs(library), inputs(library))).backward()

    def without_inputs(library):
        m = linear(library)
        m.register_full_backward_hook(lambda m, gi, go: go)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m(inputs(library, False)).sum().backward()

    same_refusal(hook, "Backward hook returned an invalid number of grad_input, got 1, but expected 2")
    same_refusal(
        pre_hook, "Backward pre hook returned an invalid number of grad_output, got 1, but expected 2"
    )
    same_refusal(
        without_inputs, "Backward hook for Modules where no input requires gradient should always return None"
    )


def test_results_that_are_no_tensors():
    def program(library):
        class Dict(library.nn.Module):
            def forward(self, x):
                return {"y": x * 2}

        note = Recorder(library)
        m = Dict()
        m.register_full_backward_hook(note("hook"))
        x = inputs(library)
        with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
            y = m(x)["y"]
        y.sum().backward()
        return x.grad, note.calls

    same(program, tol=2e-5)


def test_legacy_backward_hooks():
    def program(library):
        note = Recorder(library)
        m = library.nn.Tanh()
        m.register_backward_hook(note("hook"))
        x = inputs(library)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            m(x).sum().backward()
        return note.calls, x.grad

    same(program, tol=2e-5)


def test_legacy_and_full_hooks_dont_mix():
    def full_last(library):
        m = linear(library)
        m.register_backward_hook(lambda *args: None)
        m.register_full_backward_hook(lambda *args: None)

    def full_first(library):
        m = linear(library)
        m.register_full_backward_hook(lambda *args: None)
        m.register_backward_hook(lambda *args: None)

    same_refusal(full_last)
    same_refusal(full_first)


# --- hooks of all modules ---------------------------------------------------------------------------------


def test_global_hooks():
    def program(library):
        module = library.nn.modules.module
        note = Recorder(library)
        m = library.nn.Sequential(linear(library), library.nn.Tanh())
        m[1].register_forward_hook(note("own"))
        m[1].register_forward_pre_hook(note("own pre"))
        handles = [
            module.register_module_forward_pre_hook(note("pre")),
            module.register_module_forward_hook(note("forward")),
            module.register_module_forward_hook(note("kwargs"), with_kwargs=True, always_call=True),
            module.register_module_full_backward_hook(note("backward")),
            module.register_module_full_backward_pre_hook(note("backward pre")),
        ]
        x = inputs(library)
        m(x).sum().backward()
        seen = list(note.calls)
        for handle in handles:
            handle.remove()
        m(inputs(library)).sum().backward()
        return seen, len(note.calls) - len(seen), x.grad

    same(program, tol=2e-5)


def test_global_forward_hook_called_after_errors():
    def program(library):
        note = Recorder(library)
        handle = library.nn.modules.module.register_module_forward_hook(note("always"), always_call=True)
        with handle, pytest.raises(RuntimeError):
            linear(library)(library.ones(2, 5))
        return note.calls

    same(program, tol=2e-5)


@BOTH
def test_legacy_global_hooks_dont_mix_with_full_ones(library):
    """Once full ones were registered, as the test above does, PyTorch refuses the others for good."""
    module = library.nn.modules.module
    module.register_module_full_backward_hook(lambda *args: None).remove()
    with pytest.raises(
        RuntimeError, match="Cannot use both regular backward hooks and full backward hooks as"
    ):
        module.register_module_backward_hook(lambda *args: None)


def test_module_names_for_other_peoples_imports():
    for library in (retrograd, torch):
        for path in ("module.Module", "batchnorm._BatchNorm", "conv._ConvNd", "loss._Loss",
        "container.Sequential",
                     "dropout._DropoutNd", "utils._pair", "utils._single", "utils._triple", "rnn.RNNBase",
                     "instancenorm._InstanceNorm", "linear.Linear",
                     "activation.MultiheadAttention"):  # fmt: skip
            value = library.nn.modules
            for part in path.split("."):
                value = getattr(value, part)
            assert value is not None
