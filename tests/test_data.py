"""utils.data against PyTorch's: the same order from the same seed, the same batches, workers that fail
cleanly.
"""

import collections
import os
import pickle
import signal
import time

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import retrograd
import retrograd.utils.data as ours
from oracle import assert_same


def both(make):
    """What `make(library, data)` gives for retrograd and for PyTorch after the same seed."""
    out = []
    for library, data in ((retrograd, ours), (torch, theirs)):
        library.manual_seed(7)
        out.append(make(library, data))
    return out


def tensors(library, n=10):
    x = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    return library.from_numpy(x), library.from_numpy(np.arange(n))


OPTIONS = [
    {},
    {"batch_size": 4},
    {"batch_size": 4, "drop_last": True},
    {"batch_size": 3, "shuffle": True},
    {"batch_size": None},
    {"batch_size": 4, "shuffle": True, "num_workers": 2},
    {"batch_size": 3, "num_workers": 1},
    {"batch_size": None, "num_workers": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batches(options):
    def run(library, data):
        loader = data.DataLoader(data.TensorDataset(*tensors(library)), **options)
        return [len(loader), *[list(epoch) for epoch in (loader, loader)]]

    mine, real = both(run)
    assert_same(mine, real)


@pytest.mark.parametrize(
    "make",
    [
        lambda t, d: list(d.RandomSampler(range(10))),
        lambda t, d: list(d.RandomSampler(range(10), num_samples=25)),
        lambda t, d: list(d.RandomSampler(range(10), replacement=True, num_samples=40)),
        lambda t, d: list(d.RandomSampler(range(10), generator=t.Generator().manual_seed(3))),
        lambda t, d: list(d.SubsetRandomSampler([5, 2, 9])),
        lambda t, d: list(d.WeightedRandomSampler([0.1, 0.7, 0.2], 10)),
        lambda t, d: list(d.WeightedRandomSampler([0.1, 0.7, 0.2], 3, replacement=False)),
        lambda t, d: list(d.BatchSampler(d.SequentialSampler(range(10)), 3, False)),
        lambda t, d: list(d.BatchSampler(d.SequentialSampler(range(10)), 3, True)),
        lambda t, d: list(d.DistributedSampler(range(10), 3, 1)),
        lambda t, d: list(d.DistributedSampler(range(10), 3, 1, shuffle=False, drop_last=True)),
        lambda t, d: [list(s.indices) for s in d.random_split(range(10), [7, 3])],
        lambda t, d: [list(s.indices) for s in d.random_split(range(11), [0.5, 0.3, 0.2])],
        lambda t, d: list(d.ConcatDataset([range(3), range(4)])),
        lambda t, d: d.ConcatDataset([range(3), range(4)])[-2],
        lambda t, d: list(d.Subset(range(10), [3, 1])),
    ],
)
def test_samplers_and_datasets(make):
    mine, real = both(make)
    assert mine == real


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "batch",
    [
        [1, 2, 3],
        [1.5, 2.5],
        [True, False],
        ["a", "b"],
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        [(1, 2.0), (3, 4.0)],
        [Point(1, 2), Point(3, 4)],
        [np.float32(1), np.float32(2)],
        [np.ones(2), np.zeros(2)],
        [[1, 2], [3, 4]],
    ],
    ids=str,
)
def test_collate(batch):
    assert_same(ours.default_collate(batch), theirs.default_collate(batch))


class Counting(ours.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = ours.get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, self.n, step))


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_streams(workers):
    loader = ours.DataLoader(Counting(11), batch_size=2, num_workers=workers)
    for _ in range(2):
        assert sorted(x for batch in loader for x in batch.tolist()) == list(range(11))


class Failing(ours.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            raise KeyError("the example is broken")
        return index


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_arrive_with_their_traceback(workers):
    with pytest.raises(KeyError) as error:
        list(ours.DataLoader(Failing(), num_workers=workers))
    assert "the example is broken" in str(error.value)
    if workers:
        assert "in DataLoader worker process" in str(error.value) and "__getitem__" in str(error.value)


class Dying(Failing):
    def __getitem__(self, index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_a_killed_worker_is_an_error_that_names_it():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \d \(pid\(s\) \d+\) exited unexpectedly"):
        list(ours.DataLoader(Dying(), num_workers=2))


class Large(Failing):
    def __getitem__(self, index):
        return np.zeros(10**6)


def test_a_worker_killed_while_it_sends_a_batch_does_not_block_the_loader():
    batches = iter(ours.DataLoader(Large(), num_workers=2))
    time.sleep(0.5)  # by now both wait for the loader to read: a pipe holds less than a batch
    os.kill(batches.processes[1].pid, signal.SIGKILL)
    assert next(batches).shape == (1, 10**6)
    with pytest.raises(RuntimeError, match=r"DataLoader worker 1 \(pid\(s\) \d+\) exited unexpectedly"):
        next(batches)


class Unsendable(Failing):
    def __getitem__(self, index):
        return lambda: index


def test_a_batch_that_can_not_be_sent_is_an_error():
    with pytest.raises((AttributeError, pickle.PicklingError), match="in DataLoader worker process"):
        list(ours.DataLoader(Unsendable(), batch_size=None, num_workers=1))


class Slow(Failing):
    def __getitem__(self, index):
        signal.pause()


def test_timeout():
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.5 seconds"):
        list(ours.DataLoader(Slow(), num_workers=1, timeout=0.5))


def test_persistent_workers_are_kept_and_end_with_the_loader():
    loader = ours.DataLoader(range(6), batch_size=2, num_workers=2, persistent_workers=True)
    pids = []
    for _ in range(3):
        batches = iter(loader)
        pids.append([p.pid for p in batches.processes])
        assert [b.tolist() for b in batches] == [[0, 1], [2, 3], [4, 5]]
    next(iter(loader))  # an unfinished pass
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3], [4, 5]]
    assert pids[0] == pids[1] == pids[2]
    processes = loader._iterator.processes
    del loader, batches
    assert not any(p.is_alive() for p in processes)


def seen_seed(worker):
    np.random.seed(worker)


def test_worker_init_and_seeds():
    class Draws(ours.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return retrograd.rand(()).item()

    def draw():
        retrograd.manual_seed(3)
        return [b.item() for b in ours.DataLoader(Draws(), num_workers=2, worker_init_fn=seen_seed)]

    first, second = draw(), draw()
    assert first == second, "the same seed gives the same draws in the workers"
    assert len(set(first)) == 4, "each worker has a stream of its own"


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1}, {"timeout": -1}, {"prefetch_factor": 2}, {"persistent_workers": True},
        {"batch_size": None, "drop_last": True}, {"sampler": [0], "shuffle": True}, {"batch_size": 0},
        {"batch_sampler": [[0]], "batch_size": 2},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_options(options):
    for data in (ours, theirs):
        with pytest.raises((ValueError, TypeError)):
            data.DataLoader(range(3), **options)
