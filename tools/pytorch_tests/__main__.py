"""Runs PyTorch's own test files against retrograd: score, and failures by name.

    python tools/pytorch_tests PYTORCH test_autograd.py [-k EXPRESSION] [--compare] [--json RESULTS]

PYTORCH is a source tree of PyTorch (its `test/` folder is what counts); files are named as they are in it.
With --compare the same files are run on the installed PyTorch too, in the same way, and what PyTorch itself
passes is what counts: some tests ask for what the stand-ins don't have, or belong to another version.

The tests' own tools (`torch.testing._internal`) are replaced by stand-ins, for both libraries. What retrograd
lacks is there as an `Absent` object that skips the test which uses it as a context, and fails it otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile


def main():
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python tools/pytorch_tests", description=about)
    parser.add_argument("source", help="a source tree of PyTorch")
    parser.add_argument("files", nargs="+", help="test files, as they are named in its folder test/")
    parser.add_argument("-k", help="only tests whose names match, as for pytest")
    parser.add_argument("--compare", action="store_true", help="count only what PyTorch itself passes")
    parser.add_argument("--json", help="write {test: [outcome, reason]} there")
    parser.add_argument("--limit", type=int, default=60, help="seconds for each test")
    parser.add_argument("--library", choices=["retrograd", "torch"], default="retrograd")
    parser.add_argument("--tb", default="no", help="how much of tracebacks to show, as for pytest")
    options = parser.parse_args()
    if options.library == "torch" and options.compare:
        parser.error("--compare runs PyTorch beside retrograd")
    paths = [os.path.join(options.source, "test", name) for name in options.files]
    for path in paths:
        if not os.path.exists(path):
            parser.error(f"no such file: {path}")
    expected = _run_pytorch(options) if options.compare else None

    from running import run

    results = {}
    for path in paths:
        results.update(run(path, options.library, options.k, options.limit, options.tb))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=0)
    return report(results, expected)


def _run_pytorch(options):
    """The results of the installed PyTorch, from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "results.json")
        command = [sys.executable, os.path.dirname(os.path.abspath(__file__)), options.source, *options.files]
        command += ["--library", "torch", "--json", out, "--limit", str(options.limit)]
        subprocess.run(command + (["-k", options.k] if options.k else []), stdout=subprocess.DEVNULL)
        with open(out) as file:
            return json.load(file)


def report(results, expected=None):
    """Print what failed and the score; 1 if anything failed that should pass, else 0."""
    counted = [t for t in (expected or results) if expected is None or expected[t][0] == "passed"]
    passed = 0
    for test in counted:
        outcome, reason = results.get(test, ("missing", "not collected"))
        passed += outcome == "passed"
        if outcome != "passed":
            print(f"{outcome:8} {test}: {' '.join(reason.split())[:200]}")
    whose = "that PyTorch passes" if expected is not None else "in all"
    share = 100 * passed / len(counted) if counted else 0.0
    print(f"{passed} of {len(counted)} tests {whose} pass: {share:.1f} %")
    return int(passed < len(counted))


if __name__ == "__main__":
    sys.exit(main())
