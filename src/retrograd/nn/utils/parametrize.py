"""Parameters computed from others: each access to `module.weight` gives `parametrization(original)`."""

import contextlib
import copy
from collections.abc import Sequence

from ...core.graph import no_grad
from ...core.tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_caching = 0  # how many `cached` contexts are open
_cache = {}


@contextlib.contextmanager
def cached():
    """While this holds, each parametrized tensor is computed once, when first used."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The original tensor(s) behind a parametrized one, and the modules that it goes through, in order.

    original: the tensor as it was. Where the modules have a `right_inverse`, what they make of it is kept
    instead, as `original`, or, if they give several tensors, `original0`, `original1` ... unsafe: don't check
    shape and dtype.
    """

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules. [RG066]")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new = original
        with no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                f"{type(new).__name__} [RG066]"
            )
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype} [RG066]"
                )
            original.data = new.detach()
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                _expect_tensor(part, i)
                if isinstance(original, Parameter):
                    part = Parameter(part.detach(), original.requires_grad)
                _register(self, f"original{i}", part)
        if not unsafe:
            what = "Registering a parametrization"
            _check_same(self(), shape, dtype, "unparametrized", "parametrized", what)

    def right_inverse(self, value):
        """Change the original so that the parametrized tensor becomes `value`."""
        with no_grad():
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    kind = type(module).__name__
                    raise RuntimeError(f"parametrization {kind} does not implement right_inverse. [RG066]")
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(value).__name__} [RG066]"
                    )
                self._assign("original", value)
                return
            if not isinstance(value, Sequence) or len(value) != self.ntensors:
                got = len(value) if isinstance(value, Sequence) else type(value).__name__
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a "
                    f"sequence of length {got}. [RG066]"
                )
            for i, part in enumerate(value):
                _expect_tensor(part, i)
                self._assign(f"original{i}", part)

    def _assign(self, name, value):
        original = getattr(self, name)
        if value.dtype != original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {value.dtype} while `{name}` has dtype "
                f"{original.dtype} [RG066]"
            )
        original.data = value.detach()

    def forward(self):
        first, *rest = self
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*[getattr(self, f"original{i}") for i in range(self.ntensors)])
        for module in rest:
            x = module(x)
        return x


def _expect_tensor(part, i):
    if not isinstance(part, Tensor):
        raise ValueError(
            "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
            f"{i} of the sequence with type {type(part).__name__}. [RG066]"
        )


def _check_same(tensor, shape, dtype, before, after, what):
    if not isinstance(tensor, Tensor):
        who = "parametrization.right_inverse" if "right_inverse" in what else "A parametrization"
        raise ValueError(f"{who} must return a tensor. Got {type(tensor).__name__}. [RG066]")
    for name, old, new in (("dtype", dtype, tensor.dtype), ("shape", shape, tensor.shape)):
        if old != new:
            raise ValueError(
                f"{what} may not change the {name} of the tensor, unless the `unsafe` flag is enabled.\n"
                f"{before} {name}: {old}\n{after} {name}: {new} [RG066]"
            )


def _register(module, name, tensor):
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _own_class(module):
    """Give the module a class of its own, for properties to be put on."""
    cls = type(module)

    def refuse(self):
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). [RG066]"
        )

    def deepcopy(self, memo):
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    methods = {"__getstate__": refuse}
    if not hasattr(cls, "__deepcopy__"):
        methods["__deepcopy__"] = deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), methods)


def _property(name):
    def get(self):
        if not _caching:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def put(self, value):
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Let `module.<tensor_name>` be `parametrization(original)`, after those that are registered already.

    Assigning to it then goes through `parametrization.right_inverse`, if there is one, which also makes the
    first original. unsafe: allow another shape or dtype, and don't try the parametrization now.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_added(getattr(module, tensor_name), parametrization, tensor_name)
        chain = module.parametrizations[tensor_name]
        chain.append(parametrization)
        chain.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        chain = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = chain
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}' [RG066]"
        )
    return module


def _check_added(old, parametrization, name):
    new = parametrization(old)
    _check_same(
        new,
        old.shape,
        old.dtype,
        f"module.{name}",
        f"parametrization(module.{name})",
        "Registering a parametrization",
    )
    if hasattr(parametrization, "right_inverse"):
        with contextlib.suppress(NotImplementedError):
            back = parametrization.right_inverse(new)
            what = "parametrization.right_inverse"
            _check_same(back, old.shape, old.dtype, f"module.{name}", "returned", what)


def is_parametrized(module, tensor_name=None):
    """Whether the module has a parametrized tensor, or one of that name."""
    chains = getattr(module, "parametrizations", None)
    if not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make the tensor a plain one again: of its present value, or else of the original's."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name} [RG066]")
    chain = module.parametrizations[tensor_name]
    if chain.is_tensor:
        tensor = chain.original
        if leave_parametrized:
            with no_grad():
                tensor.data = getattr(module, tensor_name).detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        tensor = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in "
            "terms of a sequence of tensors. [RG066]"
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, tensor)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """The class that the module had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Give `to_module` the parametrizations and originals of `from_module`: all, or those of one tensor."""
    if is_parametrized(from_module):
        for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
            chain = from_module.parametrizations[name]
            if not hasattr(to_module, name):
                setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
            for module in chain:
                register_parametrization(to_module, name, module)
            for part in ["original"] if chain.is_tensor else [f"original{i}" for i in range(chain.ntensors)]:
                setattr(to_module.parametrizations[name], part, getattr(chain, part))
    return to_module
