"""Stand-ins for the names of `torch.testing._internal`, for both libraries; what is not here is Absent.

A decorator that is Absent does nothing, a flag that is Absent is false: here stands only what differs.
"""

import contextlib
import functools
import gc
import inspect
import itertools
import re
import tempfile
import unittest
import unittest.mock  # the tests name it without importing it

import numpy as np
import torch
from comparing import TestCase, name_of
from matrices import *  # noqa: F403

NNTestCase = TestCase
IS_LINUX = TEST_NUMPY = True
S, M, L, XS = 5, 10, 20, 3
double, make_tensor = torch.double, torch.testing.make_tensor


def run_tests(*args, **kwargs):
    """Nothing: pytest runs the tests."""


def load_tests(loader, tests, pattern):
    return tests


# --- which tests there are ----------------------------------------------------------------------------


class subtest:
    """One value of a parametrized test, with its name and decorators."""

    def __init__(self, arg_values, name=None, decorators=()):
        self.arg_values, self.name, self.decorators = arg_values, name, decorators


class parametrize:
    """Makes a test one for each of several values of its arguments."""

    def __init__(self, arg_str, arg_values, name_fn=None):
        self.names = [name.strip() for name in arg_str.split(",")]
        self.values, self.name_fn = list(arg_values), name_fn

    def __call__(self, function):
        function.parameters = [*getattr(function, "parameters", ()), self]
        return function

    def variants(self):
        """(name, keyword arguments, decorators) of each."""
        for i, value in enumerate(self.values):
            name, decorators = None, ()
            if isinstance(value, subtest):
                name, decorators, value = value.name, value.decorators, value.arg_values
            values = [value] if len(self.names) == 1 else list(value)
            if name is None and self.name_fn is not None:
                name = self.name_fn(*values)
            if name is None:
                name = "_".join([f"{n}_{_describe(v, i)}" for n, v in zip(self.names, values)])
            yield name, dict(zip(self.names, values)), decorators


def _describe(value, i):
    if value is None or isinstance(value, (bool, int, float, str)):
        return str(value)
    if "dtype" in type(value).__name__:
        return name_of(value)
    return getattr(value, "__name__", str(i))


def _variants(function):
    groups = [list(p.variants()) for p in reversed(getattr(function, "parameters", ()))]
    for chosen in itertools.product(*groups):
        kwargs, decorators = {}, []
        for _, values, more in chosen:
            kwargs.update(values)
            decorators.extend(more)
        yield "_".join([name for name, _, _ in chosen]), kwargs, decorators


def _bound(function, kwargs, decorators):
    """The test with arguments given, as a method."""

    def test(self):
        return function(self, **kwargs)

    functools.update_wrapper(test, function)
    for attribute in ("__wrapped__", "parameters", "dtypes"):
        test.__dict__.pop(attribute, None)
    for decorate in decorators:
        test = decorate(test)
    return test


def _identifier(*parts):
    return "_".join([re.sub(r"\W", "_", part) for part in parts if part])


def instantiate_parametrized_tests(cls):
    for name, function in list(vars(cls).items()):
        if name.startswith("test") and getattr(function, "parameters", None):
            delattr(cls, name)
            for suffix, kwargs, decorators in _variants(function):
                setattr(cls, _identifier(name, suffix), _bound(function, kwargs, decorators))
    return cls


def instantiate_device_type_tests(cls, scope, only_for=None, **options):
    """Makes the class of tests for the CPU in the place of one for any device."""
    scope.pop(cls.__name__, None)
    devices = [only_for] if isinstance(only_for, str) else only_for
    if devices and "cpu" not in devices:
        return
    members = {"device_type": "cpu", "__module__": cls.__module__}
    for name, function in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("test"):
            continue
        members[name] = None
        wanted = inspect.signature(function).parameters
        if getattr(function, "by_operator", False):
            continue
        several = "dtypes" in wanted
        kinds = getattr(function, "dtypes", None) if several or "dtype" in wanted else None
        for (suffix, kwargs, decorators), kind in itertools.product(_variants(function), kinds or [None]):
            given = {**kwargs, **({"device": "cpu"} if "device" in wanted else {})}
            if "devices" in wanted:
                given["devices"] = ["cpu"]
            if kind is not None:
                given["dtypes" if several else "dtype"] = kind
            parts = [name_of(k) for k in (kind if isinstance(kind, tuple) else (kind,)) if k is not None]
            members[_identifier(name, suffix, "cpu", *parts)] = _bound(function, given, decorators)
    bases = (cls,)
    if any("super(self.__class__" in inspect.getsource(f) for f in _own_functions(cls, "setUp", "tearDown")):
        own = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
        bases, members = cls.__bases__, own | members  # such a call goes on from the class that is run
    scope[cls.__name__ + "CPU"] = type(cls.__name__ + "CPU", bases, members)


def _own_functions(cls, *names):
    return [vars(cls)[name] for name in names if name in vars(cls)]


class dtypes:
    """Makes a test one for each dtype (or tuple of them), on some kind of device or all."""

    def __init__(self, *kinds, device_type="all"):
        if kinds and isinstance(kinds[0], (list, tuple)):
            nested = kinds[0] and isinstance(kinds[0][0], (list, tuple))
            kinds = tuple([tuple(k) for k in (kinds[0] if nested else kinds)])
        self.kinds, self.device_type = kinds, device_type

    def __call__(self, function):
        if self.device_type == "cpu" or (self.device_type == "all" and not hasattr(function, "dtypes")):
            function.dtypes = list(self.kinds)
        return function


