"""Activation functions."""

import numpy as np

from . import Sample, arr, const, ints

OTHERS = ("float32", "bfloat16", "float16")
_wide = lambda *shape: arr(*shape, low=-4.0, high=4.0)
_edges = const(np.array([-800.0, -6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0, 800.0, np.nan]))


def _activation(name, *args, **kwargs):
    path = f"nn.functional.{name}"
    samples = [
        Sample(path, _wide(2, 3), *args, **kwargs).but(dtypes=OTHERS),
        Sample(path, _wide(), *args, **kwargs),
        Sample(path, _wide(0, 2), *args, **kwargs),
        Sample(path, _wide(4, 3).T, *args, **kwargs),
        Sample(path, _edges, *args, **kwargs),
    ]
    return [s.but(dtypes=s.dtypes, **_ROUGH) for s in samples] if name == "hardsigmoid" else samples


_ROUGH = {"tol": 1e-7, "why": "PyTorch's 1/6 is a float32"}


def in_place(name):
    """The activation with inplace=True, of a result."""

    def call(torch, x):
        y = x * 1.5
        z = getattr(torch.nn.functional, name)(y, inplace=True)
        assert z is y
        return z

    call.__name__ = f"{name}_inplace"
    return call


def rrelu_training(torch, x):
    torch.manual_seed(3)
    return torch.nn.functional.rrelu(x, training=True)


_PLAIN = (
    "relu",
    "relu6",
    "gelu",
    "silu",
    "softplus",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "mish",
    "softsign",
    "tanhshrink",
    "hardshrink",
    "softshrink",
    "logsigmoid",
)
_INPLACE = (
    "relu",
    "relu6",
    "silu",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "hardtanh",
    "hardswish",
    "mish",
    "rrelu",
)

SAMPLES = [
    *[s for f in _PLAIN for s in _activation(f)],
    *_activation("gelu", approximate="tanh"),
    *_activation("softplus", beta=2.0, threshold=3.0),
    *_activation("elu", 0.5),
    *_activation("celu", 0.5),
    *_activation("leaky_relu", 0.3),
    *_activation("hardtanh", -2.0, 0.5),
    *_activation("hardshrink", 1.0),
    *_activation("softshrink", 1.0),
    *_activation("threshold", 0.5, 2.0),
    *_activation("rrelu"),
    *[Sample(in_place(f), _wide(2, 3)) for f in _INPLACE],
    Sample(in_place("hardsigmoid"), _wide(2, 3)).but(**_ROUGH),
    Sample(rrelu_training, _wide(4, 5)),
    Sample("nn.functional.prelu", _wide(2, 3), arr(1)),
    Sample("nn.functional.prelu", _wide(2, 3, 4), arr(3)),
    Sample("nn.functional.prelu", _wide(3), np.array(0.25)),
    Sample("prelu", _wide(2, 3), arr(3)),
    Sample("nn.functional.glu", arr(2, 4)),
    Sample("nn.functional.glu", arr(4, 3), 0),
    Sample("relu", arr(2, 3)).but(dtypes=OTHERS),
    Sample("relu", ints(4, low=-3)),
    Sample("relu", arr()),
    Sample("selu", arr(3)),
    Sample("celu", arr(3), 0.5),
    Sample("threshold", arr(3), 0.1, 2.0),
    Sample("hardshrink", arr(3)),
    Sample("rrelu", arr(3)),
    Sample("relu", arr(40, 50)),
]
