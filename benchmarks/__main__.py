"""`python -m benchmarks [--quick] [--only NAME] [--json FILE]`: retrograd beside PyTorch, on this machine.

`python -m benchmarks --growth` measures how cost grows, and draws docs/benchmarks/growth.svg.
`python -m benchmarks --only ops` measures the most used operations one by one, `--only layers` kernels
against oneDNN's, `--only networks` training steps of networks of many kinds, `--only optimizers` a step
of each optimizer.
"""

import argparse
import fnmatch
import os
import sys
from dataclasses import replace
from functools import partial

from . import (
    growth,
    layers,
    limits,
    machine,
    memory,
    networks,
    operations,
    optimizers,
    page,
    report,
    rivals,
    sizes,
    timing,
)
from .cases import CASES
from .worker import WorkerError

TIME, MEMORY, IMPORT, SIZE = "Time", "Peak memory, beyond imports", "Import, beyond NumPy", "Installed size"


def measurements(options, others=(), peaks=None):
    """(section, name, title, function that measures) of everything, in the table's order.

    others: rivals beside PyTorch; peaks: what limits.measure() gave.
    """
    rounds = options.rounds or (3 if options.quick else 15)
    seconds = 0.02 if options.quick else 0.25
    threads = options.threads
    cases = [case for case in CASES if case.quick or not options.quick]
    if options.quick or options.eager:
        cases = [replace(case, compiled=(), beside=()) for case in cases]
    return [
        *((TIME, c.name, c.title, partial(timing.measure, c, threads, rounds, seconds, others, peaks))
          for c in cases),
        *((MEMORY, f"memory-{c.name}", c.title, partial(memory.measure, c, threads)) for c in cases),
        (IMPORT, "import", "the library", partial(sizes.measure_import, "retrograd", threads, rounds)),
        (IMPORT, "import-nn", "with its nn and optim",
         partial(sizes.measure_import, "retrograd.nn, retrograd.optim", threads, rounds)),
        (SIZE, "size", "the library", partial(sizes.measure_size, False)),
        (SIZE, "size-required", "with what it requires", partial(sizes.measure_size, True)),
    ]  # fmt: skip


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time, memory and size of retrograd beside PyTorch: medians of interleaved rounds, and "
        "ratios retrograd / PyTorch with their quartiles (below 1: retrograd needs less).",
    )
    parser.add_argument("--quick", action="store_true", help="few short rounds, without the large networks")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="what to measure; may be a pattern, and given several times; ops: each operation "
        "by itself; layers: each convolution and product by itself; networks: networks of other kinds; "
        "optimizers: a step of each",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds per case (default: 15, quick: 3)")
    parser.add_argument(
        "--threads",
        type=int,
        default=machine.cores(),
        metavar="N",
        help="threads of each library (default: all cores)",
    )
    parser.add_argument(
        "--rivals",
        metavar="PYTHON",
        default=sys.executable,
        help="the interpreter that has JAX or tinygrad, if any does (default: this one); rows show them too",
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help="measure how a step grows with batch, image size, depth and length of the graph instead",
    )
    parser.add_argument("--eager", action="store_true", help="without torch.compile, as --quick is")
    parser.add_argument(
        "--keep-memory",
        action="store_true",
        help="tell glibc's malloc, in all processes, to keep what is freed (else the system gets it back)",
    )
    parser.add_argument(
        "--page", nargs="+", metavar="FILE", help="write the tables of docs/benchmarks from such --json files"
    )
    parser.add_argument("--list", action="store_true", help="list the names and stop")
    options = parser.parse_args(argv)

    if options.page:
        return page.main(options.page)
    if options.keep_memory:
        os.environ.update(machine.KEEP_MEMORY)
    if options.growth:
        return growth.main(options)
    if options.only and options.only[0] == "ops":
        return operations.main(options)
    if options.only == ["layers"]:
        return layers.main(options)
    if options.only and options.only[0] == "networks":
        return networks.main(options)
    if options.only == ["optimizers"]:
        return optimizers.main(options)
    chosen = measurements(options)
    if options.only:
        chosen = [m for m in chosen if any(fnmatch.fnmatchcase(m[1], only) for only in options.only)]
        if not chosen:
            parser.error(f"nothing is named {', '.join(options.only)}; --list shows the names")
    if options.list:
        for section, name, title, _ in chosen:
            print(f"{name:22} {section}: {title}")
        return 0

    described = machine.describe(options.threads)
    described["limits"] = limits.measure(options.threads)
    others = [(name, options.rivals) for name in rivals.installed(options.rivals)]
    names = {m[1] for m in chosen}
    chosen = [m for m in measurements(options, others, described["limits"]) if m[1] in names]
    print(report.head(described), flush=True)
    results, failed = [], False
    for section, name, title, measure in chosen:
        if not results or results[-1]["section"] != section:
            print(report.heading(section))
        result = {"name": name, "section": section, "title": title}
        try:
            result.update(measure())
        except (timing.Different, WorkerError) as error:
            result["left_out"], failed = str(error), True
        results.append(result)
        print("\n".join(report.rows(result)), flush=True)
        report.save(options.json, described, results)  # after each: a run that is stopped leaves what it had
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
