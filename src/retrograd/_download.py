"""The network's side of a download: one file from one URL, retried and resumed."""

import errno
import ipaddress
import os
import random
import re
import shutil
import string
import sys
import time
from http.client import HTTPException, InvalidURL
from io import BytesIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from tqdm import tqdm

from retrograd._partial import CHUNK, DownloadError, Partial, writing

USER_AGENT = "retrograd.hub"
SOCKET_TIMEOUT = 30.0  # seconds without a byte
MAX_REDIRECTS = 10
MAX_FAILURES = 5  # in a row, without PROGRESS more bytes between them
PROGRESS = 2**20
FIRST_PAUSE = 0.5  # seconds; doubled after each failure in a row
LONGEST_PAUSE = 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
_RETRIED_STATUS = (408, 425, 429)
_RESETS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def check_address(job):
    """Refuse an address that is not https, or http from this machine: before anything is written."""
    _resolve(job, job.url)


def fetch(job):
    """Make `job.path` hold what `job.url` serves, replacing what is there; call it with the lock held.

    A failure or an interruption leaves `job.path` as it was and keeps the bytes received for the next call if
    that can tell that they begin the same file: by the hash, or by the server's ETag or Last-Modified.
    Raises `DownloadError`, or `urllib.error.HTTPError` if the server answered with an error.
    """
    check_address(job)
    with writing(job):
        if os.path.isdir(job.path):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", job.path)
        partial = Partial(job)
    try:
        if not partial.is_complete():
            with _Bar(job) as bar:
                _receive_all(job, partial, bar)
                if not partial.matches() and partial.doubtful:
                    partial.restart()
                    _receive_all(job, partial, bar)
        if not partial.matches():
            digest = partial.hexdigest()
            partial.discard()
            why = f'invalid hash value (expected "{job.prefix}", got "{digest}")'
            raise job.failed(f"{why}; nothing was kept", code="RG072")
        with writing(job):
            partial.publish()
    except BaseException:
        partial.keep()
        raise


class _Bar:
    """One progress bar for all attempts; nothing is drawn before the server has answered."""

    def __init__(self, job):
        self._silent = not job.progress
        self._tqdm = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._tqdm is not None:
            self._tqdm.close()

    def start(self, size, total):
        if self._silent:  # not even disabled: tqdm's lock is one for all forked processes, killed ones too
            return
        if self._tqdm is None:
            self._tqdm = tqdm(total=total, initial=size, unit="B", unit_scale=True, unit_divisor=1024)
        else:
            self._tqdm.total, self._tqdm.n = total, size
            self._tqdm.refresh()

    def update(self, count):
        if self._tqdm is not None:
            self._tqdm.update(count)

    def say(self, text):
        if not self._silent:
            tqdm.write(text, file=sys.stderr)


def _receive_all(job, partial, bar):
    """Receive until the server has given everything, again and again while the failures look transient."""
    failures, furthest, begun = 0, partial.size, partial.size
    while True:
        try:
            return _receive(job, partial, bar)
        except DownloadError:
            raise
        except (OSError, HTTPException, UnicodeError) as error:
            if partial.size >= furthest + PROGRESS:
                failures, furthest = 0, partial.size
            failures += 1
            if isinstance(error, HTTPError):
                error.close()
                if error.code == 416 and partial.size:  # what we have is longer than the server's file
                    partial.restart()
                    continue
            if failures >= MAX_FAILURES or not _is_transient(error, partial.size > begun):
                raise _final_error(job, error, failures) from None
            pause = _pause(error, failures)
            bar.say(f"{_describe(error)}; trying again in {pause:.1f} s")
            time.sleep(pause)


def _receive(job, partial, bar):
    headers = {"User-Agent": USER_AGENT}
    if partial.size and not partial.can_be_continued():
        partial.restart()
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    with _open(job, headers) as response:
        start, stop, total = _extent(job, response)
        validator = _validator(response.headers)
        if start == 0:
            partial.restart(total, validator)
        elif (start != partial.size or _differ(total, partial.total)
              or _differ(validator, partial.validator)):
            partial.restart()
            raise ConnectionError("the server sent another part than the one asked for")
        else:
            partial.doubtful = True
            partial.total, partial.validator = total or partial.total, validator or partial.validator
        _check_size(job, partial)
        bar.start(partial.size, partial.total)
        limit = job.max_bytes + 1 if stop is None else stop
        while block := response.read1(max(0, min(CHUNK, limit - partial.size))):
            partial.write(block)
            bar.update(len(block))
            if partial.size > job.max_bytes:
                partial.discard()
                raise job.failed(f"it is larger than the limit of {job.max_bytes} bytes")
    if partial.total is not None and partial.size < partial.total:
        raise ConnectionError(f"the connection ended after {partial.size} of {partial.total} bytes")


