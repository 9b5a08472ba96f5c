"""`finetune` and `predict`: from an image folder to answers, through kills, and what is said of bad input."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import retrograd
from retrograd.cli import main

# It has dropout, so that the random state matters.
MODEL = ["--model", "squeezenet1_1", "--weights", "none", "--size", "32", "--no-flip"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes told apart by colour: 12 pictures each."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for name, colour in (("cold", (40, 60, 200)), ("warm", (200, 60, 40))):
        (root / name).mkdir()
        for i in range(12):
            pixels = np.clip(random.normal(colour, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return str(root)


def command(folder, out, *more):
    return ["finetune", "--data", folder, *MODEL, "--out", str(out), "--batch-size", "4", *more]


def run_apart(*arguments, kill_after=None):
    """The command in a process of its own, killed after so many lines of its standard output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "retrograd", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    if kill_after is not None:
        for _ in range(kill_after):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode


def tensors_of(path):
    state = retrograd.load(path, weights_only=True)
    return {name: value.numpy() for name, value in state["state_dict"].items()}


def assert_same_run(one, two):
    a, b = tensors_of(one / "best.pth"), tensors_of(two / "best.pth")
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert (one / "metrics.csv").read_bytes() == (two / "metrics.csv").read_bytes()
    last = [retrograd.load(run / "last.pth", weights_only=True) for run in (one, two)]
    for name, value in last[0]["model"].items():
        np.testing.assert_array_equal(value.numpy(), last[1]["model"][name].numpy(), err_msg=name)
    assert retrograd.equal(last[0]["random"], last[1]["random"])


