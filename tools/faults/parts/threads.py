"""Eight threads at once: forward, backward, loading and saving; whether this Python has a lock for all."""

import io
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from common import ROOT

COUNT = 8


def run(options):
    if options.python:
        return elsewhere(options)
    import retrograd as torch

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change places a thousand times as often
    failures, rounds = [], 2 if options.quick else 200
    try:
        for task in (apart, shared_model, shared_leaf, one_graph, loading, saving, everything):
            done, begun = 0, time.monotonic()
            for turn in range(rounds):
                try:
                    done += task(torch, random.Random(f"{options.seed} {turn}"))
                except Exception as error:  # what a thread raised
                    failures.append(f"{task.__name__}, round {turn}: {type(error).__name__}: {error}")
                    break
            print(
                f"{task.__doc__.rstrip('.')}: {done:,} in {rounds} rounds, {time.monotonic() - begun:.0f} s"
            )
    finally:
        sys.setswitchinterval(interval)
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, {'with' if locked else 'without'} the interpreter's lock")
    return failures


def elsewhere(options):
    """The samples of all operations: the same bits by another Python, and by eight threads at once in it."""
    results = []
    for python, rounds in ((sys.executable, 0), (options.python, 1 if options.quick else 3)):
        command = [python, "-W", "ignore", "-m", "parts.samples", str(rounds)]
        done = subprocess.run(command, env=surroundings_of_source(), capture_output=True, text=True)
        if done.returncode:
            return [f"{python}: exit status {done.returncode}: {done.stderr[-3000:]}"]
        results.append(json.loads(done.stdout))
    (version, _, here, _, _), (other, kernels, there, same, wrong) = results
    differ = [f"{name}: other bits than in Python {version}" for name in here if here[name] != there[name]]
    print(
        f"Python {other}, {kernels}: {len(there):,} samples of operations, values and gradients, "
        f"{len(differ)} with other bits than in Python {version}; {same:,} runs of them by 8 threads at "
        f"once, {len(wrong)} with other bits than alone"
    )
    return differ + wrong


def surroundings_of_source():
    """The environment for another Python: it finds this repository, and not what is installed in this one."""
    folders = (ROOT / "tools" / "faults", ROOT / "tests", ROOT / "src")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}


def together(*functions):
    """Run all at once; the first error is raised. What they return, in order."""
    barrier, results, errors = threading.Barrier(len(functions)), [None] * len(functions), []

    def body(k):
        try:
            barrier.wait()
            results[k] = functions[k]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=body, args=(k,)) for k in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        if thread.is_alive():
            raise TimeoutError("a thread did not end in 120 s")
    if errors:
        raise errors[0]
    return results


def small_run(torch, k):
    """A few training steps with random numbers of its own; the parameters at the end."""
    numbers = np.random.default_rng(k)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 16, 3),
    )
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(numbers.standard_normal(p.shape, "f4") * 0.1))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(3):
        x = torch.from_numpy(numbers.standard_normal((4, 1, 6, 6), "f4"))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


def apart(torch, rng):
    """training runs of 8 threads, each with the bits that it has alone."""
    seeds = [rng.randrange(10**6) for _ in range(COUNT)]
    found = together(*(lambda s=s: small_run(torch, s) for s in seeds))
    if found != [small_run(torch, s) for s in seeds]:
        raise AssertionError("a run has other bits than alone")
    return COUNT


def shared_model(torch, rng):
    """forward passes of 8 threads through one model."""
    model = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    inputs = [torch.randn(2, 5, 8) for _ in range(COUNT)]
    with torch.no_grad():
        alone = [model(x).numpy().tobytes() for x in inputs]

    def forward(x):
        with torch.no_grad():
            return [model(x).numpy().tobytes() for _ in range(3)]

    for each, expected in zip(together(*(lambda x=x: forward(x) for x in inputs)), alone, strict=True):
        if each != [expected] * 3:
            raise AssertionError("a forward pass has other bits than alone")
    return 3 * COUNT


def shared_leaf(torch, rng):
    """backward passes of 8 threads that accumulate into the same leaf."""
    w = torch.ones(5, requires_grad=True)

    def backward(k):
        for _ in range(20):
            (w * k).sum().backward()

    together(*(lambda k=k: backward(k) for k in range(COUNT)))
    if w.grad.tolist() != [20.0 * sum(range(COUNT))] * 5:
        raise AssertionError(f"gradients were lost: {w.grad.tolist()}")
    return 20 * COUNT


def one_graph(torch, rng):
    """backward passes of 8 threads through one retained graph."""
    x = torch.full((4,), 2.0, requires_grad=True)
    y = (x**3).tanh().exp().sum()
    (alone,) = torch.autograd.grad(y, x, retain_graph=True)
    found = together(
        *(lambda: torch.autograd.grad(y, x, retain_graph=True)[0].tolist() for _ in range(COUNT))
    )
    if found != [alone.tolist()] * COUNT:
        raise AssertionError("a backward pass has another gradient than alone")
    return COUNT


def _state(torch, n):
    return {"a": torch.full((200,), float(n)), "n": n, "list": [n] * 20}


def loading(torch, rng):
    """loads by 8 threads, of zip, stream and safetensors."""
    from retrograd import safetensors

    files = [io.BytesIO(), io.BytesIO()]
    torch.save(_state(torch, 1), files[0])
    torch.save(_state(torch, 1), files[1], _use_new_zipfile_serialization=False)
    tensors = safetensors.save({"a": torch.full((200,), 1.0)})

    def load(k):
        for _ in range(5):
            if k % 3 == 2:
                value = safetensors.load(tensors)["a"]
            else:
                value = torch.load(io.BytesIO(files[k % 3].getvalue()))["a"]
            assert (value == 1).all()

    together(*(lambda k=k: load(k) for k in range(COUNT)))
    return 5 * COUNT


def saving(torch, rng):
    """saves by 4 threads to one path that 4 others load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        torch.save(_state(torch, 0), path)

        def save(k):
            for _ in range(5):
                torch.save(_state(torch, k), path)

        def load():
            for _ in range(10):
                state = torch.load(path)
                assert (state["a"] == state["n"]).all() and state["list"] == [state["n"]] * 20

        together(*(lambda k=k: save(k) for k in range(4)), *([load] * 4))
        if [p.name for p in Path(folder).iterdir()] != ["a.pt"]:
            raise AssertionError("temporary files are left")
    return 20


def everything(torch, rng):
    """rounds of all of it at once, with threads of the kernels as well."""
    from retrograd import kernels

    before = kernels.get_num_threads()
    kernels.set_num_threads(2)
    try:
        other = random.Random(rng.random())
        together(*(lambda t=t: t(torch, other) for t in (apart, shared_leaf, one_graph, loading, saving)))
    finally:
        kernels.set_num_threads(before)
    return 1
