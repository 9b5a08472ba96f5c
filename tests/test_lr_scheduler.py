"""Learning-rate schedules against PyTorch's: whole sequences of rates and momenta, states, resuming."""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
import torch

import retrograd
from optim_twins import same_state
from retrograd.core.tensor import wrap


class Falling:
    """A function with state of its own."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x):
        return self.rate**x


def half(x):
    return 0.5 * x


CASES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.7}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 7}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 6}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": [Falling(0.9), half]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + 0.01 * epoch}),
    ("MultiplicativeLR", {"lr_lambda": (Falling(0.99), half)}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 4, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 17, "base_momentum": [0.5, 0.6], "max_momentum": 0.9}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 17, "final_div_factor": 10.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 17, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": [0.01, 0.02], "max_lr": 0.1, "step_size_up": 3, "step_size_down": 5}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "mode": "exp_range", "gamma": 0.95}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "scale_fn": half}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "scale_fn": half, "scale_mode": "iterations"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "scale_fn": Falling(0.8)}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "cycle_momentum": False}),
]
CLOSED = [c for c in CASES if hasattr(getattr(torch.optim.lr_scheduler, c[0]), "_get_closed_form_lr")]
every_case = pytest.mark.parametrize("name, options", CASES)


def optimizer_of(library, kind="SGD", lr=(0.1, 0.3)):
    if library is retrograd:
        params = [wrap(np.ones(2)) for _ in lr]
        for p in params:
            p.requires_grad = True
    else:
        params = [torch.ones(2, requires_grad=True) for _ in lr]
    options = {"momentum": 0.9} if kind == "SGD" else {}
    groups = [{"params": [p], "lr": x} for p, x in zip(params, lr, strict=True)]
    return getattr(library.optim, kind)(groups, **options)


def schedule(library, name, options, kind="SGD", **more):
    optimizer = optimizer_of(library, kind)
    return optimizer, getattr(library.optim.lr_scheduler, name)(optimizer, **copy.deepcopy(options), **more)


def look(optimizer):
    keys = ("lr", "momentum", "betas", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum")
    return [[float(g[k]) if k == "lr" else g[k] for k in keys if k in g] for g in optimizer.param_groups]


def trace(optimizer, scheduler, steps):
    seen = [look(optimizer)]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(look(optimizer))
        assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
    return seen


def tamed(state):
    """Without what only PyTorch's keeps."""
    return {k: v for k, v in state.items() if k not in ("_scale_fn_ref",)}


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@every_case
def test_sequence(name, options, kind):
    """Bit for bit."""
    ours, expected = (schedule(library, name, options, kind) for library in (retrograd, torch))
    assert trace(*ours, 15) == trace(*expected, 15)
    assert ours[1].last_epoch == expected[1].last_epoch == 15


@every_case
def test_state(name, options):
    ours, expected = (schedule(library, name, options) for library in (retrograd, torch))
    for pair in (ours, expected):
        trace(*pair, 7)
    mine, state = ours[1].state_dict(), tamed(expected[1].state_dict())
    same_state(dict(sorted(mine.items())), dict(sorted(state.items())), tol=0)


@every_case
@pytest.mark.parametrize("source", [retrograd, torch], ids=["own", "pytorch"])
def test_resuming(name, options, source):
    """From a state_dict, own or PyTorch's, of scheduler and optimizer."""
    optimizer, scheduler = schedule(source, name, options)
    trace(optimizer, scheduler, 7)
    saved = scheduler.state_dict(), optimizer.state_dict()
    again, resumed = schedule(retrograd, name, options)
    again.load_state_dict(saved[1])
    resumed.load_state_dict(saved[0])
    assert trace(again, resumed, 6) == trace(optimizer, scheduler, 6)
    assert "lr_lambdas" not in options or "lr_lambdas" in saved[0]  # what was given is left as it was


@every_case
def test_resuming_by_last_epoch(name, options):
    results = []
    for library in (retrograd, torch):
        optimizer, scheduler = schedule(library, name, options)
        trace(optimizer, scheduler, 4)
        again = getattr(library.optim.lr_scheduler, name)(optimizer, **copy.deepcopy(options), last_epoch=4)
        results.append(trace(optimizer, again, 6))
    assert results[0] == results[1]


