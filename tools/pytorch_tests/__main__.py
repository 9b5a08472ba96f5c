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
    parser.add_argument("--expected", help="as --compare, by what --library torch --json wrote before")
    parser.add_argument("--page", help="write the score and the reasons there, as Markdown")
    parser.add_argument("--json", help="write {test: [outcome, reason]} there")
    parser.add_argument("--limit", type=int, default=60, help="seconds for each test")
    parser.add_argument("--library", choices=["retrograd", "torch"], default="retrograd")
    parser.add_argument("--tb", default="no", help="how much of tracebacks to show, as for pytest")
    options = parser.parse_args()
    if options.library == "torch" and options.compare:
        parser.error("--compare runs PyTorch beside retrograd")
    if options.page and not (options.compare or options.expected):
        parser.error("--page needs --compare or --expected")
    paths = [os.path.join(options.source, "test", name) for name in options.files]
    for path in paths:
        if not os.path.exists(path):
            parser.error(f"no such file: {path}")
    expected = _run_pytorch(options) if options.compare else None
    if options.expected:
        with open(options.expected) as file:
            expected = json.load(file)

    from running import run

    results, of_file = {}, {}
    for name, path in zip(options.files, paths):
        found = run(path, options.library, options.k, options.limit, options.tb)
        results.update(found)
        of_file.update(dict.fromkeys(found, name))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=0)
    if options.page:
        with open(options.page, "w") as file:
            file.write(page(options.files, results, expected, of_file))
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


def page(files, results, expected, of_file):
    """The score by file, and why what PyTorch passes does not pass here."""
    from reasons import area_of, reason_of

    lines = [
        "# PyTorch's own tests", "",
        "Made by `python tools/pytorch_tests PYTORCH FILE --compare --page docs/coverage/pytorch_tests.md`:",
        "PyTorch's test files run against retrograd, with stand-ins for their tools. What PyTorch itself",
        "passes when asked in the same way is what counts; tests of areas that retrograd leaves out are",
        "listed apart.",
    ]  # fmt: skip
    for name in files:
        passed = [t for t, (outcome, _) in expected.items() if outcome == "passed"]
        counted = [t for t in passed if of_file.get(t) == name]
        outside = {t: area_of(name, t) for t in counted if results[t][0] != "passed" and area_of(name, t)}
        inside = [t for t in counted if t not in outside]
        failed = [t for t in inside if results[t][0] != "passed"]
        share = 100 * (len(inside) - len(failed)) / len(inside)
        lines += ["", f"## {name}", ""]
        score = f"{len(inside) - len(failed)} of {len(inside)} pass: {share:.1f} %."
        lines += [f"{score} {len(outside)} more are of what is left out:", ""]
        for area in dict.fromkeys(outside.values()):
            lines.append(f"- {area}: {list(outside.values()).count(area)}")
        lines += ["", "| does not pass | why |", "|---|---|"]
        lines += [f"| {t} | {reason_of(name, t, results[t][1])} |" for t in sorted(failed)]
    return "\n".join(lines) + "\n"


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
