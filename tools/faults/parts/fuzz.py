"""Mutated files for every reader: guided by coverage where atheris is installed, else by chance."""

import collections
import importlib.util
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import CORPUS, surroundings

LONGEST = 4096
SECONDS_EACH = 20
MEMORY = 1024  # MiB for the whole process

# Bytes that mean something to a reader: opcodes of pickle, signatures of zip, numbers at limits.
PIECES = [
    b"(", b")", b"]", b"}", b"t", b"l", b"d", b"a", b"e", b"s", b"u", b"R", b"b", b"Q", b"N", b".", b"0",
    b"1", b"2",
    b"\x81", b"\x85", b"\x86", b"\x87", b"\x88", b"\x89", b"\x8f", b"\x90", b"\x91", b"\x93", b"\x94",
    b"\x92",
    b"h\x00", b"q\x00", b"h\x01", b"K\x00", b"K\xff", b"J\xff\xff\xff\xff", b"J\xff\xff\xff\x7f",
    b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"\x8a\x08" + b"\xff" * 8, b"\xff" * 4, b"\x00" * 4, b"\xff" * 8,
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"cnumpy\ndtype\n", b"ctorch._utils\n_rebuild_parameter\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"ctorch\n_rebuild_wrapper_subclass\n", b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b'"shape":', b'"data_offsets":', b"[0,-1]", b"1e400", b"[[",
]  # fmt: skip


def run(options):
    seconds = options.seconds or (5 if options.quick else 1800)
    if options.random or importlib.util.find_spec("atheris") is None:
        return _by_chance(options, seconds)
    return _guided(options, seconds)


# --- by chance --------------------------------------------------------------------------------------------


def _by_chance(options, seconds):
    from reading import read, warm_up

    corpus = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    warm_up(corpus)
    rng = random.Random(options.seed)
    outcomes, failures, slowest = collections.Counter(), [], 0.0
    end = time.monotonic() + seconds
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with _alarm():
        while time.monotonic() < end:
            data = mutate(rng.choice(corpus), corpus, rng)
            begun = time.perf_counter()
            signal.alarm(SECONDS_EACH)
            try:
                outcomes["accepted" if read(data) else "refused"] += 1
            except Exception as error:  # whatever it is, it is what this looks for
                failures.append(f"{type(error).__name__}: {error}, by {_kept(data, options)}")
                outcomes["failed"] += 1
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.perf_counter() - begun)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if grown > 200:
        failures.append(f"memory grew by {grown:.0f} MiB")
    print(
        f"fuzz by chance: {outcomes.total():,} inputs in {seconds:.0f} s: {outcomes['accepted']:,} accepted, "
        f"{outcomes['refused']:,} refused, {outcomes['failed']} failed; the slowest took "
        f"{slowest * 1e3:.0f} ms; "
        f"memory grew by {grown:.1f} MiB"
    )
    return failures[:10]


def mutate(data, corpus, rng):
    """`data` with one to six changes."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + rng.randrange(5)] = rng.choice(PIECES)
        elif kind == 2:
            data[at:at] = rng.choice(PIECES)
        elif kind == 3:
            del data[at : at + rng.randint(1, 16)]
        elif kind == 4:
            other = rng.choice(corpus)
            start = rng.randrange(len(other))
            data[at : at + rng.randrange(20)] = other[start : start + rng.randint(1, 60)]
        elif kind == 5:
            piece = data[at : at + rng.randint(1, 40)]
            data[at:at] = piece * rng.randint(1, 4)
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data[:LONGEST])


class _alarm:
    """Within it SIGALRM raises TimeoutError."""

    def __enter__(self):
        def late(*_):
            raise TimeoutError(f"took more than {SECONDS_EACH} s")

        self.before = signal.signal(signal.SIGALRM, late)

    def __exit__(self, *_):
        signal.signal(signal.SIGALRM, self.before)


def _kept(data, options):
    if options.keep is None:
        return repr(data[:200])
    path = Path(options.keep) / f"failure-{abs(hash(data)):x}"
    path.write_bytes(data)
    return str(path)


# --- guided by coverage -----------------------------------------------------------------------------------


def _guided(options, seconds):
    """libFuzzer ends its process, so it has one of its own; its last lines are the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.keep or scratch)
        (folder / "found").mkdir(parents=True, exist_ok=True)
        words = folder / "words"
        words.write_text("".join('"' + "".join(f"\\x{b:02x}" for b in piece) + '"\n' for piece in PIECES))
        command = [
            sys.executable,
            "-m",
            "parts.fuzz",
            str(folder / "found"),
            str(CORPUS),
            f"-max_total_time={seconds:.0f}",
            f"-timeout={SECONDS_EACH}",
            f"-rss_limit_mb={MEMORY}",
            f"-max_len={LONGEST}",
            f"-dict={words}",
            f"-artifact_prefix={folder}/failure-",
            "-print_final_stats=1",
            f"-seed={options.seed + 1}",
        ]
        done = subprocess.run(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=surroundings()
        )
        stats = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stdout))
        covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stdout) or [("?",) * 3]
        left = [str(p) for p in folder.glob("failure-*")]
    print(
        f"fuzz guided by coverage: {int(stats.get('number_of_executed_units', 0)):,} inputs in "
        f"{seconds:.0f} s; "
        f"{covered[0][0]} places of the code reached by the corpus, {covered[-1][0]} at the end; "
        f"{stats.get('new_units_added', '?')} inputs found that reach new ones; slowest unit "
        f"{stats.get('slowest_unit_time_sec', '?')} s; peak memory {stats.get('peak_rss_mb', '?')} MiB; "
        f"{len(left)} failures"
    )
    if done.returncode or left or not stats:
        return [f"exit status {done.returncode}, {left}\n" + done.stdout[-3000:]]
    return []


def _process():
    import atheris

    import retrograd.nn  # noqa: F401 (everything else is imported before, and not followed)

    with atheris.instrument_imports(include=["retrograd._checkpoint", "retrograd.serialization"]):
        from reading import read, warm_up
    warm_up([path.read_bytes() for path in sorted(CORPUS.iterdir())])
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    _process()
