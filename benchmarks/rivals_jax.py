"""The cases in JAX: one function of the parameters, differentiated and compiled with the update."""

import jax
import jax.numpy as jnp
import numpy as np

from .rivals import (
    ENCODER_SHAPES,
    chain_inputs,
    labels,
    normal,
    resnet18_blocks,
    resnet18_shapes,
    weights,
)

jax.config.update("jax_platforms", "cpu")


def training(loss, params):
    """A step of SGD with momentum as one compiled function, whose buffers are used again."""
    params = jax.tree.map(jnp.array, params)
    state = [params, jax.tree.map(jnp.zeros_like, params)]

    def update(params, momentum):
        value, grads = jax.value_and_grad(loss)(params)
        momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
        return jax.tree.map(lambda p, m: p - 1e-3 * m, params, momentum), momentum, value

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step():
        *state[:], value = compiled(*state)
        return float(value)

    return step


def chain(*shape):
    def program(x, a, b):
        y = x
        for _ in range(20):
            y = jnp.tanh(y * a + b)
            y = jax.nn.sigmoid(y - a)
        return y.sum()

    gradient = jax.jit(jax.grad(program, argnums=(0, 1, 2)))
    given = [jnp.array(values) for values in chain_inputs(*shape)]
    return lambda: float(gradient(*given)[1].sum())


def cross_entropy(out, labels):
    return -jax.nn.log_softmax(out)[jnp.arange(len(labels)), labels].mean()


def mlp():
    x, y = normal(1, 32, 64), labels(32, 10)
    first, second = weights((128, 64), (10, 128))

    def loss(params):
        (w, b), (v, c) = params
        return cross_entropy(jax.nn.relu(x @ w.T + b) @ v.T + c, y)

    return training(loss, [(first, np.zeros(128, np.float32)), (second, np.zeros(10, np.float32))])


def transformer():
    x = normal(1, 8, 128, 256)
    drawn = zip(("qkv", "out", "up", "down"), weights(*ENCODER_SHAPES), strict=True)
    params = {name: (w, np.zeros(len(w), np.float32)) for name, w in drawn}
    params |= {name: (np.ones(256, np.float32), np.zeros(256, np.float32)) for name in ("norm1", "norm2")}

    def loss(params):
        def linear(name, x):
            w, b = params[name]
            return x @ w.T + b

        def norm(name, x):
            w, b = params[name]
            centred = x - x.mean(-1, keepdims=True)
            return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * w + b

        q, k, v = (t.reshape(8, 128, 8, 32) for t in jnp.split(linear("qkv", x), 3, -1))
        shares = jax.nn.softmax(jnp.einsum("nlhd,nshd->nhls", q, k) / 32**0.5)
        heads = jnp.einsum("nhls,nshd->nlhd", shares, v).reshape(8, 128, 256)
        y = norm("norm1", x + linear("out", heads))
        y = norm("norm2", y + linear("down", jax.nn.relu(linear("up", y))))
        return (y * y).mean()

    return training(loss, params)


def resnet(count, size, train=True):
    """ResNet-18 with channels last, as XLA's convolutions on a CPU want them.

    In training the running statistics are not kept up to date; that is next to no work.
    """
    drawn = iter(weights(*resnet18_shapes()))

    def conv_norm():
        w = next(drawn)
        one, zero = np.ones(len(w), np.float32), np.zeros(len(w), np.float32)
        layer = {"w": w.transpose(2, 3, 1, 0).copy(), "scale": one, "shift": zero}
        return layer if train else layer | {"mean": zero, "variance": one}

    params, strides = {"stem": conv_norm(), "blocks": []}, []
    for i, o, stride in resnet18_blocks():
        strides.append(stride)
        names = ("first", "second", "down") if i != o else ("first", "second")
        params["blocks"].append({name: conv_norm() for name in names})
    params["fc"] = (next(drawn), np.zeros(1000, np.float32))
    images = normal(1, count, 3, size, size).transpose(0, 2, 3, 1).copy()
    y = labels(count, 1000)

    def apply(p, x, stride):
        pad = p["w"].shape[0] // 2
        x = jax.lax.conv_general_dilated(
            x, p["w"], (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        mean = x.mean((0, 1, 2)) if train else p["mean"]
        variance = ((x - mean) ** 2).mean((0, 1, 2)) if train else p["variance"]
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p["scale"] + p["shift"]

    def network(params):
        x = jax.nn.relu(apply(params["stem"], images, 2))
        window = (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window)
        for p, stride in zip(params["blocks"], strides, strict=True):
            out = apply(p["second"], jax.nn.relu(apply(p["first"], x, stride)), 1)
            x = jax.nn.relu(out + (apply(p["down"], x, stride) if "down" in p else x))
        w, b = params["fc"]
        return x.mean((1, 2)) @ w.T + b

    if train:
        return training(lambda params: cross_entropy(network(params), y), params)
    compiled, params = jax.jit(network), jax.tree.map(jnp.array, params)
    return lambda: float(compiled(params)[0, 0])
