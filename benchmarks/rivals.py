"""The same work in JAX (jit) and tinygrad, where they are installed and can do it.

They are no PyTorch programs: each case is written down here once more, in their own words. A step trains as
`cases.training` does, by SGD with momentum, in one compiled function (JAX) or one compiled step (tinygrad).
"""

import os
import subprocess
import sys
import time

import numpy as np

NAMES = ("jax", "tinygrad")
FIND = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"


def installed(python):
    """Which of them the interpreter `python` can import."""
    done = subprocess.run([python, "-c", FIND, *NAMES], capture_output=True, text=True, check=True)
    return done.stdout.split()


class Rival:
    """A process that has one case of one of them, and takes its turn as the runs of timing.py do."""

    def __init__(self, python, library, case, threads, seconds):
        from .worker import ROOT, environment

        limited = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        env = environment(threads) | ({"XLA_FLAGS": limited} if threads == 1 else {})
        command = [python, "-m", "benchmarks.rivals", library, case]
        self.library = library
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.totals = []
        answer = self.process.stdout.readline().split(maxsplit=1)
        self.missing = None if answer and answer[0] != "failed" else (answer or ["", "it ended"])[-1].strip()
        if self.missing is None:
            self.steps = max(1, round(seconds / float(answer[0])))

    def round(self, keep):
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        if keep:
            self.totals.append(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def build(library, case):
    """(step, version): `step()` does the work of the case once and waits for it."""
    if library == "jax":
        import jax

        jax.config.update("jax_platforms", "cpu")
        return _JAX[case](), jax.__version__
    import tinygrad

    return _TINYGRAD[case](), getattr(tinygrad, "__version__", "")


def _normal(seed, *shape):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def _weight(seed, *shape):
    return _normal(seed, *shape) * np.float32(np.sqrt(2 / np.prod(shape[1:])))


# --- JAX -----------------------------------------------------------------------------------------


def _jax_training(loss, params):
    """A step of SGD with momentum as one compiled function, whose buffers are used again."""
    import jax

    momentum = jax.tree.map(lambda p: p * 0, params)

    def update(params, momentum):
        value, grads = jax.value_and_grad(loss)(params)
        momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
        return jax.tree.map(lambda p, m: p - 1e-3 * m, params, momentum), momentum, value

    compiled = jax.jit(update, donate_argnums=(0, 1))
    state = [jax.tree.map(jax.numpy.asarray, params), jax.tree.map(jax.numpy.asarray, momentum)]

    def step():
        *state[:], value = compiled(*state)
        return float(value)

    return step


def _jax_chain(*shape):
    def make():
        import jax

        np_ = jax.numpy

        def program(x, a, b):
            y = x
            for _ in range(20):
                y = np_.tanh(y * a + b)
                y = jax.nn.sigmoid(y - a)
            return y.sum()

        gradient = jax.jit(jax.grad(program, argnums=(0, 1, 2)))
        given = [np_.asarray(_normal(seed, *shape)) for seed in (3, 4, 5)]
        return lambda: float(gradient(*given)[1].sum())

    return make


def _jax_cross_entropy(out, labels):
    import jax

    scores = jax.nn.log_softmax(out)
    return -scores[jax.numpy.arange(len(labels)), labels].mean()


def _jax_mlp():
    x, labels = _normal(1, 32, 64), np.random.default_rng(2).integers(0, 10, 32)
    params = [(_weight(i, *s), np.zeros(s[0], np.float32)) for i, s in enumerate([(128, 64), (10, 128)])]

    def loss(params):
        import jax

        (w, b), (v, c) = params
        return _jax_cross_entropy(jax.nn.relu(x @ w.T + b) @ v.T + c, labels)

    return _jax_training(loss, params)


def _jax_transformer():
    x = _normal(1, 8, 128, 256)
    shapes = {"qkv": (768, 256), "out": (256, 256), "up": (2048, 256), "down": (256, 2048)}
    params = {
        name: (_weight(i, *s), np.zeros(s[0], np.float32)) for i, (name, s) in enumerate(shapes.items())
    }
    params |= {name: (np.ones(256, np.float32), np.zeros(256, np.float32)) for name in ("norm1", "norm2")}

    def loss(params):
        import jax

        np_ = jax.numpy

        def linear(name, x):
            w, b = params[name]
            return x @ w.T + b

        def norm(name, x):
            w, b = params[name]
            centred = x - x.mean(-1, keepdims=True)
            return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * w + b

        q, k, v = (t.reshape(8, 128, 8, 32) for t in np_.split(linear("qkv", x), 3, -1))
        weights = jax.nn.softmax(np_.einsum("nlhd,nshd->nhls", q, k) / 32**0.5)
        heads = np_.einsum("nhls,nshd->nlhd", weights, v).reshape(8, 128, 256)
        y = norm("norm1", x + linear("out", heads))
        y = norm("norm2", y + linear("down", jax.nn.relu(linear("up", y))))
        return (y * y).mean()

    return _jax_training(loss, params)


def _jax_resnet(count, size, training=True):
    def make():
        import jax

        np_, seeds = jax.numpy, iter(range(10_000))

        def conv_norm(i, o, k):
            return {"w": _weight(next(seeds), o, i, k, k).transpose(2, 3, 1, 0).copy(),
                    "scale": np.ones(o, np.float32), "shift": np.zeros(o, np.float32)}  # fmt: skip

        params, strides, channels = {"stem": conv_norm(3, 64, 7), "blocks": []}, [], 64
        for width in (64, 128, 256, 512):
            for block in range(2):
                down = width != 64 and block == 0
                strides.append(2 if down else 1)
                p = {"first": conv_norm(channels, width, 3), "second": conv_norm(width, width, 3)}
                if down:
                    p["down"] = conv_norm(channels, width, 1)
                params["blocks"].append(p)
                channels = width
        params["fc"] = (_weight(next(seeds), 1000, 512), np.zeros(1000, np.float32))
        images = _normal(1, count, 3, size, size).transpose(0, 2, 3, 1).copy()
        labels = np.random.default_rng(2).integers(0, 1000, count)

        def apply(p, x, stride):
            pad = p["w"].shape[0] // 2
            x = jax.lax.conv_general_dilated(
                x, p["w"], (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            if training:
                mean = x.mean((0, 1, 2))
                x = (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + 1e-5)
            return x * p["scale"] + p["shift"]

        def network(params):
            x = jax.nn.relu(apply(params["stem"], images, 2))
            window = (1, 3, 3, 1), (1, 2, 2, 1), [(0, 0), (1, 1), (1, 1), (0, 0)]
            x = jax.lax.reduce_window(x, -np_.inf, jax.lax.max, *window)
            for p, stride in zip(params["blocks"], strides, strict=True):
                y = apply(p["second"], jax.nn.relu(apply(p["first"], x, stride)), 1)
                x = jax.nn.relu(y + (apply(p["down"], x, stride) if "down" in p else x))
            w, b = params["fc"]
            return x.mean((1, 2)) @ w.T + b

        if training:
            return _jax_training(lambda params: _jax_cross_entropy(network(params), labels), params)
        compiled, params = jax.jit(network), jax.tree.map(np_.asarray, params)
        return lambda: float(compiled(params)[0, 0])

    return make


_JAX = {
    "step-1x64": _jax_resnet(1, 64),
    "step-16x64": _jax_resnet(16, 64),
    "step-8x224": _jax_resnet(8, 224),
    "inference-1x224": _jax_resnet(1, 224, training=False),
    "chain-scalar": _jax_chain(),
    "chain-32x32": _jax_chain(32, 32),
    "mlp": _jax_mlp,
    "transformer": _jax_transformer,
}


# --- tinygrad ------------------------------------------------------------------------------------


def _tinygrad_chain(*shape):
    def make():
        from tinygrad import Tensor, TinyJit

        x, a, b = (Tensor(_normal(seed, *shape)).realize() for seed in (3, 4, 5))

        @TinyJit
        def gradient():
            y = x
            for _ in range(20):
                y = (y * a + b).tanh()
                y = (y - a).sigmoid()
            grads = y.sum().gradient(x, a, b)
            return [g.realize() for g in grads]

        return lambda: float(gradient()[1].numpy().sum())

    return make


def _tinygrad_mlp():
    from tinygrad import Tensor, TinyJit

    x = Tensor(_normal(1, 32, 64)).realize()
    labels = Tensor(np.random.default_rng(2).integers(0, 10, 32)).realize()
    first = _weight(0, 128, 64), np.zeros(128, np.float32), _weight(1, 10, 128), np.zeros(10, np.float32)
    params = [Tensor(p).contiguous().realize() for p in first]
    momenta = [Tensor(p * 0).contiguous().realize() for p in first]

    @TinyJit
    def update():
        w, b, v, c = params
        loss = ((x @ w.T + b).relu() @ v.T + c).sparse_categorical_crossentropy(labels)
        for p, m, g in zip(params, momenta, loss.gradient(*params), strict=True):
            m.assign(0.9 * m + g)
            p.assign(p - 1e-3 * m)
        return loss.realize(*params, *momenta)

    return lambda: float(update().numpy())


_TINYGRAD = {
    "chain-scalar": _tinygrad_chain(),
    "chain-32x32": _tinygrad_chain(32, 32),
    "mlp": _tinygrad_mlp,
}


def serve(library, case):
    """Say how long a step takes, or why there is none; then answer numbers of steps with seconds per step."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        step, _ = build(library, case)
        for _ in range(3):  # compiled, and with warm caches
            step()
        started = time.perf_counter()
        step()
        print(max(1e-7, time.perf_counter() - started), file=answers)
    except Exception as error:  # noqa: BLE001  whatever keeps it from doing this case is the answer
        print("failed", f"{type(error).__name__}: {error}".splitlines()[0], file=answers)
        return
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            step()
        print((time.perf_counter() - started) / int(line), file=answers)


if __name__ == "__main__":
    serve(*sys.argv[1:])
