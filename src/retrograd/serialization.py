"""`save` and `load`: checkpoints in PyTorch's formats, and what a checkpoint may name.

`load` never runs code from a file: it interprets the pickle inside itself and builds tensors, plain
containers and the classes that were allowed with `add_safe_globals`. Anything else is a `CheckpointError`.
"""

import os
import pickle

from ._checkpoint.allowed import WeightsOnly
from ._checkpoint.errors import CheckpointError, NotAllowedError
from ._checkpoint.inspect import inspect_checkpoint, unsafe_globals
from ._checkpoint.load_legacy import load_legacy
from ._checkpoint.load_zip import load_zip
from ._checkpoint.replacing import writing
from ._checkpoint.safetensors import load_file
from ._checkpoint.source import open_source
from ._checkpoint.storage import restorer
from ._checkpoint.trusting import Trusting, allow_arbitrary_code_execution, is_allowed
from ._checkpoint.writer import save_legacy, save_zip

__all__ = [
    "CheckpointError", "add_safe_globals", "allow_arbitrary_code_execution", "clear_safe_globals",
    "get_safe_globals", "get_unsafe_globals_in_checkpoint", "inspect_checkpoint", "load", "safe_globals",
    "save",
]  # fmt: skip

DEFAULT_PROTOCOL = 2  # of the pickle inside a checkpoint

_safe_globals = []


# --- what the user allows -----------------------------------------------------------------------------------


def add_safe_globals(safe_globals):
    """Allow `load` to use these classes and functions when a checkpoint names them.

    Each is a class or function, or a pair of it and the name under which checkpoints know it, such as
    `(MyNet, "__main__.MyNet")`. A checkpoint can then call them with any arguments: allow only what is
    harmless so.
    """
    for item in safe_globals:
        _check_global(item)
        if item not in _safe_globals:
            _safe_globals.append(item)


def _check_global(item):
    if isinstance(item, tuple):
        if len(item) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of length: "
                f"{len(item)} [RG075]"
            )
        if type(item[1]) is not str:
            raise TypeError(
                f"Expected second item in tuple to be str of callable full path, but got: {type(item[1])} "
                "[RG075]"
            )
    elif not hasattr(item, "__module__") or not hasattr(item, "__qualname__"):
        raise TypeError(
            f"a safe global is a class or a function (or a pair of it and its name), got {item!r} [RG075]"
        )


def get_safe_globals():
    """The classes and functions that `add_safe_globals` and `safe_globals` have allowed."""
    return list(_safe_globals)


def clear_safe_globals():
    """Take back everything that `add_safe_globals` has allowed."""
    _safe_globals.clear()


class safe_globals:
    """Within it, `load` may use these classes and functions, as after `add_safe_globals`."""

    def __init__(self, safe_globals):
        self.safe_globals = list(safe_globals)

    def __enter__(self):
        self._added = [item for item in self.safe_globals if item not in _safe_globals]
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc):
        for item in self._added:
            if item in _safe_globals:
                _safe_globals.remove(item)


def get_unsafe_globals_in_checkpoint(f):
    """The names of the globals that a checkpoint asks for and `load` refuses, found without running it."""
    return unsafe_globals(f, get_safe_globals())


