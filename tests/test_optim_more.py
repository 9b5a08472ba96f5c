"""LBFGS, Adafactor and Muon, and averages of models, against PyTorch's."""

import copy

import numpy as np
import pytest
import torch

import retrograd
from optim_twins import Twins, close, converted, plain, same_state, theirs, values
from retrograd.core.tensor import wrap
from retrograd.optim import swa_utils
from retrograd.optim._muon import _orthogonal


def pair(twins, name, **options):
    ours, expected = (getattr(library.optim, name) for library in (retrograd, torch))
    return ours(twins.ours, **options), expected(twins.theirs, **options)


# --- LBFGS ---------------------------------------------------------------------------------------------

LBFGS = [
    {},
    {"lr": 0.1, "max_iter": 7},
    {"history_size": 3, "max_iter": 30, "lr": 0.3},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2, "lr": 5.0},
    {"line_search_fn": "strong_wolfe", "max_eval": 6},
    {"tolerance_grad": 1.0},
    {"tolerance_change": 1e-2},
]


def rosenbrock(x, y):
    """A curved valley over the coordinates of two tensors."""
    a, b = x.reshape(-1)[:4], y.reshape(-1)[:4]
    return ((1 - x) ** 2).sum() + 10 * ((b - a**2) ** 2).sum() + (y**2).mean()


def closures(twins, optimizers, loss=rosenbrock):
    calls = [0, 0]

    def closure_of(i, params):
        def closure():
            calls[i] += 1
            optimizers[i].zero_grad()
            value = loss(*params)
            value.backward()
            return value

        return closure

    return [closure_of(0, twins.ours), closure_of(1, twins.theirs)], calls


@pytest.mark.parametrize("options", LBFGS)
def test_lbfgs(options):
    twins = Twins([(2, 3), (5,)])
    optimizers = pair(twins, "LBFGS", **options)
    both, calls = closures(twins, optimizers)
    for _ in range(3):
        losses = [o.step(c) for o, c in zip(optimizers, both, strict=True)]
        close(*losses, tol=1e-7)
        twins.compare(tol=1e-7)
        assert calls[0] == calls[1]
    mine, state = ([*o.state_dict()["state"].values()][0] for o in optimizers)
    assert set(mine) == set(state) and mine["n_iter"] == state["n_iter"] and mine["func_evals"] == calls[0]
    assert len(mine["old_dirs"]) == len(state["old_dirs"])
    close(mine["prev_flat_grad"], state["prev_flat_grad"], tol=1e-5)


def test_lbfgs_minimises():
    twins = Twins([(4,), (4,)])
    optimizers = pair(twins, "LBFGS", line_search_fn="strong_wolfe", max_iter=100)
    both, _ = closures(twins, optimizers, lambda x, y: ((1 - x) ** 2).sum() + 100 * ((y - x**2) ** 2).sum())
    optimizers[0].step(both[0])
    close(twins.ours[0], np.ones(4), 1e-5)


def test_lbfgs_complex_float32_and_parameters_without_gradient():
    for dtype, tol in (("complex128", 1e-9), ("float32", 1e-4)):
        twins = Twins([(3, 2), (2,), (3,)], dtype=dtype)
        optimizers = pair(twins, "LBFGS", lr=0.5)
        complex_ = dtype == "complex128"
        square = (lambda x: (x * x.conj()).real) if complex_ else (lambda x: x * x)
        loss = lambda x, y, unused: (square(x - 1) * square(x)).sum() + square(y - 2).sum()
        both, _ = closures(twins, optimizers, loss)
        for o, c in zip(optimizers, both, strict=True):
            o.step(c)
        twins.compare(tol)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_state_from_pytorch_and_back(search):
    twins = Twins([(2, 3), (5,)])
    options = {"max_iter": 5, "line_search_fn": search, "lr": 0.5}
    optimizers = pair(twins, "LBFGS", **options)
    both, _ = closures(twins, optimizers)
    for o, c in zip(optimizers, both, strict=True):
        o.step(c)
    swapped = pair(twins, "LBFGS")
    swapped[0].load_state_dict(converted(optimizers[1].state_dict(), retrograd))
    swapped[1].load_state_dict(converted(optimizers[0].state_dict(), torch))
    both, calls = closures(twins, swapped)
    for _ in range(2):
        for o, c in zip(swapped, both, strict=True):
            o.step(c)
        twins.compare(1e-7)
    assert calls[0] == calls[1]