def dtypesIfCPU(*kinds):
    return dtypes(*kinds, device_type="cpu")


def _without_effect(*args, **kwargs):
    return lambda function: function


dtypesIfCUDA = dtypesIfMPS = dtypesIfXPU = _without_effect


class ops:
    """Marks a test for PyTorch's database of operators: left out (see tools/operator_samples.py)."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, function):
        function.by_operator = True
        return function


modules = optims = ops


def _on_a_gpu(*args, **kwargs):
    if len(args) == 1 and callable(args[0]):
        return unittest.skip("needs a GPU")(args[0])
    return unittest.skip("needs a GPU")


onlyCUDA = onlyMPS = onlyXPU = onlyPRIVATEUSE1 = onlyOn = _on_a_gpu


def deviceCountAtLeast(count):
    return unittest.skipIf(count > 1, "needs several devices")


def largeTensorTest(size, device=None, inductor=False):
    return unittest.skip("needs a lot of memory")


def scoped_load_inline(function):
    return unittest.skip("needs PyTorch's C++ interface")(function)


# --- contexts and functions ----------------------------------------------------------------------------


@contextlib.contextmanager
def disable_gc():
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def freeze_rng_state():
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


@contextlib.contextmanager
def set_default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def set_warn_always_context(value):
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(value)
    try:
        yield
    finally:
        torch.set_warn_always(before)


@contextlib.contextmanager
def DeterministicGuard(deterministic, **options):
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def TemporaryDirectoryName(suffix=None):
    return tempfile.TemporaryDirectory(suffix=suffix)


def gradcheck(function, inputs, **options):
    return torch.autograd.gradcheck(function, inputs, **{"fast_mode": True, **options})


def gradgradcheck(function, inputs, grad_outputs=None, **options):
    return torch.autograd.gradgradcheck(function, inputs, grad_outputs, **{"fast_mode": True, **options})


def _assertGradAndGradgradChecks(case, function, inputs, **options):
    case.assertTrue(gradcheck(function, inputs, **options))
    case.assertTrue(gradgradcheck(function, inputs, **options))


def mask_not_all_zeros(shape):
    while True:
        mask = torch.randn(shape).gt(0)
        if mask.any():
            return mask


# --- groups of dtypes -----------------------------------------------------------------------------------


def _group(names):
    def group(*more):
        return tuple([getattr(torch, name) for name in names.split()]) + more

    return group


_FLOATS, _COMPLEX = "float32 float64", "complex64 complex128"
_INTEGERS = "int8 uint8 int16 int32 int64"
floating_types = floating_types_and = _group(_FLOATS)
complex_types = complex_types_and = _group(_COMPLEX)
integral_types = integral_types_and = _group(_INTEGERS)
double_types = _group("float64 complex128")
floating_and_complex_types = floating_and_complex_types_and = _group(f"{_FLOATS} {_COMPLEX}")
all_types = all_types_and = _group(f"{_FLOATS} {_INTEGERS}")
all_types_and_complex = all_types_and_complex_and = _group(f"{_FLOATS} {_INTEGERS} {_COMPLEX}")


# --- small modules and numbers that tests share ---------------------------------------------------------

dtype2prec_DONTUSE = {
    torch.float: 1e-5, torch.double: 1e-5, torch.half: 1e-2, torch.bfloat16: 1e-1, torch.cfloat: 1e-5,
    torch.cdouble: 1e-5,
}  # fmt: skip


def _create_basic_net():
    """(a module within a module within a Sequential, from inside out), each with parameters and buffers."""

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer_dummy_param = torch.nn.Parameter(torch.empty(3, 5))
            self.layer_dummy_buf = torch.nn.Buffer(torch.zeros(1, 3, 3, 7))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.l1 = Layer()
            self.dummy_param = torch.nn.Parameter(torch.empty(3, 5))
            self.dummy_buf = torch.nn.Buffer(torch.zeros(7, 3, 3, 1))

    net = Net()
    return net.l1, net, torch.nn.Sequential(net, net)


def get_function_arglist(function):
    return inspect.getfullargspec(function).args


class NewModuleTest:
    """A test of a module by PyTorch's database of them: left out (see tools/module_samples.py)."""

    count = itertools.count()
    test_cpu = True

    def __init__(self, **parameters):
        self.name = f"test_of_the_database_{next(self.count)}"

    def get_name(self):
        return self.name

    def __call__(self, case):
        raise unittest.SkipTest("PyTorch's database of modules")

    test_cuda = __call__


CriterionTest = ModuleTest = NewModuleTest

_kinds = "bool uint8 int8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
torch_to_numpy_dtype_dict = {getattr(torch, kind): np.dtype(kind).type for kind in _kinds}
numpy_to_torch_dtype_dict = {theirs: ours for ours, theirs in torch_to_numpy_dtype_dict.items()}


def _assertGradAndGradgradChecks(case, function, inputs, **options):
    case.assertTrue(gradcheck(function, inputs, **options))
    case.assertTrue(gradgradcheck(function, inputs, **options))
