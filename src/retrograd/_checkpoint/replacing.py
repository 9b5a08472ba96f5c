"""Files that take the place of others when all of them is on disk.

What is being written has a name of its own in the same folder and is locked (flock) by who writes it: the
system lets go of the lock when that process ends, however it ends. A file of such a name that nobody locks
is what a kill left.
"""

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from secrets import token_hex

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and nothing that a kill left is removed
    fcntl = None

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{16}\.retrograd\.tmp", re.DOTALL)


@contextmanager
def writing(f):
    """A file to write: `f` itself, or one that takes the place of the path `f` when everything is on disk."""
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be string, path, or a file-like object with a 'write' attribute, got "
                f"{type(f).__name__} [RG074]"
            )
        yield f
        return
    path = os.path.realpath(f)  # a symbolic link stays one: what it points to is replaced
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a device or a pipe can't be replaced; a folder is refused here
            yield file
        return
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"can't save {os.fspath(f)!r}: the folder {folder!r} does not exist [RG074]")
    remove_abandoned(folder)
    temporary, file = _create(folder, os.path.basename(path))
    try:
        with file:
            yield file
            file.flush()
            if os.path.exists(path):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
            os.fsync(file.fileno())
            if fcntl is not None:
                os.replace(temporary, path)  # while the lock is held
        if fcntl is None:  # Windows gives an open file no other name
            os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.remove(temporary)
        raise
    _sync_folder(folder)


def remove_abandoned(folder):
    """Remove what writers that were killed left in `folder`; what another process writes now stays."""
    if fcntl is None:
        return
    try:
        names = os.listdir(folder)
    except PermissionError:  # one may write into a folder that one may not read
        return
    for path in [os.path.join(folder, name) for name in names if _TEMPORARY.fullmatch(name)]:
        with suppress(OSError):  # gone meanwhile, someone else's, locked by its writer, or no locks here
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.remove(path)  # names are never used again: it is this file, or gone
            finally:
                os.close(descriptor)


def _create(folder, name):
    """(path, open file) of a new temporary file, locked."""
    beginning = name.encode(errors="ignore")[:200].decode(errors="ignore")  # names end at 255 bytes
    while True:
        path = os.path.join(folder, f".{beginning}.{token_hex(8)}.retrograd.tmp")
        file = open(path, "xb")
        if fcntl is None:
            return path, file
        with suppress(OSError):  # file systems without locks: then nobody removes it either
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if os.path.exists(path):
            return path, file
        file.close()  # removed by another process before it was locked


def _sync_folder(folder):
    """Make the new name itself durable, where the system lets a folder be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have no such thing
            raise
    finally:
        os.close(descriptor)
