"""Downloading, checking and unpacking the files of datasets."""

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

from retrograd import hub

__all__ = [
    "calculate_md5", "check_integrity", "check_md5", "download_and_extract_archive", "download_url",
    "extract_archive", "list_dir", "list_files", "verify_str_arg",
]  # fmt: skip


def calculate_md5(fpath, chunk_size=1024 * 1024):
    """The MD5 of a file in hexadecimal."""
    with open(fpath, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_md5(fpath, md5, **kwargs):
    """Whether a file has this MD5."""
    return md5 == calculate_md5(fpath, **kwargs)


def check_integrity(fpath, md5=None):
    """Whether a file is there and, if `md5` is given, has this MD5."""
    return os.path.isfile(fpath) and (md5 is None or check_md5(fpath, md5))


def download_url(url, root, filename=None, md5=None, max_redirect_hops=3):
    """Download `url` into the folder `root`, unless the file is there and intact.

    RuntimeError if what arrives has another MD5 than `md5`; the file is removed then. Unlike torchvision,
    addresses must be https:// or of this machine, see `hub.download_url_to_file`, and `max_redirect_hops` is
    ignored: the downloader has a limit of its own.
    """
    root = os.path.expanduser(root)
    path = os.path.join(root, filename or os.path.basename(url))
    if check_integrity(path, md5):
        return
    os.makedirs(root, exist_ok=True)
    hub.download_url_to_file(url, path)
    if md5 is not None and (got := calculate_md5(path)) != md5:
        os.remove(path)
        raise RuntimeError(
            f"File not found or corrupted: what {url} sent has the MD5 {got}, expected {md5}; try again, or "
            "another mirror [RG094]"
        )


_OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_TAR_SUFFIXES = (".tar", ".tgz", ".tbz", ".tbz2", ".tar.gz", ".tar.bz2", ".tar.xz")


def extract_archive(from_path, to_path=None, remove_finished=False):
    """Unpack a tar or zip archive, or a single compressed file, into the folder `to_path`.

    to_path: by default the archive's own. Returns the folder, or the single file, as a path of `from_path`'s
    kind. Members that would lie outside the folder, links and devices are refused.
    """
    name = os.fspath(from_path)
    folder = os.path.dirname(name) if to_path is None else os.fspath(to_path)
    if name.endswith(_TAR_SUFFIXES):
        with tarfile.open(name) as archive:
            for member in archive:
                if not member.isdir():
                    source = archive.extractfile(member) if member.isfile() else None
                    _write(source, folder, member.name, name)
        result = folder
    elif name.endswith(".zip"):
        with zipfile.ZipFile(name) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    _write(archive.open(member), folder, member.filename, name)
        result = folder
    else:
        stem, suffix = os.path.splitext(os.path.basename(name))
        if suffix not in _OPENERS:
            known = ", ".join(sorted({*_OPENERS, *_TAR_SUFFIXES, ".zip"}))
            raise RuntimeError(
                f"Unknown compression or archive type: {name}; the known ones are {known} [RG094]"
            )
        _write(_OPENERS[suffix](name, "rb"), folder, stem, name)
        result = os.path.join(folder, stem)
    if remove_finished:
        os.remove(name)
    return result if isinstance(from_path, str) else Path(result)


def _write(source, folder, name, archive):
    """Copy an archive's open member to folder/name; the file appears when all of it is there."""
    path = os.path.realpath(os.path.join(folder, name))
    if source is None or not path.startswith(os.path.join(os.path.realpath(folder), "")):
        raise RuntimeError(
            f"{archive}: refusing to unpack {name!r}, a link or a file outside of {folder} [RG094]"
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with source, open(path + ".part", "wb") as target:
        shutil.copyfileobj(source, target)
    os.replace(path + ".part", path)


def download_and_extract_archive(
    url, download_root, extract_root=None, filename=None, md5=None, remove_finished=False
):  # fmt: skip
    """`download_url`, then `extract_archive` into `extract_root`, by default `download_root`."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    extract_archive(os.path.join(download_root, filename), extract_root or download_root, remove_finished)


def list_dir(root, prefix=False):
    """The names of the folders in `root`; with `prefix` their paths."""
    root = os.path.expanduser(root)
    names = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    return [os.path.join(root, name) for name in names] if prefix else names


def list_files(root, suffix, prefix=False):
    """The names of the files in `root` that end with `suffix`; with `prefix` their paths."""
    root = os.path.expanduser(root)
    names = [entry.name for entry in os.scandir(root) if entry.is_file() and entry.name.endswith(suffix)]
    return [os.path.join(root, name) for name in names] if prefix else names


def verify_str_arg(value, arg=None, valid_values=None, custom_msg=None):
    """`value`, if it is one of `valid_values`; else ValueError. arg: the argument's name, for the message."""
    if not isinstance(value, str):
        of = "" if arg is None else f" for argument {arg}"
        raise ValueError(f"Expected type str{of}, but got type {type(value)}. [RG047]")
    if valid_values is not None and value not in valid_values:
        known = ", ".join(repr(known) for known in valid_values)
        message = f"Unknown value '{value}' for argument {arg}. Valid values are {{{known}}}."
        raise ValueError(f"{custom_msg or message} [RG048]")
    return value
