"""Scripts in the ordinary idiom, and packages that build on torch, run unmodified and print the same."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("other_code", ROOT / "tools" / "other_code" / "__main__.py")
other_code = sys.modules.setdefault("other_code", importlib.util.module_from_spec(spec))
spec.loader.exec_module(other_code)

SCRIPTS = [name for name, path in other_code.programs().items() if path.parent.name == "scripts"]


@pytest.mark.parametrize("name", [*SCRIPTS, "einops", "safetensors", "tqdm", "dlpack_numpy"])
def test_prints_what_pytorch_prints(name, tmp_path):
    for package in other_code.PACKAGES.get(name, []):
        pytest.importorskip(package, reason=f"{package} is not installed")
    works, words = other_code.judge(other_code.programs()[name], tmp_path)
    assert (works, words) == (True, "prints what PyTorch prints")
