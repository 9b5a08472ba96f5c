"""Results that may still be on their way, under PyTorch's names."""

import threading

__all__ = ["Future", "collect_all", "wait_all"]


class Future:
    """A value or an exception that `set_result` or `set_exception` gives once; `wait` waits for it.

    devices is accepted and ignored.
    """

    def __init__(self, *, devices=None):
        self._there = threading.Event()
        self._lock = threading.Lock()
        self._value = self._error = None
        self._callbacks = []

    def __class_getitem__(cls, item):
        return cls

    def done(self):
        """Whether the value, or an exception, is there."""
        return self._there.is_set()

    def wait(self):
        """The value, once it is there; raises the exception if it was one."""
        self._there.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def value(self):
        """The value, which must be there."""
        if not self.done():
            raise RuntimeError("Future.value(): it has no value yet; wait() waits for it [RG134]")
        return self.wait()

    def set_result(self, result):
        self._settle(result, None)

    def set_exception(self, result):
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception. [RG047]")
        self._settle(None, result)

    def _settle(self, value, error):
        with self._lock:
            if self.done():
                raise RuntimeError("Future can only be marked completed once [RG134]")
            self._value, self._error = value, error
            self._there.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def add_done_callback(self, callback):
        """Call `callback(self)` once the value is there: at once if it is."""
        with self._lock:
            if not self.done():
                self._callbacks.append(callback)
                return
        callback(self)

    def then(self, callback):
        """A Future of what `callback(self)` gives once the value is there."""
        following = Future()

        def run(future):
            try:
                following.set_result(callback(future))
            except Exception as error:
                following.set_exception(error)

        self.add_done_callback(run)
        return following


def collect_all(futures):
    """A Future of the list `futures`, done when all of them are."""
    collected, futures = Future(), list(futures)
    left, lock = [len(futures)], threading.Lock()

    def count(_):
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            collected.set_result(futures)

    if not futures:
        collected.set_result(futures)
    for future in futures:
        future.add_done_callback(count)
    return collected


def wait_all(futures):
    """The values of `futures`, in order; raises the first exception among them."""
    return [future.wait() for future in collect_all(futures).wait()]
