"""PyTorch's private module of tensors as text: those of its names that other people's code reads."""

from .printing import _format_array, _options, get_printoptions, printoptions, set_printoptions

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]

PRINT_OPTS = _options


def _tensor_str(self, indent):
    """The numbers of the tensor `self`, in lines that are indented by `indent`."""
    return _format_array(self.detach()._array, indent)


def _str(self, *, tensor_contents=None):
    return self.__repr__(tensor_contents=tensor_contents)