@pytest.mark.parametrize("name, options", CLOSED)
def test_step_to_epoch(name, options):
    results = []
    for library in (retrograd, torch):
        optimizer, scheduler = schedule(library, name, options)
        seen = []
        for epoch in (3, 0, 9, 4):
            optimizer.step()
            with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step\\(\\)`"):
                scheduler.step(epoch)
            seen.append(look(optimizer))
        results.append((seen, scheduler.last_epoch))
    assert results[0] == results[1]


def test_warm_restarts_take_fractions():
    results = []
    for library in (retrograd, torch):
        optimizer, scheduler = schedule(library, "CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 3})
        seen = []
        for epoch in [i / 4 for i in range(40)] + [1.5, 26]:
            scheduler.step(epoch)
            seen.append(look(optimizer))
        results.append((seen, trace(optimizer, scheduler, 5)))
        with pytest.raises(ValueError, match="non-negative epoch"):
            scheduler.step(-1)
    assert results[0] == results[1]


@pytest.mark.parametrize("name, options", [CASES[0], CASES[7], CASES[10], CASES[14], CASES[18], CASES[23]])
def test_tensor_lr(name, options):
    """A Tensor as learning rate is written to, and what was read before keeps its value."""
    results = []
    for library in (retrograd, torch):
        lr = library.tensor(0.25, dtype=library.float64)
        optimizer = optimizer_of(library, lr=(lr,))
        scheduler = getattr(library.optim.lr_scheduler, name)(optimizer, **copy.deepcopy(options))
        first = scheduler.get_last_lr()[0]
        seen = [float(lr)]
        for _ in range(6):
            optimizer.step()
            scheduler.step()
            seen.append(float(lr))
        assert optimizer.param_groups[0]["lr"] is lr and float(scheduler.base_lrs[0]) != 0
        assert float(first) == seen[0]
        results.append(seen)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-15)


# --- combined -----------------------------------------------------------------------------------------


def warm_up_then_cosine(lib, optimizer):
    s = lib.optim.lr_scheduler
    rise, fall = s.LinearLR(optimizer, 0.1, total_iters=4), s.CosineAnnealingLR(optimizer, 6)
    return s.SequentialLR(optimizer, [rise, fall, s.ExponentialLR(optimizer, 0.5)], [4, 9])


def chained(lib, optimizer):
    s = lib.optim.lr_scheduler
    return s.ChainedScheduler([s.ConstantLR(optimizer, 0.1, 3), s.ExponentialLR(optimizer, 0.9)])


def chained_with_optimizer(lib, optimizer):
    s = lib.optim.lr_scheduler
    parts = [s.StepLR(optimizer, 2), s.CosineAnnealingLR(optimizer, 7)]
    return s.ChainedScheduler(parts, optimizer=optimizer)


def sequence_in_a_chain(lib, optimizer):
    s = lib.optim.lr_scheduler
    return s.ChainedScheduler([warm_up_then_cosine(lib, optimizer), s.StepLR(optimizer, 5)])


def restarts_in_a_sequence(lib, optimizer):
    s = lib.optim.lr_scheduler
    parts = [s.ConstantLR(optimizer, 0.1, 3), s.CosineAnnealingWarmRestarts(optimizer, 3)]
    return s.SequentialLR(optimizer, parts, [3])


COMBINED = [warm_up_then_cosine, chained, chained_with_optimizer, sequence_in_a_chain, restarts_in_a_sequence]


@pytest.mark.parametrize("make", COMBINED)
def test_combined(make):
    results, states = [], []
    for library in (retrograd, torch):
        optimizer = optimizer_of(library)
        scheduler = make(library, optimizer)
        results.append(trace(optimizer, scheduler, 14))
        states.append(scheduler.state_dict())
    assert results[0] == results[1]
    same_state(states[0], states[1], tol=0)


@pytest.mark.parametrize("make", COMBINED)
@pytest.mark.parametrize("source", [retrograd, torch], ids=["own", "pytorch"])
def test_combined_resuming(make, source):
    optimizer = optimizer_of(source)
    scheduler = make(source, optimizer)
    trace(optimizer, scheduler, 6)
    again = optimizer_of(retrograd)
    resumed = make(retrograd, again)
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    assert trace(again, resumed, 8) == trace(optimizer, scheduler, 8)


def test_bad_combinations():
    for library in (retrograd, torch):
        s = library.optim.lr_scheduler
        optimizer, other = optimizer_of(library), optimizer_of(library)
        part = s.StepLR(optimizer, 1)
        in_sequence = lambda parts, s=s, o=optimizer: s.SequentialLR(o, parts, [])
        for make in (s.ChainedScheduler, in_sequence):
            with pytest.raises(ValueError, match="at least one scheduler"):
                make([])
            with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
                make([s.ReduceLROnPlateau(optimizer)])
            with pytest.raises(ValueError, match="same optimizer"):
                make([part, s.StepLR(other, 1)])
        with pytest.raises(TypeError, match="`optimizer` as its attribute"):
            s.SequentialLR(optimizer, [3], [])
        with pytest.raises(ValueError, match="one more than the number of milestone points"):
            s.SequentialLR(optimizer, [part], [3])


# --- plateau ------------------------------------------------------------------------------------------

METRICS = [5.0, 4.0, 4.0, 4.1, 4.0, 3.99999, 4.0, 4.0, 4.0, 3.0] + [3.1] * 6 + [3.0, 9.0, 9.0, 9.0]
PLATEAUS = [
    {"patience": 2},
    {"patience": 0, "factor": 0.5, "cooldown": 2},
    {"mode": "max", "patience": 1, "threshold": 0.5, "threshold_mode": "abs", "min_lr": [0.001, 0.2]},
    {"mode": "max", "patience": 1, "threshold": 0.3, "min_lr": 0.02},
    {"patience": 1, "threshold": 0.05, "threshold_mode": "abs", "eps": 0.05},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau(options):
    results = []
    for library in (retrograd, torch):
        optimizer, scheduler = schedule(library, "ReduceLROnPlateau", options)
        seen = []
        for i, metric in enumerate(METRICS):
            if i == 8:
                saved = copy.deepcopy((scheduler.state_dict(), optimizer.state_dict()))
            scheduler.step(library.tensor(metric) if i % 2 else metric)
            seen.append((look(optimizer), scheduler.get_last_lr(), scheduler.in_cooldown))
        again, resumed = schedule(library, "ReduceLROnPlateau", {"patience": 99})
        again.load_state_dict(saved[1])
        resumed.load_state_dict(saved[0])
        for metric in METRICS[8:]:
            resumed.step(metric)
        results.append((seen, look(again), scheduler.state_dict()))
    assert results[0] == results[1] and results[0][0][-1][0] == results[0][1]


def test_plateau_with_a_new_group():
    for min_lr, fails in ((0.0, False), ([0.0, 0.0], True)):
        for library in (retrograd, torch):
            optimizer, scheduler = schedule(library, "ReduceLROnPlateau", {"patience": 0, "min_lr": min_lr})
            p = library.tensor([1.0], requires_grad=True)
            optimizer.add_param_group({"params": [p], "lr": 1.0})
            scheduler.step(1.0)
            if fails:
                with pytest.raises(RuntimeError, match="number of param groups in the `optimizer` \\(3\\)"):
                    scheduler.step(2.0)
            else:
                scheduler.step(2.0)
                assert optimizer.param_groups[2]["lr"] == 0.1


# --- around them --------------------------------------------------------------------------------------


def test_warnings():
    for library in (retrograd, torch):
        optimizer, scheduler = schedule(library, "StepLR", {"step_size": 2})
        with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step\(\)"):
            scheduler.step()
        with pytest.warns(UserWarning, match="please use `get_last_lr"):
            scheduler.get_lr()
        optimizer, scheduler = schedule(library, "StepLR", {"step_size": 2})
        optimizer.step = lambda: None
        with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
            scheduler.step()
        optimizer, scheduler = schedule(library, "StepLR", {"step_size": 2})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer.step()
            scheduler.step()
            scheduler.step()


