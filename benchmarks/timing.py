"""Time per step, interleaved.

Each library lives in a process of its own for a whole case, and the two take turns: a round here, a round
there, the other one waiting on a pipe. One process for both would be unfair in ways that can't be seen: the
allocator's thresholds and free lists are then shaped by whichever library came first, the thread pool of one
still spins when the other starts, and each pays the other's garbage collection. Fresh processes for each
round would measure warm-up. With turns of a fraction of a second, whatever else the machine does falls on
both alike; ratios are taken within a round, so that slow drift cancels, and who goes first alternates.
"""

import contextlib
import math
import statistics
import time

from . import limits
from .rivals import Rival
from .worker import Worker

TOLERANCE = 1e-3  # relative: what the same float32 program may differ by


class Different(Exception):
    """The libraries computed different things: a time would mean nothing."""


def measure(case, threads, rounds, seconds, others=(), machine=None, most=None):
    """The result of one case: `rounds` turns of at least about `seconds` each, per variant.

    others: (library, the Python that has it) beside PyTorch. machine: what limits.measure() gave. most:
    seconds, after which no further round begins once there were three.
    """
    with contextlib.ExitStack() as stack:
        rivals = []
        for library, python in others:
            if library in case.rivals:
                rivals.append(Rival(python, library, case.name, threads, seconds))
                stack.callback(rivals[-1].close)
        result = _measured(case, threads, rounds, seconds, rivals, most)
    result.setdefault("rivals", {}).update(
        {r.library: {"left_out": r.missing} for r in rivals if r.missing}
        | {r.library: spread([t / case.work for t in r.totals]) for r in rivals if r.totals}
    )
    result["limit"] = limits.shortest(case.least, machine, case.work)
    return result


def _measured(case, threads, rounds, seconds, others, most):
    compiling = case.compiled + case.beside
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(Worker(name, threads)) for name in ("retrograd", "torch"))
        runs = [Run(ours, "eager"), *(Run(theirs, variant) for variant in case.variants)]
        if compiling:  # in a process of its own, which the compiler's modules and threads burden
            compiler = stack.enter_context(Worker("torch", threads))
            runs += [Run(compiler, variant) for variant in compiling]
        left_out = {}
        for run in list(runs):
            run.open(case, seconds)
            if run.missing:
                return {"left_out": f"{run.worker.library} lacks {', '.join(run.missing)}"}
            if run.failed:
                left_out[run.variant] = run.failed
                runs.remove(run)
        check(case, runs)
        for rival in others:
            rival.check(runs[1].values)
        others = [rival for rival in others if not rival.missing]
        started = time.perf_counter()
        for i in range(rounds + 1):
            for run in [*runs, *others] if i % 2 else [*others, *reversed(runs)]:
                run.round(keep=i > 0)  # the first one warms up
            if most is not None and i >= 3 and time.perf_counter() - started > most:
                break
    mine = runs[0]
    rivals = [run for run in runs[1:] if run.variant not in case.beside]
    beside = {f"PyTorch, {run.variant}": run for run in runs if run.variant in case.beside}
    fastest, ratio = best(mine, rivals)
    return {
        "unit": "s",
        "retrograd": mine.summary(case.work),
        "torch": {
            **fastest.summary(case.work),
            "variants": {run.variant: run.summary(case.work) for run in rivals},
            "variants_left_out": left_out,
        },
        "ratio": ratio,
        "rounds": len(mine.totals),
        "rivals": {name: run.summary(case.work) for name, run in beside.items()},
    }


def best(mine, rivals):
    """The fastest of the runs `rivals`, and the ratio of `mine` to it within the rounds."""
    run = min(rivals, key=lambda run: statistics.median(run.totals))
    return run, spread([a / b for a, b in zip(mine.totals, run.totals, strict=True)])


class Run:
    """One variant of one library, and its rounds so far."""

    def __init__(self, worker, variant):
        self.worker = worker
        self.variant = variant
        self.totals = []
        self.phases = []

    def open(self, case, seconds):
        answer = self.worker.ask("open", case=case.name, variant=self.variant)
        self.missing, self.failed = answer.get("missing"), answer.get("failed")
        if not self.missing and not self.failed:
            self.values = answer["values"]
            self.steps = max(1, math.ceil(seconds / answer["seconds"]))

    def round(self, keep):
        answer = self.worker.ask("round", variant=self.variant, steps=self.steps)
        if keep:
            self.totals.append(answer["total"])
            self.phases.append(answer["phases"])

    def summary(self, work):
        phases = {name: [p[name] / work for p in self.phases] for name in self.phases[0]}
        return {
            "variant": self.variant,
            **spread([t / work for t in self.totals]),
            "steps_per_round": self.steps,
            "phases": {name: spread(values) for name, values in phases.items()} if len(phases) > 1 else {},
        }


def check(case, runs):
    """Raise Different unless the first steps of all runs gave the same numbers."""
    expected = runs[1].values
    for run in runs:
        if case.random and run.variant.endswith("channels_last"):
            continue
        for a, b in zip(run.values, expected, strict=True):
            if not math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                raise Different(
                    f"{case.name}: {run.worker.library} ({run.variant}) computed {run.values}, "
                    f"PyTorch {expected}: no time is given"
                )


def spread(values):
    """The median and the quartiles."""
    if len(values) < 2:
        return {"median": values[0], "quartiles": [values[0], values[0]]}
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": statistics.median(values), "quartiles": [low, high]}
