"""Worker processes of a DataLoader: they fetch batches; the loader's process keeps the order."""

import os
import queue
import random
import signal
import threading
import traceback
from multiprocessing.reduction import ForkingPickler

import numpy as np

from ....core.random import default_generator
from ....kernels import set_num_threads

POLL = 1.0  # seconds between looks at whether the other side is alive


class WorkerInfo:
    """What `get_worker_info` gives inside a worker: id, num_workers, seed, dataset."""

    def __init__(self, id, num_workers, seed, dataset):
        self.id = id
        self.num_workers = num_workers
        self.seed = seed
        self.dataset = dataset

    def __repr__(self):
        count = self.num_workers
        return f"WorkerInfo(id={self.id}, num_workers={count}, seed={self.seed}, dataset={self.dataset!r})"


_worker_info = None


def get_worker_info():
    """In a DataLoader's worker, a WorkerInfo: which worker this is and of how many; elsewhere None."""
    return _worker_info


class Failure:
    """An exception on its way from a worker: its type, and the traceback as text."""

    def __init__(self, error, where):
        self.kind = type(error)
        self.text = f"Caught {type(error).__name__} {where}.\nOriginal {traceback.format_exc()}"

    def reraise(self):
        try:
            error = self.kind(self.text)
        except TypeError:  # an exception whose constructor wants more than a text
            error = RuntimeError(self.text)
        raise error


class EndOfStream:
    """A worker's iterable dataset has no more."""

    def __init__(self, worker):
        self.worker = worker


class Resume:
    """Asks a persistent worker to begin its dataset anew, with a new seed."""

    def __init__(self, seed):
        self.seed = seed


def fetch(dataset, indices, collate, iterator):
    """One batch, or one example where `collate` gets a single index; StopIteration at the end of a stream."""
    if iterator is None:
        if isinstance(indices, list):
            if callable(getattr(dataset, "__getitems__", None)):
                return collate(dataset.__getitems__(indices))
            return collate([dataset[i] for i in indices])
        return collate(dataset[indices])
    if not isinstance(indices, list):
        return collate(next(iterator))
    examples = []
    for _ in indices:
        try:
            examples.append(next(iterator))
        except StopIteration:
            break
    if not examples or (len(examples) < len(indices) and indices.drop_last):
        raise StopIteration
    return collate(examples)


class Sender:
    """Sends results from a thread, so that the worker fetches on while the loader is busy.

    Each worker has a pipe of its own: one that is killed while it writes leaves the others' whole, and an
    end of file in its own.
    """

    def __init__(self, connection):
        self._waiting = queue.SimpleQueue()
        threading.Thread(target=self._send, args=(connection,), daemon=True).start()

    def put(self, number, result, where):
        try:
            message = ForkingPickler.dumps((number, result))
        except Exception as error:  # a batch that can't be sent
            message = ForkingPickler.dumps((number, Failure(error, where)))
        self._waiting.put(message)

    def _send(self, connection):
        try:
            while True:
                connection.send_bytes(self._waiting.get())
        except OSError:  # the loader's process is gone
            pass


def work(dataset, iterable, tasks, connection, done, collate, seed, init, worker, count):
    """The body of a worker process: batches for tasks, until None comes or the loader's process is gone.

    Ctrl-C reaches every process of a terminal: the loader's is the one to answer, and ends its workers.
    """
    global _worker_info
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    results, where = Sender(connection), f"in DataLoader worker process {worker}"
    set_num_threads(1)
    _seed_all(seed, worker)
    _worker_info = WorkerInfo(worker, count, seed + worker, dataset)
    parent = os.getppid()
    failure = iterator = None
    try:
        if init is not None:
            init(worker)
        iterator = iter(dataset) if iterable else None
    except Exception as error:
        failure = Failure(error, where)
    while not done.value:
        try:
            task = tasks.get(timeout=POLL)
        except queue.Empty:
            if os.getppid() != parent:
                return
            continue
        if task is None:
            return
        if isinstance(task, Resume):
            _seed_all(task.seed, worker)
            _worker_info = WorkerInfo(worker, count, task.seed + worker, dataset)
            iterator = iter(dataset) if iterable else None
            results.put(task, None, where)
            continue
        number, indices = task
        if failure is not None:
            results.put(number, failure, where)
            failure = None
            continue
        try:
            result = fetch(dataset, indices, collate, iterator)
        except StopIteration:
            result = EndOfStream(worker)
        except Exception as error:
            result = Failure(error, where)
        results.put(number, result, where)


def _generate_state(base_seed, worker_id):
    """Words to seed NumPy's generator of a worker with, the same as PyTorch's."""
    words = np.random.SeedSequence([worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0])
    return words.generate_state(4)


def _seed_all(base_seed, worker):
    random.seed(base_seed + worker)
    default_generator.manual_seed(base_seed + worker)
    np.random.seed(_generate_state(base_seed, worker))
