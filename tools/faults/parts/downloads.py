"""Downloads cut, killed and raced; disks full and read-only: no bad file in the cache under its name."""

import hashlib
import os
import random
import resource
import signal
import tempfile
import time
from pathlib import Path

from common import forked, pytest

from _http_server import Server, whole

CONTENT = random.Random(0).randbytes(3000)
PREFIX = hashlib.sha256(CONTENT).hexdigest()[:8]


def run(options):
    from retrograd import _download

    _download.FIRST_PAUSE = 0.0  # waiting between attempts is not what is looked at
    rng, failures = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder, _Elsewhere() as server:
        os.chmod(folder, 0o755)
        failures += cut(server, Path(folder), 150 if options.quick else 1)
        failures += killed(server, Path(folder), 15 if options.quick else 500, rng)
        failures += at_once(server, Path(folder), 1 if options.quick else 30)
        failures += no_room(server, Path(folder), 300 if options.quick else 7)
        failures += read_only(server, Path(folder))
    if not options.quick:
        failures += pytest("tests/test_hub.py")
    return failures


class _Elsewhere:
    """The server in a process of its own, so that copies of this one have no threads."""

    def __enter__(self):
        read, write = os.pipe()
        self.process = forked(lambda: self._serve(write))
        self.root = os.read(read, 100).decode()
        os.close(read)
        os.close(write)
        return self

    def _serve(self, write):
        def trickle(handler):
            """A piece at a time, from where the client asks."""
            pause = lambda: time.sleep(0.0005)
            write = handler.body

            def slowly(data):
                for at in range(0, len(data), 100):
                    pause()
                    write(data[at : at + 100])

            handler.body = slowly
            whole(CONTENT)(handler)

        with Server() as server:
            server.serve("slow", trickle)
            server.serve("file", whole(CONTENT))
            for n in range(len(CONTENT)):  # the first answer ends after n bytes, the next one is whole
                server.serve(f"cut/{n}", whole(CONTENT, cut=n), whole(CONTENT))
                server.serve(f"short/{n}", whole(CONTENT[:n], length=False), whole(CONTENT))
            os.write(write, server.url("").encode())
            signal.pause()

    def __exit__(self, *_):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def fetch(server, name, path, prefix=PREFIX):
    from retrograd import _download, _partial

    job = _partial.Job(server.root + name, str(path), prefix, progress=False)
    with _partial.locked(job):
        _download.fetch(job)


def leftovers(path):
    """What stands beside `path` besides the lock."""
    return [p.name for p in path.parent.glob(path.name + "?*") if p.suffix != ".lock"]


def cut(server, folder, step):
    """The connection ends at every byte, with and without a length that would tell."""
    failures, tried = [], 0
    for n in range(0, len(CONTENT), step):
        for kind, prefixes in (("cut", ("", PREFIX)), ("short", (PREFIX,))):
            for prefix in prefixes:
                path = folder / f"{kind}-{n}-{prefix}"
                try:
                    fetch(server, f"{kind}/{n}", path, prefix)
                except OSError:  # no length, a wrong hash: refused
                    if path.exists():
                        failures.append(f"{kind} {n}: an error, and yet a file")
                    fetch(server, "file", path, prefix)
                tried += 1
                if path.read_bytes() != CONTENT or leftovers(path):
                    failures.append(f"{kind} {n}: {path.stat().st_size} bytes, {leftovers(path)}")
                path.unlink()
    print(
        f"{tried:,} connections that ended early, at every {step}. byte: the whole file in the end, each time"
    )
    return failures


def killed(server, folder, times, rng):
    """kill -9 at random moments; then the old file or the new one, and the next call goes on."""
    failures, states = [], {"old": 0, "new": 0}
    path = folder / "killed"
    for turn in range(times):
        path.write_bytes(b"old")
        process = forked(lambda: fetch(server, "slow", path, PREFIX))
        time.sleep(rng.uniform(0, 0.12))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        held = path.read_bytes()
        if held not in (b"old", CONTENT):
            failures.append(f"kill {turn}: a bad file of {len(held)} bytes under the final name")
        states["old" if held == b"old" else "new"] += 1
        if turn % 3:  # else the next process finds what several have left
            fetch(server, "slow", path, PREFIX)
            if path.read_bytes() != CONTENT or leftovers(path):
                failures.append(f"kill {turn}: after the next call {leftovers(path)}")
    print(f"{times:,} downloads killed: {states['old']:,} left the old file, {states['new']:,} the new one")
    return failures


def at_once(server, folder, rounds):
    """Eight processes, and four of them killed."""
    failures = []
    for turn in range(rounds):
        path = folder / f"race-{turn}"
        processes = [forked(lambda: fetch(server, "slow", path)) for _ in range(8)]
        time.sleep(0.02)
        for process in processes[:4]:
            os.kill(process, signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in processes]
        if any(codes[4:]) or path.read_bytes() != CONTENT or leftovers(path):
            failures.append(f"race {turn}: exit statuses {codes}, {leftovers(path)}")
    print(f"{rounds} times 8 processes at once, half of them killed: one whole file, the others had no error")
    return failures


def no_room(server, folder, step):
    """The system refuses bytes past a limit."""
    failures, refused = [], 0
    for limit in range(0, len(CONTENT), step):
        path = folder / f"room-{limit}"
        path.write_bytes(b"old")

        def child():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            try:
                fetch(server, "file", path)
            except OSError as error:
                os._exit(3 if "cannot write" in str(error) and str(path.parent) in str(error) else 4)

        status = os.waitstatus_to_exitcode(os.waitpid(forked(child), 0)[1])
        refused += status == 3
        if status != 3 or path.read_bytes() != b"old":
            failures.append(f"no room after {limit} bytes: exit status {status}")
        fetch(server, "file", path)
        if path.read_bytes() != CONTENT:
            failures.append(f"no room after {limit} bytes: not whole afterwards")
    print(
        f"{refused:,} downloads out of room: an error that names the folder, the old file kept, whole later"
    )
    return failures


def read_only(server, folder):
    """A cache that may not be written: what is in it is used, the rest is an error that says so."""
    import io

    import retrograd as torch
    from retrograd import hub

    cache = folder / "cache"
    cache.mkdir()
    file = io.BytesIO()
    torch.save({"w": torch.ones(2)}, file)
    name = f"model-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    (cache / name).write_bytes(file.getvalue())
    (cache / name).chmod(0o644)
    cache.chmod(0o555)

    def child():
        if os.getuid() == 0:  # root may write anywhere
            os.setgid(65534)
            os.setuid(65534)
        state = hub.load_state_dict_from_url(server.root + name, str(cache), progress=False, check_hash=True)
        assert state["w"].tolist() == [1, 1]
        try:
            fetch(server, "file", cache / "new")
        except OSError as error:
            assert "cannot write" in str(error) and "TORCH_HOME" in str(error), error
        else:
            raise AssertionError("written into a read-only folder")

    status = os.waitstatus_to_exitcode(os.waitpid(forked(child), 0)[1])
    cache.chmod(0o755)
    print("a read-only cache: what is there is used, what is not is an error that says what to do")
    return (
        [] if status == 0 and not (cache / "new").exists() else [f"a read-only cache: exit status {status}"]
    )