def test_own_schedules():
    """A subclass defines get_lr, and may have a closed form."""
    results = []
    for library in (retrograd, torch):

        class Halving(library.optim.lr_scheduler.LRScheduler):
            def get_lr(self):
                assert self._get_lr_called_within_step
                return [lr * 0.5**self.last_epoch for lr in self.base_lrs]

            def _get_closed_form_lr(self):
                return [7.0 for _ in self.base_lrs]

        optimizer = optimizer_of(library)
        scheduler = Halving(optimizer)
        seen = trace(optimizer, scheduler, 3)
        with pytest.warns(UserWarning):
            scheduler.step(5)
        results.append((seen, look(optimizer)))
    assert results[0] == results[1]
    assert issubclass(retrograd.optim.lr_scheduler._LRScheduler, retrograd.optim.lr_scheduler.LRScheduler)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies(copied):
    optimizer, scheduler = schedule(retrograd, "OneCycleLR", {"max_lr": 0.5, "total_steps": 20})
    trace(optimizer, scheduler, 3)
    again = copied(scheduler)
    assert again.optimizer is not optimizer
    assert trace(again.optimizer, again, 5) == trace(optimizer, scheduler, 5)


BAD = [
    ("ConstantLR", {"factor": 1.5}, "between 0 and 1"),
    ("LinearLR", {"start_factor": 0.0}, "greater than 0"),
    ("LinearLR", {"end_factor": 1.5}, "between 0 and 1"),
    ("LambdaLR", {"lr_lambda": [half]}, "Expected 2 lr_lambdas, but got 1"),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}, "positive integer T_0, but got 0"),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 0}, "T_mult >= 1, but got 0"),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "eta_min": "x"}, "float or int eta_min"),
    ("OneCycleLR", {"max_lr": 1.0}, "You must define either total_steps OR"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 0}, "positive integer total_steps, but got 0"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 1.5, "steps_per_epoch": 2}, "integer epochs, but got 1.5"),
    ("OneCycleLR", {"max_lr": 1.0, "epochs": 1, "steps_per_epoch": -2}, "positive integer steps_per_epoch"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "pct_start": 2.0}, "between 0 and 1 pct_start"),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "anneal_strategy": "up"}, "one of 'cos' or 'linear'"),
    ("OneCycleLR", {"max_lr": [1.0], "total_steps": 5}, "max_lr must have the same length as optimizer"),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"}, "mode is invalid and scale_fn is None"),
    ("CyclicLR", {"base_lr": [0.1], "max_lr": 0.2}, "base_lr must have the same length"),
    ("ReduceLROnPlateau", {"factor": 1.0}, "Factor should be < 1.0"),
    ("ReduceLROnPlateau", {"mode": "up"}, "mode up is unknown!"),
    ("ReduceLROnPlateau", {"threshold_mode": "up"}, "threshold mode up is unknown!"),
    ("ReduceLROnPlateau", {"min_lr": [0.0]}, "expected 2 min_lrs, got 1"),
]


