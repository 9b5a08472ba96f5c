"""nn.init: the same values as PyTorch's after a seed, in place, without a graph; and what it refuses."""

import warnings

import pytest
import torch
from twins import same_refusal, same_text

import retrograd
from oracle import assert_same, same

SHAPES = [(7, 5), (3, 8), (4, 2, 3), (6, 4, 3, 3), (4, 6, 1, 2, 2)]
CALLS = """
uniform_(w)
uniform_(w, -2.0, 3.0)
normal_(w)
normal_(w, 1.0, 0.1)
trunc_normal_(w)
trunc_normal_(w, std=0.02)
trunc_normal_(w, 0.5, 2.0, -1.0, 1.0)
constant_(w, 0.3)
ones_(w)
zeros_(w)
xavier_uniform_(w)
xavier_uniform_(w, gain=0.5)
xavier_normal_(w)
xavier_normal_(w, 2.0)
kaiming_uniform_(w)
kaiming_uniform_(w, 5**0.5)
kaiming_uniform_(w, mode="fan_out", nonlinearity="relu")
kaiming_normal_(w)
kaiming_normal_(w, 0.2, "fan_out")
kaiming_normal_(w, nonlinearity="tanh")
orthogonal_(w)
orthogonal_(w, gain=2.0)
uniform_(w, generator=g)
normal_(w, generator=g)
trunc_normal_(w, generator=g)
xavier_uniform_(w, generator=g)
xavier_normal_(w, generator=g)
kaiming_uniform_(w, generator=g)
kaiming_normal_(w, generator=g)
orthogonal_(w, generator=g)
"""


def run(library, call, shape, dtype="float32"):
    library.manual_seed(5)
    w = library.nn.Parameter(library.empty(shape, dtype=getattr(library, dtype)))
    g = library.Generator()
    g.manual_seed(9)
    out = eval(f"init.{call}", {"init": library.nn.init, "w": w, "g": g})
    assert out is w and w.is_leaf and w.grad_fn is None
    return w, library.rand(2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("call", CALLS.strip().split("\n"))
def test_values(call, shape):
    tol = 1e-5 if "orthogonal" in call else 2e-6
    same(lambda library: run(library, call, shape), tol=tol)


@pytest.mark.parametrize(
    "call", ["uniform_(w)", "normal_(w)", "kaiming_normal_(w)", "trunc_normal_(w)", "orthogonal_(w)"]
)
def test_values_in_double_precision(call):
    same(lambda library: run(library, call, (40, 30), "float64"), tol=1e-9)


@pytest.mark.parametrize(("call", "shape"), [
    ("eye_(w)", (3, 5)), ("eye_(w)", (5, 3)), ("dirac_(w)", (4, 2, 3)), ("dirac_(w)", (2, 4, 3, 5)),
    ("dirac_(w, 2)", (4, 3, 3, 3)), ("dirac_(w, groups=3)", (6, 2, 2, 3, 4)), ("sparse_(w, 0.4)", (5, 3)),
    ("sparse_(w, 0.3, std=2.0)", (8, 4)), ("sparse_(w, sparsity=0.5, generator=g)", (8, 4)),
])  # fmt: skip
def test_matrices_and_convolutions(call, shape):
    same(lambda library: run(library, call, shape))


REFUSED = {
    "fans of a vector": "xavier_uniform_(w)", "kaiming of a vector": "kaiming_normal_(w)",
    "mode": "kaiming_uniform_(m, mode='x')",
    "nonlinearity": "kaiming_uniform_(m, nonlinearity='x')", "slope": "calculate_gain('leaky_relu', True)",
    "eye_ of a vector": "eye_(w)", "dirac_ of a matrix": "dirac_(m)", "dirac_ groups": "dirac_(c, 3)",
    "sparse_ of a vector": "sparse_(w, 0.5)", "orthogonal_ of a vector": "orthogonal_(w)",
    "gain": "calculate_gain('x')",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    def program(library):
        names = {
            "w": library.ones(3),
            "m": library.ones(2, 3),
            "c": library.ones(4, 2, 3),
            "init": library.nn.init,
        }
        return eval(f"init.{REFUSED[case]}", names)

    beginning = {"nonlinearity": "Unsupported nonlinearity x", "gain": "Unsupported nonlinearity x"}.get(case)
    same_refusal(program, beginning)


@pytest.mark.parametrize("name", [
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "sigmoid", "tanh",
    "relu", "leaky_relu", "selu",
])  # fmt: skip
def test_gains(name):
    same(lambda library: float(library.nn.init.calculate_gain(name)))
    if name == "leaky_relu":
        same(lambda library: [library.nn.init.calculate_gain(name, p) for p in (0.2, 3, 0)])


@pytest.mark.parametrize("name", [
    "uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal",
    "orthogonal", "eye",
])  # fmt: skip
def test_old_names_warn(name):
    def program(library):
        library.manual_seed(0)
        w = library.ones(3, 3)
        with pytest.warns(
            FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"
        ):
            getattr(library.nn.init, name)(w)
        return w

    same(program, tol=1e-5)


def test_tensors_without_elements():
    def program(library):
        w = library.empty(0, 3)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            library.nn.init.kaiming_uniform_(w)
            library.nn.init.orthogonal_(w)
        return w, [str(c.message) for c in caught]

    same(program)


def test_trunc_normal_far_off_warns():
    for library in (retrograd, torch):
        with pytest.warns(UserWarning, match="mean is more than 2 std from"):
            library.nn.init.trunc_normal_(library.ones(2), 9.0)


def test_results_keep_their_place_in_the_model():
    """Initialising by name and type, as training scripts do."""

    def program(library):
        nn = library.nn
        library.manual_seed(0)
        m = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))

        def weights_init(module):
            name = module.__class__.__name__
            if name.find("Conv") != -1:
                nn.init.normal_(module.weight.data, 0.0, 0.02)
            elif name.find("BatchNorm") != -1:
                nn.init.normal_(module.weight.data, 1.0, 0.02)
                nn.init.constant_(module.bias.data, 0)
            elif isinstance(module, nn.Linear):
                module.weight.data.uniform_(-0.1, 0.1)
                module.bias.data.zero_()

        m.apply(weights_init)
        return dict(m.state_dict())

    same(program, tol=1e-6)


def test_signatures():
    import inspect

    for name in torch.nn.init.__all__ if hasattr(torch.nn.init, "__all__") else retrograd.nn.init.__all__:
        mine = list(inspect.signature(getattr(retrograd.nn.init, name)).parameters)
        reference = list(inspect.signature(getattr(torch.nn.init, name)).parameters)
        if reference != ["args", "kwargs"]:
            assert mine == reference, name


def test_layers_after_reset_parameters():
    """Each layer's own initialisation can be run again, with the same result after the same seed."""
    nn = retrograd.nn
    for m in (
        nn.Linear(3, 4),
        nn.Conv2d(2, 3, 3),
        nn.LSTM(3, 4),
        nn.Embedding(5, 3, padding_idx=1),
        nn.Bilinear(2, 3, 4),
    ):
        states = []
        for _ in range(2):
            retrograd.manual_seed(1)
            m.reset_parameters()
            states.append({k: v.clone() for k, v in m.state_dict().items()})
        for k, v in states[0].items():
            assert (v == states[1][k]).all()
    assert_same(nn.PReLU(3, 0.1).weight, torch.nn.PReLU(3, 0.1).weight)
    same_text(lambda library: str(library.nn.init.calculate_gain.__name__))
