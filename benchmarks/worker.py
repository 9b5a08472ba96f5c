"""One library in a process of its own, told what to do by JSON lines on standard input.

`Worker` is the side that asks; `python -m benchmarks.worker LIBRARY THREADS` the process that answers.
"""

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def environment(threads):
    """The environment of a measured process: the number of threads, under each name that a pool reads."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {**os.environ, **counts}


class WorkerError(Exception):
    """A worker ended before it had answered; what it wrote to standard error was shown there."""


class Worker:
    """A process that has imported `library` and answers `ask`; a context manager."""

    def __init__(self, library, threads):
        self.library = library
        command = [sys.executable, "-m", "benchmarks.worker", library, str(threads)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do, **arguments):
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            status = self.process.wait()
            raise WorkerError(f"{self.library} could not do {do} {arguments}: exit status {status}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


# --- inside the process --------------------------------------------------------------------------


class Server:
    """Answers what `Worker.ask` sends; each method is one thing to do."""

    def __init__(self, library, threads):
        from . import cases

        self.cases = cases
        self.name = library
        library = cases.Library(library)
        self.torch = library.torch
        self.torch.set_num_threads(threads)
        self.steps = {}

    def describe(self):
        if self.name == "torch":
            return {"version": self.torch.__version__, "isa": self.torch.backends.cpu.get_cpu_capability(),
                    "threads": self.torch.get_num_threads()}  # fmt: skip
        import numpy

        blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return {"version": self.torch.__version__, "kernels": self.torch.kernels.describe(),
                "threads": self.torch.get_num_threads(), "numpy": numpy.__version__,
                "blas": f"{blas['name']} {blas['version']}"}  # fmt: skip

    def open(self, case, variant):
        """Build a case; its first two steps show that it computes what the other library does."""
        case = self._case(case)
        library = self.cases.Library(self.name, variant)
        missing = [need for need in case.needs if not library.has(need)]
        if missing:
            return {"missing": missing}
        step = self.steps[variant] = case.build(library)
        try:
            values = [step(_no_mark) for _ in range(2)]
        except Exception as error:
            if not variant.startswith("compiled"):
                raise
            # torch.compile needs a C++ compiler, and more: what it lacks is no reason not to time the rest.
            del self.steps[variant]
            return {"failed": _reason(error)}
        started = time.perf_counter()
        step(_no_mark)
        return {"values": values, "seconds": time.perf_counter() - started}

    def _case(self, name):
        if name in self.cases.BY_NAME:
            return self.cases.BY_NAME[name]
        from . import growth, layers, networks, operations, optimizers

        kinds = {"op ": operations, "layer ": layers, "net ": networks, "growth-": growth}
        kinds["optim "] = optimizers
        return next(module.case(name) for start, module in kinds.items() if name.startswith(start))

    def round(self, variant, steps):
        """Seconds per step, and of each phase: means over `steps`, after one that isn't counted."""
        step = self.steps[variant]
        step(_no_mark)
        phases = {}

        def mark(phase):
            nonlocal last
            now = time.perf_counter()
            phases[phase] = phases.get(phase, 0.0) + now - last
            last = now

        started = time.perf_counter()
        for _ in range(steps):
            last = time.perf_counter()
            step(mark)
        total = time.perf_counter() - started
        return {"total": total / steps, "phases": {k: v / steps for k, v in phases.items()}}

    def close(self):
        self.steps.clear()
        gc.collect()
        return {}

    def peak(self, case, variant, steps):
        """The most bytes that the process held while it built the case and ran `steps` of it: what it grew by
        since its imports, and the whole of it."""
        import numpy.random  # noqa: F401  the cases'

        from .memory import peak, resident

        self.cases.Library(self.name).models
        before = resident()
        answer = self.open(case, variant)
        if "missing" in answer:
            return answer
        for _ in range(steps - 3):
            self.steps[variant](_no_mark)
        return {"growth": peak() - before, "whole": peak()}


def _no_mark(phase):
    pass


def _reason(error):
    """The first line that says something, without the compiler's advice after it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"torch.compile: {lines[0] if lines else type(error).__name__}"


def serve(library, threads):
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    server = Server(library, threads)
    for line in sys.stdin:
        question = json.loads(line)
        answer = getattr(server, question.pop("do"))(**question)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