def test_learns_and_predicts(folder, tmp_path, capsys):
    out = tmp_path / "run"
    size = ["--size", "64", "--batch-size", "10", "--epochs", "4"]
    assert main(command(folder, out, *size, "--model", "resnet18", "--optimizer", "adamw")) == 0
    said = capsys.readouterr().out
    assert "cold" in said and "20" in said and "best validation accuracy" in said
    rows = list(csv.DictReader(open(out / "metrics.csv")))
    assert [row["epoch"] for row in rows] == list("1234")
    assert max(float(row["val_accuracy"]) for row in rows) == 1.0

    assert main(["predict", str(out), folder, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == 24
    for answer in answers:
        assert os.path.basename(os.path.dirname(answer["image"])) == answer["classes"][0]["class"]
        assert sum(c["share"] for c in answer["classes"]) == pytest.approx(1, abs=1e-4)


def test_pytorch_reads_the_model(folder, tmp_path):
    import torch

    assert main(command(folder, tmp_path / "run", "--epochs", "1")) == 0
    state = torch.load(tmp_path / "run" / "best.pth", weights_only=True)
    assert state["classes"] == ["cold", "warm"]
    assert all(isinstance(value, torch.Tensor) for value in state["state_dict"].values())


@pytest.mark.parametrize("augment", ["light", "mixed"])
def test_a_killed_run_goes_on_to_the_same_end(folder, tmp_path, augment):
    """Killed in two places, within and between epochs; dropout, momentum and order go on as they were."""
    more = ["--epochs", "3", "--augment", augment, "--save-steps", "2"]
    assert run_apart(*command(folder, tmp_path / "whole", *more)) == 0
    broken = command(folder, tmp_path / "broken", *more)
    assert run_apart(*broken, kill_after=6) == -signal.SIGKILL  # at the table's header: the first epoch runs
    assert run_apart(*broken, "--resume", kill_after=8) == -signal.SIGKILL  # an epoch later
    assert run_apart(*broken, "--resume") == 0
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_stopped_within_an_epoch_it_goes_on_to_the_same_end(folder, tmp_path, monkeypatch):
    """Stopped at step 4 of 5, where step 3 was saved."""
    from retrograd.finetune import train

    more = ["--epochs", "2", "--save-steps", "3", "--augment", "mixed"]
    assert main(command(folder, tmp_path / "whole", *more)) == 0
    step = train._Run.step

    def stop_at_four(run, images, labels):
        if run.progress["epoch"] == 2 and run.progress["step"] == 4:
            raise KeyboardInterrupt
        step(run, images, labels)

    with monkeypatch.context() as patch:
        patch.setattr(train._Run, "step", stop_at_four)
        assert main(command(folder, tmp_path / "broken", *more)) == 130
    saved = retrograd.load(tmp_path / "broken" / "last.pth", weights_only=True)["progress"]
    assert (saved["epoch"], saved["step"]) == (2, 3)
    assert main([*command(folder, tmp_path / "broken", *more), "--resume"]) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_worker_processes_change_nothing(folder, tmp_path):
    for workers in "02":
        assert main(command(folder, tmp_path / workers, "--epochs", "1", "--workers", workers)) == 0
    assert_same_run(tmp_path / "0", tmp_path / "2")


def test_frozen_parts_keep_their_values(folder, tmp_path):
    """A checkpoint of PyTorch's shape, its last layer replaced, everything else frozen."""
    from retrograd.vision.models import resnet18

    model = resnet18()
    retrograd.save(model.state_dict(), tmp_path / "weights.pth")
    arguments = ["--weights", str(tmp_path / "weights.pth"), "--freeze", "backbone", "--epochs", "1"]
    assert main(command(folder, tmp_path / "run", "--model", "resnet18", *arguments)) == 0
    after = tensors_of(tmp_path / "run" / "best.pth")
    for name, value in model.state_dict().items():
        if not name.startswith("fc."):
            np.testing.assert_array_equal(value.numpy(), after[name], err_msg=name)
    assert after["fc.weight"].shape == (2, 512)


def test_stops_when_nothing_gets_better(folder, tmp_path):
    assert main(command(folder, tmp_path / "run", "--epochs", "30", "--patience", "2", "--lr", "1e-9")) == 0
    assert len(list(csv.DictReader(open(tmp_path / "run" / "metrics.csv")))) == 3


def test_a_dry_run_writes_nothing(folder, tmp_path, capsys):
    assert main(command(folder, tmp_path / "run", "--dry-run")) == 0
    assert not (tmp_path / "run").exists()
    assert "a step takes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data", "nowhere"], "can't read the folder 'nowhere'"),
        (["--model", "resnet19"], "did you mean resnet1"),
        (["--weights", "BEST"], "no weights named 'BEST'"),
        (["--freeze", "backbone"], "nothing would learn"),
        (["--freeze", "head"], "no parameter's name starts with 'head'"),
        (["--freeze", "features,classifier"], "every parameter"),
        (["--resume"], "nothing to go on from|there is no"),
        (["--lr", "1e30"], "the loss is"),
    ],
)  # fmt: skip
def test_bad_input_is_explained(folder, tmp_path, capsys, more, words):
    assert main(command(folder, tmp_path / "run", "--epochs", "3", *more)) == 2
    error = capsys.readouterr().err
    assert "finetune: " in error
    assert any(part in error for part in words.split("|")), error


def test_a_run_is_not_overwritten_nor_resumed_with_other_arguments(folder, tmp_path, capsys):
    assert main(command(folder, tmp_path / "run", "--epochs", "1")) == 0
    before = (tmp_path / "run" / "last.pth").read_bytes()
    assert main(command(folder, tmp_path / "run", "--epochs", "1")) == 2
    assert "holds a run" in capsys.readouterr().err
    assert main(command(folder, tmp_path / "run", "--epochs", "2", "--resume")) == 2
    assert "--epochs was 1, is 2" in capsys.readouterr().err
    assert (tmp_path / "run" / "last.pth").read_bytes() == before


def test_an_unreadable_image_is_named(folder, tmp_path, capsys):
    assert main(command(folder, tmp_path / "run", "--epochs", "1")) == 0
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    assert main(["predict", str(tmp_path / "run"), str(bad), os.path.join(folder, "cold", "0.png")]) == 1
    said = capsys.readouterr()
    assert "bad.png" in said.err and "0.png" in said.out
