"""Random programs against PyTorch and differences: views, writes in place, operations, hooks, modes.

    python tools/random_programs.py [--count 100000] [--first 0] [--jobs 1] [--failures 5]

Program number n is always the same, so `--first n --count 1` runs one again. Failing programs are shortened
and printed as Python code. The steps are in tests/random_steps.py.
"""

import argparse
import multiprocessing
import random
import sys
from collections import Counter
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests"))
sys.path.pop(0)  # this folder, where a file has the same name

import random_programs as programs  # noqa: E402
import random_steps  # noqa: E402


def run(number):
    """What was compared in a program, and the failure's text or None."""
    steps, ending = random_steps.draw(random.Random(number))
    program = programs.build(steps, ending)
    try:
        return number, programs.check(program), None
    except programs.Failure as failure:
        return number, "failed", str(programs.shrunk(program) or failure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="programs (default 100000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first one (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--failures", type=int, default=5, help="stop after so many (default 5)")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    counts = Counter()
    with multiprocessing.get_context("spawn").Pool(options.jobs, _one_thread) as pool:
        results = pool.imap(run, numbers, chunksize=min(64, -(-options.count // options.jobs)))
        for number, what, failure in tqdm(results, total=options.count, unit=" programs", mininterval=1):
            counts[what] += 1
            if failure:
                tqdm.write(f"program {number}: {failure}")
                if counts["failed"] >= options.failures:
                    break
    both, one = counts["PyTorch and differences"], counts["PyTorch"]
    print(f"{counts.total()} programs: {both} agree with PyTorch and with differences,")
    print(f"{one} with PyTorch (kinks, hooks, second derivatives), {counts['refused']} are refused by both,")
    print(f"{counts['failed']} fail")
    return 1 if counts["failed"] else 0


def _one_thread():
    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
