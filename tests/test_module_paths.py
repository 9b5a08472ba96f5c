"""Scripts import classes from the modules that PyTorch defines them in: the same paths lead to them here."""

import importlib
import inspect
import subprocess
import sys

import pytest
import torch

import retrograd

PATHS = """
backends.cudnn backends.cuda backends.mps backends.mkldnn backends.mkl backends.openmp backends.cpu cuda.amp
multiprocessing nn.attention nn.attention.bias nn.common_types nn.grad nn.init nn.modules.activation
nn.modules.adaptive nn.modules.batchnorm nn.modules.channelshuffle nn.modules.container nn.modules.conv
nn.modules.distance nn.modules.dropout nn.modules.flatten nn.modules.fold nn.modules.instancenorm
nn.modules.lazy nn.modules.linear nn.modules.loss nn.modules.module nn.modules.normalization
nn.modules.padding nn.modules.pixelshuffle nn.modules.pooling nn.modules.rnn nn.modules.sparse
nn.modules.transformer nn.modules.upsampling nn.modules.utils nn.parameter nn.utils.clip_grad
nn.utils.fusion nn.utils.parametrizations nn.utils.parametrize nn.utils.prune nn.utils.rnn
nn.utils.spectral_norm nn.utils.stateless nn.utils.weight_norm optim.adadelta optim._adafactor optim._muon
optim.adagrad optim.adam optim.adamax optim.adamw optim.asgd optim.lbfgs optim.lr_scheduler optim.nadam
optim.optimizer optim.radam optim.rmsprop optim.rprop optim.sgd optim.sparse_adam optim.swa_utils utils.data
utils.data.dataloader utils.data.dataset utils.data.distributed utils.data.sampler utils.data._utils.collate
utils.data._utils.worker
""".split()


# What PyTorch's modules keep for themselves.
INTERNAL = {
    "SDPAParams", "SpectralNormLoadStateDictPreHook", "SpectralNormStateDictHook", "ManagerWatchdog",
    "cuBLASModule", "verbose",
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_classes_are_where_pytorch_has_them(path):
    reference, mine = (importlib.import_module(f"{name}.{path}") for name in ("torch", "retrograd"))
    defined = [
        name for name, value in vars(reference).items()
        if inspect.isclass(value) and value.__module__ == reference.__name__ and not name.startswith("_")
        and (not hasattr(reference, "__all__") or name in reference.__all__)
        and name not in INTERNAL and not name.startswith(("cuFFT", "Lazy"))  # lazy layers: nn.modules.lazy
    ]  # fmt: skip
    assert [name for name in defined if not inspect.isclass(getattr(mine, name, None))] == []


def test_switches_of_backends_can_be_set(tmp_path):
    script = tmp_path / "switches.py"
    script.write_text(
        "import torch.backends.cudnn as cudnn\n"
        "from torch.cuda.amp import GradScaler, autocast\n"
        "cudnn.benchmark = True\n"
        "import torch\n"
        "torch.backends.cuda.matmul.allow_tf32 = True\n"
        "with torch.backends.cudnn.flags(enabled=False), autocast(enabled=False):\n"
        "    print(cudnn.benchmark, torch.backends.mps.is_available(), GradScaler().get_scale())\n"
    )
    command = [sys.executable, "-m", "retrograd", "run", str(script)]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.stdout.split() == ["True", "False", "1.0"], out.stderr


def test_the_present_libraries_are_the_ones_compared():
    assert retrograd.optim.AdamW is importlib.import_module("retrograd.optim.adamw").AdamW
    assert torch.optim.AdamW is importlib.import_module("torch.optim.adamw").AdamW
