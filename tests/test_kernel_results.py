"""The tool that carries results to another machine: what it finds, and that it finds it."""

import os
import subprocess
import sys

import numpy as np

from tool import ROOT, tool

TOOL = ROOT / "tools" / "kernel_results.py"


def run(*arguments, **environment):
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, TOOL, *arguments],
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def test_kernels_compute_what_numpy_does(tmp_path):
    saved = run("save", tmp_path / "results.npz", RETROGRAD_KERNELS="numpy")
    assert saved.returncode == 0, saved.stderr
    compared = run("compare", tmp_path / "results.npz")
    assert compared.returncode == 0, compared.stdout[-2000:] + compared.stderr[-2000:]
    assert ", 0 differ" in compared.stdout


def test_what_differs_is_named():
    differing = tool("kernel_results.py").differing
    one, nan = np.ones(3), np.full(3, np.nan)
    assert differing({"a": one, "b": one}, {"a": one, "b": one}) == []
    assert "b: differs by 1.0" in differing({"a": one, "b": one + one}, {"a": one, "b": one})[0]
    assert "a: differs by nan" in differing({"a": nan}, {"a": one})[0]
    assert differing({"a": one}, {}) == ["a: only on one side"]
