"""`torch.ops.aten`: PyTorch's operators by name, as `torch.ops.aten.add.Tensor(x, y)`. See `_ops.py`."""

import importlib


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return importlib.import_module("retrograd._ops").find("aten", name)
