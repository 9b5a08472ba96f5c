"""The same work in JAX (jit) and tinygrad, where they are installed and can do it.

They are no PyTorch programs: each case is written down once more, in their own words (rivals_jax.py,
rivals_tinygrad.py), for the same weights and inputs, drawn here as cases.py draws them. A step trains as
`cases.training` does, by SGD with momentum, in one compiled function.
"""

import importlib
import json
import math
import os
import subprocess
import sys
import time

import numpy as np

NAMES = ("jax", "tinygrad")
FIND = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
TOLERANCE = 1e-2  # relative: their second step may differ from PyTorch's by this
PATIENCE = 30  # seconds of one rival's rounds, after which it has had its turns


def installed(python):
    """Which of them the interpreter `python` can import."""
    done = subprocess.run([python, "-c", FIND, *NAMES], capture_output=True, text=True, check=True)
    return done.stdout.split()


class Rival:
    """A process that has one case of one of them, and takes its turn as the runs of timing.py do.

    missing: why it has none; else None.
    """

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
        answer = json.loads(self.process.stdout.readline() or '{"failed": "its process ended"}')
        self.missing = answer.get("failed")
        if self.missing is None:
            self.values = answer["values"]
            self.steps = max(1, round(seconds / answer["seconds"]))

    def check(self, expected):
        """Leave it out unless its first steps computed what PyTorch's did."""
        if self.missing is None and not all(
            math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
            for a, b in zip(self.values, expected, strict=True)
        ):
            self.missing = f"computed {self.values}, PyTorch {expected}"

    def round(self, keep):
        if sum(self.totals) * self.steps > PATIENCE:
            return
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        if keep:
            self.totals.append(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# --- inside the process: the numbers that cases.py draws ------------------------------------------


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def weights(*shapes):
    """Matrices and kernels in the order of PyTorch's state_dict, as `cases.fill` fills them."""
    random = np.random.default_rng(0)
    scale = [np.float32(np.sqrt(2 / np.prod(shape[1:]))) for shape in shapes]
    return [random.standard_normal(s, np.float32) * k for s, k in zip(shapes, scale, strict=True)]


def labels(count, classes):
    return np.random.default_rng(2).integers(0, classes, count)


def chain_inputs(*shape):
    random = np.random.default_rng(3)
    return [np.array(random.normal(0, 1, shape), np.float32) for _ in range(3)]


def resnet18_blocks():
    """(channels in, channels out, stride) of ResNet-18's eight blocks."""
    channels = 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            yield channels, width, 2 if width != 64 and block == 0 else 1
            channels = width


def resnet18_shapes():
    """The shapes of the weights that `weights` draws, in the order of PyTorch's state_dict."""
    shapes = [(64, 3, 7, 7)]
    for i, o, _ in resnet18_blocks():
        shapes += [(o, i, 3, 3), (o, o, 3, 3), *([(o, i, 1, 1)] if i != o else [])]
    return [*shapes, (1000, 512)]


ENCODER_SHAPES = ((768, 256), (256, 256), (2048, 256), (256, 2048))  # in_proj, out_proj, linear1, linear2


# name of the case: the function of rivals_jax.py and rivals_tinygrad.py that builds it, and its arguments
CASES = {
    "step-1x64": ("resnet", 1, 64),
    "step-16x64": ("resnet", 16, 64),
    "step-8x224": ("resnet", 8, 224),
    "inference-1x224": ("resnet", 1, 224, False),
    "chain-scalar": ("chain",),
    "chain-32x32": ("chain", 32, 32),
    "mlp": ("mlp",),
    "transformer": ("transformer",),
}


def build(library, case):
    """`step()`, which does the work of the case once, waits for it and returns its value."""
    function, *arguments = CASES[case]
    return getattr(importlib.import_module(f"{__package__}.rivals_{library}"), function)(*arguments)


def serve(library, case):
    """Say how long a step takes and what the first ones gave, or why there is none; then answer numbers of
    steps with seconds per step."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        step = build(library, case)
        values = [step() for _ in range(3)]  # compiled, and with warm caches
        started = time.perf_counter()
        step()
        seconds = max(1e-7, time.perf_counter() - started)
        print(json.dumps({"seconds": seconds, "values": values[:2]}), file=answers)
    except Exception as error:  # noqa: BLE001  whatever keeps it from doing this case is the answer
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps({"failed": reason}), file=answers)
        return
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            step()
        print((time.perf_counter() - started) / int(line), file=answers)


if __name__ == "__main__":
    serve(*sys.argv[1:])