# --- load ---------------------------------------------------------------------------------------------------


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """Load an object that `save` or PyTorch's `torch.save` wrote.

    `f` is a path or a seekable binary file. Read are PyTorch's zip format, its stream format (before 1.6),
    and, by the ending `.safetensors`, safetensors. `map_location` says where storages go: a device, a dict
    from the device in the file to another, or a function of (storage, location). `mmap=True` maps a zip
    checkpoint's storages into memory instead of reading them (copy on write: the file stays as it is; it must
    not be shortened meanwhile). `encoding` (in `pickle_load_args`) decodes strings that Python 2 wrote.

    Raises `CheckpointError`, which is a `pickle.UnpicklingError`, for a file that is damaged or asks for more
    than tensors and plain data; a `RuntimeError` where a tensor was saved on a device that is not available.

    Differs from PyTorch: the file's pickle is never handed to Python's unpickler. `weights_only=False`
    (None means True) reads ordinary checkpoints by the same safe rules; a file that needs more than that is
    refused unless the call is made within `serialization.allow_arbitrary_code_execution()`. NumPy arrays and
    scalars, frozensets and slices are allowed without `add_safe_globals`. Objects that contain themselves or
    nest over 256 deep are refused.
    """
    if os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0").lower() in ("1", "y", "yes", "true"):
        weights_only = True
    encoding = _encoding(pickle_module, weights_only, pickle_load_args)
    if isinstance(f, (str, os.PathLike)) and os.fspath(f).endswith(".safetensors"):
        return _load_safetensors(f, map_location)
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("mmap=True needs a path: an open file or a buffer can't be mapped [RG075]")
    restore = restorer(map_location)
    kind = Trusting if weights_only is False and is_allowed() else WeightsOnly

    def make_policy(load_storage, file_bytes):
        return kind(load_storage, file_bytes, _safe_globals, restore)

    with open_source(f) as source:
        try:
            if source.size >= 4 and source.read(0, 4) == b"PK\x03\x04":
                return load_zip(source, make_policy, restore, bool(mmap), encoding)
            if mmap:
                raise CheckpointError(
                    "mmap=True needs the zip format: save the checkpoint again with a newer version"
                )
            return load_legacy(source, make_policy, restore, encoding)
        except CheckpointError as error:
            raise _explain(error, source.name, weights_only) from error.__cause__


def _encoding(pickle_module, weights_only, pickle_load_args):
    if pickle_module not in (None, pickle):
        raise ValueError(
            f"load does not use pickle modules, got pickle_module={pickle_module!r}: files are read by "
            "retrograd's own interpreter, which runs no code [RG075]"
        )
    if pickle_module is not None and weights_only is not False:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified [RG075]")
    unknown = set(pickle_load_args) - {"encoding", "fix_imports", "errors"}
    if unknown:
        raise TypeError(f"load() got an unexpected keyword argument {sorted(unknown)[0]!r} [RG134]")
    return pickle_load_args.get("encoding", "utf-8")


def _load_safetensors(f, map_location):
    if map_location is not None and (isinstance(map_location, dict) or callable(map_location)):
        raise RuntimeError("for a safetensors file, map_location must be a device such as 'cpu' [RG075]")
    return load_file(f, "cpu" if map_location is None else map_location)


def _explain(error, name, weights_only):
    message = f"can't load {name!r}: {error}"
    if weights_only is False and isinstance(error, NotAllowedError):
        message += (
            ". weights_only=False alone does not run code from a file: a pickle is a program, and loading it "
            "that way gives it your rights. If you wrote this file yourself, load it within "
            "retrograd.serialization.allow_arbitrary_code_execution()"
        )
    code = "RG070" if isinstance(error, NotAllowedError) else "RG071"
    return type(error)(f"{message} [{code}]")


# --- save ---------------------------------------------------------------------------------------------------


def save(
    obj,
    f,
    pickle_module=pickle,
    pickle_protocol=DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization=True,
    _disable_byteorder_record=False,
):
    """Write `obj` to a path or a writable binary file, in PyTorch's zip format.

    Tensors that share memory share it again after loading; like PyTorch, a view is saved with all of the
    memory that it views (save `t.clone()` to avoid that). A path is replaced atomically: the data goes to a
    temporary file in the same folder, which takes the path's place when it is complete and on disk; if that
    fails the old file is kept. What a killed process left of such files (`.NAME.xxxx.retrograd.tmp`) is
    removed by the next save into that folder, where the file system has locks.

    Differs from PyTorch: the pickle inside is always of protocol 2, which every reader understands, and
    `pickle_module` can't be another than `pickle`.
    """
    if pickle_module not in (None, pickle):
        raise ValueError(f"save writes its own pickle and can't use pickle_module={pickle_module!r} [RG075]")
    if pickle_protocol not in (2, 3, 4, 5):
        raise ValueError(f"pickle_protocol must be 2, 3, 4 or 5, got {pickle_protocol!r} [RG075]")
    with writing(f) as file:
        if _use_new_zipfile_serialization:
            save_zip(obj, file, byte_order=not _disable_byteorder_record)
        else:
            save_legacy(obj, file)
