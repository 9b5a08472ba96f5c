"""The compiled rules of optimizers against the same steps in NumPy, and against PyTorch's."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd
from optim_twins import Twins, close, plain
from retrograd import kernels
from retrograd.core.tensor import wrap

if not kernels.available():
    pytest.skip(kernels.describe(), allow_module_level=True)

native = kernels.native
quick = settings(max_examples=25, deadline=None)

_beta = st.sampled_from([0.0, 0.3, 0.5, 0.9, 0.999])
_decay = {"weight_decay": st.sampled_from([0, 0.1]), "maximize": st.booleans()}
_betas = {"betas": st.tuples(_beta, st.sampled_from([0.3, 0.9, 0.999])), "eps": st.sampled_from([1e-8, 1e-3])}
_decoupled = {"decoupled_weight_decay": st.booleans()}
OPTIONS = {
    "SGD": {"momentum": st.sampled_from([0, 0.9]), "dampening": st.sampled_from([0, 0.3]), **_decay},
    "Adam": {"amsgrad": st.booleans(), **_betas, **_decay, **_decoupled},
    "AdamW": {"amsgrad": st.booleans(), **_betas, **_decay},
    "Adamax": _betas | _decay,
    "NAdam": {"momentum_decay": st.sampled_from([0.004, 0.1]), **_betas, **_decay, **_decoupled},
    "RAdam": _betas | _decay | _decoupled,
    "RMSprop": {"alpha": st.sampled_from([0.3, 0.99]), "momentum": st.sampled_from([0, 0.9]),
                "centered": st.booleans(), "eps": st.sampled_from([1e-3, 1e-2]), **_decay},
    "Adagrad": {"lr_decay": st.sampled_from([0, 0.1]), "initial_accumulator_value": st.sampled_from([0, 0.2]),
                **_decay},
    "Adadelta": {"rho": st.sampled_from([0.5, 0.9]), "eps": st.sampled_from([1e-6, 1e-3]), **_decay},
    "ASGD": {"lambd": st.sampled_from([1e-4, 0.1]), "t0": st.sampled_from([1e6, 1]), **_decay},
    "Rprop": {"etas": st.sampled_from([(0.5, 1.2), (0.4, 1.5)]), "maximize": st.booleans()},
}  # fmt: skip
every = pytest.mark.parametrize("name", OPTIONS)


def stepped(name, options, shapes, dtype, layout, steps, skip, how=None):
    """Parameters and their state after some steps; `how`: None, or "numpy"."""
    twins = Twins(shapes, dtype, layout)
    optimizer = getattr(retrograd.optim, name)(twins.ours, lr=0.01, **options)
    with pytest.MonkeyPatch.context() as patch:
        if how == "numpy":
            patch.setattr(kernels, "native", None)
        for step in range(steps):
            twins.gradients(step, skip if step % 2 else ())  # some have fewer steps behind them
            optimizer.step()
    tensors = [t for p in twins.ours for t in (p, *optimizer.state[p].values())]
    return [t._array.copy() for t in tensors if isinstance(t, retrograd.Tensor)]


shapes = st.lists(st.sampled_from([(), (1,), (0, 3), (33,), (5, 7), (2, 3, 4, 5)]), min_size=1, max_size=6)


@every
@quick
@given(
    data=st.data(),
    shapes=shapes,
    dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from([None, "fortran", "strided"]),
    steps=st.integers(1, 8),
    skip=st.sets(st.integers(0, 5)),
)
def test_the_compiled_step_is_the_one_in_numpy(name, data, shapes, dtype, layout, steps, skip):
    options = data.draw(st.fixed_dictionaries(OPTIONS[name]))
    args = name, options, shapes, dtype, layout, steps, skip
    compiled, expected = stepped(*args), stepped(*args, how="numpy")
    rtol = 1e-12 if dtype == "float64" else 2e-5
    for a, b in zip(compiled, expected, strict=True):
        assert a.dtype == b.dtype and a.strides == b.strides
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1, np.abs(b).max(initial=0)))


@every
def test_any_number_of_threads_gives_the_same_bits(name):
    many = [(100,)] * 50 + [(70001,), (3, 50, 7)] + [(5,)] * 30
    before, results = native.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            native.set_num_threads(threads)
            results.append(stepped(name, {}, many, "float32", None, 3, ()))
    finally:
        native.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@every
def test_many_steps_stay_near_pytorch(name):
    twins = Twins([(40,), (3, 4, 5), ()], "float32")
    ours, theirs = (getattr(lib.optim, name) for lib in (retrograd, torch))
    ours, theirs = ours(twins.ours, lr=1e-3), theirs(twins.theirs, lr=1e-3)
    for step in range(60):
        twins.gradients(step)
        ours.step()
        theirs.step()
    twins.compare(tol=1e-5)


@every
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0])
def test_unusual_gradients(name, value):
    twins = Twins([(5,)], "float32")
    ours, theirs = (getattr(lib.optim, name) for lib in (retrograd, torch))
    ours, theirs = ours(twins.ours, lr=1e-3), theirs(twins.theirs, lr=1e-3)
    for step in range(3):
        twins.gradients(step)
        if step == 1:
            twins.ours[0].grad[2] = value
            twins.theirs[0].grad[2] = value
        ours.step()
        theirs.step()
        np.testing.assert_allclose(plain(twins.ours[0]), plain(twins.theirs[0]), rtol=1e-5)


@every
def test_parameters_of_many_kinds_in_one_group(name):
    kinds = ["float32", "float64", "complex64", "float16"][: 3 if name in ("Adamax", "NAdam", "RAdam") else 4]
    twins = [Twins([(4, 3), (2,)], kind, seed=i) for i, kind in enumerate(kinds)]
    ours, theirs = (getattr(lib.optim, name) for lib in (retrograd, torch))
    ours = ours([p for t in twins for p in t.ours], lr=1e-2)
    theirs = theirs([p for t in twins for p in t.theirs], lr=1e-2, foreach=False)
    for step in range(3):
        for t in twins:
            t.gradients(step)
        ours.step()
        theirs.step()
    for t in twins:
        t.compare(tol=5e-3 if t.dtype == "float16" else 1e-5)


def test_a_parameter_that_is_there_twice_moves_twice():
    for shared in ("itself", "memory"):
        array = np.ones(40000, np.float32)
        p = wrap(array).requires_grad_()
        q = p if shared == "itself" else wrap(array[10:]).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optimizer = retrograd.optim.SGD([p, q], lr=0.25)
        for x in (p, q):
            x.grad = retrograd.ones_like(x)
        optimizer.step()
        close(p.detach()[10:], np.full(39990, 0.5))


def test_steps_count_as_writes():
    p = retrograd.ones(3, requires_grad=True)
    optimizer = retrograd.optim.Adam([p])
    loss = (p * p).sum()
    p.grad = retrograd.ones(3)
    before = p._version
    optimizer.step()
    assert p._version == before + 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_wrong_arguments_are_refused():
    a = np.ones(3, np.float32)
    for message, rule, columns in (
        ("no rule named 'sdg'", "sdg", ([a], [a])),
        ("takes between 2 and 3 arrays of state", "adam", ([a], [a])),
        ("one array for each parameter", "sgd", ([a], [])),
        ("expected its parameter's", "sgd", ([a], [np.ones(4, np.float32)])),
        ("same dtype", "sgd", ([a], [np.ones(3)])),
        ("float32 or float64", "sgd", ([a.astype("i4")], [a])),
        ("up to 3 of state", "sgd", ([a],)),
    ):
        with pytest.raises(ValueError, match=message):
            native.rows_of_arrays(rule, columns)
    frozen = a.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        native.rows_of_arrays("sgd", ([frozen], [a]))
    with pytest.raises(TypeError, match="list of arrays"):
        native.rows_of_arrays("sgd", (a, a))
    rows = native.rows_of_arrays("asgd", ([a], [a], [a.copy()]))
    with pytest.raises(ValueError, match="needs the constants .*eta"):
        rows.step()
    with pytest.raises(ValueError, match="no constant speed; it has .*eta"):
        rows.step(speed=1.0)
    p = retrograd.ones(2, requires_grad=True)
    optimizer = retrograd.optim.SGD([p])
    with pytest.raises(ValueError, match="each parameter needs a gradient"):
        native.gather_rows(optimizer, optimizer.param_groups[0], [p], "sgd", (), ())
    with pytest.raises(TypeError, match="list of Tensors"):
        native.gather_rows(optimizer, optimizer.param_groups[0], [a], "sgd", (), ())
    with pytest.raises(TypeError, match="list of Tensors"):
        native.bump_versions([a])
