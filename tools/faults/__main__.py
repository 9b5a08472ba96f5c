"""Faults done to retrograd on purpose, one command per part, with figures: what was tried, what held.

    python tools/faults checkpoints|fuzz|downloads|saving|numbers|long|threads|native|supply [--quick]

--quick is the size for continuous integration (seconds); without it each is the size whose results
docs/faults.md records (minutes; `fuzz` runs for --seconds). The exit status is 1 if anything did not hold.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

# For the parts of hostile files, and a server that misbehaves.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

PARTS = {
    "checkpoints": "hostile and damaged files, truncated and changed at every byte, within bounds of memory",
    "fuzz": "coverage-guided mutation of the corpus in tests/corpus (atheris; plain mutation without it)",
    "downloads": "interrupted at any byte, killed, several processes, a full disk, a read-only cache",
    "saving": "kill -9 during saves, full disks, training resumed after a kill",
    "numbers": "one seed, one training run to the bit; NaN and infinity; integers at their limits",
    "long": "100,000 steps, 10^6 nodes, no garbage, dead workers, Ctrl-C, no memory",
    "threads": "backward, forward, loading and saving from 8 threads at once",
    "native": "every function of the compiled module with random arguments",
    "supply": "a software bill of materials, licences, known vulnerabilities",
}


def main():
    parser = argparse.ArgumentParser(prog="python tools/faults", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="part", metavar="PART", required=True)
    for part, text in PARTS.items():
        command = commands.add_parser(part, help=text, description=text.capitalize() + ".")
        command.add_argument("--quick", action="store_true", help="the size for continuous integration")
        command.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
        if part == "fuzz":
            command.add_argument("--seconds", type=float, help="how long (default: 1800; 5 with --quick)")
            command.add_argument("--random", action="store_true", help="plain mutation, without atheris")
            command.add_argument("--keep", metavar="FOLDER", help="write new inputs and failures there")
        if part == "native":
            command.add_argument("--calls", type=int, help="calls of each function")
            command.add_argument(
                "--sanitize",
                choices=["thread", "address"],
                help="instead: build with a sanitizer and run the kernels' tests under it",
            )
        if part == "threads":
            command.add_argument(
                "--python",
                metavar="PATH",
                help="instead: the operations' samples in that Python, by 8 threads, and in this one",
            )
        if part == "supply":
            command.add_argument("--sbom", metavar="FILE", help="write the bill of materials (CycloneDX)")
            command.add_argument(
                "--advisories",
                metavar="PATH",
                help="look up known vulnerabilities there: a folder or zip of OSV's JSON files for PyPI",
            )
            command.add_argument("--pin", action="store_true", help="write tests/constraints.txt")
    options = parser.parse_args()
    begun = time.perf_counter()
    failures = importlib.import_module(f"parts.{options.part}").run(options)
    for failure in failures:
        print("FAILED:", failure)
    verdict = "failed" if failures else "held"
    print(f"{options.part}: {verdict}, {time.perf_counter() - begun:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
