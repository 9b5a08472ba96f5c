"""torch.__future__ and swap_tensors: which objects hold a module's parameters after conversions and loads."""

import importlib

import pytest
import torch

import retrograd
from oracle import both_refuse, same


@pytest.fixture(params=["overwrite", "swap"])
def flag(request):
    names = [f"{what}_{request.param}_module_params_on_conversion" for what in ("get", "set")]
    modules = [importlib.import_module(f"{library.__name__}.__future__") for library in (torch, retrograd)]
    for module in modules:
        assert getattr(module, names[0])() is False
        getattr(module, names[1])(True)
    yield request.param
    for module in modules:
        getattr(module, names[1])(False)


def test_conversions(flag):
    def program(library):
        m = library.nn.Linear(3, 2)
        with library.no_grad():
            for p in m.parameters():
                p.copy_(library.arange(p.numel()).reshape(p.shape))
        m(library.ones(1, 3)).sum().backward()
        before = m.weight
        m.double()
        return m.weight is before, before.dtype, m.weight.dtype, m.weight, m.weight.grad, m.weight.is_leaf

    same(program)


def test_loads(flag):
    def program(library):
        m = library.nn.Linear(2, 2)
        before = m.weight
        m.load_state_dict({"weight": library.ones(2, 2), "bias": library.zeros(2, dtype=library.float64)})
        return m.weight is before, m.weight, m.bias, isinstance(m.bias, library.nn.Parameter)

    same(program)


def test_swapped_tensors_exchange_everything_but_their_place():
    def program(library):
        a, b = library.ones(2, requires_grad=True), library.nn.Parameter(library.zeros(3))
        a.mark = "a"
        held = [a]
        library.utils.swap_tensors(a, b)
        return type(held[0]) is library.nn.Parameter, held[0], b, b.mark, hasattr(a, "mark")

    same(program)


def test_a_graph_from_before_a_swap_is_refused():
    def program(library):
        a, b = library.ones(2, requires_grad=True), library.zeros(2, requires_grad=True)
        loss = a.sum()
        library.utils.swap_tensors(a, b)
        loss.backward()

    assert "Compute the loss anew" in both_refuse(program, RuntimeError, "poisoned by swap_tensors")


def test_prefixes_of_data_parallel_checkpoints():
    def program(library):
        parallel = library.nn.DataParallel(library.nn.Sequential(library.nn.Linear(2, 2)))
        state = parallel.state_dict()
        library.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        library.nn.Sequential(library.nn.Linear(2, 2)).load_state_dict(state)
        return list(state), dict(state._metadata)

    same(program)


def test_buffers_of_subclasses_with_the_older_signature():
    def program(library):
        class Noting(library.nn.Module):
            def register_buffer(self, name, value):
                super().register_buffer(name, value)
                self.__dict__.setdefault("noted", []).append(name)

        m = Noting()
        m.register_buffer("x", library.zeros(1))
        m.x = library.ones(1)
        m.y = library.nn.Buffer(library.ones(2))
        return m.noted, dict(m.named_buffers())

    same(program)
