"""The tutorial's training step, against real PyTorch and torchvision, from one checkpoint that PyTorch
writes.
"""

import hashlib
import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

import retrograd
from _http_server import Server, whole
from oracle import as_array, torchvision
from retrograd.vision.models import ResNet18_Weights, resnet18

LR, MOMENTUM, STEPS = 1e-2, 0.9, 3


@pytest.fixture(scope="module")
def reference():
    """torchvision's ResNet-18 with running statistics that are not the initial ones."""
    torch.manual_seed(1)
    model = torchvision().models.resnet18(weights=None)
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, 3, 64, 64))
    return model


@pytest.fixture(scope="module")
def checkpoint(reference, tmp_path_factory):
    """Its state, written by torch.save under a name with the hash, as the published ones have."""
    folder = tmp_path_factory.mktemp("published")
    torch.save(reference.state_dict(), folder / "draft.pth")
    content = (folder / "draft.pth").read_bytes()
    path = folder / f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    return path


def tutorial_steps(library, model, data, labels, steps=STEPS, lr=LR):
    """The tutorial's step, `steps` times: the predictions and gradients of each."""
    optim = library.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM)
    seen = []
    for _ in range(steps):
        optim.zero_grad()
        prediction = model(data)
        loss = (prediction - labels).sum()
        loss.backward()
        grads = {name: as_array(p.grad).copy() for name, p in model.named_parameters()}
        seen.append((as_array(prediction.detach()).copy(), grads))
        optim.step()
    return seen


def distance(a, b):
    """|a - b| / |b|, norms over all elements."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-30)


def farthest(mine, real):
    """The largest distance among arrays or Tensors of the same names."""
    assert list(mine) == list(real)
    return max(distance(_plain(mine[name]), _plain(value)) for name, value in real.items())


def _plain(x):
    return x if isinstance(x, np.ndarray) else as_array(x)


class Pair:
    """Our model and theirs from one checkpoint, in one dtype; and a batch for both."""

    def __init__(self, checkpoint, dtype, seed=0, batch=1):
        self.dtype = dtype
        self.ours = resnet18(weights=None)
        self.ours.load_state_dict(retrograd.load(checkpoint))
        self.ours.to(getattr(retrograd, dtype))
        self.theirs = self.reference(checkpoint)
        rng = np.random.default_rng(seed)
        self.batch = [
            rng.random((batch, 3, 64, 64)).astype("float32").astype(dtype),
            rng.random((batch, 1000)).astype("float32").astype(dtype),
        ]

    def reference(self, checkpoint):
        model = torchvision().models.resnet18(weights=None)
        model.load_state_dict(torch.load(checkpoint))
        return model.to(getattr(torch, self.dtype))

    def step_ours(self, **options):
        return tutorial_steps(retrograd, self.ours, *map(retrograd.from_numpy, self.batch), **options)

    def step_theirs(self, **options):
        return tutorial_steps(torch, self.theirs, *map(torch.from_numpy, self.batch), **options)


def test_float64_equals_pytorch_to_1e_10(checkpoint):
    pair = Pair(checkpoint, "float64")
    mine, real = pair.step_ours(), pair.step_theirs()
    assert distance(mine[0][0], real[0][0]) <= 1e-10
    assert farthest(mine[0][1], real[0][1]) <= 1e-10

    # With batch norm over four pixels of one image, and a loss without a lower bound, each step multiplies a
    # rounding
    # by about 100. PyTorch with its tensors in another memory format measures what three steps make of it.
    again = Pair(checkpoint, "float64")
    again.theirs.to(memory_format=torch.channels_last)
    again.step_theirs()
    spread = farthest(again.theirs.state_dict(), pair.theirs.state_dict())
    assert farthest(pair.ours.state_dict(), pair.theirs.state_dict()) <= max(1e-10, 2 * spread)
    for name, value in pair.theirs.state_dict().items():
        assert str(pair.ours.state_dict()[name].dtype) == str(value.dtype), name


def test_float32_first_step_equals_pytorch_to_1e_4(checkpoint):
    """The median over five batches: where a ReLU's input is within a rounding of 0, one batch's gradients may
    jump.
    """
    found = []
    for seed in range(5):
        pair = Pair(checkpoint, "float32", seed, batch=4)
        mine, real = pair.step_ours(steps=1), pair.step_theirs(steps=1)
        assert distance(mine[0][0], real[0][0]) <= 1e-4
        states = farthest(pair.ours.state_dict(), pair.theirs.state_dict())
        found.append((farthest(mine[0][1], real[0][1]), states))
    assert np.median(found, axis=0).max() <= 1e-4


def test_float32_three_steps_equal_pytorch_to_1e_4(checkpoint):
    """With the running statistics (eval), where the problem is well conditioned, at a rate where it stays
    finite.
    """
    pair = Pair(checkpoint, "float32")
    pair.ours.eval()
    pair.theirs.eval()
    mine, real = pair.step_ours(lr=1e-3), pair.step_theirs(lr=1e-3)
    for step in range(STEPS):
        assert distance(mine[step][0], real[step][0]) <= 1e-4, f"prediction of step {step}"
        assert farthest(mine[step][1], real[step][1]) <= 1e-4, f"gradients of step {step}"
    assert farthest(pair.ours.state_dict(), pair.theirs.state_dict()) <= 1e-4


def test_initial_weights_are_pytorchs():
    retrograd.manual_seed(5)
    ours = resnet18().state_dict()
    torch.manual_seed(5)
    theirs = torchvision().models.resnet18().state_dict()
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(as_array(ours[name]), as_array(value), rtol=1e-6, atol=1e-8, err_msg=name)


def test_pretrained_weights_come_from_the_address_in_the_enum(checkpoint, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with Server() as server:
        url = server.serve(checkpoint.name, whole(checkpoint.read_bytes()))
        monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", url)
        model = resnet18(weights="DEFAULT")
        again = resnet18(weights=ResNet18_Weights.DEFAULT)
        assert len(server.requests) == 1, "the second model should come from the cache"
    assert (tmp_path / "hub" / "checkpoints" / checkpoint.name).exists()
    assert "100%" in capsys.readouterr().err, "a progress bar"
    expected = torch.load(checkpoint)
    for name, value in again.state_dict().items():
        np.testing.assert_array_equal(as_array(value), as_array(expected[name]), err_msg=name)
    assert model.training


def test_a_checkpoint_without_num_batches_tracked_loads_strictly(checkpoint):
    state = retrograd.load(checkpoint)
    old = type(state)((k, v) for k, v in state.items() if not k.endswith("num_batches_tracked"))
    assert len(old) == 102
    model = resnet18(weights=None)
    result = model.load_state_dict(old)
    assert not result.missing_keys and not result.unexpected_keys


def test_a_wrong_checkpoint_lists_what_is_wrong(checkpoint):
    state = retrograd.load(checkpoint)
    del state["fc.bias"]
    state["extra"] = retrograd.zeros(1)
    state["conv1.weight"] = retrograd.zeros(3)
    with pytest.raises(RuntimeError) as error:
        resnet18(weights=None).load_state_dict(state)
    text = str(error.value)
    assert 'Missing key(s) in state_dict: "fc.bias"' in text
    assert 'Unexpected key(s) in state_dict: "extra"' in text
    assert "size mismatch for conv1.weight: copying a param with shape torch.Size([3])" in text


SCRIPT = """
    import sys
    import torch
    {import_models}

    assert "retrograd" in torch.__file__ and not any(m == "torch._C" for m in sys.modules)
    torch.manual_seed(0)
    model = resnet18()
    data = torch.rand(1, 3, 64, 64)
    labels = torch.rand(1, 1000)
    prediction = model(data)
    loss = (prediction - labels).sum()
    loss.backward()
    optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    optim.step()
    print("loss", loss.item(), "args", sys.argv[1:], __name__)
