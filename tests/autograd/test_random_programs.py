"""Random programs of views, writes in place, operations, hooks and modes, against PyTorch and differences.

`python tools/random_programs.py` runs as many as you like.
"""

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import random_programs as programs
import random_steps
import retrograd
from random_programs import Failure, Line, Program

numbers = st.integers(0, 7)
steps = st.lists(
    st.tuples(
        st.one_of(*[st.sampled_from(group) for group in random_steps.NAMES]),
        *[numbers] * 4,
        st.sampled_from([False] * 6 + [True]),
    ),
    min_size=1,
    max_size=14,
)
compared = Counter()


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps, st.sampled_from(random_steps.ENDINGS))
def test_random_programs(drawn, ending):
    program = programs.build(drawn, ending)
    compared[programs.check(program)] += 1


def test_most_were_compared():
    """Of the programs above most ran to the end, and half were compared with differences too."""
    total = sum(compared.values())
    if not total:
        pytest.skip("the programs above did not run in this process")
    assert compared["refused"] < total / 3
    assert compared["PyTorch and differences"] > total / 3


# --- the comparison itself ---------------------------------------------------------------------------


def program(*texts, ending="once"):
    """A program from lines such as `t0 = x[0]`; other lines are writes."""
    lines = []
    for text in texts:
        made, right = re.fullmatch(r"(?:(t\d+) = )?(.*)", text).groups()
        reads = list(dict.fromkeys(re.findall(r"\b(?:[xwcy]|t\d+)\b", right)))
        kind = "write" if made is None else "view" if right.endswith("]") else "new"
        lines.append(Line(right, kind, made or reads[0], reads, False))
    return Program(lines, ending)


def test_what_is_compared():
    assert programs.check(program("t0 = y[0]", "y.mul_(w)", "t1 = t0.sin()")) == "PyTorch and differences"
    assert programs.check(program("t0 = y.sin()", ending="second")) == "PyTorch"
    assert programs.check(program("t0 = y.relu()", "y.zero_()")) == "PyTorch and differences"
    assert programs.check(program("t0 = y * y", "y.mul_(3)")) == "refused"
    assert programs.check(program("x.mul_(3)", "t0 = x.sin()")) == "PyTorch and differences"


@pytest.mark.parametrize(
    "wrong, texts",
    [
        ("sin", ["t0 = w.exp()", "t1 = y.sin()"]),
        ("sin", ["t0 = y[0]", "t0.mul_(2)", "t1 = y.sin()"]),
    ],
)
def test_a_wrong_value_is_found(monkeypatch, wrong, texts):
    monkeypatch.setattr(retrograd.Tensor, wrong, lambda self: self * 1.25)
    with pytest.raises(Failure, match=r"t1 = y.sin\(\)"):
        programs.check(program(*texts))


class Doubled(retrograd.autograd.Function):
    """The sine, with twice its gradient."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return retrograd.sin(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.cos()


def test_a_wrong_gradient_is_found_by_differences(monkeypatch):
    """Where PyTorch does the same, so that only the differences tell."""
    monkeypatch.setattr(retrograd.Tensor, "sin", lambda self: Doubled.apply(self))
    monkeypatch.setattr(programs, "same_gradients", lambda program, names: None)
    with pytest.raises(Failure, match="by differences"):
        programs.check(program("t0 = w.tanh()", "t1 = y.sin()"))


def test_failing_programs_are_shrunk(monkeypatch):
    monkeypatch.setattr(retrograd.Tensor, "sin", lambda self: Doubled.apply(self))
    found = programs.shrunk(
        program("t0 = w.tanh()", "t1 = y * 2", "t2 = t1.sin()", "w.requires_grad_()", ending="twice")
    )
    assert [line.text for line in found.program.lines] == ["t1 = y * 2", "t2 = t1.sin()"]
    assert found.program.ending == "once"
    assert "t2 = t1.sin()\ntotal = " in str(found)
    code = str(found.program)
    exec(code, {})  # a program is Python


def test_writes_to_a_quotient():
    """The gradient of a division needs not its result, which may be written to."""
    assert programs.check(program("t0 = y / x", "t0.mul_(3)")) == "PyTorch and differences"


@pytest.mark.parametrize("view", ["flatten()", "view(6)", "as_strided((2,), (1,))"])
def test_gradients_of_another_layout(view):
    """A write through a view that depends on the layout of memory; the gradient has another one."""
    write = f"t0 = y.{view}", "t0.mul_(w.mean())"
    lines = program(*write, "t1 = y.permute(1, 0)", "t2 = t1.tanh()", "t3 = t2.split(2, 0)[0]").lines
    for line in (lines[0], lines[2]):
        line.kind = "view"
    assert programs.check(Program(lines)) == "PyTorch and differences"


def test_second_derivatives_of_a_write_to_a_view_that_retains_its_gradient():
    """The old value, which the division needs, is a view itself there, and has a copy of its memory."""
    lines = program("t0 = y[0]", "t0.retain_grad()", "t0.div_(w * w + 1)", ending="second").lines
    lines[1].kind = "other"
    assert programs.check(Program(lines, "second")) == "PyTorch"
