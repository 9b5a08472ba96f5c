"""What threads share, kept whole: numbers that are given once, and things made when they are first needed."""

import itertools
import sys
import threading


class LockedCount:
    """itertools.count for Pythons without a lock of the interpreter, where that may give a number twice."""

    def __init__(self, start=0):
        self._next, self._lock = start, threading.Lock()

    def __iter__(self):
        return self

    def __next__(self):
        with self._lock:
            number = self._next
            self._next = number + 1
        return number


count = LockedCount if "t" in getattr(sys, "abiflags", "") else itertools.count

# Held while a tensor gets what it has once, for all threads. Re-entrant, as making it may run finalizers.
making = threading.RLock()
