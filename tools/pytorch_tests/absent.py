"""What a test file asks for and the library does not have: objects that skip or fail the test that uses them.

A test file is imported as a whole: it must not fail for a name that one of its tests needs.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import unittest


class Absent:
    """Stands for something missing. Called with one function it is a decorator without effect."""

    def __init__(self, name):
        self.__dict__["_absent"] = name

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._absent}.{name}")

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs and callable(args[0]) and not isinstance(args[0], Absent):
            return args[0]
        return Absent(f"{self._absent}()")

    def __enter__(self):
        raise unittest.SkipTest(f"needs {self._absent}")

    def __exit__(self, *exc):
        pass

    def __mro_entries__(self, bases):
        return (_AbsentBase,)

    def __iter__(self):
        return iter(())

    def __bool__(self):
        return False

    def __getitem__(self, key):
        return self

    def __repr__(self):
        return f"<absent: {self._absent}>"

    __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: False
    __or__ = __ror__ = lambda self, other: self
    __add__ = __radd__ = lambda self, other: other


class _AbsentBase:
    """The base of classes whose base is absent."""

    def __init__(self, *args, **kwargs):
        pass


class _Lenient(types.ModuleType):
    """A module whose missing names are Absent, for the code of test files."""

    def __getattr__(self, name):
        if not name.startswith("__"):
            frame = sys._getframe(1)
            while "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            if frame.f_code.co_filename in _TESTS:
                return Absent(f"{self.__name__}.{name}")
        raise AttributeError(f"module {self.__name__} has no attribute {name}")


_TESTS = set()


def be_lenient(path, prefix):
    """From now on modules of the library `prefix` give the test file at `path` what they lack."""
    _TESTS.add(path)
    for name, module in list(sys.modules.items()):
        if (name + ".").startswith(prefix + ".") and type(module) is types.ModuleType:
            module.__class__ = _Lenient


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules that nothing else finds: of the stand-ins' names, or empty ones."""

    def __init__(self, heads, stand_in=None):
        self.heads = heads
        self.stand_in = stand_in

    def find_spec(self, fullname, path=None, target=None):
        if fullname.startswith(self.heads):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        if self.stand_in is not None:
            module.__dict__.update({k: v for k, v in vars(self.stand_in).items() if not k.startswith("__")})
        module.__getattr__ = lambda name: _missing(spec.name, name)
        module.__all__ = []
        return module

    def exec_module(self, module):
        pass


def _missing(module, name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Absent(f"{module}.{name}")
