"""What the machine can do at most, and what a case must do at least: the roofline.

The processor's peak is measured by multiply-adds on registers alone, the memory's bandwidth by copies far
larger than the caches. A case's limit is the longer of two times: its multiply-adds at the peak, and the
bytes that it can't but move at the bandwidth (weights for forward and for the inputs' gradients, gradients
written, the optimizer's five streams). Activations are left out, as caches may hold them: the true limit may
lie higher, never lower.
"""

import json
import subprocess
import sys

from .worker import environment

CODE = """
import json, sys, time
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
x = np.ones(1 << 25, np.float32)
y = np.zeros_like(x)
best = 0.0
for _ in range(8):
    started = time.perf_counter()
    np.copyto(y, x)
    best = max(best, 2 * x.nbytes / (time.perf_counter() - started))
print(json.dumps({"flops": peak or None, "bandwidth": best}))
"""


def measure(threads):
    """{"flops": operations a second (None without compiled kernels), "bandwidth": bytes a second}."""
    command = [sys.executable, "-c", CODE, str(threads)]
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def shortest(case, machine):
    """The seconds that a step of `case` takes at least, and what bounds it; None where it isn't known."""
    if case.flops is None or not machine or not machine["flops"]:
        return None
    times = {"arithmetic": case.flops / machine["flops"], "memory": case.bytes / machine["bandwidth"]}
    bound = max(times, key=times.get)
    return {"seconds": times[bound] / case.work, "bound": bound}


# --- what the cases do ---------------------------------------------------------------------------


def resnet18(count, size, training):
    """(operations, bytes) of ResNet-18 on `count` images of `size` x `size`."""
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
    """(operations, bytes) of a training step of a multilayer perceptron."""
    pairs = list(zip(sizes, sizes[1:], strict=False))
    return _step([count * i * o for i, o in pairs], sum(i * o for i, o in pairs), True)


def encoder_layer(batch, length, features, hidden):
    """(operations, bytes) of a training step of a transformer's encoder layer."""
    rows = batch * length
    first = rows * features * 3 * features
    others = [rows * features * features, rows * features * hidden, rows * features * hidden]
    scores = 2 * rows * length * features
    weights = 4 * features * features + 2 * features * hidden
    return _step([first, *others, scores], weights, True)


def _step(products, weights, training):
    """Products of the layers, the first one's input wanting no gradient."""
    if not training:
        return 2 * sum(products), 4 * weights
    return 2 * (3 * sum(products) - products[0]), 4 * weights * 8
