"""state_dict and load_state_dict: a module's state under PyTorch's keys, in and out."""

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping

from ...core.graph import Handle, no_grad
from ...core.tensor import Tensor
from ...utils.swap import swap_tensors
from ..conversion import get_swap_module_params_on_conversion
from ..parameter import Parameter, is_lazy
from .calling import WithModule

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What a load left out."""

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class StateDict:
    """The part of Module that saves and loads."""

    def get_extra_state(self):
        """Override together with `set_extra_state` to keep more than tensors in the state_dict."""
        raise RuntimeError(
            "Reached a code path in Module.get_extra_state() that should never be called. [RG144]"
        )

    def set_extra_state(self, state):
        """Override together with `get_extra_state`."""
        raise RuntimeError(
            "Reached a code path in Module.set_extra_state() that should never be called. [RG144]"
        )

    # --- saving ---

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """All parameters and persistent buffers under dotted names; they share memory with the module.

        keep_vars: give the Parameters themselves instead of detached Tensors.
        """
        if args:
            warnings.warn(
                "Positional args are being deprecated, use kwargs instead: state_dict(destination=..., "
                "prefix=..., "
                "keep_vars=...)",
                FutureWarning,
                stacklevel=2,
            )
            destination, prefix, keep_vars = (*args, *(destination, prefix, keep_vars)[len(args) :])
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            new = hook(self, destination, prefix, local)
            if new is not None:
                if isinstance(hook, _PostHook):
                    raise RuntimeError("state_dict post-hook must return None [RG017]")
                destination = new
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name, p in self._parameters.items():
            if p is not None:
                destination[prefix + name] = p if keep_vars or is_lazy(p) else p.detach()
        for name, b in self._buffers.items():
            if b is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = b if keep_vars or is_lazy(b) else b.detach()
        if type(self).get_extra_state is not StateDict.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    # --- loading ---

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy a state_dict's values into this module's parameters and buffers.

        strict: every key must match. One RuntimeError lists all missing and unexpected keys (where strict)
        and all sizes that differ (always). assign: take the given tensors themselves instead of copying
        their values. Returns (missing_keys, unexpected_keys).
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}. [RG050]")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None)
        state = OrderedDict(state_dict)
        if metadata is not None:
            state._metadata = metadata

        _load(self, state, "", metadata, assign, (missing, unexpected, errors))
        if strict:
            if unexpected:
                errors.insert(0, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
            if missing:
                errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
        if errors:
            found = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{found} [RG050]"
            )
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        """This module's own part of loading; layers whose state changed between versions override it."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        buffers = {n: b for n, b in self._buffers.items() if n not in self._non_persistent_buffers_set}
        own = {n: t for n, t in {**self._parameters, **buffers}.items() if t is not None}
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, current in own.items():
            if prefix + name in state_dict:
                self._load_one(name, prefix + name, current, state_dict[prefix + name], assign, error_msgs)
            elif strict:
                missing_keys.append(prefix + name)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateDict.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        for key in state_dict if strict else ():
            if key.startswith(prefix) and key != extra:
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (self._modules if dot else own):
                    unexpected_keys.append(key)

    def _load_one(self, name, key, current, value, assign, error_msgs):
        if not isinstance(value, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object '
                "from "
                f"checkpoint but received {type(value)}"
            )
            return
        if not is_lazy(current):
            if current.ndim == 0 and tuple(value.shape) == (1,):
                value = value[0]  # checkpoints of PyTorch before 0.4 keep scalars so
            if value.shape != current.shape:
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                    "the shape in "
                    f"current model is {current.shape}."
                )
                return
        try:
            with no_grad():
                if not assign:
                    if get_swap_module_params_on_conversion() and not is_lazy(current):
                        new = current.clone().copy_(value)
                        as_parameter = isinstance(current, Parameter)
                        swap_tensors(current, Parameter(new, current.requires_grad) if as_parameter else new)
                    else:
                        current.copy_(value)
                    return
                if isinstance(current, Parameter):
                    if isinstance(value, Parameter):
                        value.requires_grad_(current.requires_grad)
                    else:
                        value = Parameter(value, current.requires_grad)
                setattr(self, name, value)
        except Exception as error:
            error_msgs.append(
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{current.size()} and "
                f"whose dimensions in the checkpoint are {value.size()}, an exception occurred : "
                f"{error.args}."
            )

    # --- hooks ---

    def register_state_dict_pre_hook(self, hook):
        """Call `hook(module, prefix, keep_vars)` before state_dict collects."""
        return Handle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """After state_dict has collected call `hook(module, state_dict, prefix, metadata)`."""
        return Handle(self._state_dict_hooks, _PostHook(hook))

    def _register_state_dict_hook(self, hook):
        """As `register_state_dict_post_hook`, but the hook may return another state_dict."""
        return Handle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Call a hook before loading: it may change what it is given, in place.

        hook(module, state_dict, prefix, metadata, strict, missing_keys, unexpected_keys, error_messages)
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        return Handle(self._load_state_dict_pre_hooks, WithModule(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` after loading; it may change the lists of keys in place."""
        return Handle(self._load_state_dict_post_hooks, hook)


def _load(module, state, prefix, metadata, assign, found):
    """Load what of `state` is under `prefix` into `module` and those below; `found`: the lists to add to."""
    missing, unexpected, errors = found
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(state, prefix, local, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            start = prefix + name + "."
            part = {k: v for k, v in state.items() if k.startswith(start)}
            _load(child, part, start, metadata, assign, found)
    keys = _IncompatibleKeys(missing, unexpected)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                "values, if incompatible_keys need to be modified, it should be done inplace. [RG017]"
            )


class _PostHook:
    """A hook of the public kind, which may not return another state_dict."""

    def __init__(self, hook):
        self.hook = hook

    def __call__(self, *args):
        return self.hook(*args)


def _quoted(keys):
    return ", ".join(f'"{k}"' for k in keys)
