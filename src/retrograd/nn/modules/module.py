"""Module: a tree of parameters, buffers and sub-modules with a `forward`."""

import warnings
from collections import OrderedDict

from ...convert import parse_to
from ...core.compiled import compiled
from ...core.graph import Handle, no_grad
from ...core.lists import clear
from ...core.tensor import Tensor
from ...ops.creation import empty_like
from ...utils.swap import swap_tensors
from ..conversion import get_overwrite_module_params_on_conversion, get_swap_module_params_on_conversion
from ..parameter import Buffer, Parameter, is_lazy
from .calling import (  # noqa: F401
    Calls,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_hooks_always_called,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from .state import _EXTRA_STATE_KEY_SUFFIX, StateDict, _IncompatibleKeys  # noqa: F401

_registration_hooks = {"parameter": OrderedDict(), "buffer": OrderedDict(), "module": OrderedDict()}
_global_parameter_registration_hooks = _registration_hooks["parameter"]
_global_buffer_registration_hooks = _registration_hooks["buffer"]
_global_module_registration_hooks = _registration_hooks["module"]


class Module(Calls, StateDict):
    """Base class of layers and models: define `__init__` (calling `super().__init__()` first) and `forward`.

    Attributes that are Parameters, Buffers or Modules are registered as they are assigned.
    """

    dump_patches = False
    _version = 1
    training: bool
    call_super_init = False

    def __init__(self, *args, **kwargs):
        if not self.call_super_init:
            if kwargs:
                wrong = next(iter(kwargs))
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument '{wrong}' [RG134]"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but {len(args) + 1} were "
                    "given [RG134]"
                )
        self.__dict__.update(_fields())
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # --- registering ---

    def register_parameter(self, name, param):
        """Add a parameter (or None, a place for one) under `name`."""
        self._check_name(name, "parameter")
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required) [RG064]"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                    "the "
                    "forward() method. [RG064]"
                )
            param = self._run_registration_hooks("parameter", name, param)
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that is state but no parameter (running statistics, say), or None, a place for one.

        persistent: whether it is part of the `state_dict`.
        """
        self._check_name(name, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' (torch Tensor or None "
                "required) [RG064]"
            )
        self._buffers[name] = self._run_registration_hooks("buffer", name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        """Add a sub-module (or None) under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass [RG064]")
        self._check_name(name, "module")
        self._modules[name] = self._run_registration_hooks("module", name, module)

    def register_module(self, name, module):
        """Add a sub-module (or None) under `name`."""
        self.add_module(name, module)

    def _check_name(self, name, what):
        own = self.__dict__.get(_STORES[what])
        if own is None:
            raise _before_init(self, what)
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_type_name(name)} [RG064]")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name} [RG064]')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string "" [RG064]')
        if name not in own and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists [RG064]")

    def _run_registration_hooks(self, what, name, value):
        for hook in _registration_hooks[what].values():
            new = hook(self, name, value)
            if new is not None:
                value = new
        return value

    def __setattr__(self, name, value):
        fields = self.__dict__
        if isinstance(value, Parameter):
            self._make_room(name, "parameter")
            self.register_parameter(name, value)
        elif name in fields.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as parameter '{name}' (torch.nn.Parameter or None "
                    "expected) [RG064]"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._make_room(name, "module")
            self._modules[name] = self._run_registration_hooks("module", name, value)
        elif name in fields.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as child module '{name}' (torch.nn.Module or None "
                    "expected) [RG064]"
                )
            self._modules[name] = self._run_registration_hooks("module", name, None)
        elif isinstance(value, Buffer) or name in fields.get("_buffers", ()):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{_type_name(value)}' as buffer '{name}' (torch.nn.Buffer, torch.Tensor "
                    "or None "
                    "expected) [RG064]"
                )
            persistent = (
                value.persistent
                if isinstance(value, Buffer)
                else name not in self._non_persistent_buffers_set
            )
            # A subclass may define register_buffer(name, tensor) without the option, which is younger.
            self.register_buffer(name, value, **({} if persistent else {"persistent": False}))
        else:
            object.__setattr__(self, name, value)

    def _make_room(self, name, what):
        """Take away what else is called `name`; a `what` of that name keeps its place in the order."""
        fields = self.__dict__
        if _STORES[what] not in fields:
            raise _before_init(self, what)
        fields.pop(name, None)
        for other, store in _STORES.items():
            if other != what:
                fields[store].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    @compiled
    def __getattr__(self, name):
        fields = self.__dict__
        for store in ("_parameters", "_buffers", "_modules"):
            if store in fields and name in fields[store]:
                return fields[store][name]
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}' [RG136]", name=name, obj=self
        )

    def __delattr__(self, name):
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(n for n in set(names) if not n[0].isdigit())

    # --- walking the tree ---

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """Pairs (path, module) of this module and all below it, each module once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, prefix + ("." if prefix else "") + name, remove_duplicate
                )

    def modules(self):
        for _, module in self.named_modules():
            yield module

    def named_children(self):
        memo = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def children(self):
        for _, module in self.named_children():
            yield module

    def _named_members(self, get, prefix="", recurse=True, remove_duplicate=True):
        memo = set()
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in get(module):
                if member is None or id(member) in memo:
                    continue
                if remove_duplicate:
                    memo.add(id(member))
                yield path + ("." if path else "") + name, member

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Pairs (path, parameter), each parameter once."""
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target):
        """The module at a dotted path such as "layer1.0.conv1"; "" is this one."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}` [RG136]")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module [RG136]")
        return module

    def set_submodule(self, target, module, strict=False):
        """Put a module at a dotted path, whose parent must exist; strict: a module must be there already."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name! [RG136]")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)} [RG136]")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if hasattr(parent, name):
            if not isinstance(getattr(parent, name), Module):
                raise AttributeError(f"`{name}` is not an nn.Module [RG136]")
        elif strict:
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}` [RG136]")
        setattr(parent, name, module)

    def get_parameter(self, target):
        """The parameter at a dotted path."""
        return self._get_member(target, "_parameters", "an nn.Parameter")

    def get_buffer(self, target):
        """The buffer at a dotted path."""
        return self._get_member(target, "_buffers", "a buffer")

    def _get_member(self, target, store, what):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}` [RG136]")
        if name not in getattr(module, store):
            raise AttributeError(f"`{name}` is not {what} [RG136]")
        return getattr(module, store)[name]

    # --- changing all of it ---

    def train(self, mode=True):
        """Set training mode (dropout drops, batch norm uses the batch) here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean [RG047]")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Freeze (False) or unfreeze all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or set them to zero."""
        grads = []
        for p in self.parameters():
            if set_to_none or p._grad is None:
                p._grad = None
                continue
            if p.grad.grad_fn is not None:
                p._grad.detach_()
            else:
                p._grad.requires_grad_(False)
            grads.append(p._grad)
        clear(grads)

    def apply(self, fn):
        """Call `fn(module)` on each module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn, recurse=True):
        """Put `fn(tensor)` in the place of every parameter's data and gradient, and of every buffer."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with no_grad():
            for name, p in self._parameters.items():
                if p is not None:
                    self._parameters[name] = _converted(p, fn)
            for name, b in self._buffers.items():
                if is_lazy(b):
                    b.data = fn(b)
                elif b is not None:
                    self._buffers[name] = fn(b)
        return self

    def to(self, *args, **kwargs):
        """Convert parameters and buffers, in place: `to(dtype)`, `to(device)`, `to(tensor)`.

        Whole numbers keep their dtype.
        """
        device, dtype, copy, memory_format = parse_to(*args, **kwargs)
        if copy:
            raise RuntimeError(
                ".to() does not accept copy argument: a module's parameters change in place [RG047]"
            )
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype} [RG047]"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are new in PyTorch: some modules might not work as expected with complex "
                "parameters or buffers.",
                stacklevel=2,
            )

        def convert(t):
            converted = t.is_floating_point() or t.is_complex()
            options = {"memory_format": memory_format} if memory_format and t.ndim in (4, 5) else {}
            return t.to(device=device, dtype=dtype if converted else None, **options)

        return self._apply(convert)

    def type(self, dst_type):
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def cpu(self):
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device=None, recurse=True):
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def share_memory(self):
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args, **kwargs):
        """Accepted for scripts that call it; eager code runs as it is."""

    # --- looks ---

    def extra_repr(self):
        """What `repr` shows of this module between the brackets: override it."""
        return ""

    def _get_name(self):
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]
        if not lines and not children:
            return f"{self._get_name()}()"
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def __setstate__(self, state):
        self.__dict__.update({**_fields(), **state})


