"""Lazy layers: they become ordinary ones at the first call or load, with PyTorch's initial values."""

import copy
import pickle

import pytest
import torch
from twins import same_refusal, same_text

import retrograd
from oracle import ours, same, theirs

CASES = {
    "LazyLinear": ((4,), (2, 3)), "LazyConv1d": ((4, 3), (2, 3, 5)), "LazyConv2d": ((4, 3), (2, 3, 5, 5)),
    "LazyConv3d": ((4, 2), (2, 3, 3, 3, 3)), "LazyConvTranspose1d": ((4, 3, 2), (2, 3, 5)),
    "LazyConvTranspose2d": ((4, 3, 2, 1, 1), (3, 5, 5)), "LazyConvTranspose3d": ((4, 2), (2, 3, 3, 3, 3)),
    "LazyBatchNorm1d": ((), (4, 3)), "LazyBatchNorm2d": ((1e-3, 0.2), (2, 3, 4, 4)),
    "LazyBatchNorm3d": ((), (2, 3, 2, 2, 2)), "LazyInstanceNorm1d": ((), (2, 3, 4)),
    "LazyInstanceNorm2d": ((), (2, 3, 4, 4)), "LazyInstanceNorm3d": ((1e-5, 0.1, False), (2, 3, 2, 2, 2)),
}  # fmt: skip


def make(library, name, **options):
    library.manual_seed(0)
    return getattr(library.nn, name)(*CASES[name][0], **options)


def inputs(library, name):
    library.manual_seed(1)
    return library.rand(*CASES[name][1])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"dtype": "float64"}], ids=str)
def test_first_call(name, options):
    def program(library):
        how = {k: getattr(library, v) if k == "dtype" else v for k, v in options.items()}
        m = make(library, name, **how)
        before = (
            repr(m),
            [n for n, _ in m.named_parameters()],
            m.has_uninitialized_params(),
            list(m.state_dict()),
        )
        library.manual_seed(3)
        x = inputs(library, name).to(how.get("dtype", library.float32))
        out = m(x)
        parameters = list(m.parameters())
        again = m(x)
        kept = all(a is b for a, b in zip(parameters, m.parameters(), strict=True))
        hooks = len(m._forward_pre_hooks), len(m._load_state_dict_pre_hooks)
        return before, repr(m), out, again, kept, dict(m.state_dict()), hooks

    same(program)


def test_in_a_model_with_an_optimizer_made_before():
    def program(library):
        nn = library.nn
        library.manual_seed(0)
        m = nn.Sequential(
            nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
        )
        m = m.double().eval().train()
        optimizer = library.optim.SGD(m.parameters(), lr=0.1)
        x = library.linspace(-1, 1, 50, dtype=library.float64).reshape(2, 1, 5, 5)
        for _ in range(2):
            optimizer.zero_grad()
            (m(x) ** 2).mean().backward()
            optimizer.step()
        return dict(m.state_dict()), repr(m)

    same(program, tol=1e-6)


@pytest.mark.parametrize("name", ["LazyLinear", "LazyConv2d", "LazyBatchNorm1d"])
def test_loading_gives_the_shapes(name):
    def program(library):
        source = make(library, name)
        source(inputs(library, name))
        target = make(library, name)
        result = repr(target.load_state_dict(source.state_dict()))
        loaded = target.has_uninitialized_params(), dict(target.state_dict())
        return result, loaded, target(inputs(library, name)), type(target).__name__

    same(program)


def test_loading_a_lazy_state():
    """A state_dict of a lazy module that was never called leaves the shapes open."""

    def program(library):
        m, other = make(library, "LazyLinear"), make(library, "LazyLinear")
        m.load_state_dict(other.state_dict())
        return m.has_uninitialized_params(), repr(m.state_dict()["weight"])

    same(program)


def test_copies():
    for m in (make(retrograd, "LazyLinear"), retrograd.nn.Sequential(make(retrograd, "LazyBatchNorm1d"))):
        twins = [copy.deepcopy(m), pickle.loads(pickle.dumps(m))]
        x = retrograd.rand(5, 3)
        m(x)
        for twin in twins:
            assert any(retrograd.nn.parameter.is_lazy(p) for p in twin.parameters())
            assert twin(x).shape == m(x).shape
            assert not any(retrograd.nn.parameter.is_lazy(p) for p in twin.parameters())


REFUSED = {
    "shape": lambda m, t: m.weight.shape, "numel": lambda m, t: m.weight.numel(), "fill_": lambda m,
    t: m.weight.fill_(1),
    "share": lambda m, t: m.weight.share_memory_(), "init": lambda m, t: t.nn.init.zeros_(m.weight),
    "load into ordinary": lambda m, t: t.nn.Linear(3, 4).load_state_dict(m.state_dict()),
    "channels and groups": lambda m, t: t.nn.LazyConv1d(4, 1, groups=2)(t.ones(1, 3, 5)),
    "dimensions": lambda m, t: t.nn.LazyConv2d(4, 1)(t.ones(1, 5)),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    beginnings = {
        "numel": "Attempted to use an uninitialized parameter in",
        "channels and groups": "must be divisible by groups",
    }
    beginning = beginnings.get(case, beginnings["numel"] if case in ("fill_", "init") else None)
    same_refusal(lambda library: REFUSED[case](make(library, "LazyLinear"), library), beginning)


def test_names_of_uninitialized_tensors():
    def program(library):
        p, b = library.nn.UninitializedParameter(requires_grad=False), library.nn.UninitializedBuffer()
        before = f"{p!r} {b!r} {p.requires_grad} {p.dtype} {isinstance(p, library.nn.Parameter)}"
        p.materialize((2, 3))
        b.materialize((1,), dtype=library.float64)
        return f"{before} {type(p).__name__} {tuple(p.shape)} {type(b).__name__} {b.dtype} {p.requires_grad}"

    same_text(program)


def test_users_lazy_module():
    def program(library):
        class Scale(library.nn.modules.lazy.LazyModuleMixin, library.nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = library.nn.UninitializedParameter()

            def initialize_parameters(self, x, flip=False):
                self.scale.materialize(x.shape[-1:])
                library.nn.init.constant_(self.scale, -2.0 if flip else 2.0)

            def forward(self, x, flip=False):
                return x * self.scale

        return Scale()(library.ones(3)), Scale()(library.ones(2), flip=True)

    same(program)


def test_data_parallel_passes_on():
    for library, convert in ((retrograd, ours), (torch, theirs)):
        m = library.nn.DataParallel(library.nn.Linear(2, 3))
        assert list(m.state_dict()) == ["module.weight", "module.bias"]
        assert m(library.ones(4, 2)).shape == (4, 3)
