"""The operations' samples (tests/samples) in one Python, alone and by eight threads: for `threads --python`.

    python -m parts.samples ROUNDS

Prints [Python, kernels, {sample: digest of its results and gradients}, how many came out the same in
eight threads at once, which did not].
"""

import hashlib
import json
import random
import sys
import threading
import warnings

import numpy as np

COUNT = 8


def main(rounds):
    import retrograd as torch
    import samples

    warnings.simplefilter("ignore")
    found = list(enumerate(samples.every()))
    alone, fixed = {}, []
    for k, sample in found:
        torch.manual_seed(k)
        before = torch.get_rng_state()
        alone[k] = digest(torch, samples, sample)
        if torch.equal(before, torch.get_rng_state()):  # the others draw from the generator of all threads
            fixed.append((k, sample))
    wrong, done = [], 0
    for turn in range(rounds):
        errors = in_threads(torch, samples, fixed, alone, turn)
        done += COUNT * len(fixed) - len(errors)
        wrong += errors
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    about = [f"{k} {s!r}" for k, s in found]
    alone = {name: alone[k] for name, (k, _) in zip(about, found, strict=True)}
    version = sys.version.split()[0] + ("" if locked else ", without the interpreter's lock")
    print(json.dumps([version, torch.kernels.describe(), alone, done, wrong[:20]]))


def in_threads(torch, samples, fixed, alone, turn):
    """Every thread runs all samples in an order of its own; what came out otherwise than alone."""
    errors = []
    barrier = threading.Barrier(COUNT)

    def body(k):
        order = fixed.copy()
        random.Random(f"{turn} {k}").shuffle(order)
        barrier.wait()
        for number, sample in order:
            if digest(torch, samples, sample) != alone[number]:
                errors.append(f"{sample!r} in thread {k}, round {turn}")

    threads = [threading.Thread(target=body, args=(k,)) for k in range(COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def digest(torch, samples, sample):
    """A digest of the bits of a sample's results and of the gradients of its inputs, or its error."""
    inputs = []

    def convert(value):
        if isinstance(value, np.ndarray | np.generic):
            tensor = torch.from_numpy(np.array(value))
            if value.dtype.kind in "fcV":
                inputs.append(tensor.requires_grad_())
            return tensor
        if isinstance(value, samples.const):
            return torch.from_numpy(np.array(value.array))
        if isinstance(value, samples.name):
            return find(torch, value.path)
        if isinstance(value, list | tuple):
            inner = [convert(v) for v in value]
            return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
        return {k: convert(v) for k, v in value.items()} if isinstance(value, dict) else value

    args, kwargs = convert(sample.args), convert(sample.kwargs)
    seen = hashlib.sha256()
    try:
        result = (
            sample.path(torch, *args, **kwargs)
            if callable(sample.path)
            else find(torch, sample.path)(*args, **kwargs)
        )
        tensors = flat(torch, result)
        note(seen, tensors)
        roots = [t for t in tensors if t.requires_grad]
        if roots and sample.grad:
            grads = torch.autograd.grad(roots, inputs, [torch.ones_like(t) for t in roots], allow_unused=True)
            note(seen, [g for g in grads if g is not None])
    except Exception as error:  # some samples are of calls that are refused
        seen.update(f"{type(error).__name__}: {error}".encode())
    return seen.hexdigest()[:16]


def find(torch, path):
    found = torch
    for part in path.split("."):
        found = getattr(found, part)
    return found


def flat(torch, value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in flat(torch, v)] if isinstance(value, list | tuple) else []


def note(seen, tensors):
    for t in tensors:
        array = t.detach().numpy()
        seen.update(f"{array.dtype} {array.shape}".encode())
        seen.update(np.ascontiguousarray(array).tobytes())


if __name__ == "__main__":
    main(int(sys.argv[1]))
