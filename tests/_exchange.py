"""Objects handed from one library to the other through a checkpoint, and how their tensors are compared."""

import io

import torch

from retrograd.core.tensor import Tensor
from retrograd.serialization import load, save


def from_torch(obj, zipped=True, **kwargs):
    """What retrograd loads of what PyTorch saved."""
    buffer = io.BytesIO()
    torch.save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return load(buffer, **kwargs)


def to_torch(obj, zipped=True):
    """What PyTorch loads, with its own weights_only rules, of what retrograd saved."""
    buffer = io.BytesIO()
    save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def both_ways(obj, zipped=True):
    buffer = io.BytesIO()
    save(obj, buffer, _use_new_zipfile_serialization=zipped)
    buffer.seek(0)
    return load(buffer)


def bits(tensor):
    """Shape, dtype and bytes of a tensor of either library."""
    if isinstance(tensor, Tensor):
        return tuple(tensor.shape), tensor.dtype.name, tensor._array.tobytes()
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return tuple(plain.shape), str(plain.dtype).removeprefix("torch."), raw
