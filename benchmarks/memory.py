"""Peak memory of a case: how far a process grows beyond what it held after its imports, and all of it.

Each library and variant gets a fresh process, as a peak can't be taken back. What counts is resident memory,
so everything is in it: weights, gradients, momentum, activations, caches, thread stacks. The whole process,
its libraries included, is what a machine must have.
"""

import sys

try:
    import resource
except ImportError:  # Windows
    resource = None

from .worker import Worker

STEPS = 5


def measure(case, threads):
    """The result of one case; PyTorch's thriftiest variant counts."""
    if resource is None:
        return {"left_out": "this system has no getrusage to ask for the peak"}
    ours = _ask("retrograd", threads, case, "eager")
    if "missing" in ours:
        return {"left_out": f"retrograd lacks {', '.join(ours['missing'])}"}
    theirs = {variant: _ask("torch", threads, case, variant) for variant in case.variants}
    return {
        **_compared("growth", ours, theirs),
        "whole": _compared("whole", ours, theirs),
    }


def _compared(what, ours, theirs):
    """One of the two measures of all variants, as a result of the table."""
    each = {variant: peaks[what] for variant, peaks in theirs.items()}
    best = min(each, key=each.get)
    return {
        "unit": "B",
        "retrograd": {"variant": "eager", "median": ours[what]},
        "torch": {"variant": best, "median": each[best], "variants": each},
        "ratio": {"median": ours[what] / each[best]},
    }


def _ask(library, threads, case, variant):
    with Worker(library, threads) as worker:
        return worker.ask("peak", case=case.name, variant=variant, steps=STEPS)


def peak():
    """The most resident memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def resident():
    """The resident memory of this process now, in bytes (where only the peak can be had, that)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        return peak()
