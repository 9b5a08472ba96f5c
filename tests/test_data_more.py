"""utils.data: collate functions by type, batches of stacked datasets, seeds of workers, what may be set; and
torch.multiprocessing.
"""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import torch
import torch.utils.data as theirs

import retrograd
import retrograd.utils.data as ours
from oracle import assert_same, both_refuse


class Draws(retrograd.utils.data.Dataset):
    def __getitem__(self, i):
        return np.random.rand(2)

    def __len__(self):
        return 4


class Point:
    def __init__(self, x):
        self.x = x


def test_numpy_in_workers_draws_what_it_draws_in_pytorchs():
    out = []
    for library, data in ((retrograd, ours), (torch, theirs)):
        library.manual_seed(3)
        out.append(list(data.DataLoader(Draws(), batch_size=2, num_workers=2)))
    assert_same(*out)


def test_collate_by_type():
    for library, data in ((retrograd, ours), (torch, theirs)):
        module = data._utils.collate
        functions = {Point: lambda batch, *, collate_fn_map=None: [p.x for p in batch]}
        functions |= module.default_collate_fn_map
        batch = [{"p": Point(1), "n": (1, 2.5)}, {"p": Point(2), "n": (3, 4.5)}]
        made = module.collate(batch, collate_fn_map=functions)
        assert made["p"] == [1, 2] and made["n"][0].tolist() == [1, 3]
        assert made["n"][1].dtype == library.float64
        with pytest.raises(TypeError, match="must contain tensors"):
            data.default_collate([Point(1)])


@pytest.mark.parametrize("batch", [[range(2), range(2, 4)], [[1, "a"], [2, "b"]], [(), ()], [b"x", b"y"]])
def test_sequences(batch):
    mine, reference = ours.default_collate(batch), theirs.default_collate(batch)
    assert type(mine) is type(reference)
    assert_same(list(mine), list(reference))


def test_stacked_datasets_give_batches():
    class Several(list):
        def __getitems__(self, indices):
            return [self[i] for i in indices]

    for data in (ours, theirs):
        assert data.StackDataset(Several("abc"), [1, 2, 3]).__getitems__([2, 0]) == [("c", 3), ("a", 1)]
        named = data.StackDataset(x=Several("abc"), y=[1, 2, 3])
        assert named.__getitems__([1]) == [{"x": "b", "y": 2}]


def test_what_was_decided_stays():
    for data in (ours, theirs):
        loader = data.DataLoader([1, 2])
        for name in ("batch_size", "sampler", "dataset", "drop_last", "batch_sampler", "persistent_workers"):
            with pytest.raises(ValueError, match="should not be set after"):
                setattr(loader, name, None)
        loader.pin_memory = True
        assert data.DataLoader[int] is not None


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": 0, "multiprocessing_context": "fork"},
        {"num_workers": 1, "multiprocessing_context": "thread"},
    ],
)
def test_wrong_contexts(options):
    both_refuse(lambda t: t.utils.data.DataLoader([1], **options), ValueError, "multiprocessing_context")


def test_contexts_start_workers():
    context = multiprocessing.get_context("fork")
    loader = ours.DataLoader(range(4), batch_size=2, num_workers=1, multiprocessing_context=context)
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3]]


def test_streams_that_are_longer_than_they_said():
    def program(data):
        class Stream(data.IterableDataset):
            def __iter__(self):
                return iter(range(6))

            def __len__(self):
                return 4

        loader = data.DataLoader(Stream(), batch_size=None)
        assert len(loader) == 4
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert list(loader) == list(range(6))
        return [str(w.message).partition(", but")[2][:30] for w in caught]

    assert program(ours) == program(theirs)


def test_too_many_workers_warn():
    for data in (ours, theirs):
        with pytest.warns(UserWarning, match="excessive worker creation"):
            data.DataLoader([1], num_workers=(os.cpu_count() or 1) * 10)


def test_spawned_processes_and_their_errors(tmp_path):
    script = textwrap.dedent("""
        import os
        import retrograd as torch
        import retrograd.multiprocessing as mp

        def work(i, queue, fail):
            queue.put(torch.arange(3) * i)
            if fail and i == 1:
                os._exit(3) if fail == "exit" else 1 / 0

        if __name__ == "__main__":
            queue = mp.get_context("spawn").SimpleQueue()
            mp.spawn(work, (queue, ""), nprocs=2)
            print(sorted(queue.get().tolist() for _ in range(2)))
            for fail in ("raise", "exit"):
                try:
                    mp.start_processes(work, (queue, fail), nprocs=2, start_method="fork")
                except mp.ProcessException as error:
                    print(type(error).__name__, error.error_index, "ZeroDivisionError" in str(error))
    """)
    path = os.path.dirname(os.path.dirname(retrograd.__file__))
    (tmp_path / "spawning.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, str(tmp_path / "spawning.py")]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stdout.splitlines() == [
        "[[0, 0, 0], [0, 1, 2]]", "ProcessRaisedException 1 True", "ProcessExitedException 1 False"
    ], run.stderr  # fmt: skip
