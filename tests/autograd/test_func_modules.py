"""Modules under func: ensembles, gradients per sample, forward mode and products with the Hessian."""

import numpy as np
import pytest

import retrograd
from retrograd import nn
from retrograd.func import functional_call, grad, jvp, stack_module_state, vmap

DOUBLE = {"dtype": retrograd.float64}


def randn(*shape):
    return lambda: retrograd.randn(*shape, **DOUBLE)


class Of(nn.Module):
    """A module used by a function of it and the input."""

    def __init__(self, module, use):
        super().__init__()
        self.module, self.use = module, use

    def forward(self, x):
        return self.use(self.module, x)


def recurrent(cls):
    return lambda: Of(cls(4, 5, 2, batch_first=True, bidirectional=True, **DOUBLE), lambda m, x: m(x)[0])


def cell(cls):
    return lambda: Of(cls(4, 5, **DOUBLE), lambda m, x: m(x)[0] if isinstance(m, nn.LSTMCell) else m(x))


def words():
    return nn.Sequential(nn.Embedding(7, 4, **DOUBLE), nn.Linear(4, 3, **DOUBLE))


MODULES = {
    "Linear": (lambda: nn.Linear(4, 3, **DOUBLE), randn(2, 4)),
    "Conv1d in groups": (lambda: nn.Conv1d(4, 6, 3, padding=1, groups=2, **DOUBLE), randn(2, 4, 5)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, padding="same", padding_mode="reflect", **DOUBLE),
               randn(2, 4, 5, 5)),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, **DOUBLE), randn(1, 2, 4, 4, 4)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, groups=2, **DOUBLE), randn(2, 4, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1, **DOUBLE),
                        randn(2, 4, 5, 5)),
    "BatchNorm in evaluation": (lambda: nn.BatchNorm2d(4, **DOUBLE).eval(), randn(2, 4, 5, 5)),
    "BatchNorm without statistics": (lambda: nn.BatchNorm1d(4, track_running_stats=False, **DOUBLE),
                                     randn(3, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4, **DOUBLE), randn(2, 4, 5)),
    "InstanceNorm": (lambda: nn.InstanceNorm2d(4, affine=True, **DOUBLE), randn(2, 4, 5, 5)),
    "LayerNorm": (lambda: nn.LayerNorm((4, 5), **DOUBLE), randn(2, 4, 5)),
    "RMSNorm": (lambda: nn.RMSNorm(5, **DOUBLE), randn(2, 4, 5)),
    "PReLU": (lambda: nn.PReLU(4, **DOUBLE), randn(2, 4, 5)),
    "Embedding": (words, lambda: retrograd.randint(0, 7, (2, 3))),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(7, 4, **DOUBLE), lambda: retrograd.randint(0, 7, (2, 3))),
    "RNN": (recurrent(nn.RNN), randn(2, 3, 4)),
    "LSTM": (recurrent(nn.LSTM), randn(2, 3, 4)),
    "GRU": (recurrent(nn.GRU), randn(2, 3, 4)),
    "LSTMCell": (cell(nn.LSTMCell), randn(2, 4)),
    "GRUCell": (cell(nn.GRUCell), randn(2, 4)),
    "MultiheadAttention": (
        lambda: Of(nn.MultiheadAttention(4, 2, batch_first=True, **DOUBLE), lambda m, x: m(x, x, x)[0]),
        randn(2, 3, 4),
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True, **DOUBLE),
        randn(2, 3, 4),
    ),
    "pools": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, **DOUBLE), nn.MaxPool2d(2), nn.AvgPool2d(2, 1),
                              nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2, **DOUBLE)),
        randn(2, 2, 8, 8),
    ),
    "Upsample": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, **DOUBLE), nn.Upsample(scale_factor=2, mode="bilinear"),
                              nn.PixelShuffle(2)),
        randn(2, 2, 5, 5),
    ),
}  # fmt: skip


def agree(batched, singles):
    for name, value in batched.items():
        for i, one in enumerate(singles):
            np.testing.assert_allclose(value[i].numpy(), one[name].numpy(), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_on_a_batch_is_that_on_each(name):
    retrograd.manual_seed(0)
    make, example = MODULES[name]
    models, xs = [make() for _ in range(2)], [example() for _ in range(2)]
    model, x = models[0], retrograd.stack(xs)

    def call(params, buffers, x):
        return functional_call(model, (params, buffers), (x,))

    ensemble = vmap(call)(*stack_module_state(models), x)
    for i in range(2):
        one = models[i](xs[i]).detach()
        np.testing.assert_allclose(ensemble[i].detach().numpy(), one.numpy(), atol=1e-10)

    params = {k: v.detach() for k, v in model.named_parameters()}
    buffers = dict(model.named_buffers())
    loss = lambda params, x: call(params, buffers, x).sin().sum()
    each = vmap(grad(loss), in_dims=(None, 0))(params, x)
    agree(each, [grad(loss)(params, one) for one in xs])

    ones = {k: retrograd.ones_like(v) for k, v in params.items()}
    push = lambda x: {"out": jvp(lambda p: call(p, buffers, x), (params,), (ones,))[1]}
    agree(vmap(push)(x), [push(one) for one in xs])
    product = lambda x: jvp(lambda p: grad(loss)(p, x), (params,), (ones,))[1]
    agree(vmap(product)(x), [product(one) for one in xs])