def _converted(p, fn):
    """The parameter `p` with `fn` applied to its data and gradient: the same object, unless flags say not."""
    new, grad = fn(p), p.grad
    new_grad = None if grad is None else fn(grad)
    if get_swap_module_params_on_conversion() and not is_lazy(p):
        new = Parameter(new, p.requires_grad) if not isinstance(new, Parameter) else new
        if new is not p:
            swap_tensors(p, new)
        p._grad = new_grad
    elif get_overwrite_module_params_on_conversion() and not is_lazy(p):
        p = Parameter(new, p.requires_grad)
        p._grad = None if new_grad is None else new_grad.requires_grad_(grad.requires_grad)
    else:
        p.data = new
        if grad is not None:
            grad.data = new_grad
    return p


def _fields():
    """The attributes of a module with nothing in it."""
    return {
        "training": True, "_parameters": {}, "_buffers": {}, "_non_persistent_buffers_set": set(),
        "_modules": {},
        "_forward_hooks": OrderedDict(), "_forward_hooks_with_kwargs": OrderedDict(),
        "_forward_hooks_always_called": OrderedDict(), "_forward_pre_hooks": OrderedDict(),
        "_forward_pre_hooks_with_kwargs": OrderedDict(), "_backward_hooks": OrderedDict(),
        "_backward_pre_hooks": OrderedDict(), "_is_full_backward_hook": None,
        "_state_dict_hooks": OrderedDict(),
        "_state_dict_pre_hooks": OrderedDict(), "_load_state_dict_pre_hooks": OrderedDict(),
        "_load_state_dict_post_hooks": OrderedDict(),
    }  # fmt: skip


_STORES = {"parameter": "_parameters", "buffer": "_buffers", "module": "_modules"}


def _before_init(module, what):
    what = "parameters" if what == "parameter" else what
    return AttributeError(
        f"cannot assign {what} before Module.__init__() call: {type(module).__name__}.__init__ must first "
        "call "
        "super().__init__() [RG064]"
    )


def _type_name(value):
    """`torch.FloatTensor`, `list` ...: the type as PyTorch's messages name it."""
    if isinstance(value, Tensor):
        return value.type()
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _indent(text):
    first, *rest = text.split("\n")
    return "\n".join([first, *["  " + line if line.strip() else "" for line in rest]])


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, parameter)` before a parameter is registered; what it returns replaces it."""
    return Handle(_registration_hooks["parameter"], hook)


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` before a buffer is registered; what it returns replaces it."""
    return Handle(_registration_hooks["buffer"], hook)


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, submodule)` before a module is registered; what it returns replaces it."""
    return Handle(_registration_hooks["module"], hook)
