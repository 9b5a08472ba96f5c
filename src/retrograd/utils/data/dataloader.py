"""DataLoader: batches of a dataset, fetched here or by worker processes, in the sampler's order."""

import copy
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import pickle
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from ._utils.collate import default_collate, default_convert
from ._utils.worker import POLL, EndOfStream, Failure, Resume, fetch, work
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, fresh_seed

_collate_fn_t = Callable[[list], Any]  # for annotations


class _Endless(Sampler):
    """For streams: the order is the dataset's own; each index is None."""

    def __iter__(self):
        while True:
            yield None


class _BatchOfAnything(list):
    """Indices of a batch of a stream, which only count; `drop_last` goes with them."""

    def __init__(self, indices, drop_last):
        super().__init__(indices)
        self.drop_last = drop_last


_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader:
    """Iterates over a dataset in batches.

    shuffle: a new random order each time. sampler, batch_sampler: orders of your own. num_workers: processes
    that fetch ahead, prefetch_factor batches each (0: fetch in this one). collate_fn: list of examples ->
    batch. drop_last: without a shorter last batch. timeout: seconds to wait for a worker (0: for ever).
    worker_init_fn(id) runs in each worker first. persistent_workers: keep them between iterations.
    pin_memory is accepted: there is no GPU to copy to.
    """

    _complete = False

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
    ):
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to disable "
                "multiprocessing. [RG090]"
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative [RG090]")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing. let num_workers > 0 to "
                "enable multiprocessing, otherwise set prefetch_factor to None. [RG090]"
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative [RG090]")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0 [RG090]")
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        self._iterable = isinstance(dataset, IterableDataset)
        self._choose_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if collate_fn is None:
            collate_fn = default_collate if self.batch_sampler is not None else default_convert
        self.collate_fn = collate_fn
        self._iterator = None
        self._reported_len = None
        self._complete = True
        self._check_number_of_workers()

    def __setattr__(self, name, value):
        if self._complete and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; make "
                "another [RG090]"
            )
        super().__setattr__(name, value)

    def __class_getitem__(cls, item):
        return cls

    @property
    def multiprocessing_context(self):
        """How worker processes are started: None for the default, or one of `multiprocessing`'s contexts."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context):
        if context is not None:
            if not self.num_workers:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
                    f"but got num_workers={self.num_workers} [RG090]"
                )
            methods = multiprocessing.get_all_start_methods()
            if isinstance(context, str):
                if context not in methods:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {methods}, "
                        f"but got multiprocessing_context={context!r} [RG090]"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying "
                    f"the start method, but got multiprocessing_context={context} [RG090]"
                )
        self._context = context

    def _check_number_of_workers(self):
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if usable and self.num_workers > usable:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes, where this process may "
                f"use {usable} processors: excessive worker creation might get DataLoader running slow or "
                "even freeze, lower the worker number to avoid it",
                stacklevel=3,
            )

    def _choose_order(self, batch_size, shuffle, sampler, batch_sampler, drop_last):
        if self._iterable:
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                        f"{name}={value} [RG090]"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle [RG090]")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                    "drop_last [RG090]"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with drop_last "
                "[RG090]"
            )
        if sampler is None:
            if self._iterable:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(self.dataset, generator=self.generator)
            else:
                sampler = SequentialSampler(self.dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    def __iter__(self):
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        if self.persistent_workers:
            if self._iterator is None:
                self._iterator = _MultiProcessingDataLoaderIter(self)
            else:
                self._iterator.restart()
            return self._iterator
        return _MultiProcessingDataLoaderIter(self)

    def __len__(self):
        if not self._iterable:
            return len(self.batch_sampler if self.batch_sampler is not None else self.sampler)
        n = len(self.dataset)
        if self.batch_size is not None:
            n = n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        self._reported_len = n
        return n

    @property
    def _auto_collation(self):
        return self.batch_sampler is not None

    def _orders(self):
        """The indices of each batch (or example), in order."""
        order = self.batch_sampler if self.batch_sampler is not None else self.sampler
        for indices in order:
            yield (
                _BatchOfAnything(indices, self.drop_last)
                if self._iterable and isinstance(indices, list)
                else indices
            )


class _BaseDataLoaderIter:
    """A pass over a loader's batches; a subclass defines `_next`."""

    def _start(self, loader):
        self.loader = loader
        self._reported_len = loader._reported_len
        self._count = 0

    def __iter__(self):
        return self

    def __len__(self):
        return len(self.loader)

    def __next__(self):
        batch = self._next()
        self._count += 1
        if self._reported_len is not None and self._count > self._reported_len:
            warnings.warn(
                f"Length of IterableDataset {self.loader.dataset} was reported to be {self._reported_len} "
                f"(when accessing len(dataloader)), but {self._count} samples have been fetched. With "
                "several workers each one has to give its own share: see get_worker_info.",
                stacklevel=2,
            )
        return batch


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """One pass, fetched in this process."""

    def __init__(self, loader):
        self._start(loader)
        fresh_seed(loader.generator)  # PyTorch draws the workers' seed even without workers
        self.orders = loader._orders()
        self.stream = iter(loader.dataset) if loader._iterable else None

    def _next(self):
        indices = next(self.orders)
        return fetch(self.loader.dataset, indices, self.loader.collate_fn, self.stream)


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """One pass (or several, if persistent), fetched by worker processes that this object starts and stops."""

    def __init__(self, loader):
        self._start(copy.copy(loader))  # the loader keeps this object: a cycle would keep the processes
        context = loader.multiprocessing_context or multiprocessing.get_context()
        seed = fresh_seed(loader.generator)
        self.done = context.RawValue("b", 0)  # without a lock, which a worker might take to its grave
        self.queues, self.processes, self.results = [], [], []
        for w in range(loader.num_workers):
            tasks = context.Queue()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=work,
                args=(
                    loader.dataset, loader._iterable, tasks, sender, self.done, loader.collate_fn, seed,
                    loader.worker_init_fn, w, loader.num_workers,
                ),
                daemon=True,
            )  # fmt: skip
            with _without_interrupts():
                process.start()
            sender.close()  # the worker alone holds it: its end is the pipe's
            self.results.append(receiver)
            self.queues.append(tasks)
            self.processes.append(process)
        self._stop = weakref.finalize(self, _shut_down, self.processes, self.queues, self.results, self.done)
        self._begin()

    def _begin(self):
        self.orders = self.loader._orders()
        self.sent = self.given = 0
        self.arrived = {}
        self.asked = {}
        self.active = [True] * len(self.processes)
        self.turn = 0
        for _ in range(self.loader.prefetch_factor * len(self.processes)):
            self._ask()

    def restart(self):
        """Begin the next pass with the same workers."""
        self._count = 0
        while self.asked:  # batches that an unfinished pass has asked for
            number, _ = self._receive()
            self.asked.pop(number, None)
        seed = fresh_seed(self.loader.generator)
        for tasks in self.queues:
            tasks.put(Resume(seed))
        waiting = len(self.queues)
        while waiting:
            what, _ = self._receive()
            waiting -= isinstance(what, Resume)
        self._begin()

    def _ask(self):
        """Send the next order to the next worker that still has something."""
        for _ in self.processes:
            worker = self.turn
            self.turn = (self.turn + 1) % len(self.processes)
            if self.active[worker]:
                break
        else:
            return
        try:
            indices = next(self.orders)
        except StopIteration:
            return
        self.queues[worker].put((self.sent, indices))
        self.asked[self.sent] = worker
        self.sent += 1

    def _next(self):
        while True:
            while self.given < self.sent and self.given not in self.asked and self.given not in self.arrived:
                self.given += 1  # an order that a finished stream left unanswered
            if self.given == self.sent:
                if not self.loader.persistent_workers:
                    self._stop()
                raise StopIteration
            if self.given in self.arrived:
                result = self.arrived.pop(self.given)
                self.given += 1
                self._ask()
                if isinstance(result, Failure):
                    result.reraise()
                return result
            number, result = self._receive()
            if number not in self.asked:
                continue
            del self.asked[number]
            if isinstance(result, EndOfStream):
                self.active[result.worker] = False
                self._ask()
            else:
                self.arrived[number] = result

    def _receive(self):
        """What a worker sends next; an error if one died, or `timeout` passes."""
        end = time.monotonic() + self.loader.timeout if self.loader.timeout else None
        while True:
            wait = max(0.0, min(POLL, end - time.monotonic())) if end else POLL
            for receiver in multiprocessing.connection.wait(self.results, wait):
                try:
                    return pickle.loads(receiver.recv_bytes())
                except (EOFError, OSError):  # OSError: within a message
                    self._fail(self.results.index(receiver))
            for worker, process in enumerate(self.processes):
                if not process.is_alive() and not self.results[worker].poll():
                    self._fail(worker)
            if end and time.monotonic() >= end:
                self._stop()
                raise RuntimeError(f"DataLoader timed out after {self.loader.timeout} seconds [RG091]")

    def _fail(self, worker):
        process = self.processes[worker]
        process.join(timeout=POLL)
        self._stop()
        raise RuntimeError(
            f"DataLoader worker {worker} (pid(s) {process.pid}) exited unexpectedly with exit code "
            f"{process.exitcode}; it may have been killed, for instance for using too much memory. "
            "num_workers=0 shows errors where they happen. [RG091]"
        )


@contextmanager
def _without_interrupts():
    """Keep Ctrl-C waiting, so that it doesn't meet a worker that has only begun.

    Nor is it lost: what is raised in the functions that Python calls around a fork is printed and forgotten.
    """
    answer, missed = signal.getsignal(signal.SIGINT), []
    if threading.current_thread() is not threading.main_thread() or not callable(answer):
        yield
        return
    signal.signal(signal.SIGINT, lambda *arguments: missed.append(arguments))
    mask = hasattr(signal, "pthread_sigmask") and signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if mask is not False:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, answer)
    if missed:
        answer(*missed[0])


def _shut_down(processes, queues, results, done):
    """Ask the workers to end, and end those that don't."""
    done.value = 1
    for tasks in queues:
        tasks.put(None)
        tasks.cancel_join_thread()
        tasks.close()
    for process in processes:
        process.join(timeout=5)
        if process.is_alive():
            warnings.warn(
                f"DataLoader worker (pid {process.pid}) did not end by itself and was stopped", stacklevel=1
            )
            process.terminate()
            process.join()
    for receiver in results:
        receiver.close()
