"""The safetensors format: a JSON header of names, dtypes, shapes and places, then the tensors' bytes.

The functions are those of `safetensors.torch`. Format: https://github.com/huggingface/safetensors#format.
"""

import json
import math
import os
import struct
import sys

import numpy as np

from ..core import arrays
from ..core.device import device as _device
from ..core.tensor import Tensor, wrap
from .errors import CheckpointError, quote
from .replacing import writing
from .source import Source, open_source
from .storage import is_size, swap_bytes
from .writer import write_all

__all__ = ["load", "load_file", "save", "save_file"]

MAX_HEADER = 100_000_000  # bytes, the format's own limit

# In the order of the format's writers, backwards: wider elements come first, which keeps all of them aligned.
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
    "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32",
    "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
}  # fmt: skip
_READ = {name: arrays.DTYPES[dtype] for name, dtype in _DTYPES.items()}
_WRITE = {dtype.numpy: name for name, dtype in _READ.items()}
_ORDER = {name: position for position, name in enumerate(_DTYPES)}


def load_file(filename, device="cpu", *, backend="mmap"):
    """The tensors of a safetensors file, by name.

    `device` must be the CPU. `backend` ("mmap" or "pread") is accepted for `safetensors.torch`'s sake: the
    file is read into memory either way. Raises `serialization.CheckpointError` for a file that is damaged.
    """
    if backend not in ("mmap", "pread"):
        raise ValueError(f"backend must be 'mmap' or 'pread', got {backend!r} [RG075]")
    if _device(device).type != "cpu":
        raise RuntimeError(
            f"safetensors files are loaded into host memory, got device={device!r}; move them afterwards "
            "[RG075]"
        )
    with open_source(filename) as source:
        try:
            return _load(source)
        except CheckpointError as error:
            raise CheckpointError(f"can't load {os.fspath(filename)!r}: {error} [RG071]") from error.__cause__


