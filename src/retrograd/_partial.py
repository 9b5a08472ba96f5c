"""The disk's side of a download: the file gets its final name only when it is whole and verified.

Beside `path` stand, while it is fetched, `path.partial` (the bytes so far), `path.partial.json` (what they
are the beginning of) and `path.lock` (one process at a time). The lock file stays: removing a file that
others may be waiting on would let two of them in.
"""

import errno
import hashlib
import json
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.error import URLError

from filelock import FileLock, Timeout

CHUNK = 256 * 1024
MAX_BYTES = 64 * 2**30
STRONG_PREFIX = 8  # hex digits from which a matching hash is proof enough on its own
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class DownloadError(URLError, RuntimeError):
    """A download that failed; `reason` is the exception underneath, or None.

    It is both what urllib raises (an `OSError`) and what PyTorch raises for a wrong hash (a `RuntimeError`).
    """

    def __init__(self, message, reason=None):
        super().__init__(reason)
        self.args = (message,)
        self.errno = getattr(reason, "errno", None)

    def __str__(self):
        return self.args[0]


@dataclass(frozen=True)
class Job:
    """What to fetch and where to put it; `prefix` is the beginning of its SHA-256 in lower case, or ''."""

    url: str
    path: str
    prefix: str = ""
    progress: bool = True
    hint: str = ""
    max_bytes: int = MAX_BYTES

    def failed(self, why, reason=None, code="RG077"):
        """The error to raise: why, what to do, and the code that `explain` expands."""
        return DownloadError(f"could not download {self.url}: {why}. {self.remedy} [{code}]", reason)

    @property
    def remedy(self):
        return f"Fetch that file some other way and place it at {os.path.abspath(self.path)}{self.hint}"


@contextmanager
def writing(job):
    """Turn an error of the file system into one that says which folder and what to do."""
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(os.path.abspath(job.path))
        if error.errno in _DISK_FULL:
            why = f"the disk is full ({error.strerror}). Make room there, or choose"
        else:
            why = f"{error}. Choose"
        raise DownloadError(
            f"cannot write {os.path.basename(job.path)} into {folder}: {why} another folder: "
            "the environment variable TORCH_HOME and hub.set_dir move the cache [RG077]",
            error,
        ) from None


@contextmanager
def locked(job):
    """Hold the lock between processes (and threads) on `job.path`, whose folder is made if it is missing."""
    lock = FileLock(job.path + ".lock")
    with writing(job):
        os.makedirs(os.path.dirname(os.path.abspath(job.path)), exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if job.progress:
                sys.stderr.write(f"Waiting for another process that downloads {job.path}\n")
            lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


class Partial:
    """The bytes received so far, on disk, with their running hash."""

    def __init__(self, job):
        self._job = job
        self._path = job.path + ".partial"
        self._note_path = job.path + ".partial.json"
        self._self_proving = len(job.prefix) >= STRONG_PREFIX
        note = self._read_note()
        self.total = note.get("total")
        self.validator = note.get("validator")
        self._complete = False
        # Unbuffered: an interruption or a full disk leaves nothing that close() would try to write again.
        self._file = open(self._path, "ab+", buffering=0)
        length = self._file.seek(0, os.SEEK_END)
        if self._self_proving:
            size = length
        else:
            # Only what was synchronised when the note was written is known to be on disk as it was received.
            size = note.get("size", 0)
            size = size if 0 <= size <= length else 0
            self._complete = size > 0 and size == self.total
        self._file.truncate(size)
        self._hash = hashlib.sha256()
        self._file.seek(0)
        while block := self._file.read(CHUNK):
            self._hash.update(block)
        self.size = size
        self.doubtful = size > 0  # put together from several answers

    def _read_note(self):
        try:
            with open(self._note_path, "rb") as file:
                note = json.loads(file.read(64 * 1024))
        except (FileNotFoundError, ValueError):  # a note torn by a crash vouches for nothing
            return {}
        kinds = {"url": str, "size": int, "total": (int, type(None)), "validator": str}
        fits = isinstance(note, dict) and all(isinstance(note.get(k), kind) for k, kind in kinds.items())
        return note if fits and note["url"] == self._job.url else {}

    def restart(self, total=None, validator=None):
        """Forget the bytes so far; the next ones are the beginning of another answer."""
        with writing(self._job):
            _remove(self._note_path)  # first: a note must never stand beside bytes that it does not describe
            self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.size, self.total, self.validator = 0, total, validator
        self.doubtful = total is None  # without a length, an answer cut short looks like a whole one

    def write(self, block):
        view = memoryview(block)
        with writing(self._job):
            while view:
                written = self._file.write(view)
                self._hash.update(view[:written])
                self.size += written
                view = view[written:]

    def hexdigest(self):
        return self._hash.hexdigest()

    def matches(self):
        return self.hexdigest().startswith(self._job.prefix)

    def is_complete(self):
        """Whether the bytes that an earlier call left are already the whole file."""
        return self.matches() if self._self_proving else self._complete

    def can_be_continued(self):
        """Whether it will be noticed if what follows belongs to another version of the file."""
        return self._self_proving or bool(self.validator)

    def publish(self):
        """Give the bytes their final name: a crash at any moment leaves the old file or the new one."""
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._path, self._job.path)
        _remove(self._note_path)
        _sync_folder(self._job.path)

    def discard(self):
        self._file.close()
        _remove(self._note_path)
        _remove(self._path)

    def keep(self):
        """Leave the bytes for a later call if it will be able to use them."""
        if self._file.closed:
            return
        if self.size == 0 or not self.can_be_continued():
            self.discard()
            return
        note = {
            "url": self._job.url,
            "size": self.size,
            "total": self.total,
            "validator": self.validator or "",
        }
        try:
            os.fsync(self._file.fileno())
            with open(self._note_path, "w", encoding="utf-8") as file:
                json.dump(note, file)
            self._file.close()
        except OSError:  # most likely the full disk that is being reported; bytes without a note are useless
            self.discard()


def _remove(path):
    with suppress(FileNotFoundError):
        os.remove(path)


def _sync_folder(path):
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