def test_lbfgs_errors():
    for library in (retrograd, torch):
        p, q = (library.ones(2, requires_grad=True) for _ in range(2))
        with pytest.raises(ValueError, match="doesn't support per-parameter options"):
            library.optim.LBFGS([{"params": [p]}, {"params": [q]}])
        with pytest.raises(TypeError, match="closure"):
            library.optim.LBFGS([p]).step()
        optimizer = library.optim.LBFGS([p], line_search_fn="armijo")

        def closure(p=p, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            optimizer.step(closure)


# --- Adafactor, Muon -----------------------------------------------------------------------------------

ADAFACTOR = [
    {},
    {"lr": 0.1, "weight_decay": 0.1, "maximize": True},
    {"lr": 0.5, "beta2_decay": -0.3, "eps": (1e-3, 1e-2), "d": 2.0},
]


@pytest.mark.parametrize("dtype, tol", [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("options", ADAFACTOR)
def test_adafactor(options, dtype, tol):
    twins = Twins([(3, 4), (5,), (), (2, 3, 4, 2), (4, 1)], dtype=dtype)
    optimizers = pair(twins, "Adafactor", **options)
    for step in range(5):
        twins.gradients(step)
        for o in optimizers:
            o.step()
        twins.compare(tol)
    same_state(optimizers[0].state_dict(), optimizers[1].state_dict(), tol)
    swapped = pair(twins, "Adafactor", **options)
    swapped[0].load_state_dict(converted(optimizers[1].state_dict(), retrograd))
    swapped[1].load_state_dict(converted(optimizers[0].state_dict(), torch))
    twins.gradients(9)
    for o in swapped:
        o.step()
    twins.compare(tol)


MUON = [
    {},
    {"lr": 0.1, "weight_decay": 0.5, "nesterov": False, "momentum": 0.5},
    {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
    {"lr": 0.1, "adjust_lr_fn": "original", "ns_coefficients": (2.0, -1.5, 0.5)},
]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("options", MUON)
def test_muon(options, dtype):
    """PyTorch iterates in bfloat16, so the steps agree to about 1%."""
    if dtype == "bfloat16" and options.get("nesterov") is False:
        pytest.skip("PyTorch's iteration overwrites the momentum buffer here")
    twins = Twins([(6, 4), (4, 6), (5, 5)], dtype=dtype)
    first = [plain(p).copy() for p in twins.ours]
    optimizers = pair(twins, "Muon", **options)
    for step in range(4):
        twins.gradients(step)
        for o in optimizers:
            o.step()
    for p, q, start in zip(twins.ours, twins.theirs, first, strict=True):
        change = np.abs(plain(q) - start).max()
        rounding = 2**-8 * np.abs(start).max() if dtype == "bfloat16" else 0
        assert np.abs(plain(p) - plain(q)).max() < 0.03 * change + 4 * rounding
    tol = {"float64": 1e-12, "float32": 1e-6, "bfloat16": 2e-2}[dtype]
    same_state(optimizers[0].state_dict(), optimizers[1].state_dict(), tol)


def test_muon_makes_orthogonal_steps():
    p = wrap(np.zeros((4, 3)))
    p.requires_grad = True
    p.grad = wrap(values(0, (4, 3)))
    retrograd.optim.Muon([p], lr=1.0, ns_steps=10, ns_coefficients=(1.5, -0.5, 0.0)).step()
    step = p._array / np.sqrt(4 / 3)
    close(step.T @ step, np.eye(3), 1e-3)


@pytest.mark.parametrize("name", ["LBFGS", "Adafactor", "Muon", "SparseAdam"])
def test_defaults(name):
    twins = Twins([(2, 2)])
    ours, expected = pair(twins, name)
    assert ours.defaults == expected.defaults and repr(ours) == repr(expected)


BAD = [
    ("Adafactor", {"beta2_decay": 0.1}, "beta2_decay should be <= 0 but is: 0.1"),
    ("Adafactor", {"d": 0.5}, "Clipping threshold d should be >= 1 but is: 0.5"),
    ("Adafactor", {"eps": (-1.0, 0.1)}, "epsilon1"),
    ("Adafactor", {"eps": (None, -0.1)}, "epsilon2"),
    ("Adafactor", {"lr": -1.0}, "earning rate"),
    ("Muon", {"adjust_lr_fn": "mine"}, "Adjust learning rate function mine is not supported"),
    ("Muon", {"momentum": -1.0}, "momentum"),
    ("LBFGS", {"lr": -1.0}, "Invalid learning rate: -1.0"),
]


@pytest.mark.parametrize("name, options, message", BAD)
def test_bad_options(name, options, message):
    for library in (retrograd, torch):
        with pytest.raises(ValueError, match=message):
            getattr(library.optim, name)([library.ones(2, 2, requires_grad=True)], **options)


def test_bad_parameters():
    for library in (retrograd, torch):
        with pytest.raises(ValueError, match="Muon only supports 2D parameters"):
            library.optim.Muon([library.ones(3, requires_grad=True)])
        p = library.ones(3, dtype=library.complex64, requires_grad=True)
        p.grad = library.ones(3, dtype=library.complex64)
        with pytest.raises(RuntimeError, match="Adafactor does not support complex parameters"):
            library.optim.Adafactor([p]).step()
    with pytest.raises(ValueError, match="Coefficients must be a tuple of exactly 3"):
        retrograd.optim.Muon([retrograd.ones(3, 3, requires_grad=True)], ns_coefficients=(1, 2))
    with pytest.raises(ValueError, match="must be less than 100"):
        retrograd.optim.Muon([retrograd.ones(3, 3, requires_grad=True)], ns_steps=100)


# --- averages of models --------------------------------------------------------------------------------


def models():
    """The same small model in both libraries, with a batch norm."""
    made = []
    for library in (retrograd, torch):
        nn = library.nn
        layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)
        model = nn.Sequential(*layers).to(library.float64)
        for i, p in enumerate(model.parameters()):
            array = values(i, tuple(p.shape))
            p.data = wrap(array.copy()) if library is retrograd else torch.from_numpy(array.copy())
        made.append(model)
    return made


def change(pair_of_models, seed):
    for library, model in zip((retrograd, torch), pair_of_models, strict=True):
        for i, t in enumerate([*model.parameters(), *model.buffers()]):
            if t.is_floating_point():
                array = np.abs(values(100 * seed + i, tuple(t.shape)))
                new = wrap(array) if library is retrograd else torch.from_numpy(array)
                with library.no_grad():
                    t.copy_(new)


def compare_models(ours, expected, tol=1e-12):
    mine, state = ours.state_dict(), expected.state_dict()
    assert list(mine) == list(state)
    for key in state:
        assert str(mine[key].dtype) == str(state[key].dtype)
        close(mine[key], state[key], tol)


def averaging(utils, kind):
    return {
        "default": {},
        "swa": {"avg_fn": utils.get_swa_avg_fn()},
        "ema": {"avg_fn": utils.get_ema_avg_fn(0.8)},
        "swa multi": {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
        "ema multi": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.3)},
        "buffers": {"use_buffers": True},
        "buffers ema": {"use_buffers": True, "multi_avg_fn": utils.get_ema_multi_avg_fn(0.7)},
    }[kind]


KINDS = ["default", "swa", "ema", "swa multi", "ema multi", "buffers", "buffers ema"]


@pytest.mark.parametrize("kind", KINDS)
def test_averaged_model(kind):
    tol = 1e-7 if kind == "swa multi" else 1e-12  # PyTorch has the weight 1 / (n + 1) in float32 there
    both = models()
    averaged = [
        utils.AveragedModel(m, **averaging(utils, kind))
        for utils, m in zip((swa_utils, torch.optim.swa_utils), both, strict=True)
    ]
    for seed in range(4):
        change(both, seed)
        for a, m in zip(averaged, both, strict=True):
            a.update_parameters(m)
        compare_models(*averaged, tol)
    x = values(7, (5, 3))
    close(averaged[0].eval()(wrap(x)), averaged[1].eval()(theirs(x)), tol)
    assert all(p.requires_grad and p.grad is None for p in averaged[0].parameters())
    compare_models(copy.deepcopy(averaged[0]), averaged[1], tol)


@pytest.mark.parametrize("batches", ["tensors", "tuples"])
def test_update_bn(batches):
    both = models()
    data = [values(i, (n, 3)) for i, n in enumerate((4, 7, 2))]
    for utils, model in zip((swa_utils, torch.optim.swa_utils), both, strict=True):
        loader = [wrap(x) if utils is swa_utils else theirs(x) for x in data]
        model.eval()
        utils.update_bn([(x, 0) for x in loader] if batches == "tuples" else loader, model)
        assert not model.training and model[1].momentum == 0.1
    compare_models(*both)
    swa_utils.update_bn([], retrograd.nn.Linear(1, 1))


@pytest.mark.parametrize(
    "options",
    [
        {"swa_lr": 0.05},
        {"swa_lr": [0.05, 0.5], "anneal_epochs": 3, "anneal_strategy": "linear"},
        {"swa_lr": 0.01, "anneal_epochs": 0},
    ],
)
def test_swalr(options):
    results = []
    for library, utils in ((retrograd, swa_utils), (torch, torch.optim.swa_utils)):
        groups = [{"params": [library.ones(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.3)]
        optimizer = library.optim.SGD(groups)
        scheduler = utils.SWALR(optimizer, **options)
        rates = []
        for step in range(14):
            if step == 6:
                saved = scheduler.state_dict()
                scheduler = utils.SWALR(optimizer, swa_lr=options["swa_lr"])
                scheduler.load_state_dict(saved)
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        results.append((rates, scheduler.state_dict()))
    assert results[0] == results[1]


def test_averaging_errors():
    for library, utils in ((retrograd, swa_utils), (torch, torch.optim.swa_utils)):
        for get in (utils.get_ema_avg_fn, utils.get_ema_multi_avg_fn):
            with pytest.raises(ValueError, match="Invalid decay value 1.5"):
                get(1.5)
        both = utils.get_swa_avg_fn(), utils.get_swa_multi_avg_fn()
        with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
            utils.AveragedModel(library.nn.Linear(1, 1), avg_fn=both[0], multi_avg_fn=both[1])
        optimizer = library.optim.SGD([library.ones(1, requires_grad=True)])
        with pytest.raises(ValueError, match="one of 'cos' or 'linear'"):
            utils.SWALR(optimizer, 0.1, anneal_strategy="up")
        with pytest.raises(ValueError, match="anneal_epochs must be equal or greater than 0"):
            utils.SWALR(optimizer, 0.1, anneal_epochs=-1)


def test_names():
    classes = {name for name in torch.optim.__all__ if name[0].isupper()}
    assert set(retrograd.optim.__all__) == classes | {"lr_scheduler"}
    assert set(swa_utils.__all__) == set(torch.optim.swa_utils.__all__)
    assert retrograd.optim.swa_utils is swa_utils


@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (8, 40), (40, 8), (1, 5)])
@pytest.mark.parametrize(("steps", "rank"), [(0, 8), (1, 8), (5, 8), (5, 2), (14, 8), (14, 2)])
def test_muons_iterations_are_those_of_newton_and_schulz(shape, steps, rank):
    coefficients, random = (3.4445, -4.775, 2.0315), np.random.default_rng(0)
    matrix = random.standard_normal((shape[0], rank)) @ random.standard_normal((rank, shape[1]))
    a, b, c = coefficients
    x = matrix / np.linalg.norm(matrix)
    x = x if shape[0] <= shape[1] else x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    expected = x if shape[0] <= shape[1] else x.T
    assert np.isfinite(_orthogonal(matrix.astype(np.float32), coefficients, steps, 1e-7)).all()
    if rank == 8 or steps < 14:  # else what is there besides the rank grows from rounding errors
        for kind, tolerance in ((np.float32, 2e-3), (np.float64, 1e-6)):
            found = _orthogonal(matrix.astype(kind), coefficients, steps, 1e-7)
            assert found.dtype == kind
            np.testing.assert_allclose(found, expected, atol=tolerance)
