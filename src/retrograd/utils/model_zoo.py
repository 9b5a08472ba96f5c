"""The older name of `torch.hub`'s downloads."""

import importlib

__all__ = ["load_url"]


def load_url(*args, **kwargs):
    """`torch.hub.load_state_dict_from_url`."""
    return importlib.import_module("retrograd.hub").load_state_dict_from_url(*args, **kwargs)