"""


@pytest.mark.parametrize(
    "import_models",
    [
        "from torchvision.models import resnet18",
        "import torchvision\n    resnet18 = torchvision.models.resnet18",
    ],
)
def test_the_unmodified_script_runs(tmp_path, import_models):
    script = tmp_path / "tutorial.py"
    script.write_text(textwrap.dedent(SCRIPT.format(import_models=import_models)))
    done = _retrograd("run", script, "--flag", "3")
    assert done.returncode == 0, done.stderr
    loss = float(done.stdout.split()[1])
    torch.manual_seed(0)
    model = torchvision().models.resnet18()
    expected = (model(torch.rand(1, 3, 64, 64)) - torch.rand(1, 1000)).sum().item()
    assert math.isclose(loss, expected, rel_tol=1e-3)
    assert "args ['--flag', '3'] __main__" in done.stdout


def test_a_missing_name_is_reported_with_the_scripts_line(tmp_path):
    script = tmp_path / "wants_more.py"
    script.write_text("import torch\n\ndef f():\n    return torch.a_name_from_the_future(3)\n\nf()\n")
    done = _retrograd("run", script)
    assert done.returncode == 1
    assert f"{script}:4: this script uses torch.a_name_from_the_future" in done.stderr


def test_a_missing_import_is_reported_with_the_scripts_line(tmp_path):
    script = tmp_path / "wants_more.py"
    script.write_text("import torch\nfrom torch.nn import ANameFromTheFuture\n")
    done = _retrograd("run", script)
    assert done.returncode == 1
    assert f"{script}:2: this script uses torch.nn.ANameFromTheFuture" in done.stderr


def test_exit_status_and_system_exit(tmp_path):
    script = tmp_path / "stops.py"
    script.write_text("import sys\nsys.exit(7)\n")
    assert _retrograd("run", script).returncode == 7
    assert _retrograd("run", tmp_path / "absent.py").returncode == 2


def _retrograd(*args):
    command = [sys.executable, "-m", "retrograd", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)
