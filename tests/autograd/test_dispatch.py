"""Modes and subclasses that see operations: TorchDispatchMode, `torch.ops.aten`, `__torch_function__`."""

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import retrograd
from oracle import same
from retrograd.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

aten = retrograd.ops.aten


class Log(TorchDispatchMode):
    """Notes the operators, and does what would have been done."""

    def __init__(self):
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


# --- operators by name --------------------------------------------------------------------------------


def test_operators_are_the_functions_of_their_names():
    def program(lib):
        x = lib.tensor([[0.5, -1.0], [2.0, 0.25]])
        ops = lib.ops.aten
        return (
            ops.sin.default(x), ops.add.Tensor(x, 2), ops.mm.default(x, x), ops.sum.dim_IntList(x, [1], True),
            ops._softmax.default(x, -1, False), ops.view.default(x, [4]), ops.relu(x),
            ops.convolution(x[None, None], x[None, None], None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
            ops.var_mean.correction(x, [0], correction=1)[1],
        )  # fmt: skip

    same(program)


def test_operators_are_single_objects_with_names():
    op = aten.add.Tensor
    assert op is aten.add.Tensor and op is not aten.add.Scalar
    assert str(op) == "aten.add.Tensor" and op.name() == "aten::add.Tensor"
    assert aten.sin.default.name() == "aten::sin" and op.overloadpacket is aten.add
    assert pickle.loads(pickle.dumps(op)) is op
    for text in (str, repr):
        assert text(op) == text(torch.ops.aten.add.Tensor) and text(aten.add) == text(torch.ops.aten.add)
    with pytest.raises(AttributeError, match="nonsense"):
        aten.nonsense  # noqa: B018


@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_a_convolution_by_hand(transposed):
    def program(lib):
        x = lib.arange(2 * 4 * 6 * 5, dtype=lib.float64).reshape(2, 4, 6, 5).sin()
        w = lib.arange(4 * 2 * 9, dtype=lib.float64).reshape(4, 2, 3, 3).cos()
        options = [2, 2], [1, 0], [1, 1], transposed, [0, 0], 2
        out = lib.ops.aten.convolution(x, w, None, *options)
        g = out.cos()
        return lib.ops.aten.convolution_backward(g, x, w, None, *options, [True, True, True])

    same(program)


# --- TorchDispatchMode --------------------------------------------------------------------------------


def test_a_mode_sees_forward_and_backward_and_changes_nothing():
    x = retrograd.tensor([1.0, 2.0], dtype=retrograd.float64, requires_grad=True)
    (x.sin() * x).sum().backward()
    expected, x.grad = x.grad, None
    with Log() as mode:
        y = (x.sin() * x).sum()
        forward = list(mode.seen)
        y.backward()
    assert forward == ["aten.sin.default", "aten.mul.Tensor", "aten.sum.dim_IntList"]
    assert "aten.cos.default" in mode.seen
    np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())
    assert not Log().seen and _get_current_dispatch_mode() is None


def test_the_gradient_is_the_operations_own_whatever_a_mode_returns():
    class Doubled(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert not retrograd.is_grad_enabled()
            out = func(*args, **(kwargs or {}))
            return out * 2 if func is aten.sin.default else out

    x = retrograd.tensor([1.0, 2.0], dtype=retrograd.float64, requires_grad=True)
    with Doubled():
        y = x.sin()
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), 2 * np.sin([1.0, 2.0]))
    np.testing.assert_allclose(x.grad.numpy(), np.cos([1.0, 2.0]))


def test_modes_inside_each_other_with_vmap_forward_mode_and_views():
    with Log() as outer, Log() as inner:
        assert _get_current_dispatch_mode() is inner
        x = retrograd.ones(3, 2)
        out = retrograd.func.vmap(lambda row: row.exp())(x)
        value, tangent = retrograd.func.jvp(retrograd.sin, (x,), (x,))
        view = x.view(6)
        view += 1
    assert outer.seen == inner.seen and "aten.exp.default" in inner.seen
    assert view._base is x and x[0, 0] == 2
    np.testing.assert_allclose(out.numpy(), np.e * np.ones((3, 2)), rtol=1e-6)
    np.testing.assert_allclose(tangent.numpy(), np.cos(1) * np.ones((3, 2)), rtol=1e-6)


