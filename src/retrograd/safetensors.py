"""The safetensors format, with the functions of `safetensors.torch`."""

from ._checkpoint.safetensors import load, load_file, save, save_file

__all__ = ["load", "load_file", "save", "save_file"]
