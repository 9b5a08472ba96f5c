"""What the machine can do at most, and what a case must do at least: the roofline.

The processor's peak is measured by multiply-adds on registers alone, the memory's bandwidth by what of
copies, sums into one of two arrays and reads is fastest, far beyond the caches and by all threads. The limit
of a phase is the longer of two times: its multiply-adds at the peak, and the bytes that it can't but move at
the bandwidth (weights for forward and for the inputs' gradients, gradients written, the optimizer's five
streams). Activations are left out, as caches may hold them; weights too where caches hold them all. The
limit of the whole is that of its sums, as arithmetic in one phase could hide what moves for another.

It is the limit of this way to compute it. A library that needs fewer products (Winograd's method) or doesn't
write a gradient down (kept as two factors) may go beyond 100 %.
"""

import json
import subprocess
import sys

from .worker import environment

CODE = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import retrograd.kernels as kernels

kernels.set_num_threads(int(sys.argv[1]))
peak = 0.0
for _ in range(20):
    if kernels.native is None:
        break
    started = time.perf_counter()
    done = kernels.native.multiply_adds(500_000)
    peak = max(peak, done / (time.perf_counter() - started))
threads = int(sys.argv[1])
x = [np.ones((1 << 25) // threads, np.float32) for _ in range(threads)]
y = [np.zeros_like(part) for part in x]
pool = ThreadPoolExecutor(threads)
best = 0.0
for streams, move in ((2, np.copyto), (3, lambda a, b: np.add(a, b, out=a)), (1, lambda a, b: b.max())):
    for _ in range(6):
        started = time.perf_counter()
        list(pool.map(move, y, x))
        best = max(best, streams * (4 << 25) / (time.perf_counter() - started))
print(json.dumps({"flops": peak or None, "bandwidth": best}))
"""


def measure(threads):
    """{"flops": operations a second (None without compiled kernels), "bandwidth": bytes a second}."""
    command = [sys.executable, "-c", CODE, str(threads)]
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def shortest(least, machine, work=1):
    """What the phases of `least` take at least, each and all: {"seconds", "bound", "phases": {...}}; None
    where it isn't known.

    least: {phase: (operations, bytes)}. work: what the time of a step is divided by.
    """
    if least is None or not machine or not machine["flops"]:
        return None
    whole = [sum(column) for column in zip(*least.values(), strict=True)]
    phases = {phase: _shortest(*does, machine, work) for phase, does in least.items()}
    return {**_shortest(*whole, machine, work), "phases": phases}


def _shortest(flops, moved, machine, work):
    times = {"arithmetic": flops / machine["flops"], "memory": moved / machine["bandwidth"]}
    bound = max(times, key=times.get)
    return {"seconds": times[bound] / work, "bound": bound}


# --- what the cases do ---------------------------------------------------------------------------


def resnet18(count, size, training):
    """What the phases do in ResNet-18 on `count` images of `size` x `size`."""
    layers, channels = [(3, 64, 7, size // 2)], 64
    side = size // 4
    for width in (64, 128, 256, 512):
        for block in range(2):
            down = width != 64 and block == 0
            side = -(-side // 2) if down else side
            layers += [(channels, width, 3, side), (width, width, 3, side)]
            if down:
                layers.append((channels, width, 1, side))
            channels = width
    products = [count * i * o * k * k * s * s for i, o, k, s in layers] + [count * 512 * 1000]
    weights = sum(i * o * k * k for i, o, k, _ in layers) + 512 * 1000
    return _step(products, weights, training)


def perceptron(count, *sizes):
    """What the phases do in a training step of a multilayer perceptron."""
    pairs = list(zip(sizes, sizes[1:], strict=False))
    return _step([count * i * o for i, o in pairs], sum(i * o for i, o in pairs), True)


def encoder_layer(batch, length, features, hidden):
    """What the phases do in a training step of a transformer's encoder layer."""
    rows = batch * length
    first = rows * features * 3 * features
    others = [rows * features * features, rows * features * hidden, rows * features * hidden]
    scores = 2 * rows * length * features
    weights = 4 * features * features + 2 * features * hidden
    return _step([first, *others, scores], weights, True)


CACHED = 4 << 20  # bytes of weights, gradients and momentum that any machine's caches hold


def _step(products, weights, training):
    """{phase: (operations, bytes)} of layers with `products`, the first one's input wanting no gradient."""
    if not training:
        return {"forward": (2 * sum(products), 4 * weights)}
    moved = 0 if 3 * 4 * weights <= CACHED else 4 * weights
    return {
        "forward": (2 * sum(products), moved),
        "backward": (2 * (2 * sum(products) - products[0]), 2 * moved),
        "step": (4 * weights, 5 * moved),
    }