def test_operations_in_a_function_are_seen():
    class Double(retrograd.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.exp()

        @staticmethod
        def backward(ctx, g):
            return g

    with Log() as mode:
        Double.apply(retrograd.ones(2))
    assert mode.seen == ["aten.exp.default"]


def test_a_mode_that_returns_no_tensor():
    class Bad(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return 3

    with Bad(), pytest.raises(TypeError, match="aten.sin.default.*int"):
        retrograd.ones(2).sin()


# --- __torch_function__: in processes of their own, as it changes the library's functions ---------------


def in_both(code):
    """Run `code`, which prints, with `torch` meaning either library; gives what it printed."""
    printed = []
    for line in ("import retrograd as torch", "import torch"):
        run = subprocess.run([sys.executable, "-c", f"{line}\n{code}"], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        printed.append(run.stdout)
    assert printed[0] == printed[1]
    return printed[0]


def test_subclasses_stay_what_they_are():
    in_both("""
class Sub(torch.Tensor): pass
a = torch.tensor([[1., 2.], [3., 4.]]).as_subclass(Sub)
names = lambda x: [names(v) for v in x] if isinstance(x, (tuple, list)) else type(x).__name__
for r in (a + 1, 1 + a, a.sin(), torch.sin(a), a.view(4), a[0], a.T, torch.max(a, 1), torch.stack([a, a]),
          torch.nn.functional.relu(a), a.split(1), a.sum().item(), torch.ones(2) + 1, a.add_(1),
          torch.linalg.det(a)):
    print(names(r))
leaf = torch.ones(2, requires_grad=True)
s = leaf.as_subclass(Sub)
(s * 3).sum().backward()
print(leaf.grad, type(torch.nn.Parameter(torch.ones(1)) * 2).__name__)
""")


def test_a_class_that_answers_for_functions():
    in_both("""
class Unit(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.add or func is torch.Tensor.add:
            return "add " + str([t.__name__ for t in types])
        if func is torch.mul:
            return NotImplemented
        return super().__torch_function__(func, types, args, kwargs)
class Finer(Unit): pass
u, f = torch.ones(2).as_subclass(Unit), torch.ones(2).as_subclass(Finer)
print(torch.add(u, 1), torch.add(torch.ones(2), other=u), torch.add(u, f), u.add(1))
print(type(torch.sub(u, 1)).__name__, torch.overrides.has_torch_function((u,)))
try: torch.mul(u, 2)
except TypeError as error: print("Multiple dispatch failed" in str(error))
with torch._C.DisableTorchFunctionSubclass():
    print(type(torch.add(u, 1)).__name__)
""".replace("torch.overrides", "__import__('importlib').import_module(torch.__name__ + '.overrides')"))


def test_a_mode_of_functions():
    in_both("""
import importlib
overrides = importlib.import_module(torch.__name__ + ".overrides")
class Log(overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        print(func.__name__)
        return func(*args, **(kwargs or {}))
x = torch.ones(1, 2, requires_grad=True)
layer = torch.nn.Linear(2, 2)
with Log():
    y = torch.nn.functional.relu(layer(x))
    z = torch.stack([y, y]).sum()
    z.backward()
    torch.autograd.grad((x * 2).sum(), x)
y = torch.sin(x)
class Ones(overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return torch.ones(2) if func is torch.rand else func(*args, **(kwargs or {}))
with Ones():
    print(torch.rand(3))
""".replace("print(func.__name__)", "print(func.__name__.strip('_')) if func.__name__ != 'grad' else None"))


def test_modes_of_functions_hold_in_their_thread_only():
    code = """
import threading
from retrograd import overrides
class Refuse(overrides.TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        raise RuntimeError("refused")
done = []
with Refuse():
    thread = threading.Thread(target=lambda: done.append(torch.ones(2) + 1))
    thread.start()
    thread.join()
assert len(done) == 1
"""
    subprocess.run([sys.executable, "-c", "import retrograd as torch\n" + code], check=True)


def test_modes_of_dispatch_hold_in_their_thread_only():
    with Log() as mode:
        thread = threading.Thread(target=lambda: retrograd.ones(2).exp())
        thread.start()
        thread.join()
    assert mode.seen == []


def test_classes_that_answer_for_operations():
    """A tensor that wraps another one, as people write it; gradients are wrapped, too."""
    in_both("""
import importlib
no_dispatch = importlib.import_module(torch.__name__ + ".utils._mode_utils").no_dispatch
class Wrap(torch.Tensor):
    @staticmethod
    def __new__(cls, inner):
        self = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), dtype=inner.dtype, requires_grad=inner.requires_grad)
        self.inner = inner.detach()
        return self
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        seen.append((str(func).split(".")[1], [t.__name__ for t in types]))
        args = [a.inner if isinstance(a, Wrap) else a for a in args]
        return Wrap(func(*args, **(kwargs or {})))
seen = []
x = Wrap(torch.tensor([1., 2., 3.]).requires_grad_())
y = x.sin() * x
print(seen, type(y).__name__, y.inner, y.requires_grad, torch.ones(1) + 1)
g, = torch.autograd.grad(y, x, torch.ones(3))
print(type(g).__name__, g.inner)
class Plain(torch.Tensor):
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        with no_dispatch():
            return func(*args, **(kwargs or {}))
p = torch.Tensor._make_subclass(Plain, torch.ones(2))
print(type(p.exp()).__name__, p.exp())
""")
