"""nn.grad, causal biases for attention and resizing of uint8 images, against PyTorch."""

import importlib

import numpy as np
import pytest
import torch

import retrograd
from oracle import same


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradients_of_convolutions_as_functions(n):
    rng = np.random.default_rng(n)
    x, w = rng.standard_normal((2, 4, 7, 6, 5)[: n + 2]), rng.standard_normal((6, 2, 3, 2, 3)[: n + 2])

    def program(library):
        options = {"stride": 2, "padding": 1, "dilation": 1, "groups": 2}
        grad = importlib.import_module(f"{library.__name__}.nn.grad")
        image, weight = library.from_numpy(x), library.from_numpy(w)
        out = getattr(library.nn.functional, f"conv{n}d")(image, weight, **options)
        g = out.cos()
        of_input, of_weight = (getattr(grad, f"conv{n}d_{part}") for part in ("input", "weight"))
        return of_input(x.shape, weight, g, **options), of_weight(image, w.shape, g, **options)

    same(program)


@pytest.mark.parametrize("name", ["causal_upper_left", "causal_lower_right"])
def test_causal_biases(name):
    def program(library):
        bias = importlib.import_module(f"{library.__name__}.nn.attention.bias")
        q, k = library.linspace(-1, 1, 8).reshape(1, 1, 2, 4), library.linspace(0, 2, 12).reshape(1, 1, 3, 4)
        return library.nn.functional.scaled_dot_product_attention(q, k, k, getattr(bias, name)(2, 3))

    same(program)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_bytes_are_resized_as_pytorch_resizes_them(mode, antialias, channels_last):
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 25), dtype=np.uint8)
    out = []
    for library in (retrograd, torch):
        t = library.from_numpy(image)
        if channels_last:
            t = t.contiguous(memory_format=library.channels_last)
        out.append(library.nn.functional.interpolate(t, size=(9, 31), mode=mode, antialias=antialias))
    mine, reference = (t.numpy().astype(int) for t in out)
    assert out[0].dtype == retrograd.uint8 and out[0].stride() == out[1].stride()
    off = abs(mine - reference)
    assert off.max() <= 1 and (off > 0).mean() < 0.01  # PyTorch computes weights in float32


def test_layer_norm_of_a_row_of_millions_keeps_its_digits():
    x = np.random.default_rng(0).random((1, 2**22), dtype=np.float32)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5)
    out = retrograd.nn.functional.layer_norm(retrograd.from_numpy(x), x.shape[1:])
    assert abs(out.numpy() - exact).max() < 1e-6
