"""The README and CONTRIBUTING are true: their code runs, and what they name exists."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import retrograd
from retrograd import cli, hub
from retrograd.vision.models import resnet18

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text, language):
    """The code blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in found]


def block_with(words):
    (block,) = [b for b in blocks(README, "python") if words in b]
    return block


def test_the_tutorials_step_runs(monkeypatch):
    state = resnet18(weights=None).state_dict()
    monkeypatch.setattr(hub, "load_state_dict_from_url", lambda *args, **kwargs: state)
    names = {}
    exec(block_with("resnet18"), names)
    model, moved = names["model"], names["model"].state_dict()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert any(not retrograd.equal(moved[name], state[name]) for name in dict(model.named_parameters()))


def python(*arguments, cwd):
    """Run Python there, with the retrograd of these tests."""
    paths = [str(Path(retrograd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def flat(text):
    """Without the lines' ends, where the README wraps and a terminal doesn't."""
    return " ".join(text.split())


@pytest.mark.parametrize("library", ["retrograd", "torch"])
def test_the_error_is_the_one_that_is_shown(library, tmp_path):
    code = block_with("y += 1").replace("import retrograd as torch", f"import {library} as torch")
    (tmp_path / "train.py").write_text(code)
    done = python("train.py", cwd=tmp_path)
    assert done.returncode == 1
    error = done.stderr[done.stderr.index("RuntimeError: ") :].replace(f"{tmp_path}{os.sep}", "")
    dtype = {"retrograd": "torch.float32", "torch": "torch.FloatTensor"}[library]
    (shown,) = [block for block in blocks(README, "text") if dtype in block]
    assert flat(error) == flat(shown)


def test_every_command_exists():
    commands = re.findall(r"python -m ([\w.]+)(?: ([a-z]+))?", README + CONTRIBUTING)
    assert {module for module, _ in commands} >= {"retrograd", "benchmarks", "pytest"}
    needed = {"run": ["x"], "inspect": ["x"], "finetune": ["--data", "x"], "predict": ["x", "y"]}
    for module, subcommand in commands:
        if module == "retrograd":
            assert cli.parser().parse_args([subcommand, *needed.get(subcommand, [])])
        elif module == "benchmarks":
            assert (ROOT / "benchmarks" / "__main__.py").exists()
        else:
            assert importlib.util.find_spec(module) is not None


def test_every_measured_figure_has_the_name_of_a_benchmark():
    listed = python("-m", "benchmarks", "--list", cwd=ROOT).stdout.split()
    measured = README.partition("## Measured")[2].partition("\n## ")[0]
    named = re.findall(r"^\| .* \| `(\w[\w-]*)` \|$", measured, re.M)
    assert named and set(named) <= set(listed)


def test_the_strip_at_the_top_is_rows_of_the_table():
    top, _, rest = README.partition("\n## ")
    rows = [line for line in top.splitlines() if re.search(r"\| `[\w-]+` \|$", line)]
    assert [row.split("`")[1] for row in rows] == ["step-1x64", "import", "size"]
    measured = rest.partition("## Measured")[2].partition("\n## ")[0].splitlines()
    assert [row for row in rows if row not in measured] == [], "copy the rows of the table to the top"


def test_every_path_exists():
    pattern = r"`((?:src|tests|native|benchmarks|\.ci)/[/\w.]*)`|\]\((\w+\.md)\)"
    paths = re.findall(pattern, README + CONTRIBUTING)
    assert paths
    (layout,) = [b for b in blocks(README, "text") if "src/retrograd/core/" in b]
    for line in layout.splitlines():
        first, *beside = re.match(r"\S+( \S+)*", line)[0].split(" ")  # src/retrograd/nn/ optim/ ...
        paths += [(first, ""), *((f"src/retrograd/{name}", "") for name in beside)]
    for path in [a or b for a, b in paths]:
        assert (ROOT / path).exists(), path


def resolves(name):
    """Whether retrograd has it, under one of the packages that the README speaks of."""
    for package in ("", "autograd.", "func.", "nn.", "vision."):
        value = retrograd
        try:
            for part in (package + name).split("."):
                value = getattr(value, part)
        except AttributeError:
            continue
        return True
    return False


def test_what_is_said_to_work_is_there():
    table = README.partition("## Works, and not yet")[2].partition("\n## ")[0]
    works = [line.split(" | ")[1] for line in table.splitlines() if line.count(" | ") == 2]
    names = re.findall(r"`([\w.]+)`", " ".join(works))
    assert len(names) > 10
    assert [name for name in names if not resolves(name)] == []


def test_the_switches_exist():
    table = README.partition("## Different from PyTorch on purpose")[2].partition("\n## ")[0]
    switches = [line.rpartition(" | ")[2] for line in table.splitlines()]
    names = re.findall(r"`([a-z][\w.]+)\(", " ".join(switches))
    assert names and [name for name in names if not resolves(name)] == []
    source = "".join(path.read_text() for path in (ROOT / "src/retrograd/kernels").glob("*.py"))
    for variable in re.findall(r"`(RETROGRAD_\w+)", " ".join(switches)):
        assert variable in source


def test_the_row_of_CONTRIBUTING_is_the_one_in_the_source():
    (row,) = blocks(CONTRIBUTING, "python")
    assert row in (ROOT / "src/retrograd/ops/elementary.py").read_text()


def test_lines_are_short_enough_to_read_in_a_terminal():
    for text in (README, CONTRIBUTING):
        assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
