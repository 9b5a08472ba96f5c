"""Downloads from a server that misbehaves: the cache never holds a bad file under its final name."""

import errno
import hashlib
import inspect
import io
import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
import torch.hub

from _http_server import LAST_MODIFIED, Server, chunked, redirect, status, whole
from retrograd import _download, _partial, hub

CONTENT = bytes(range(256)) * 8192  # 2 MiB
CUT = 700_000


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(_download, "FIRST_PAUSE", 0.0)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    for name in ("TORCH_HUB", "TORCH_MODEL_ZOO", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))


@pytest.fixture
def dst(tmp_path):
    return tmp_path / "file.bin"


@pytest.fixture(scope="module")
def checkpoint():
    buffer = io.BytesIO()
    torch.save({"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1, 2])}, buffer)
    return buffer.getvalue()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def hashed_name(content):
    return f"net-{digest(content)[:8]}.pth"


def files(folder):
    """What a download left in a folder, without the lock."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.suffix != ".lock"}


def fetch(url, dst, prefix=None):
    hub.download_url_to_file(url, str(dst), prefix, progress=False)


def assert_same(state, content):
    expected = torch.load(io.BytesIO(content))
    assert list(state) == list(expected)
    for key, tensor in expected.items():
        assert state[key].numpy().dtype == tensor.numpy().dtype
        assert (state[key].numpy() == tensor.numpy()).all()


# -- download_url_to_file --

@pytest.mark.parametrize("prefix", [None, "", digest(CONTENT)[:8], digest(CONTENT).upper()])
def test_the_file_arrives(server, dst, prefix):
    fetch(server.serve("file.bin", whole(CONTENT)), dst, prefix)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert len(server.requests) == 1 and server.requests[0]["User-Agent"] == "retrograd.hub"


def test_signatures_are_pytorchs():
    for name in hub.__all__:
        ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (hub, torch.hub))
        defaults = {key: p.default for key, p in theirs.items()}
        if name == "load_state_dict_from_url":
            defaults["weights_only"] = True  # deliberately safer
        assert {key: p.default for key, p in ours.items()} == defaults
        assert list(ours) == list(theirs)
    assert set(hub.__all__) == set(torch.hub.__all__)


@pytest.mark.parametrize("answer", [whole(CONTENT, length=False), chunked(CONTENT)])
def test_without_a_length(server, dst, answer, capsys):
    hub.download_url_to_file(server.serve("file.bin", answer), str(dst))
    assert dst.read_bytes() == CONTENT
    assert "2.00MB" in capsys.readouterr().err


def test_progress_bar_counts_bytes_and_can_be_silent(server, dst, capsys):
    url = server.serve("file.bin", whole(CONTENT, cut=CUT), whole(CONTENT))
    hub.download_url_to_file(url, str(dst))
    bar = capsys.readouterr().err
    assert "2.00M/2.00M" in bar and "100%" in bar and "trying again" in bar
    hub.download_url_to_file(url, str(dst), progress=False)
    out = capsys.readouterr()
    assert out.err == out.out == ""


def test_silent_downloads_leave_the_progress_bar_alone(server, dst, monkeypatch):
    """Its lock is one for all forked processes: a killed one may hold it for ever."""
    monkeypatch.setattr(_download, "tqdm", None)
    hub.download_url_to_file(server.serve("file.bin", whole(CONTENT)), str(dst), progress=False)
    assert dst.read_bytes() == CONTENT


def test_existing_file_is_replaced(server, dst):
    dst.write_bytes(b"old")
    fetch(server.serve("file.bin", whole(CONTENT)), dst)
    assert dst.read_bytes() == CONTENT


def test_wrong_hash_leaves_what_was_there(server, dst):
    dst.write_bytes(b"old")
    url = server.serve("file.bin", whole(CONTENT))
    message = f'invalid hash value (expected "00000000", got "{digest(CONTENT)}")'
    with pytest.raises(RuntimeError, match=re.escape(message)):
        fetch(url, dst, "00000000")
    assert files(dst.parent) == {"file.bin": b"old"}
    assert len(server.requests) == 1


def test_hash_prefix_that_is_no_hash(dst):
    with pytest.raises(ValueError, match="hash_prefix must be .* not 'xyz'"):
        fetch("https://example.org/file.bin", dst, "xyz")


# -- retries and resuming --

@pytest.mark.parametrize("validator", [
    {"etag": '"one"'},
    {"etag": None, "modified": LAST_MODIFIED},
    {"etag": 'W/"weak"', "modified": LAST_MODIFIED},
])
def test_dropped_connection_is_resumed(server, dst, validator):
    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT, **validator), whole(CONTENT, **validator)), dst)
    assert files(dst.parent) == {"file.bin": CONTENT}
    first, second = server.requests
    assert first["Range"] is None
    assert second["Range"] == f"bytes={CUT}-"
    strong = validator["etag"] and validator["etag"].startswith('"')
    assert second["If-Range"] == (validator["etag"] if strong else LAST_MODIFIED)
    assert server.sent == len(CONTENT)  # no byte was fetched twice


def test_reset_connection_is_retried(server, dst):
    def reset(handler):
        handler.head(200, Content_Length=len(CONTENT))
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        handler.rfile.close()
        handler.wfile.close()
        handler.connection.close()

    fetch(server.serve("file.bin", reset, whole(CONTENT)), dst, digest(CONTENT))
    assert dst.read_bytes() == CONTENT


def test_server_that_ignores_ranges(server, dst):
    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT), whole(CONTENT, ranges=False)), dst)
    assert dst.read_bytes() == CONTENT
    assert server.requests[1]["Range"] == f"bytes={CUT}-"


def test_file_that_changes_between_attempts(server, dst):
    other = CONTENT[::-1]
    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT), whole(other, etag='"two"')), dst)
    assert dst.read_bytes() == other


def test_server_that_ignores_if_range(server, dst):
    """A part of another version is recognised by its ETag."""
    other = CONTENT[::-1]

    def part(handler):
        handler.headers.replace_header("If-Range", '"two"')
        whole(other, etag='"two"')(handler)

    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT), part, whole(other, etag='"two"')), dst)
    assert dst.read_bytes() == other
    assert server.requests[2]["Range"] is None


@pytest.mark.parametrize("content_range", [
    "bytes 5-9/10", "nonsense", f"bytes {CUT}-{CUT + 4}/9999999", f"bytes {CUT}-{CUT - 5}/{len(CONTENT)}",
])
def test_wrong_part(server, dst, content_range):
    def part(handler):
        handler.head(206, Content_Range=content_range, Content_Length=5)
        handler.body(b"wrong")

    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT), part, whole(CONTENT)), dst)
    assert dst.read_bytes() == CONTENT


def test_smaller_parts_than_asked_for(server, dst):
    def part(handler):
        start = int(re.search(r"\d+", handler.headers["Range"])[0])
        stop = min(start + 2**20, len(CONTENT))
        extent = f"bytes {start}-{stop - 1}/{len(CONTENT)}"
        handler.head(206, Content_Range=extent, Content_Length=stop - start)
        handler.body(CONTENT[start:stop])

    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT), part), dst)
    assert dst.read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_without_validator_and_hash_nothing_is_resumed(server, dst):
    fetch(server.serve("file.bin", whole(CONTENT, cut=CUT, etag=None), whole(CONTENT, etag=None)), dst)
    assert dst.read_bytes() == CONTENT
    assert server.requests[1]["Range"] is None


def test_resumed_bytes_that_spoil_the_hash_are_fetched_again(server, dst):
    (dst.parent / "file.bin.partial").write_bytes(b"spoilt" * 1000)
    fetch(server.serve("file.bin", whole(CONTENT)), dst, digest(CONTENT)[:8])
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert [request["Range"] for request in server.requests] == ["bytes=6000-", None]


def test_length_unknown_and_hash_wrong_ends(server, dst):
    url = server.serve("file.bin", whole(CONTENT, length=False))
    with pytest.raises(RuntimeError, match="invalid hash value"):
        fetch(url, dst, "00000000")
    assert len(server.requests) == 2  # it may have been cut short: one more attempt
    assert files(dst.parent) == {}


def test_cut_chunks_are_noticed(server, dst):
    fetch(server.serve("file.bin", chunked(CONTENT, cut=True), chunked(CONTENT)), dst)
    assert dst.read_bytes() == CONTENT


def test_truncated_for_ever(server, dst):
    url = server.serve("file.bin", whole(CONTENT, cut=CUT, ranges=False))
    with pytest.raises(urllib.error.URLError, match=f"ended after {CUT} of {len(CONTENT)} bytes .5 attempts"):
        fetch(url, dst)
    assert "file.bin" not in files(dst.parent)
    assert len(server.requests) == 5


def test_next_call_resumes(server, dst):
    url = server.serve("file.bin", whole(CONTENT, cut=CUT), status(404), whole(CONTENT))
    with pytest.raises(urllib.error.HTTPError):
        fetch(url, dst)
    assert files(dst.parent)["file.bin.partial"] == CONTENT[:CUT]
    fetch(url, dst)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert server.requests[2]["Range"] == f"bytes={CUT}-" and server.requests[2]["If-Range"] == '"one"'
    assert server.sent == len(CONTENT)


def test_interrupt_keeps_the_bytes(server, dst, monkeypatch):
    write = _partial.Partial.write

    def interrupted(partial, block):
        write(partial, block)
        if partial.size > CUT:
            raise KeyboardInterrupt

    url = server.serve("file.bin", whole(CONTENT))
    with monkeypatch.context() as patch:
        patch.setattr(_partial.Partial, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(url, dst)
    left = files(dst.parent)
    assert set(left) == {"file.bin.partial", "file.bin.partial.json"}
    assert CONTENT.startswith(left["file.bin.partial"])
    fetch(url, dst)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert server.requests[1]["Range"] == f"bytes={len(left['file.bin.partial'])}-"


def test_interrupted_after_every_byte(server, dst, monkeypatch):
    content = CONTENT[:100]
    write = _partial.Partial.write

    def interrupted(partial, block):
        write(partial, block)
        raise KeyboardInterrupt

    monkeypatch.setattr(_download, "CHUNK", 1)
    url = server.serve("file.bin", whole(content))
    with monkeypatch.context() as patch:
        patch.setattr(_partial.Partial, "write", interrupted)
        for _ in content:
            with pytest.raises(KeyboardInterrupt):
                fetch(url, dst)
            assert not dst.exists()
    fetch(url, dst)
    assert files(dst.parent) == {"file.bin": content}
    assert [request["Range"] for request in server.requests[1:]] == [f"bytes={n}-" for n in range(1, 100)]


_CRASH = """
import os, sys
from retrograd import _download, _partial

url, path, prefix, steps = sys.argv[1:]
left = int(steps)

def crashing(function):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*args, **kwargs)
    return call

for name in ("fsync", "replace", "remove", "open", "ftruncate"):
    setattr(os, name, crashing(getattr(os, name)))
_partial.open = crashing(open)
_partial.Partial.write = crashing(_partial.Partial.write)
_download.CHUNK = 700_000
job = _partial.Job(url, path, prefix, progress=False)
with _partial.locked(job):
    _download.fetch(job)
"""


@pytest.mark.parametrize("prefix", ["", digest(CONTENT)[:8]])
def test_killed_at_every_step(server, dst, prefix):
    """A process that dies between any two calls leaves the old file or the new one, and no obstacle."""
    url = server.serve("file.bin", whole(CONTENT))
    seen = []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for steps in range(100):
        dst.write_bytes(b"old")
        command = [sys.executable, "-c", _CRASH, url, str(dst), prefix, str(steps)]
        code = subprocess.run(command, timeout=60, check=False, env=environment).returncode
        assert code in (0, 9)
        seen.append(dst.read_bytes())
        assert seen[-1] in (b"old", CONTENT)
        if code == 0:
            break
        fetch(url, dst, prefix)
        assert files(dst.parent) == {"file.bin": CONTENT}
    assert code == 0 and len(seen) > 5
    assert b"old" in seen and seen[-1] == CONTENT


@pytest.mark.parametrize("change", [
    {"url": "https://example.org/other"}, {"size": len(CONTENT)}, {"size": -1}, {"size": "5"},
    {"validator": None}, {"total": "x"}, None,
])
def test_partial_file_whose_note_does_not_fit_is_dropped(server, dst, change):
    url = server.serve("file.bin", whole(CONTENT))
    (dst.parent / "file.bin.partial").write_bytes(b"x" * CUT)
    note = {"url": url, "size": CUT, "total": len(CONTENT), "validator": '"one"'}
    text = json.dumps(note | change) if change else json.dumps(note)[:-9]
    (dst.parent / "file.bin.partial.json").write_text(text)
    fetch(url, dst)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert server.requests[0]["Range"] is None


def test_bytes_that_the_note_does_not_vouch_for_are_dropped(server, dst):
    """A process killed after the note was written leaves bytes that may never have reached the disk."""
    url = server.serve("file.bin", whole(CONTENT))
    (dst.parent / "file.bin.partial").write_bytes(CONTENT[:CUT] + bytes(1000))
    note = {"url": url, "size": CUT, "total": len(CONTENT), "validator": '"one"'}
    (dst.parent / "file.bin.partial.json").write_text(json.dumps(note))
    fetch(url, dst)
    assert dst.read_bytes() == CONTENT
    assert server.requests[0]["Range"] == f"bytes={CUT}-"


@pytest.mark.parametrize("prefix", [None, digest(CONTENT)[:8]])
def test_whole_partial_file_needs_no_request(server, dst, prefix):
    url = server.serve("file.bin", whole(CONTENT))
    (dst.parent / "file.bin.partial").write_bytes(CONTENT)
    note = {"url": url, "size": len(CONTENT), "total": len(CONTENT), "validator": '"one"'}
    (dst.parent / "file.bin.partial.json").write_text(json.dumps(note))
    fetch(url, dst, prefix)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert not server.requests


def test_partial_file_longer_than_the_servers(server, dst):
    (dst.parent / "file.bin.partial").write_bytes(CONTENT * 2)
    fetch(server.serve("file.bin", whole(CONTENT)), dst, digest(CONTENT))
    assert dst.read_bytes() == CONTENT


# -- what the server says --

def test_404_is_not_retried(server, dst):
    url = server.serve("file.bin", status(404))
    with pytest.raises(urllib.error.HTTPError, match="HTTP Error 404: Not Found") as caught:
        fetch(url, dst)
    assert caught.value.code == 404 and caught.value.url == url
    assert url in str(caught.value) and str(dst) in str(caught.value)
    assert len(server.requests) == 1
    assert files(dst.parent) == {}


def test_503_then_success(server, dst, monkeypatch):
    pauses = []
    monkeypatch.setattr(_download.time, "sleep", pauses.append)
    fetch(server.serve("file.bin", status(503, Retry_After=7), status(503), whole(CONTENT)), dst)
    assert dst.read_bytes() == CONTENT
    assert pauses == [7.0, 0.0]


def test_pauses_grow(server, dst, monkeypatch):
    pauses = []
    monkeypatch.setattr(_download, "FIRST_PAUSE", 1.0)
    monkeypatch.setattr(_download.time, "sleep", pauses.append)
    url = server.serve("file.bin", status(500))
    with pytest.raises(urllib.error.HTTPError, match=r"HTTP Error 500: .*\(5 attempts\)"):
        fetch(url, dst)
    assert len(pauses) == 4
    assert all(0.75 <= pause / 2**k <= 1.25 for k, pause in enumerate(pauses))


def test_status_that_is_no_file(server, dst):
    url = server.serve("file.bin", status(204))
    with pytest.raises(urllib.error.URLError, match="status 204, not with a file"):
        fetch(url, dst)


def test_redirect_is_followed_and_resumed(server, dst):
    url = server.serve("file.bin", redirect("/a new/place.bin", 308), redirect("a%20new/place.bin", 307))
    server.serve("a%20new/place.bin", whole(CONTENT, cut=CUT), whole(CONTENT))
    fetch(url, dst)
    assert dst.read_bytes() == CONTENT
    assert server.requests[3]["Range"] == f"bytes={CUT}-"


def test_redirect_loop(server, dst):
    url = server.serve("file.bin", redirect("/file.bin"))
    with pytest.raises(urllib.error.URLError, match="more than 10 redirects"):
        fetch(url, dst)
    assert len(server.requests) == 11


@pytest.mark.parametrize("target", [
    "ftp://127.0.0.1/file.bin", "file:///etc/passwd", "http://example.org/file.bin", "data:,x", "http://[::1/x",
])
def test_redirects_that_are_refused(server, dst, target):
    url = server.serve("file.bin", redirect(target))
    with pytest.raises(urllib.error.URLError, match="redirects to .* which is (not https|malformed)"):
        fetch(url, dst)
    assert len(server.requests) == 1
    assert files(dst.parent) == {}


def test_https_may_not_lead_to_this_machine():
    job = _partial.Job("https://example.org/a", "a")
    with pytest.raises(urllib.error.URLError, match="not https"):
        _download._resolve(job, "http://127.0.0.1/a", "https://example.org/a")
    assert _download._resolve(job, "../b?c", "https://example.org/x/a") == "https://example.org/b?c"


@pytest.mark.parametrize("url", ["http://example.org/a", "http://128.0.0.1/a", "ftp://localhost/a", "a", "http:///a",
                                 "http://localhost.example.org/a", "http://127.0.0.1@example.org/a", "https://[::1/a"])
def test_addresses_that_are_refused(dst, url):
    with pytest.raises(urllib.error.URLError, match="address is (not https|malformed)"):
        fetch(url, dst)
    assert files(dst.parent) == {}
    for load in (hub.download_url_to_file, hub.load_state_dict_from_url):
        with pytest.raises((urllib.error.URLError, ValueError), match="not https|malformed|Invalid IPv6"):
            load(url, str(dst.parent / "new" / "file.bin"))
    assert list(dst.parent.iterdir()) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_hosts_that_are_this_machine(host):
    assert _download._is_this_machine(host)


def test_local_addresses_bypass_a_proxy(server, dst, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    fetch(server.serve("file.bin", whole(CONTENT)), dst)
    assert dst.read_bytes() == CONTENT


def test_https_goes_through_the_proxy(dst, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        def refuse():
            with proxy.accept()[0] as connection:
                asked.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 407 Name Yourself\r\nContent-Length: 0\r\n\r\n")

        asked = []
        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with pytest.raises(urllib.error.URLError, match="407 Name Yourself"):
            fetch("https://example.org/file.bin", dst)
        thread.join()
    assert asked[0].startswith(b"CONNECT example.org:443")


def test_file_urls(tmp_path, dst):
    source = tmp_path / "a source.bin"
    source.write_bytes(CONTENT)
    fetch(source.as_uri(), dst, digest(CONTENT))
    assert dst.read_bytes() == CONTENT
    with pytest.raises(urllib.error.URLError, match="No such file or directory.*missing.bin"):
        fetch((tmp_path / "missing.bin").as_uri(), dst)


# -- sizes, disks and folders --

@pytest.mark.parametrize("length", [True, False])
def test_size_limit(server, dst, length):
    url = server.serve("file.bin", whole(CONTENT, length=length))
    with pytest.raises(urllib.error.URLError, match="limit of 1000"):
        _download.fetch(_partial.Job(url, str(dst), progress=False, max_bytes=1000))
    assert files(dst.parent) == {}


def test_absurd_length_is_refused(server, dst):
    url = server.serve("file.bin", lambda handler: handler.head(200, Content_Length=10**18))
    with pytest.raises(urllib.error.URLError, match="1000000000000000000 bytes long, more than the limit"):
        fetch(url, dst)


def test_more_bytes_than_announced(server, dst):
    def answer(handler):
        handler.head(200, Content_Length=len(CONTENT))
        handler.body(CONTENT + b"more")

    fetch(server.serve("file.bin", answer), dst)
    assert dst.read_bytes() == CONTENT


def test_too_little_room_is_known_beforehand(server, dst, monkeypatch):
    free = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(_download.shutil, "disk_usage", lambda _: free)
    url = server.serve("file.bin", whole(CONTENT))
    with pytest.raises(urllib.error.URLError, match="disk is full .2097152 bytes are needed, 1000 are free"):
        fetch(url, dst)
    assert files(dst.parent) == {}


class _FullDisk:
    """A file on a disk that fills up after CUT bytes."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, block):
        room = CUT - self._file.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(block[:room])


@pytest.mark.parametrize("prefix", [None, digest(CONTENT)[:8]])
def test_full_disk(server, dst, monkeypatch, prefix):
    dst.write_bytes(b"old")
    url = server.serve("file.bin", whole(CONTENT))
    initialise = _partial.Partial.__init__

    def on_full_disk(partial, job):
        initialise(partial, job)
        partial._file = _FullDisk(partial._file)

    with monkeypatch.context() as patch:
        patch.setattr(_partial.Partial, "__init__", on_full_disk)
        with pytest.raises(urllib.error.URLError, match="file.bin into .*disk is full.*Make room") as caught:
            fetch(url, dst, prefix)
    assert caught.value.errno == errno.ENOSPC
    left = files(dst.parent)
    assert left["file.bin"] == b"old" and left["file.bin.partial"] == CONTENT[:CUT]
    assert len(server.requests) == 1
    fetch(url, dst, prefix)
    assert files(dst.parent) == {"file.bin": CONTENT}
    assert server.requests[1]["Range"] == f"bytes={CUT}-"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failure_at_the_last_moment(server, dst, monkeypatch, step):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    dst.write_bytes(b"old")
    url = server.serve("file.bin", whole(CONTENT))
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(urllib.error.URLError, match="cannot write file.bin into .*Input/output error"):
            fetch(url, dst)
    assert dst.read_bytes() == b"old"
    fetch(url, dst)
    assert files(dst.parent) == {"file.bin": CONTENT}


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_folder(server, dst, monkeypatch, code):
    def refuse(path, flags, *args, **kwargs):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(code, os.strerror(code), path)
        return really_open(path, flags, *args, **kwargs)

    really_open = os.open
    url = server.serve("file.bin", whole(CONTENT))
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(urllib.error.URLError, match="cannot write file.bin .*TORCH_HOME"):
        fetch(url, dst)
    assert not server.requests


def test_missing_folder_is_made(server, tmp_path):
    fetch(server.serve("file.bin", whole(CONTENT)), tmp_path / "new" / "folder" / "file.bin")
    assert files(tmp_path / "new" / "folder") == {"file.bin": CONTENT}


def test_folder_or_file_in_the_way(server, tmp_path):
    url = server.serve("file.bin", whole(CONTENT))
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for dst, message in (("folder", "cannot write folder .* a folder"), ("file/file.bin", "File exists")):
        with pytest.raises(OSError, match=message):
            fetch(url, tmp_path / dst)
    assert not server.requests


# -- no network --

def test_no_network_is_one_clear_error(monkeypatch, tmp_path):
    attempts = []

    def offline(host, *_, **__):
        attempts.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url = "https://download.example.org/models/resnet18-f37072fd.pth"
    with pytest.raises(urllib.error.URLError) as caught:
        hub.load_state_dict_from_url(url, progress=False)
    message = str(caught.value)
    assert message.startswith(f"could not download {url}: [Errno -3] Temporary failure in name resolution. ")
    assert f"place it at {tmp_path}/cache/hub/checkpoints/resnet18-f37072fd.pth" in message
    assert "weights=None" in message
    assert attempts == ["download.example.org"]
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert isinstance(caught.value.reason, urllib.error.URLError)


def test_refused_connection(dst):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.bin"
    with pytest.raises(urllib.error.URLError, match="Connection refused"):
        fetch(url, dst)


@pytest.mark.parametrize("url", ["https://a..b/file.bin", "https://localhost:port/file.bin"])
def test_impossible_hosts(dst, url, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(urllib.error.URLError, match="could not download"):
        fetch(url, dst)


# -- load_state_dict_from_url and the cache --

def test_state_dict_equals_pytorchs(server, checkpoint, tmp_path, capsys):
    url = server.serve(hashed_name(checkpoint), whole(checkpoint))
    state = hub.load_state_dict_from_url(url, check_hash=True)
    assert_same(state, checkpoint)
    assert files(tmp_path / "cache/hub/checkpoints") == {hashed_name(checkpoint): checkpoint}
    assert f'Downloading: "{url}" to ' in capsys.readouterr().out
    hub.load_state_dict_from_url(url)
    assert capsys.readouterr() == ("", "")
    assert len(server.requests) == 1  # a good file in the cache needs no server


def test_file_that_pytorch_downloaded_is_found(server, checkpoint, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # PyTorch would ask one for this machine too
    url = server.serve(hashed_name(checkpoint), whole(checkpoint))
    torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
    assert_same(hub.load_state_dict_from_url(url), checkpoint)
    assert len(server.requests) == 1


def test_cache_can_be_read_only(checkpoint, monkeypatch, tmp_path):
    (tmp_path / hashed_name(checkpoint)).write_bytes(checkpoint)
    monkeypatch.setattr(os, "makedirs", None)
    monkeypatch.setattr(_partial, "FileLock", None)
    url = f"https://example.org/{hashed_name(checkpoint)}"
    assert_same(hub.load_state_dict_from_url(url, model_dir=tmp_path), checkpoint)


@pytest.mark.parametrize("check_hash", [True, False])
def test_bad_file_in_the_cache_is_replaced(server, checkpoint, tmp_path, check_hash):
    name = hashed_name(checkpoint)
    bad = checkpoint[:-1] + b"!"
    (tmp_path / name).write_bytes(bad)
    url = server.serve(name, whole(checkpoint))
    with pytest.warns(UserWarning, match=f"{name} is damaged.*{name}.corrupt") as caught:
        state = hub.load_state_dict_from_url(url, model_dir=tmp_path, progress=False, check_hash=check_hash)
    assert caught[0].filename == __file__
    assert_same(state, checkpoint)
    assert files(tmp_path) == {name: checkpoint, name + ".corrupt": bad}


def test_bad_file_is_not_used_without_network_either(server, checkpoint, tmp_path):
    name = hashed_name(checkpoint)
    (tmp_path / name).write_bytes(b"bad")
    url = server.serve(name, status(404))
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(urllib.error.HTTPError):
        hub.load_state_dict_from_url(url, model_dir=tmp_path, progress=False)
    assert files(tmp_path) == {name + ".corrupt": b"bad"}


def test_truncated_download_never_gets_its_name(server, checkpoint, tmp_path):
    name = hashed_name(checkpoint)
    url = server.serve(name, whole(checkpoint, cut=len(checkpoint) // 2, length=False))
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.load_state_dict_from_url(url, model_dir=tmp_path, progress=False)
    assert files(tmp_path) == {}


def test_file_name(server, checkpoint, tmp_path):
    url = server.serve("download", whole(checkpoint))
    state = hub.load_state_dict_from_url(url, model_dir=tmp_path / "new" / "folder", file_name="mine.pth")
    assert_same(state, checkpoint)
    assert files(tmp_path / "new" / "folder") == {"mine.pth": checkpoint}
    url = server.serve("net-00000000.pth", whole(checkpoint))
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.load_state_dict_from_url(url, model_dir=tmp_path, file_name="other.pth")
    # A file that the caller put there under a name without a hash is the caller's choice.
    state = hub.load_state_dict_from_url(url, tmp_path / "new" / "folder", file_name="mine.pth")
    assert_same(state, checkpoint)
    with pytest.raises(ValueError, match="file_name="):
        hub.load_state_dict_from_url("https://example.org/folder/")


@pytest.mark.parametrize("name, asked, prefix", [
    ("resnet18-f37072fd.pth", False, "f37072fd"),
    ("resnet18-f37072fd.pth", True, "f37072fd"),
    ("net-1.0-f37072fd.pth", True, "f37072fd"),
    ("net-f37072fd.pth.tar", False, "f37072fd"),
    ("sub-deadbeef.d/net.pth", False, ""),
    ("net-f37072f.pth", False, ""),
    ("net-f37072f.pth", True, "f37072f"),
    ("net-20240131.pth", False, ""),
    ("net-20240131.pth", True, "20240131"),
    ("net-20241331.pth", False, "20241331"),
    ("net-F37072FD.pth", True, ""),
    ("net.pth", True, ""),
])
def test_hash_in_a_name(name, asked, prefix):
    assert hub._hash_in(name, asked) == prefix


def test_folders_in_pytorchs_order(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = []
    for step in (
        lambda: monkeypatch.delenv("TORCH_HOME"),
        lambda: monkeypatch.setenv("XDG_CACHE_HOME", "~/xdg"),
        lambda: monkeypatch.setenv("TORCH_HOME", "~/torch-home"),
        lambda: [module.set_dir("~/set") for module in (hub, torch.hub)],
        lambda: [module.set_dir(tmp_path / "path") for module in (hub, torch.hub)],
    ):
        step()
        assert hub.get_dir() == torch.hub.get_dir()
        seen.append(os.path.relpath(hub.get_dir(), tmp_path))
    assert seen == [".cache/torch/hub", "xdg/torch/hub", "torch-home/hub", "set", "path"]


@pytest.mark.parametrize("name, call", [("TORCH_HUB", lambda module: module.get_dir()), (
    "TORCH_MODEL_ZOO", lambda module: module.load_state_dict_from_url("https://example.org/a.pth"))])
def test_old_variables_warn(monkeypatch, checkpoint, tmp_path, name, call):
    folder = tmp_path / "cache/hub/checkpoints"
    folder.mkdir(parents=True)
    (folder / "a.pth").write_bytes(checkpoint)
    monkeypatch.setenv(name, "x")
    for module in (hub, torch.hub):
        with pytest.warns(UserWarning, match=f"{name} is deprecated, please use env TORCH_HOME instead"):
            call(module)


def legacy_zip(state, compression=zipfile.ZIP_DEFLATED):
    inner, outer = io.BytesIO(), io.BytesIO()
    torch.save(state, inner, _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(outer, "w", compression) as archive:
        archive.writestr("../../net.pth", inner.getvalue())
    return outer.getvalue(), inner.getvalue()


def test_legacy_stream(server, tmp_path):
    inner = legacy_zip({"weight": torch.arange(3.0)})[1]
    state = hub.load_state_dict_from_url(server.serve("net.pth", whole(inner)), tmp_path, progress=False)
    assert_same(state, inner)


def test_legacy_zip(server, tmp_path):
    content, inner = legacy_zip({"weight": torch.arange(3.0)})
    url = server.serve("net.pth", whole(content))
    with pytest.warns(FutureWarning, match="before PyTorch 1.6"):
        state = hub.load_state_dict_from_url(url, tmp_path / "a", progress=False)
    assert_same(state, inner)
    assert files(tmp_path / "a") == {"net.pth": content}  # and nothing beside it


def test_zip_bomb(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net.pth", bytes(10**7))
    url = server.serve("net.pth", whole(buffer.getvalue()))
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="10000000 bytes, over 100 times"):
        hub.load_state_dict_from_url(url, tmp_path, progress=False)


@pytest.mark.parametrize("call", [
    lambda: hub.load("pytorch/vision", "resnet18", pretrained=True), lambda: hub.list("pytorch/vision"),
    lambda: hub.help("pytorch/vision", "resnet18"),
])
def test_code_of_repositories_is_not_run(call):
    with pytest.raises(NotImplementedError, match="'pytorch/vision'.*hubconf.py.*load_state_dict_from_url"):
        call()


# -- several at once --

def _load_in_process(url, folder, ready, queue):
    ready.wait()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = hub.load_state_dict_from_url(url, model_dir=folder, progress=False)
        queue.put(state["weight"].numpy().tolist())
    except Exception as error:  # the parent compares, and shows it
        queue.put(repr(error))


@pytest.mark.parametrize("damaged", [False, True])
def test_two_processes_download_once(server, checkpoint, tmp_path, damaged):
    name = hashed_name(checkpoint)
    if damaged:
        (tmp_path / name).write_bytes(b"bad")
    # The answer takes a while, so that the other process comes meanwhile.
    url = server.serve(name, whole(checkpoint, before=lambda: time.sleep(0.5)))
    context = multiprocessing.get_context("spawn")
    ready, queue = context.Barrier(2), context.Queue()
    arguments = url, tmp_path, ready, queue
    processes = [context.Process(target=_load_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert results == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]] * 2
    assert len(server.requests) == 1
    assert files(tmp_path)[name] == checkpoint


def test_waiting_is_announced(server, dst, capsys):
    url = server.serve("file.bin", whole(CONTENT))
    waiter = threading.Thread(target=hub.download_url_to_file, args=(url, str(dst)))
    with _partial.locked(_partial.Job(url, str(dst))):
        waiter.start()
        deadline = time.monotonic() + 30
        seen = ""
        while "Waiting for another process" not in seen and time.monotonic() < deadline:
            seen += capsys.readouterr().err
            time.sleep(0.01)
        assert f"Waiting for another process that downloads {dst}" in seen
        assert not server.requests
    waiter.join()
    assert dst.read_bytes() == CONTENT


def test_threads_download_once(server, checkpoint, tmp_path):
    url = server.serve(hashed_name(checkpoint), whole(checkpoint))
    results = []

    def load():
        results.append(hub.load_state_dict_from_url(url, tmp_path, progress=False))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for state in results:
        assert_same(state, checkpoint)
    assert len(server.requests) == 1
