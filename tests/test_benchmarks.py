"""The benchmark command: its table and its JSON, on the smallest cases. The figures are not tested."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import retrograd

ROOT = Path(__file__).parents[1]
NAMES = ["chain-scalar", "memory-mlp", "import", "size", "size-required"]


def benchmarks(*arguments):
    # The folder that retrograd came from, as the command runs in the repository's root.
    paths = [str(Path(retrograd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The table and the JSON of one quick run."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    only = [argument for name in NAMES for argument in ("--only", name)]
    done = benchmarks("--quick", "--rounds", "2", "--threads", "1", "--json", str(file), *only)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_the_machine_is_described(quick):
    table, results = quick
    machine = results["machine"]
    assert machine["cpu"] and machine["cores"] >= 1 and machine["threads"] == 1
    assert machine["retrograd"]["version"] == retrograd.__version__
    assert machine["retrograd"]["threads"] == machine["torch"]["threads"] == 1
    assert "2.13.0" in machine["torch"]["version"]
    assert machine["cpu"] in table and "threads: 1 each" in table


def test_each_measurement_is_a_row_with_both_libraries_and_their_ratio(quick):
    table, results = quick
    assert [r["name"] for r in results["results"]] == NAMES
    for result in results["results"]:
        ours, theirs = result["retrograd"]["median"], result["torch"]["median"]
        assert ours > 0 and theirs > 0 and result["ratio"]["median"] > 0
        assert any(line.startswith("  " + result["title"]) for line in table.splitlines())
    for heading in ("Time", "Peak memory", "Import, beyond NumPy", "Installed size"):
        assert any(line.startswith(heading) for line in table.splitlines())


def test_times_have_quartiles_around_the_median_and_phases(quick):
    chain = next(r for r in quick[1]["results"] if r["name"] == "chain-scalar")
    assert chain["rounds"] == 2 and chain["unit"] == "s"
    for library in ("retrograd", "torch"):
        low, high = chain[library]["quartiles"]
        assert low <= chain[library]["median"] <= high
        assert list(chain[library]["phases"]) == ["forward", "backward"]
    assert list(chain["torch"]["variants"]) == ["eager"]


def test_sizes_are_those_of_the_packages(quick):
    alone, required = (r for r in quick[1]["results"] if r["unit"] == "B" and r["name"].startswith("size"))
    assert alone["retrograd"]["packages"] == ["retrograd"]
    assert {"retrograd", "numpy", "ml_dtypes", "tqdm", "filelock"} == set(required["retrograd"]["packages"])
    assert alone["torch"]["median"] < required["torch"]["median"]


def test_list_names_every_case_and_an_unknown_name_is_refused():
    listed = benchmarks("--list").stdout
    for name in ("step-1x64", "step-16x64", "step-8x224", "inference-1x224", "mlp", "memory-step-8x224"):
        assert f"\n{name} " in f"\n{listed}"
    refused = benchmarks("--only", "nothing-of-that-name")
    assert refused.returncode == 2 and "--list shows the names" in refused.stderr
