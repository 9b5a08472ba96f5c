"""nn.utils.prune: each function leaves the masks, originals and results that PyTorch's leaves."""

import importlib

import pytest
import torch

import retrograd
from oracle import both_refuse, same

METHODS = {
    "identity": lambda p, m: p.identity(m, "weight"),
    "random": lambda p, m: p.random_unstructured(m, "weight", 0.4),
    "smallest": lambda p, m: p.l1_unstructured(m, "weight", 5),
    "by scores": lambda p, m: p.l1_unstructured(m, "weight", 3, importance_scores=-m.weight.abs()),
    "random slices": lambda p, m: p.random_structured(m, "weight", 2, dim=1),
    "smallest slices": lambda p, m: p.ln_structured(m, "weight", 0.5, n=2, dim=0),
    "no slices": lambda p, m: p.ln_structured(m, "weight", 0, n=1, dim=-1),
    "own mask": lambda p, m: p.custom_from_mask(m, "weight", (m.weight > 0).float()),
    "twice": lambda p, m: p.l1_unstructured(p.ln_structured(m, "weight", 1, n=1, dim=1), "weight", 0.5),
    "slices after elements": lambda p, m: p.ln_structured(
        p.l1_unstructured(m, "weight", 9), "weight", 1, float("inf"), dim=-1
    ),
}


def layer(library):
    library.manual_seed(3)
    return library.nn.Linear(4, 3)


def prune(library):
    return importlib.import_module(f"{library.__name__}.nn.utils.prune")


@pytest.mark.parametrize("name", METHODS)
def test_pruned_layers_compute_and_learn_as_pytorchs(name):
    def program(library):
        m = METHODS[name](prune(library), layer(library))
        x = library.linspace(-1, 1, 8).reshape(2, 4)
        m(x).square().sum().backward()
        first = [m.weight_orig.grad.clone(), m.weight_mask, m.weight]
        with library.no_grad():
            m.weight_orig += 0.5
        out = [m(x), list(m.state_dict()), prune(library).is_pruned(library.nn.Sequential(m))]
        prune(library).remove(m, "weight")
        return *first, *out, m.weight, [n for n, _ in m.named_parameters()], prune(library).is_pruned(m)

    same(program)


def test_global_pruning_chooses_among_all():
    def program(library):
        library.manual_seed(0)
        m = library.nn.Sequential(library.nn.Linear(3, 4), library.nn.Linear(4, 2))
        pairs = [(m[0], "weight"), (m[1], "weight"), (m[0], "bias")]
        for amount in (7, 0.3):
            prune(library).global_unstructured(pairs, prune(library).L1Unstructured, amount=amount)
        return m.state_dict()

    same(program)


def test_the_parameter_stays_the_same_object():
    m = layer(retrograd)
    weight = m.weight
    prune(retrograd).random_unstructured(m, "weight", 0.5)
    assert m.weight_orig is weight
    prune(retrograd).remove(m, "weight")
    assert m.weight is weight and (weight == 0).sum() == 6


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda p, m: p.l1_unstructured(m, "weight", 1.5), ValueError),
        (lambda p, m: p.l1_unstructured(m, "weight", "half"), TypeError),
        (lambda p, m: p.l1_unstructured(m, "weight", 13), ValueError),
        (lambda p, m: p.ln_structured(m, "bias", 1, n=2, dim=0), ValueError),
        (lambda p, m: p.ln_structured(m, "weight", 1, n=2, dim=2), IndexError),
        (lambda p, m: p.remove(m, "weight"), ValueError),
        (lambda p, m: p.global_unstructured([(m, "weight")], p.LnStructured, amount=1, n=2), TypeError),
        (lambda p, m: p.L1Unstructured(1).prune(m.weight, importance_scores=m.bias), AssertionError),
    ],
)
def test_refusals(wrong, error):
    both_refuse(lambda library: wrong(prune(library), layer(library)), error)


def test_a_failed_pruning_changes_nothing():
    for library in (torch, retrograd):
        m = layer(library)
        with pytest.raises(ValueError):
            prune(library).l1_unstructured(m, "weight", 100)
        assert {n for n, _ in m.named_parameters()} == {"weight", "bias"} and not m._forward_pre_hooks