def _differ(given, known):
    return bool(given) and bool(known) and given != known


def _extent(job, response):
    """Where an answer's body begins and ends, and how long the whole file is; None for what is not said."""
    status = getattr(response, "status", None)  # None: a file:// URL
    if status == 206:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not found:
            raise ConnectionError("the server sent a part without saying which")
        start, last, total = found.groups()
        return int(start), int(last) + 1, None if total == "*" else int(total)
    if status not in (None, 200):
        raise job.failed(f"the server answered with status {status}, not with a file")
    length = response.headers.get("Content-Length", "").strip()
    if getattr(response, "chunked", False) or not re.fullmatch(r"\d+", length):
        return 0, None, None
    return 0, int(length), int(length)


def _validator(headers):
    """What If-Range accepts: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _check_size(job, partial):
    if max(partial.size, partial.total or 0) > job.max_bytes:
        partial.discard()
        raise job.failed(f"it is {partial.total} bytes long, more than the limit of {job.max_bytes}")
    if partial.total is None:
        return
    with writing(job):
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(job.path))).free
        if partial.total - partial.size > free:
            raise OSError(errno.ENOSPC, f"{partial.total - partial.size} bytes are needed, {free} are free")


class _NoRedirect(HTTPRedirectHandler):
    """Hands a redirect back, so that `_open` judges each address before it is visited."""

    def http_error_302(self, req, fp, code, msg, headers):
        return None

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _open(job, headers):
    """The answer of `job.url`, behind as many redirects as are allowed."""
    url = quote(job.url, safe=string.punctuation)
    for _ in range(MAX_REDIRECTS + 1):
        # A plain http address is on this machine; a proxy would carry the request away from it.
        handlers = [ProxyHandler({})] if urlsplit(url).scheme == "http" else []
        try:
            opener = build_opener(_NoRedirect, *handlers)
            return opener.open(Request(url, headers=headers), timeout=SOCKET_TIMEOUT)
        except HTTPError as error:
            location = error.headers.get("Location")
            if error.code not in _REDIRECTS or not location:
                raise
            error.close()
        # http.client decodes headers as Latin-1, whatever the bytes were.
        url = _resolve(job, quote(location, safe=string.punctuation, encoding="latin-1"), url)
    raise job.failed(f"more than {MAX_REDIRECTS} redirects, the last one to {url}")


def _resolve(job, url, source=None):
    """The absolute form of `url`, which `source` redirects to.

    Refuses what would let somebody on the way change the file.
    """
    where = f"{source} redirects to {url}, which" if source else "the address"
    try:
        target = urljoin(source or "", url)
        parts = urlsplit(target)
        scheme, host = parts.scheme, parts.hostname
        before = urlsplit(source or target).scheme
    except ValueError as error:
        raise job.failed(f"{where} is malformed ({error})", error) from None
    local = (scheme == "file" and source is None) or (scheme == before == "http" and _is_this_machine(host))
    if scheme == "https" or local:
        return target
    why = f"{where} is not https:// (http:// is accepted only from this machine to itself)"
    raise job.failed(why, code="RG073")


def _is_this_machine(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _is_transient(error, received_some):
    if isinstance(error, HTTPError):
        return error.code >= 500 or error.code in _RETRIED_STATUS
    if isinstance(error, (InvalidURL, UnicodeError)):  # UnicodeError: not a host name
        return False
    if isinstance(error, URLError):
        # urllib wraps what happens before an answer: no such name, refused, no route, a bad certificate.
        # Waiting seldom helps someone who is offline, unless the server was there a moment ago.
        return received_some or isinstance(error.reason, _RESETS)
    return True


def _pause(error, failures):
    asked = error.headers.get("Retry-After", "") if isinstance(error, HTTPError) else ""
    if re.fullmatch(r"\d{1,4}", asked):
        return min(float(asked), LONGEST_PAUSE)
    return min(FIRST_PAUSE * 2 ** (failures - 1) * random.uniform(0.75, 1.25), LONGEST_PAUSE)


def _describe(error):
    if isinstance(error, HTTPError):
        return f"HTTP Error {error.code}: {error.msg}"
    cause = error.reason if isinstance(error, URLError) else error
    return str(cause) or type(cause).__name__


def _final_error(job, error, attempts):
    tried = f" ({attempts} attempts)" if attempts > 1 else ""
    if isinstance(error, HTTPError):
        source = "" if error.url == job.url else f", which redirects to {error.url}"
        message = f"{error.msg}{tried}: could not download {job.url}{source}. {job.remedy} [RG077]"
        return HTTPError(job.url, error.code, message, error.headers, BytesIO())
    return job.failed(_describe(error) + tried, error)
