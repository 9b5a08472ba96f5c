"""Pretrained weights by URL, in the cache that PyTorch uses; the names are those of `torch.hub`."""

import hashlib
import os
import re
import sys
import warnings
import zipfile
from io import BytesIO
from urllib.parse import (
    urlparse,  # noqa: F401  timm imports it from here
    urlsplit,
)

from retrograd import serialization

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # PyTorch's, which programs import
_HASH = re.compile(r"-([a-f0-9]{8,64})\.")
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_MOST_EXPANSION = 100  # of a legacy zip file: weights do not compress further than that, zip bombs do
_hub_dir = None


def get_dir():
    """The folder of everything downloaded: `set_dir`'s, else `$TORCH_HOME/hub`, where TORCH_HOME is
    `$XDG_CACHE_HOME/torch` and XDG_CACHE_HOME `~/.cache` unless they are set."""
    if os.getenv("TORCH_HUB"):
        warnings.warn("TORCH_HUB is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    if _hub_dir is not None:
        return _hub_dir
    default = os.path.join(os.getenv("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(os.getenv("TORCH_HOME", default)), "hub")


def set_dir(d):
    """Use folder `d` (a path) in place of the one that the environment names."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Download `url` to the file `dst`, which is replaced only when everything has arrived and been verified.

    `hash_prefix`: the beginning of the file's SHA-256 in hexadecimal. `progress`: a bar on stderr.
    Transient failures are retried, and what an interrupted call had received is used by the next one. Folders
    that are missing are made.

    Raises `urllib.error.HTTPError` if the server says no, else `urllib.error.URLError` (no network, wrong
    hash, full disk, ...; an `OSError`, and a `RuntimeError` as PyTorch's for a wrong hash). Unlike PyTorch:
    only https:// and file:// are accepted, and http:// from this machine to itself.
    """
    from retrograd import _download, _partial  # urllib's HTTP client, tqdm and filelock, seldom needed

    job = _partial.Job(url, os.path.expanduser(dst), _checked_prefix(hash_prefix), progress)
    _download.check_address(job)
    with _partial.locked(job):
        _download.fetch(job)


def load_state_dict_from_url(
    url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None, weights_only=True
):
    """Load the checkpoint at `url`, downloading it unless `model_dir` has it.

    `model_dir` defaults to `get_dir()/checkpoints`, where PyTorch keeps its downloads; `file_name` to the
    last part of the URL. The other parameters are those of `retrograd.load` and `download_url_to_file`.

    Unlike PyTorch:
    - A name such as `resnet18-f37072fd.pth` (a dash, 8 or more hexadecimal digits, a dot) is always held
      against the file's SHA-256, after a download and when the file was there already: one that does not
      match is moved to `<name>.corrupt` with a warning, and downloaded again. `check_hash=True` only adds
      what looks like a date (`-20240131.`) or is shorter than 8 digits.
    - `weights_only` defaults to True.
    - Two processes that ask for one file at the same time download it once.
    - The line "Downloading: ..." is not printed with `progress=False`.
    """
    if os.getenv("TORCH_MODEL_ZOO"):
        warnings.warn("TORCH_MODEL_ZOO is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    if model_dir is None:
        model_dir = os.path.join(get_dir(), "checkpoints")
    url_name = os.path.basename(urlsplit(url).path)
    name = url_name if file_name is None else file_name
    if name in ("", ".", ".."):
        raise ValueError(f"{url} does not end in a file's name: give one with file_name= [RG077]")
    path = os.path.join(model_dir, name)
    prefix = _hash_in(name, check_hash)
    if not _is_intact(path, prefix):
        # The URL's name tells what a download must be, not what a file that the caller named must be.
        _download_once(url, path, prefix, prefix or _hash_in(url_name, check_hash), progress)
    if _is_legacy_zip(path):
        return _load_legacy_zip(path, map_location, weights_only)
    return serialization.load(path, map_location=map_location, weights_only=weights_only)


def load(
    repo_or_dir,
    model,
    *args,
    source="github",
    trust_repo="check",
    force_reload=False,
    verbose=True,
    skip_validation=False,
    **kwargs,
):
    """Not offered: raises `NotImplementedError`. PyTorch runs the repository's `hubconf.py` here."""
    raise _runs_foreign_code("load [RG077]", repo_or_dir)


def list(github, force_reload=False, skip_validation=False, trust_repo="check", verbose=True):
    """Not offered: raises `NotImplementedError`. PyTorch runs the repository's `hubconf.py` here."""
    raise _runs_foreign_code("list [RG077]", github)


def help(github, model, force_reload=False, skip_validation=False, trust_repo="check"):
    """Not offered: raises `NotImplementedError`. PyTorch runs the repository's `hubconf.py` here."""
    raise _runs_foreign_code("help [RG077]", github)


def _runs_foreign_code(function, repository):
    return NotImplementedError(
        f"hub.{function}({str(repository)!r}): retrograd does not run a repository's code (its hubconf.py): "
        "nothing can tell whether it is safe, nor whether it keeps to what retrograd offers of PyTorch. Take "
        "the model from retrograd.vision.models, or install or clone the repository, read it and import "
        "the model; hub.load_state_dict_from_url loads its weights [RG078]"
    )


def _checked_prefix(prefix):
    prefix = (prefix or "").lower()
    if not re.fullmatch("[0-9a-f]{0,64}", prefix):
        raise ValueError(
            f"hash_prefix must be the beginning of a SHA-256 in hexadecimal, not {prefix!r} [RG077]"
        )
    return prefix


def _hash_in(name, asked):
    """The beginning of a SHA-256 that a file's name carries, or ''; `asked`: the caller says that it does."""
    name = os.path.basename(name)
    found = _HASH.search(name)
    if found and (asked or not _DATE.fullmatch(found[1])):
        return found[1]
    found = HASH_REGEX.search(name) if asked else None
    return found[1] if found else ""


def _is_intact(path, prefix):
    if not os.path.isfile(path):
        return False
    if not prefix:
        return True
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(prefix)


def _download_once(url, path, prefix, download_prefix, progress):
    from retrograd import _download, _partial

    hint = ". Or build the model with weights=None: untrained, with random parameters"
    job = _partial.Job(url, path, download_prefix, progress, hint)
    _download.check_address(job)
    if os.path.isfile(path):
        warnings.warn(
            f"{path} is damaged: its SHA-256 does not begin with {prefix}. It is moved to "
            f"{path}.corrupt and downloaded again",
            stacklevel=3,
        )
    with _partial.locked(job):
        if _is_intact(path, prefix):  # another process was faster
            return
        if os.path.isfile(path):
            with _partial.writing(job):
                os.replace(path, path + ".corrupt")
        if progress:
            sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        _download.fetch(job)


def _is_legacy_zip(path):
    """Whether the file is an archive around one checkpoint, as users of PyTorch before 1.6 made them."""
    with open(path, "rb") as file:
        if file.read(4) != b"PK\3\4" or not zipfile.is_zipfile(file):
            return False
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    return len(members) == 1 and not members[0].is_dir()


def _load_legacy_zip(path, map_location, weights_only):
    warnings.warn(
        f"{path} is a zip archive around a checkpoint in the format before PyTorch 1.6: save it "
        "again in today's format, without the archive",
        FutureWarning,
        stacklevel=3,
    )
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[0]
        most = max(2**20, _MOST_EXPANSION * os.path.getsize(path))
        if member.file_size > most:
            raise RuntimeError(
                f"{path}: its member {member.filename!r} would expand to {member.file_size} "
                f"bytes, over {_MOST_EXPANSION} times the archive: this is not a "
                "checkpoint [RG071]"
            )
        content = BytesIO(archive.read(member))
    return serialization.load(content, map_location=map_location, weights_only=weights_only)
