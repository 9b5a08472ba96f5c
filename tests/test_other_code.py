"""Scripts in the ordinary idiom, and packages that build on torch, run unmodified and print the same."""

import pytest

from tool import tool

other_code = tool("other_code/__main__.py")

SCRIPTS = [name for name, path in other_code.programs().items() if path.parent.name == "scripts"]


@pytest.mark.parametrize("name", [*SCRIPTS, "einops", "safetensors", "tqdm", "dlpack_numpy"])
def test_prints_what_pytorch_prints(name, tmp_path):
    for package in other_code.PACKAGES.get(name, []):
        pytest.importorskip(package, reason=f"{package} is not installed")
    works, words = other_code.judge(other_code.programs()[name], tmp_path)
    assert (works, words) == (True, "prints what PyTorch prints")
