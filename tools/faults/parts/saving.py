"""Processes killed while they save, disks that fill up, training that goes on after a kill."""

import collections
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import forked, pytest, surroundings

FORMATS = ("zip", "stream", "safetensors")


def run(options):
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        failures += killed(Path(folder), 30 if options.quick else 1000, random.Random(options.seed))
        failures += no_room(Path(folder), 40 if options.quick else 400)
        failures += small_disk()
        failures += resumed(Path(folder), 3 if options.quick else 40, random.Random(options.seed))
    if not options.quick:
        failures += pytest("tests/test_saving.py", "tests/test_finetune.py")
    return failures


def value(n):
    """What is saved n-th: every number in it says which."""
    import retrograd as torch

    return {"a": torch.full((40_000,), float(n)), "b": torch.full((3,), n, dtype=torch.int64)}


def save(n, path, form):
    import retrograd as torch
    from retrograd import safetensors

    if form == "safetensors":
        safetensors.save_file(value(n), path)
    else:
        torch.save(value(n), path, _use_new_zipfile_serialization=form == "zip")


def which(path, form):
    """Which save the file is; an error if it is none."""
    import retrograd as torch
    from retrograd import safetensors

    state = safetensors.load_file(path) if form == "safetensors" else torch.load(path)
    (n,) = np.unique(np.concatenate([state["a"].numpy(), state["b"].numpy()]))
    return int(n)


def killed(folder, times, rng):
    """kill -9 at random moments of saves in a row; then the path must load, as a save that was begun."""
    failures, seen, saves, abandoned = [], collections.Counter(), 0, 0
    for turn in range(times):
        form = FORMATS[turn % len(FORMATS)]
        path = folder / f"killed-{form}"
        if not path.exists():
            save(0, path, form)
        before, abandoned = which(path, form), abandoned + _unfinished(folder)

        def child():
            for n in range(before + 1, before + 10**6):
                save(n, path, form)

        process = forked(child)
        time.sleep(rng.uniform(0, 0.15))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        try:
            after = which(path, form)
        except Exception as error:  # any means that a file was lost
            failures.append(f"kill {turn}, {form}: {type(error).__name__}: {error}")
            path.unlink()
            continue
        seen["old" if after == before else "new"] += 1
        saves += after - before
        if after < before:
            failures.append(f"kill {turn}, {form}: save {after} came back after {before}")
    for form in FORMATS:  # the next save removes what a kill left
        abandoned += _unfinished(folder)
        save(0, folder / f"killed-{form}", form)
        if left := _unfinished(folder):
            failures.append(f"{left} unfinished temporary files outlive a save")
    print(
        f"{times:,} kills during saves in {len(FORMATS)} formats: {seen['new']:,} left a newer checkpoint "
        f"({saves:,} saves in all), {seen['old']:,} the one before, {len(failures)} none that loads; "
        f"{abandoned} unfinished temporary files, all removed by the next save"
    )
    return failures


def _unfinished(folder):
    return sum(1 for p in folder.iterdir() if p.name.endswith(".tmp"))


def no_room(folder, steps):
    """The system refuses bytes past a limit, from the first byte of the file to its last."""
    failures, refused = [], 0
    for form in FORMATS:
        path = folder / f"room-{form}"
        save(1, path, form)
        size = path.stat().st_size
        for limit in range(0, size, size // steps + 1):

            def child():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
                try:
                    save(2, path, form)
                except OSError:
                    os._exit(3)

            process = forked(child)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            refused += status == 3
            if status != 3 or which(path, form) != 1:
                failures.append(f"{form}: writing stopped at byte {limit} of {size}: exit status {status}")
    if left := [p.name for p in folder.iterdir() if not p.name.startswith(("room-", "killed-"))]:
        failures.append(f"left behind: {left[:5]}")
    print(f"{refused:,} saves stopped at a byte by the system: an error each time, the old checkpoint kept")
    return failures


SMALL_DISK = """
import os, sys
sys.path[:0] = {path!r}
from parts.saving import save, which
for form in ("zip", "stream", "safetensors"):
    path = sys.argv[1] + "/" + form
    save(1, path, form)
    try:
        with open(sys.argv[1] + "/filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
    except OSError:
        pass
    try:
        save(2, path, form)
        print("saved on a full disk")
    except OSError as error:
        assert error.errno == 28, error
    assert which(path, form) == 1 and sorted(os.listdir(sys.argv[1])) == ["filler", form]
    os.remove(sys.argv[1] + "/filler")
    os.remove(path)
print("kept")
"""


def small_disk():
    """A file system of half a megabyte in memory, where this user may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        script = SMALL_DISK.format(path=sys.path[:3])
        command = f'mount -t tmpfs -o size=512k faults {folder} && exec "$0" -c "$1" {folder}'
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", command, sys.executable, script],
            capture_output=True,
            text=True,
            env=surroundings(),
        )
    if "kept" in done.stdout:
        print("a full disk (512 KiB in memory): an error, the old checkpoint kept, in every format")
        return []
    if "unshare" in done.stderr or "mount" in done.stderr:
        print(f"a full disk: not tried, this user may not mount one ({done.stderr.strip()[:80]})")
        return []
    return [done.stdout + done.stderr]


# --- training that goes on --------------------------------------------------------------------------------


def train(path, epochs=4):
    """A small training run that saves after every step and goes on from what is there; its end, as bytes."""
    import retrograd as torch
    from retrograd.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.Dropout(0.3), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2)
    )
    optimizer = torch.optim.AdamW(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * 8)
    data = TensorDataset(torch.randn(32, 6), torch.arange(32) % 2)
    order, losses, epoch, step = torch.Generator().manual_seed(1), [], 0, 0
    if os.path.exists(path):
        state = torch.load(path)
        for part, name in ((model, "model"), (optimizer, "optimizer"), (scheduler, "scheduler")):
            part.load_state_dict(state[name])
        order.set_state(state["order"])
        torch.set_rng_state(state["random"])
        losses, epoch, step = state["losses"], state["epoch"], state["step"]
    while epoch < epochs:
        before = order.get_state()
        for n, (x, target) in enumerate(DataLoader(data, 4, shuffle=True, generator=order)):
            if n < step:
                continue
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": n + 1,
                    "scheduler": scheduler.state_dict(),
                    "order": before,
                    "losses": losses,
                    "epoch": epoch,
                    "random": torch.get_rng_state(),
                },
                path,
            )
        epoch, step = epoch + 1, 0
    return repr(losses).encode() + b"".join(p.detach().numpy().tobytes() for p in model.state_dict().values())


def resumed(folder, runs, rng):
    """Runs that are killed at random moments and started again until they end, against one that is not."""
    whole, failures, kills = train(folder / "killed-whole"), [], 0
    for run in range(runs):
        path, out = folder / f"killed-run-{run}", folder / f"killed-end-{run}"
        while not out.exists():

            def child():
                out.with_suffix(".new").write_bytes(train(path))
                os.rename(out.with_suffix(".new"), out)

            process = forked(child)
            end = time.monotonic() + rng.uniform(0.02, 0.5)
            while time.monotonic() < end and os.waitpid(process, os.WNOHANG) == (0, 0):
                time.sleep(0.005)
            try:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                kills += 1
            except (ProcessLookupError, ChildProcessError):
                pass
        if out.read_bytes() != whole:
            failures.append(f"run {run}, killed and resumed, ends with other bits")
    print(
        f"{runs} training runs killed {kills} times in all: {runs - len(failures)} end with the "
        f"bits of the run "
        "that was not (parameters, statistics, losses; optimizer, schedule, dropout and order went on)"
    )
    return failures
