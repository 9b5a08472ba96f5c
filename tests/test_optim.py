"""Optimizers against PyTorch's: parameters after several steps, state, and round trips between the two."""

import copy
import pickle
import sys

import numpy as np
import pytest
import torch

import retrograd
from optim_twins import SHAPES, Twins, close, converted, same_state
from retrograd import kernels
from retrograd.core.tensor import wrap

CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True, "weight_decay": 0.05}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": (0.3, 0.9), "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.2, "amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9, "eps": 1e-3}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adagrad", {"lr": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.05, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.06), "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.01, "betas": (0.4, 0.5), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.01, "betas": (0.5, 0.6), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1, "maximize": True}),
]
NAMES = list(dict.fromkeys(name for name, _ in CASES))


def ident(case):
    return "-".join([case[0], *case[1]]) if isinstance(case, tuple) else None


every_case = pytest.mark.parametrize("case", CASES, ids=ident)


@pytest.fixture(params=["compiled", "numpy"])
def kind(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(kernels, "native", None)
    elif kernels.native is None:
        pytest.skip(kernels.describe())
    return request.param


def pair(twins, name, **options):
    ours, expected = (getattr(library.optim, name) for library in (retrograd, torch))
    return ours(twins.ours, **options), expected(twins.theirs, **options)


def run(twins, optimizers, steps, tol=1e-12, first=0, skip=()):
    for step in range(first, first + steps):
        twins.gradients(step, skip)
        for optimizer in optimizers:
            optimizer.step()
        twins.compare(tol)


@every_case
def test_steps(case, kind):
    name, options = case
    twins = Twins()
    ours, expected = pair(twins, name, **options)
    run(twins, (ours, expected), 6)
    same_state(ours.state_dict(), expected.state_dict())


@every_case
def test_float32(case, kind):
    name, options = case
    twins = Twins(dtype="float32")
    optimizers = pair(twins, name, **options)
    run(twins, optimizers, 6, tol=1e-6)
    same_state(optimizers[0].state_dict(), optimizers[1].state_dict(), tol=1e-6)


@pytest.mark.parametrize("layout", ["fortran", "strided"])
@pytest.mark.parametrize("case", CASES[4:6], ids=ident)
def test_layouts(case, layout, kind):
    name, options = case
    twins = Twins(layout=layout)
    run(twins, pair(twins, name, **options), 3)


@every_case
def test_large_parameters(case, kind):
    """Larger than a piece, and not a multiple of one."""
    name, options = case
    twins = Twins([(40001,), (130, 300)], dtype="float32")
    run(twins, pair(twins, name, **options), 3, tol=1e-6)


@every_case
def test_complex(case):
    name, options = case
    twins = Twins(dtype="complex128")
    optimizers = pair(twins, name, **options)
    run(twins, optimizers, 4)
    same_state(optimizers[0].state_dict(), optimizers[1].state_dict())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every_case
def test_half_precision(case, dtype):
    """Computed in float32 and rounded once a step, as by PyTorch's fused kernels (SGD's is wrong here)."""
    name, options = case
    twins = Twins(dtype=dtype)
    fused = {"fused": True} if name in ("Adam", "AdamW", "Adagrad") else {}
    ours = getattr(retrograd.optim, name)(twins.ours, **options)
    expected = getattr(torch.optim, name)(twins.theirs, **options, **fused)
    run(twins, (ours, expected), 3, tol={"float16": 4e-3, "bfloat16": 3e-2}[dtype])


def test_half_precision_does_not_lose_epsilon():
    """eps=1e-8 is zero in float16: added there, it gives 0/0 where the gradient is zero."""
    p = wrap(np.ones(3, np.float16))
    p.requires_grad = True
    p.grad = wrap(np.zeros(3, np.float16))
    retrograd.optim.Adam([p]).step()
    assert p._array.tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_some_parameters_join_later(name, kind):
    twins = Twins()
    optimizers = pair(twins, name, lr=0.01, **({"momentum": 0.9} if name == "SGD" else {}))
    run(twins, optimizers, 2, skip=(0, 2))
    run(twins, optimizers, 2, first=2, skip=(1,))
    run(twins, optimizers, 2, first=4)
    same_state(*[{k: v for k, v in sorted(o.state_dict()["state"].items())} for o in optimizers])


@pytest.mark.parametrize("name", NAMES)
def test_groups(name, kind):
    twins = Twins([(2, 3), (3,), (4,), (2, 2)])
    built = []
    for library, (a, b, c, d) in ((retrograd, twins.ours), (torch, twins.theirs)):
        groups = [{"params": [a, b], "lr": 0.1}, {"params": c}]
        optimizer = getattr(library.optim, name)(groups, lr=0.01)
        built.append((optimizer, {"params": (p for p in [d]), "lr": 0.05}))
    optimizers = [o for o, _ in built]
    run(twins, optimizers, 2, skip=(3,))
    for optimizer, group in built:
        optimizer.add_param_group(group)
    run(twins, optimizers, 2, first=2)
    same_state(*[o.state_dict() for o in optimizers])
    assert repr(optimizers[0]) == repr(optimizers[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lr_dtype", ["float32", "float64"])
def test_tensor_lr(name, lr_dtype):
    twins = Twins()
    lr = np.array(0.02, lr_dtype)
    ours = getattr(retrograd.optim, name)(twins.ours, lr=wrap(lr))
    expected = getattr(torch.optim, name)(twins.theirs, lr=torch.from_numpy(lr))
    run(twins, (ours, expected), 3, tol=1e-12 if lr_dtype == "float64" else 1e-7)


@every_case
def test_state_from_pytorch_and_back(case, kind):
    name, options = case
    twins = Twins()
    optimizers = pair(twins, name, **options)
    run(twins, optimizers, 3)
    swapped = pair(twins, name, lr=0.5)
    swapped[0].load_state_dict(converted(optimizers[1].state_dict(), retrograd))
    swapped[1].load_state_dict(converted(optimizers[0].state_dict(), torch))
    same_state(swapped[0].state_dict(), swapped[1].state_dict())
    run(twins, swapped, 3, first=3)


@pytest.mark.parametrize("name", NAMES)
def test_loading_brings_state_to_the_dtype_of_the_parameter(name):
    narrow, wide = Twins(dtype="float32"), Twins()
    optimizers = pair(narrow, name, lr=0.01)
    run(narrow, optimizers, 2, tol=1e-6)
    loaded = pair(wide, name, lr=0.01)
    loaded[0].load_state_dict(converted(optimizers[1].state_dict(), retrograd))
    loaded[1].load_state_dict(optimizers[1].state_dict())
    same_state(loaded[0].state_dict(), loaded[1].state_dict())
    run(wide, loaded, 2)


def test_loading_copies():
    twins = Twins()
    first, _ = run_once = pair(twins, "Adam")
    run(twins, run_once, 1)
    second, _ = pair(twins, "Adam")
    second.load_state_dict(first.state_dict())
    p = twins.ours[0]
    before = first.state[p]["exp_avg"]._array.copy()
    twins.gradients(1)
    second.step()
    assert (first.state[p]["exp_avg"]._array == before).all() and first.state[p]["step"].item() == 1


def test_loading_old_state():
    """Counts as numbers and missing options, as PyTorch wrote them before 1.12."""
    twins = Twins()
    optimizers = pair(twins, "Adam")
    run(twins, optimizers, 2)
    for optimizer in optimizers:
        old = optimizer.state_dict()
        for state in old["state"].values():
            state["step"] = 2
        for group in old["param_groups"]:
            for key in ("maximize", "foreach", "capturable", "differentiable", "fused"):
                del group[key]
        optimizer.load_state_dict(old)
    same_state(optimizers[0].state_dict(), optimizers[1].state_dict())
    run(twins, optimizers, 2, first=2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies(copied):
    p = retrograd.nn.Parameter(wrap(np.ones((2, 3))))
    optimizer = retrograd.optim.Adam([p])
    p.grad = wrap(np.ones((2, 3)))
    optimizer.step()
    twin = copied(optimizer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p and (q._array == p._array).all() and twin.state[q]["step"].item() == 1
    for t, o in ((p, optimizer), (q, twin)):
        t.grad = wrap(np.full((2, 3), 2.0))
        o.step()
    assert (q._array == p._array).all() and (p._array != 1).all()


# --- what is around a step ---------------------------------------------------------------------------


def one(value=1.0, n=3, grad=True):
    p = wrap(np.full(n, value))
    p.requires_grad = True
    if grad:
        p.grad = wrap(np.ones(n))
    return p


def test_closure():
    p = one(grad=False)
    optimizer = retrograd.optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with retrograd.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 3 and loss.requires_grad
    close(p, np.full(3, 0.8))


def test_step_counts_as_a_write():
    p = one()
    loss = (p * p).sum()
    retrograd.optim.SGD([p]).step()
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_zero_grad():
    p, q = one(), one(grad=False)
    optimizer = retrograd.optim.SGD([p, q])
    kept = p.grad
    optimizer.zero_grad(set_to_none=False)
    assert p.grad is kept and p.grad._array.tolist() == [0, 0, 0] and q.grad is None
    p.grad = (one() * 2).requires_grad_()
    optimizer.zero_grad(set_to_none=False)
    assert not p.grad.requires_grad and p.grad._array.tolist() == [0, 0, 0]
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()


def test_step_hooks():
    calls = {}
    for library in (retrograd, torch):
        p = one() if library is retrograd else torch.ones(3, requires_grad=True)
        optimizer = library.optim.SGD([p])
        seen = calls[library] = []

        def log(what, seen=seen, optimizer=optimizer):
            return lambda o, args, kwargs: seen.append((what, o is optimizer, len(args), sorted(kwargs)))

        globally = sys.modules[f"{library.__name__}.optim.optimizer"]
        before = globally.register_optimizer_step_pre_hook(log("all before"))
        after = globally.register_optimizer_step_post_hook(log("all after"))
        handle = optimizer.register_step_pre_hook(log("before"))
        optimizer.register_step_pre_hook(lambda o, args, kwargs: (args, {"closure": lambda: 7}))
        optimizer.register_step_post_hook(log("after"))
        assert optimizer.step() == 7
        handle.remove()
        assert optimizer.step(closure=None) == 7
        before.remove()
        after.remove()
        assert optimizer.step() == 7
    assert calls[retrograd] == calls[torch] and len(calls[torch]) == 4 + 3 + 1

    p = one()
    optimizer = retrograd.optim.SGD([p])
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_dict_hooks():
    results = []
    for library in (retrograd, torch):
        p = one() if library is retrograd else torch.ones(3, requires_grad=True)
        optimizer = library.optim.SGD([p])
        seen = []
        optimizer.register_state_dict_pre_hook(lambda o, seen=seen: seen.append("second"))
        optimizer.register_state_dict_pre_hook(lambda o, seen=seen: seen.append("first"), prepend=True)
        optimizer.register_state_dict_post_hook(lambda o, d: {**d, "note": 1})
        optimizer.register_load_state_dict_pre_hook(lambda o, d, seen=seen: seen.append(d.pop("note")))
        optimizer.register_load_state_dict_post_hook(lambda o, seen=seen: seen.append("loaded"))
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        results.append((seen, sorted(state)))
    assert results[0] == results[1] == (["first", "second", 1, "loaded"], ["note", "param_groups", "state"])


def test_own_optimizers():
    """A class may bring `update`, or `step` as in PyTorch; hooks run once, also around an overridden step."""

    class Sign(retrograd.optim.Optimizer):
        def __init__(self, params, lr=retrograd.optim.optimizer.required):
            super().__init__(params, {"lr": lr})

        def update(self, group, params):
            for p in params:
                p._array -= group["lr"] * np.sign(p._grad._array)

    class Twice(Sign):
        def step(self, closure=None):
            super().step(closure)
            return super().step(closure)

    p = one()
    optimizer = Twice([p], lr=0.25)
    calls = []
    optimizer.register_step_post_hook(lambda *args: calls.append(1))
    optimizer.step()
    assert p._array.tolist() == [0.5] * 3 and calls == [1]
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Sign([p])


def test_named_parameters():
    built = []
    for library in (retrograd, torch):
        layer = library.nn.Linear(2, 3)
        optimizer = library.optim.SGD(layer.named_parameters(), momentum=0.9)
        built.append(optimizer)
        with pytest.raises(ValueError, match="with/without names"):
            optimizer.add_param_group({"params": [layer.weight]})
        with pytest.raises(ValueError, match="names are missing"):
            library.optim.SGD([("a", layer.weight), layer.bias])
    same_state(built[0].state_dict(), built[1].state_dict())
    assert built[0].state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    assert repr(built[0]) == repr(built[1])


@pytest.mark.parametrize("name", NAMES)
def test_defaults(name):
    ours, expected = pair(Twins([(2,)]), name)
    assert ours.defaults == expected.defaults and list(ours.defaults) == list(expected.defaults)
    assert repr(ours) == repr(expected)


BAD = [
    ("SGD", {"lr": -0.1}, "Invalid learning rate: -0.1"),
    ("SGD", {"momentum": -1}, "Invalid momentum value: -1"),
    ("SGD", {"weight_decay": -1}, "Invalid weight_decay value: -1"),
    ("SGD", {"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "Nesterov momentum requires"),
    ("Adam", {"lr": float("nan")}, "Invalid learning rate: nan"),
    ("Adam", {"eps": -1.0}, "Invalid epsilon value: -1"),
    ("Adam", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
    ("AdamW", {"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
    ("NAdam", {"momentum_decay": -1.0}, "Invalid momentum_decay value: -1.0"),
    ("RMSprop", {"alpha": -1.0}, "Invalid alpha value: -1.0"),
    ("Adagrad", {"initial_accumulator_value": -1.0}, "Invalid initial_accumulator_value value: -1.0"),
    ("Adagrad", {"lr_decay": -1.0}, "Invalid lr_decay value: -1.0"),
    ("Adadelta", {"rho": 1.5}, "Invalid rho value: 1.5"),
    ("Rprop", {"etas": (1.1, 1.2)}, "Invalid eta values: 1.1, 1.2"),
    ("SparseAdam", {"lr": 0.0}, "Invalid learning rate: 0.0"),
]


@pytest.mark.parametrize("name, options, message", BAD)
def test_bad_options(name, options, message):
    for library, p in ((retrograd, one()), (torch, torch.ones(2, requires_grad=True))):
        with pytest.raises(ValueError, match=message):
            getattr(library.optim, name)([p], **options)


def test_bad_parameters():
    for library, p in ((retrograd, one()), (torch, torch.ones(3, requires_grad=True))):
        make = library.optim.SGD
        with pytest.raises(TypeError, match="iterable of Tensors or dicts"):
            make(p)
        with pytest.raises(ValueError, match="empty parameter list"):
            make([])
        with pytest.raises(TypeError, match="only optimize Tensors"):
            make([1.0])
        with pytest.raises(ValueError, match="non-leaf"):
            make([p * 2])
        with pytest.raises(TypeError, match="ordered collections"):
            make([{"params": {p}}])
        with pytest.raises(ValueError, match="more than one parameter group"):
            make([{"params": [p]}, {"params": [p]}])
        with pytest.raises(TypeError, match="param_group must be a dict"):
            make([p]).add_param_group([p])
        with pytest.warns(UserWarning, match="duplicate parameters"):
            make([p, p])
        with pytest.raises(RuntimeError, match="cannot be `True` together"):
            make([p], fused=True, foreach=True)
        with pytest.raises(ValueError, match="1-element"):
            make([p], lr=p.detach())
        with pytest.raises(ValueError, match="different number of parameter groups"):
            make([p]).load_state_dict({"state": {}, "param_groups": []})
        with pytest.raises(ValueError, match="doesn't match the size"):
            make([p]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]})


def test_state_of_other_parameters_is_explained(kind):
    small, large = Twins([(2, 3)]), Twins([(4,)])
    optimizers = pair(small, "Adam")
    run(small, optimizers, 1)
    other, _ = pair(large, "Adam")
    other.load_state_dict(optimizers[0].state_dict())
    large.gradients(1)
    with pytest.raises(RuntimeError, match=r"shape \[4\] has the shape \[2, 3\]"):
        other.step()


def test_read_only_memory_is_explained(kind):
    array = np.ones(3)
    array.flags.writeable = False
    p = wrap(array)
    p.requires_grad = True
    p.grad = wrap(np.ones(3))
    with pytest.raises(RuntimeError, match="read-only"):
        retrograd.optim.SGD([p]).step()


def test_parameters_changed_to_another_dtype():
    """model.half() after the first steps: the state is still float32."""
    p = one()
    optimizer = retrograd.optim.Adam([p])
    optimizer.step()
    p.data = wrap(p._array.astype(np.float16))
    p.grad = wrap(np.ones(3, np.float16))
    optimizer.step()
    assert p._array.dtype == np.float16 and np.allclose(p._array, 0.998, atol=1e-3)


def test_sparse_adam():
    """Against PyTorch's with sparse gradients: rows without gradients keep their values and averages."""
    table = np.random.default_rng(0).standard_normal((6, 3))
    p, q = wrap(table.copy()), torch.from_numpy(table.copy()).requires_grad_()
    p.requires_grad = True
    options = {"lr": 0.1, "betas": (0.8, 0.9)}
    ours, expected = retrograd.optim.SparseAdam([p], **options), torch.optim.SparseAdam([q], **options)
    for rows in ([0, 2, 2], [2, 5], [], [1, 0]):
        p.grad = wrap(np.zeros((6, 3)))
        for i in rows:
            p.grad._array[i] += i + 1
        q.grad = None
        weights = torch.tensor([[i + 1.0] for i in rows], dtype=torch.float64).reshape(-1, 1)
        found = torch.nn.functional.embedding(torch.tensor(rows, dtype=torch.int64), q, sparse=True)
        (found * weights).sum().backward()
        ours.step()
        expected.step()
        close(p, q)
    same_state(ours.state_dict(), expected.state_dict())
    with pytest.raises(ValueError, match="Complex params"):
        retrograd.optim.SparseAdam([wrap(np.ones(2, complex))])


def test_shapes_are_varied():
    assert () in SHAPES and any(0 in s for s in SHAPES)


def test_files_both_ways(tmp_path):
    """A checkpoint of model, optimizer and schedule, written by one library and resumed by the other."""
    models, optimizers, schedules = [], [], []
    for library in (retrograd, torch):
        model = library.nn.Linear(3, 2)
        optimizer = library.optim.AdamW(
            [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.1}], amsgrad=True
        )
        models.append(model)
        optimizers.append(optimizer)
        schedules.append(library.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=9))
    models[1].load_state_dict(converted(models[0].state_dict(), torch))
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)

    def train(steps):
        for i, data in enumerate((wrap(x), torch.from_numpy(x))):
            for _ in range(steps):
                optimizers[i].zero_grad()
                models[i](data).square().sum().backward()
                optimizers[i].step()
                schedules[i].step()

    train(3)
    parts = [*zip(models, optimizers, schedules, strict=True)]
    for library, own in zip((retrograd, torch), parts, strict=True):
        library.save([o.state_dict() for o in own], tmp_path / f"{library.__name__}.pt")
    for library, other, own in zip((retrograd, torch), ("torch", "retrograd"), parts, strict=True):
        for o, state in zip(own, library.load(tmp_path / f"{other}.pt"), strict=True):
            o.load_state_dict(state)
    train(3)
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        close(p, q, 1e-5)
    assert schedules[0].get_last_lr() == schedules[1].get_last_lr()