def load(data):
    """The tensors in `data`, the bytes of a safetensors file, by name."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"load expects the bytes of a safetensors file, got {type(data).__name__} [RG075]")
    try:
        return _load(Source.of_bytes(data))
    except CheckpointError as error:
        raise CheckpointError(f"{error} [RG071]") from error.__cause__


def save_file(tensors, filename, metadata=None):
    """Write a dict of tensors to `filename`, which is replaced atomically.

    Tensors must be contiguous and must not share memory. `metadata` is a dict from str to str.
    """
    header, ordered = _describe(tensors, metadata)
    with writing(filename) as file:
        write_all(file, header)
        for array in ordered:
            write_all(file, _bytes_of(array))


def save(tensors, metadata=None):
    """The bytes of a safetensors file with these tensors, as `save_file` writes it."""
    header, ordered = _describe(tensors, metadata)
    return b"".join([header, *(_bytes_of(array) for array in ordered)])


# --- reading ------------------------------------------------------------------------------------------------


def read_header(source):
    """(entries, metadata, offset of the data) of a file: each entry a (name, dtype, shape, begin, end)."""
    if source.size < 8:
        raise CheckpointError("the file is too short for a safetensors header")
    length = int.from_bytes(source.read(0, 8), "little")
    if length > min(source.size - 8, MAX_HEADER):
        raise CheckpointError(
            f"a header of {length} bytes is announced in a safetensors file of {source.size} bytes"
        )
    raw = source.read(8, length)
    if raw[:1] != b"{":
        raise CheckpointError("a safetensors header must start with a brace")
    try:
        # Decoded here: given bytes, json guesses among encodings, and another reader sees another file.
        header = json.loads(str(raw, "utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"the safetensors header is not valid JSON: {error}") from None
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not _is_metadata(metadata):
        raise CheckpointError("the safetensors metadata must be a dict from text to text")
    entries = [_entry(name, fields) for name, fields in header.items()]
    entries.sort(key=lambda entry: entry[3:])
    _check_places(entries, source.size - 8 - length)
    return entries, metadata, 8 + length


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _is_metadata(metadata):
    return isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())


def _entry(name, fields):
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"the entry of {quote(name)} must have dtype, shape and data_offsets")
    kind, shape, places = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(kind, str) or kind not in _READ:
        raise CheckpointError(
            f"tensor {quote(name)} has the dtype {quote(kind)}; read are {', '.join(_READ)}"
        )
    if not isinstance(shape, list) or len(shape) > 64 or not all(is_size(n) for n in shape):
        raise CheckpointError(
            f"the shape of {quote(name)} must be a list of at most 64 non-negative integers"
        )
    if not isinstance(places, list) or len(places) != 2 or not all(is_size(n) for n in places):
        raise CheckpointError(f"the data_offsets of {quote(name)} must be two non-negative integers")
    begin, end = places
    dtype = _READ[kind]
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise CheckpointError(
            f"tensor {quote(name)} of {kind} needs {quote(math.prod(shape) * dtype.itemsize)} bytes for its "
            f"shape, its data_offsets give it {quote(end - begin)}"
        )
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise CheckpointError(f"the shape of {quote(name)} is too large")
    return name, dtype, tuple(shape), begin, end


def _check_places(entries, size):
    at = 0
    for name, _, _, begin, end in entries:
        if begin != at:
            raise CheckpointError(f"tensor {quote(name)} does not start where the one before it ends")
        at = end
    if at != size:
        raise CheckpointError(f"the tensors take {quote(at)} bytes, the file has {size} for them")


def _load(source):
    entries, _, start = read_header(source)
    tensors = {}
    for name, dtype, shape, begin, end in entries:
        data = np.empty(end - begin, np.uint8)
        source.read_into(start + begin, data)
        if dtype is arrays.bool_ and not (data <= 1).all():
            raise CheckpointError(f"the bool tensor {quote(name)} holds bytes other than 0 and 1")
        if sys.byteorder == "big":
            swap_bytes(data, dtype)
        tensors[name] = wrap(data.view(dtype.numpy).reshape(shape))
    return tensors


# --- writing ------------------------------------------------------------------------------------------------


def _describe(tensors, metadata):
    """The header's bytes, and the arrays in the order in which their data follows it."""
    _check_tensors(tensors)
    if metadata is not None and not (
        _is_metadata(metadata) and all(isinstance(key, str) for key in metadata)
    ):
        raise TypeError(f"metadata must be a dict from str to str, got {metadata!r} [RG074]")
    named = [(name, _WRITE[tensor._array.dtype], tensor._array) for name, tensor in tensors.items()]
    named.sort(key=lambda entry: (-_ORDER[entry[1]], entry[0]))
    header, at = {} if metadata is None else {"__metadata__": metadata}, 0
    for name, kind, array in named:
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, [array for _, _, array in named]


def _check_tensors(tensors):
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)} [RG074]")
    owners = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise ValueError(
                f"the name of a tensor must be text other than __metadata__, got {name!r} [RG074]"
            )
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)} [RG074]"
            )
        if tensor._array.dtype not in _WRITE:
            raise ValueError(f"tensor `{name}` is of {tensor.dtype}, which safetensors does not have [RG074]")
        if not tensor._array.flags.c_contiguous:
            raise ValueError(f"tensor `{name}` is not contiguous; save its .contiguous() [RG074]")
        owners.setdefault(_extent(tensor._array), []).append(name)
    _check_overlap(sorted((extent, names) for extent, names in owners.items() if extent[0] != extent[1]))


def _extent(array):
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


def _check_overlap(extents):
    """Refuse tensors on the same memory: the format has no way to say so."""
    last_end, last_names = 0, []
    for (start, end), names in extents:
        shared = names if len(names) > 1 else [*last_names, *names] if start < last_end else None
        if shared:
            raise RuntimeError(
                f"the tensors {shared} share memory, which safetensors can't describe: save one of them, or "
                "a .clone() [RG074]"
            )
        last_end, last_names = end, names


def _bytes_of(array):
    if sys.byteorder == "big":
        part = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
        array = array.view(f"u{part}").byteswap()
    return array.reshape(-1).view(np.uint8)
