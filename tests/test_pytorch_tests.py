"""The tool that runs PyTorch's own test files: on a small file in their manner."""

import json
import os
import subprocess
import sys

TOOL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools", "pytorch_tests")
FILE = """
import torch
import torch._dynamo.something
from torch.testing._internal.common_device_type import dtypes, instantiate_device_type_tests, onlyCUDA
from torch.testing._internal.common_utils import (
    TEST_WITH_ROCM, TestCase, instantiate_parametrized_tests, parametrize, run_tests, skipIfRocm, subtest,
)

class TestPlain(TestCase):
    def test_equal(self):
        self.assertEqual(torch.ones(2) * 2, torch.tensor([2.0, 2.0]))
        self.assertEqual([torch.ones(1), 3], [torch.ones(1), 3])

    def test_unequal(self):
        self.assertEqual(torch.ones(2), torch.ones(2) * 1.1)

    @skipIfRocm
    def test_absent(self):
        with torch.nothing_of_this_name():
            pass

    @parametrize("n", [1, subtest(2, name="two")])
    def test_several(self, n):
        self.assertGreater(n, 1)

class TestDevices(TestCase):
    @dtypes(torch.float32, torch.int64)
    def test_kind(self, device, dtype):
        self.assertEqual(torch.ones(2, device=device, dtype=dtype).dtype, dtype)

    @onlyCUDA
    def test_gpu(self, device):
        raise AssertionError

instantiate_parametrized_tests(TestPlain)
instantiate_device_type_tests(TestDevices, globals())
"""
OUTCOMES = {
    "TestPlain::test_equal": "passed", "TestPlain::test_unequal": "failed",
    "TestPlain::test_absent": "skipped", "TestPlain::test_several_n_1": "failed",
    "TestPlain::test_several_two": "passed", "TestDevicesCPU::test_kind_cpu_float32": "passed",
    "TestDevicesCPU::test_kind_cpu_int64": "passed", "TestDevicesCPU::test_gpu_cpu": "skipped",
}  # fmt: skip


def test_outcomes_and_score(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "test_small.py").write_text(FILE)
    expected = {name: ["passed", ""] for name in ("TestPlain::test_equal", "TestPlain::test_unequal")}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    command = [sys.executable, TOOL, str(tmp_path), "test_small.py", "--json", str(tmp_path / "out.json")]
    run = subprocess.run(command, capture_output=True, text=True)
    found = json.loads((tmp_path / "out.json").read_text())
    assert {name: outcome for name, (outcome, _) in found.items()} == OUTCOMES, run.stdout + run.stderr
    assert run.returncode == 1 and "4 of 8 tests in all pass: 50.0 %" in run.stdout
    assert "needs retrograd.nothing_of_this_name()" in found["TestPlain::test_absent"][1]
    page = tmp_path / "page.md"
    command += ["--expected", str(tmp_path / "expected.json"), "--page", str(page), "-k", "equal"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert "1 of 2 tests that PyTorch passes pass: 50.0 %" in run.stdout
    assert "| TestPlain::test_unequal | not yet: " in page.read_text()
