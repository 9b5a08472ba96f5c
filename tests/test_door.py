"""The door and the walk, in Python and compiled: what they run, record and save."""

import pytest

import retrograd
from retrograd.core.op import TABLE, Op


@pytest.fixture
def make_row():
    """Makes rows that the table knows during this test only."""
    made = []

    def make(*args, **kwargs):
        made.append(Op(*args, **kwargs))
        return made[-1]

    yield make
    for row in made:
        del TABLE[row.name]


def test_grad_runs_only_the_formulas_whose_gradients_are_wanted(make_row):
    ran = []

    def note(name, value):
        ran.append(name)
        return value

    row = make_row(
        "two_formulas", lambda xp, x, y: xp.multiply(x, y),
        x=lambda g, y: note("x", g * y), y=lambda g, x: note("y", g * x),
    )  # fmt: skip
    joint = make_row(
        "joint_formula", lambda xp, x, y: xp.multiply(x, y),
        joint=("x y", lambda g, needs, x, y: note(needs, (g * y, g * x))),
    )  # fmt: skip
    a, b = (retrograd.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    z = joint(row(a, b), b)
    (ga,) = retrograd.autograd.grad(z, [a], retain_graph=True)
    assert ga.item() == 9 and ran == [(True, False), "x"]
    assert retrograd.autograd.grad(z, [b])[0].item() == 2 * 2 * 3 and ran[2:] == [(True, True), "y"]
