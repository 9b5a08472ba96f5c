"""Small private helpers of PyTorch's that other people's code calls."""

import importlib


def _get_available_device_type():
    """The accelerator's name; None: computations run on the CPU."""
    return None


def _get_device_module(device_type):
    """The module `torch.<device_type>`."""
    return importlib.import_module(f"retrograd.{device_type}")
