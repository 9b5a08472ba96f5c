"""Python's `multiprocessing` under PyTorch's name, with `spawn`.

Tensors that go through queues and pipes are copied: unlike PyTorch's, the two sides share no memory.
"""

import multiprocessing as _python
import multiprocessing.connection as _connection
import signal as _signal
import traceback as _traceback
import warnings as _warnings
from multiprocessing import *  # noqa: F403

__all__ = [
    *_python.__all__, "ProcessContext", "ProcessException", "ProcessExitedException",
    "ProcessRaisedException", "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy",
    "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

_strategies = ["file_descriptor", "file_system"]  # PyTorch's; nothing is shared here


def get_all_sharing_strategies():
    """The names that `set_sharing_strategy` takes."""
    return set(_strategies)


def get_sharing_strategy():
    return _strategies[0]


def set_sharing_strategy(new_strategy):
    """Accepted for scripts that call it: tensors are copied between processes."""
    if new_strategy not in _strategies:
        raise AssertionError(
            f"unknown sharing strategy {new_strategy!r}; there are {sorted(_strategies)} [RG048]"
        )
    _strategies.sort(key=lambda name: name != new_strategy)


class ProcessException(Exception):
    """A process that was started by `spawn` failed: which one, and its pid."""

    def __init__(self, msg, error_index, pid):
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """It raised an exception, whose traceback is in the message."""


class ProcessExitedException(ProcessException):
    """It ended otherwise: by a signal or `sys.exit`."""

    def __init__(self, msg, error_index, error_pid, exit_code, signal_name=None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self):
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


class ProcessContext:
    """Processes that were started together: `join` waits for them and raises if one failed."""

    def __init__(self, processes, errors):
        self.processes = processes
        self._errors = errors  # the reading end of a pipe each
        self._running = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self):
        return [int(process.pid) for process in self.processes]

    def join(self, timeout=None):
        """Wait for at least one process to end; True if all have. The first that failed stops the others."""
        if not self._running:
            return True
        failed = None
        for sentinel in _connection.wait(list(self._running), timeout):
            i = self._running.pop(sentinel)
            self.processes[i].join()
            if self.processes[i].exitcode:
                failed = i
                break
        if failed is None:
            return not self._running
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()
        self._raise(failed)

    def _raise(self, i):
        process, errors = self.processes[i], self._errors[i]
        try:
            text = errors.recv()
        except EOFError:  # it could not send one
            pass
        else:
            text = f"\n\n-- Process {i} terminated with the following error:\n{text}"
            raise ProcessRaisedException(text, i, process.pid)
        code, name = process.exitcode, None
        how = f"exit code {code}"
        if code < 0:
            name = _signal.Signals(-code).name
            how = f"signal {name}"
        raise ProcessExitedException(f"process {i} terminated with {how} [RG091]", i, process.pid, code, name)


SpawnContext = ProcessContext


def _run(fn, i, args, errors):
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass  # the parent got it too
    except Exception:
        errors.send(_traceback.format_exc())
        raise SystemExit(1) from None


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Call `fn(i, *args)` in `nprocs` processes, i from 0 on; as `spawn`, with a choice of start method."""
    context = _python.get_context(start_method)
    processes, readers = [], []
    for i in range(nprocs):
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, i, args, writer), daemon=daemon)
        process.start()
        writer.close()
        processes.append(process)
        readers.append(reader)
    started = ProcessContext(processes, readers)
    if not join:
        return started
    while not started.join():
        pass


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Call `fn(i, *args)` in `nprocs` new processes, i from 0 on, and wait; an error in one is raised here.

    join=False: don't wait, but return a ProcessContext to join.
    """
    if start_method != "spawn":
        _warnings.warn(
            f"spawn always starts processes by 'spawn', not by {start_method!r}: see start_processes",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, "spawn")
