"""Runs one test file in pytest, with `torch` bound to the library under test."""

import contextlib
import importlib
import os
import signal
import sys

import pytest
from absent import Finder, be_lenient

_HERE = os.path.dirname(os.path.abspath(__file__))


class _Collector:
    """A pytest plugin that limits each test's time and notes what became of it."""

    def __init__(self, limit):
        self.limit = limit
        self.results = {}  # name -> (outcome, reason)

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.outcome == "passed":
            return
        reason = ""
        if report.outcome != "passed":
            crash = getattr(report.longrepr, "reprcrash", None)
            if crash:
                reason = crash.message
            elif isinstance(report.longrepr, tuple):
                reason = report.longrepr[2]
            else:
                reason = str(report.longrepr)
        self.results[report.nodeid.split("::", 1)[1]] = report.outcome, reason[-1000:]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        def stop(*_):
            raise TimeoutError(f"the test took longer than {self.limit} s")

        signal.signal(signal.SIGALRM, stop)
        signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, self.limit)  # of computing: the machine may be busy
        signal.alarm(10 * self.limit)
        try:
            yield
        finally:
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)


@contextlib.contextmanager
def _bound(library, path):
    """While this holds, the tests' `import torch` gives the library, and their tools the stand-ins."""
    with contextlib.ExitStack() as stack:
        if library == "retrograd":
            from retrograd.script import bound_torch

            stack.enter_context(bound_torch())
            binder = sys.meta_path[0]
            sys.meta_path[0] = _Softly(binder)
        import internal

        first = Finder(("torch.testing._internal",), internal)
        last = Finder(("torch.", "functorch.", "caffe2", "torchvision"))
        sys.meta_path.insert(0, first)
        sys.meta_path.append(last)
        try:
            if library == "retrograd":
                be_lenient(path, "retrograd")
            yield
        finally:
            sys.meta_path = [f for f in sys.meta_path if f not in (first, last)]
            if library == "retrograd":
                sys.meta_path = [binder if isinstance(f, _Softly) else f for f in sys.meta_path]


class _Softly:
    """The finder that binds `torch`, which leaves modules that the library lacks to the next one."""

    def __init__(self, binder):
        self.binder = binder
        binder.names = None
        importlib.import_module("retrograd._named").MODULES.clear()  # of those, too, there are absent objects

    def find_spec(self, fullname, path=None, target=None):
        try:
            spec = self.binder.find_spec(fullname, path, target)
        except ModuleNotFoundError:
            return None
        for test in list(_running):
            be_lenient(test, "retrograd")  # what was loaded just now
        return spec


_running = set()


def run(path, library, names=None, limit=60, tracebacks="no"):
    """The results of the test file at `path`: {test: (outcome, reason)}."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    collector = _Collector(limit)
    arguments = [
        path, "-q", f"--tb={tracebacks}", "-W", "ignore", "--noconftest", "--no-header", "-c", os.devnull,
        "--rootdir", folder, "-p", "no:cacheprovider", "-p", "no:xdist", "-r", "",
    ]  # fmt: skip
    if names:
        arguments += ["-k", names]
    sys.path[:0] = [folder, _HERE]
    _running.add(path)
    os.environ.pop("PYTEST_ADDOPTS", None)  # of another run of pytest, with plugins that are off here
    try:
        with _bound(library, path):
            pytest.main(arguments, plugins=[collector])
    finally:
        _running.discard(path)
        del sys.path[:2]
    return collector.results
