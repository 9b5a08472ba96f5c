"""`draw.tree`: the graph as text."""

import textwrap

import pytest

import retrograd as torch
from retrograd import nn
from retrograd.draw import tree


def leaf(*shape):
    return torch.ones(*shape, requires_grad=True)


def drawn(text):
    return textwrap.dedent(text).strip("\n")


def test_a_chain_is_a_column_and_leaves_stand_behind_their_node():
    layer = nn.Linear(3, 2)
    loss = layer(torch.ones(1, 3)).tanh().sum()
    assert tree(loss, layer.named_parameters()) == tree(loss, layer) == drawn("""
        SumBackward0 ()
        TanhBackward0 (1, 2)
        AddmmBackward0 (1, 2)  <- weight (2, 3), bias (2)
    """)


def test_leaves_without_names():
    a, b = leaf(2), leaf(2)
    assert tree(3 * a**3 - b**2) == drawn("""
        SubBackward0 (2)
        ├─ MulBackward0 (2)
        │  PowBackward0 (2)  <- leaf (2)
        └─ PowBackward0 (2)  <- leaf (2)
    """)


def test_names_in_one_module_are_shortened():
    model = nn.Sequential(nn.Linear(1, 1))
    assert tree(model(torch.ones(1, 1)), model.named_parameters()) == (
        "AddmmBackward0 (1, 1)  <- 0.weight (1, 1), bias (1)"
    )


def test_a_shared_node_is_drawn_once_with_a_number():
    a = leaf(2)
    shared = a * 2
    assert tree(shared.sin() * shared.cos() + shared) == drawn("""
        AddBackward0 (2)
        ├─ MulBackward0 (2)
        │  ├─ SinBackward0 (2)
        │  │  [1] MulBackward0 (2)  <- leaf (2)
        │  └─ CosBackward0 (2)
        │     [1] MulBackward0, see above
        └─ [1] MulBackward0, see above
    """)


def test_an_operand_used_twice_by_one_node_is_one_branch():
    a = leaf(2)
    b = a * 2
    assert tree(b * b) == "MulBackward0 (2)\nMulBackward0 (2)  <- leaf (2)"


def test_frozen_parameters_are_listed_as_not_reached():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    loss = model[2](model[1](model[0](torch.ones(1, 2)))).sum()
    lines = tree(loss, model.named_parameters()).splitlines()
    assert lines[:-1] == ["SumBackward0 ()", "AddmmBackward0 (1, 2)  <- 2.weight (2, 2), bias (2)"]
    assert lines[-1] == "no gradient reaches 0.weight (frozen), 0.bias (frozen), 3.weight and 1 more"


def test_max_nodes_stops_and_says_how_many_there_are():
    x = leaf(2)
    for _ in range(10):
        x = x.sin()
    lines = tree(x, max_nodes=4).splitlines()
    assert lines == ["SinBackward0 (2)"] * 4 + ["... 11 nodes in all, max_nodes=4"]


def test_a_long_chain_needs_no_recursion():
    x = leaf(())
    for _ in range(100_000):
        x = x * 1.0
    lines = tree(x, max_nodes=200_000).splitlines()
    assert len(lines) == 100_000
    assert lines[0] == "MulBackward0 ()" and lines[-1] == "MulBackward0 ()  <- leaf ()"


def test_tensors_without_a_graph():
    assert tree(leaf(2, 3)) == "leaf (2, 3)"
    assert tree(torch.ones(2)) == "leaf (2) (requires_grad=False: no graph)"
    with pytest.raises(TypeError, match="not of a tuple"):
        tree((leaf(2),))


def test_nodes_of_several_outputs_show_the_first():
    values, _ = leaf(4, 2).sort()
    assert tree(values.sum()).splitlines()[1] == "SortBackward0 (4, 2)  <- leaf (4, 2)"


def test_drawing_leaves_the_graph_as_it_was():
    a = leaf(2)
    loss = (a * a).sum()
    tree(loss)
    loss.backward()
    assert a.grad.tolist() == [2.0, 2.0]