@pytest.mark.parametrize("name, options, message", BAD)
def test_bad_options(name, options, message):
    for library in (retrograd, torch):
        with pytest.raises(ValueError, match=message):
            schedule(library, name, options)


def test_errors():
    for library in (retrograd, torch):
        s = library.optim.lr_scheduler
        for kind, rest in (("StepLR", [1]), ("ReduceLROnPlateau", []), ("OneCycleLR", [1.0, 5])):
            with pytest.raises(TypeError, match="str is not an Optimizer"):
                getattr(s, kind)("SGD", *rest)
        with pytest.raises(KeyError, match="'initial_lr' is not specified in param_groups\\[0\\]"):
            s.StepLR(optimizer_of(library), 1, last_epoch=3)
        with pytest.raises(TypeError, match="lr_lambda should be a function, but got float"):
            s.MultiplicativeLR(optimizer_of(library), 0.5)
        optimizer, scheduler = schedule(library, "OneCycleLR", {"max_lr": 1.0, "total_steps": 5})
        trace(optimizer, scheduler, 5)
        with pytest.raises(ValueError, match="Tried to step 6 times. The specified number of total steps"):
            scheduler.step()
        with pytest.raises(ValueError, match="must support momentum or beta1"):
            schedule(library, "OneCycleLR", {"max_lr": 1.0, "total_steps": 5}, "Adagrad")
        with pytest.raises(NotImplementedError):
            s.LRScheduler(optimizer_of(library))


def test_names():
    assert set(retrograd.optim.lr_scheduler.__all__) == set(torch.optim.lr_scheduler.__all__)
    assert math.isclose(schedule(retrograd, "CosineAnnealingLR", {"T_max": 10})[0].param_groups[0]["lr"], 0.1)
