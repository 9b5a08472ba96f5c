"""The command line, as a user meets it; `run` on scripts is in test_tutorial.py, `tour` in test_tour.py."""

import os
import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

import retrograd
from retrograd import kernels
from retrograd.cli import main
from retrograd.script import bound_torch


def cli(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "retrograd", *map(str, arguments)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    shown = capsys.readouterr().out
    for command in ("run", "tour", "inspect", "env"):
        assert re.search(rf"^    {command} ", shown, re.M)


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["walk"])
    assert stop.value.code == 2 and "invalid choice: 'walk'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "tour", "inspect", "env"])
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0 and f"python -m retrograd {command}" in capsys.readouterr().out


# --- env -----------------------------------------------------------------------------------------


def test_env_says_what_a_bug_report_needs(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert main(["env"]) == 0
    shown = capsys.readouterr().out
    assert f"retrograd {retrograd.__version__}\n" in shown
    assert kernels.describe() in shown
    assert f"downloads are kept in {tmp_path / 'hub' / 'checkpoints'}" in shown
    assert "PIL: found" in shown
    assert all(len(line) < 120 for line in shown.splitlines())


def test_env_tells_why_numpy_does_the_work():
    assert "kernels: NumPy (RETROGRAD_KERNELS=numpy)" in cli("env", RETROGRAD_KERNELS="numpy").stdout


# --- inspect -------------------------------------------------------------------------------------


def test_inspect_shows_a_checkpoint_that_pytorch_wrote(tmp_path, capsys):
    file = tmp_path / "model.pth"
    torch.save({"model": torch.nn.Linear(3, 2).state_dict(), "step": 7}, file)
    assert main(["inspect", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "zip checkpoint" in shown and "2 tensors" in shown
    assert re.search(r"model\.weight +\[2, 3\] +float32 +24 bytes", shown)
    assert re.search(r"model\.bias +\[2\] +float32 +8 bytes", shown)
    assert "allowed  torch._utils._rebuild_tensor_v2" in shown and "REFUSED" not in shown


def test_inspect_shows_safetensors_and_the_old_format(tmp_path, capsys):
    save_file({"weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    torch.save(torch.ones(2), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert main(["inspect", str(tmp_path / "model.safetensors")]) == 0
    assert "safetensors checkpoint" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "old.pt")]) == 0
    assert "legacy checkpoint" in capsys.readouterr().out


class Hostile:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_inspect_names_what_loading_refuses_and_runs_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.ones(2), "b": Hostile()}, "hostile.pth")
    assert main(["inspect", "hostile.pth"]) == 0
    assert re.search(r"REFUSED  (posix|nt)\.system", capsys.readouterr().out)
    assert sorted(os.listdir()) == ["hostile.pth"]


def test_inspect_explains_what_it_cannot_read_in_one_line(tmp_path, capsys):
    junk = tmp_path / "junk.pth"
    junk.write_bytes(b"this is a text\n")
    for path, expected in (
        (junk, "neither a zip archive nor a pickle"),
        (tmp_path / "absent.pth", "No such file or directory"),
        (tmp_path, "directory" if os.name == "posix" else "denied"),
    ):
        assert main(["inspect", str(path)]) == 1
        shown = capsys.readouterr()
        assert expected in shown.err and str(path) in shown.err
        assert shown.out == "" and shown.err.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes that close early are a matter of POSIX")
def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    file = tmp_path / "many.pth"
    torch.save({f"tensor{i}": torch.ones(1) for i in range(3000)}, file)
    command = f"{sys.executable} -m retrograd inspect {file} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300, check=False)
    assert "3000 tensors" in done.stdout and done.stderr == ""


# --- run -----------------------------------------------------------------------------------------


def run(tmp_path, capsys, text, *arguments):
    """The status and what was printed of a script of this text."""
    script = tmp_path / "script.py"
    script.write_text(text)
    status = main(["run", str(script), *arguments])
    return status, capsys.readouterr()


def test_run_binds_torch_and_its_submodules(tmp_path, capsys):
    text = (
        "import torch, torch.nn as nn, torch.nn.functional as F, torchvision.models\n"
        "from torch import optim\n"
        "import retrograd\n"
        "print(torch is retrograd, nn is retrograd.nn, F is nn.functional, optim is retrograd.optim)\n"
    )
    status, shown = run(tmp_path, capsys, text)
    assert status == 0 and shown.out == "True True True True\n"


def test_afterwards_torch_is_pytorch_again():
    with bound_torch():
        import torch as ours

        assert ours is retrograd
    import torch as theirs

    assert theirs is torch and retrograd.__spec__.name == "retrograd"


def test_options_after_the_script_are_the_scripts(tmp_path, capsys):
    status, shown = run(tmp_path, capsys, "import sys; print(sys.argv[1:])", "--epochs", "3", "-h")
    assert status == 0 and shown.out == "['--epochs', '3', '-h']\n"


def test_an_error_is_shown_from_the_scripts_first_line_with_its_cause(tmp_path, capsys):
    text = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('mine') from error\n"
    status, shown = run(tmp_path, capsys, text)
    assert status == 1
    assert "ZeroDivisionError" in shown.err and "direct cause" in shown.err
    assert "ValueError: mine" in shown.err
    assert "runpy" not in shown.err and "which retrograd does not have" not in shown.err


def test_a_syntax_error_is_shown_without_our_frames(tmp_path, capsys):
    status, shown = run(tmp_path, capsys, "def f(:\n    pass\n")
    assert status == 1 and "SyntaxError" in shown.err and "runpy" not in shown.err


@pytest.mark.parametrize(
    "line, missing",
    [
        ("import torch.a_module", "torch.a_module"),
        ("torch.zeros(3).a_method()", "torch.Tensor.a_method"),
        ("torch.nn.functional.a_function", "torch.nn.functional.a_function"),
    ],
)
def test_what_is_missing_is_named(tmp_path, capsys, line, missing):
    status, shown = run(tmp_path, capsys, f"import torch\n{line}\n")
    assert status == 1
    assert f"script.py:2: this script uses {missing}, which retrograd does not have." in shown.err


def test_a_module_of_someone_else_is_not_called_ours(tmp_path, capsys):
    status, shown = run(tmp_path, capsys, "import torch\nimport a_module_of_someone_else\n")
    assert status == 1 and "which retrograd does not have" not in shown.err


def test_exit_messages_and_codes(tmp_path, capsys):
    assert run(tmp_path, capsys, "raise SystemExit")[0] == 0
    assert run(tmp_path, capsys, "raise SystemExit(3)")[0] == 3
    status, shown = run(tmp_path, capsys, "raise SystemExit('enough')")
    assert status == 1 and shown.err == "enough\n"
