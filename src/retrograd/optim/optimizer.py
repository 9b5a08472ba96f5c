"""Optimizer: parameter groups, state and its dictionary, hooks; a subclass brings the formula of one step."""

import functools
import warnings
from collections import OrderedDict, defaultdict
from copy import deepcopy
from itertools import chain

import numpy as np

from ..core.arrays import quiet
from ..core.graph import Handle, enable_grad
from ..core.lists import clear
from ..core.tensor import Tensor, wrap
from . import differentiable
from .compiled import count_writes
from .numbers import number

_global_pre_hooks = OrderedDict()
_global_post_hooks = OrderedDict()

_HOOKS = (
    "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks", "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)  # fmt: skip


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()


def _between_hooks(step):
    """`step` with the hooks around it: once, also where it calls the step that it overrides."""

    @functools.wraps(step)
    def hooked(*args, **kwargs):
        self = args[0]
        self._opt_called = True  # schedulers warn when they are stepped first
        # One that wraps another may never have called Optimizer.__init__: it has no hooks.
        if self.__dict__.get("_stepping") or "_optimizer_step_pre_hooks" not in self.__dict__:
            return step(*args, **kwargs)
        self._stepping = True
        try:
            for hook in [*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()]:
                new = hook(self, args, kwargs)
                if new is not None:
                    if not (isinstance(new, tuple) and len(new) == 2):
                        raise RuntimeError(
                            f"a step pre-hook of {type(self).__name__} must return None or a tuple of "
                            f"(new_args, new_kwargs), but got {new}. [RG017]"
                        )
                    args, kwargs = new
            result = step(*args, **kwargs)
            for hook in [*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()]:
                hook(self, args, kwargs)
        finally:
            self._stepping = False
        return result

    hooked._counts_calls = True
    return hooked


class Optimizer:
    """Base class: `step()` changes the parameters by their gradients.

    params: Parameters, (name, Parameter) pairs, or dicts with "params" and options of their own. defaults:
    the options of groups that don't say otherwise. A subclass defines `update(group, params)`, or `step`.
    """

    scalars = ()  # names of state that is one number, kept as a 0-d Tensor

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _between_hooks(cls.step)

    def __init__(self, params, defaults):
        self.defaults = defaults
        for name in _HOOKS:
            setattr(self, name, OrderedDict())
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}; put it into a list [RG081]"
            )
        if defaults.get("fused") and defaults.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together. [RG080]")
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list [RG054]")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add a group: a dict with "params" and any options; for layers that are unfrozen later, say."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)} [RG081]")
        given = param_group["params"]
        if isinstance(given, Tensor):
            given = [given]
        elif isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead. [RG081]"
            )
        given = list(given)
        names = [p[0] for p in given if isinstance(p, tuple)]
        if names and len(names) < len(given):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing: "
                f"{len(names)} of {len(given)} have one [RG081]"
            )
        params = [p[1] for p in given] if names else given
        for p in params:
            self._check_parameter(p)
        param_group["params"] = params
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name} "
                    "[RG081]"
                )
            param_group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause "
                "an error",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if names else 'without'} names to the optimizer [RG081]"
                )
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError("some parameters appear in more than one parameter group [RG081]")
        self.param_groups.append(param_group)

    def _check_parameter(self, p):
        if not isinstance(p, Tensor):
            kind = type(p).__name__
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {kind} [RG081]")
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError(
                "can't optimize a non-leaf Tensor: it is computed from others; optimize those, or "
                "detach() it [RG055]"
            )

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or set them to zero."""
        if set_to_none:
            for group in self.param_groups:
                for p in group["params"]:
                    p._grad = None
            return
        grads = []
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    if p._grad.requires_grad:
                        p._grad = p._grad.detach()
                    grads.append(p._grad)
        clear(grads)

    @_between_hooks
    def step(self, closure=None):
        """One step. closure: computes the loss anew and calls backward; its value is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group.get("differentiable"):
                with enable_grad():
                    differentiable.step(self, group, [p for p in group["params"] if p._grad is not None])
        token = quiet.enter()
        try:
            for group in self.param_groups:
                params = [p for p in group["params"] if p._grad is not None]
                if params and not group.get("differentiable"):
                    self.update(group, params)
                    count_writes(params)
        finally:
            quiet.leave(token)
        return loss

    def update(self, group, params):
        """Change `params`, which have gradients, in place by one step with the group's options."""
        raise NotImplementedError(
            f"{type(self).__name__} must define update(group, params) or step(closure) [RG144]"
        )

    def state_of(self, group, p):
        """The state of `p`: from its first step on, what `start` gives."""
        state = self.state[p]
        if not state:
            state.update(self.start(group, p))
        return state

    def begin(self, group, p):
        """The state of `p` where it isn't there yet, or something of it is None: see compiled.rows_of."""
        return self.state_of(group, p)

    def start(self, group, p):
        """The state that `p` begins with."""
        return {}

    # --- hooks ---

    def register_step_pre_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` before each step; it may return other (args, kwargs)."""
        return Handle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return Handle(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` before state_dict."""
        return Handle(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` after state_dict; it may return another."""
        return Handle(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` before loading; it may return another."""
        return Handle(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` after loading."""
        return Handle(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # --- state ---

    def state_dict(self):
        """The state (by a number per parameter) and the groups (with those numbers), under PyTorch's keys."""
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        numbers = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in list(self._optimizer_state_dict_post_hooks.values()):
            new = hook(self, result)
            result = result if new is None else new
        return result

    def load_state_dict(self, state_dict):
        """Take over a state_dict, of this library or of PyTorch, for parameters in the same order.

        Its tensors are copied, and brought to the parameters' dtypes.
        """
        state_dict = dict(state_dict)
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            new = hook(self, state_dict)
            state_dict = state_dict if new is None else new
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, where the "
                f"optimizer has {len(self.param_groups)} [RG056]"
            )
        pairs = list(zip(self.param_groups, saved, strict=True))
        sizes = [(len(own["params"]), len(new["params"])) for own, new in pairs]
        if any(own != new for own, new in sizes):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                "group: (own, loaded) numbers of parameters are " + ", ".join(map(str, sizes)) + " [RG056]"
            )
        numbers = chain.from_iterable(new["params"] for new in saved)
        params = chain.from_iterable(own["params"] for own in self.param_groups)
        by_number = dict(zip(numbers, params, strict=True))
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = self._cast(by_number[key], value)
            else:
                state[key] = value
        for own, new in pairs:
            new["params"] = own["params"]
            if "param_names" in own:
                new.setdefault("param_names", own["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def _cast(self, p, value, key=None):
        """A copy of loaded state in the dtype of `p`; counts keep theirs, other numbers if it is coarse."""
        if isinstance(value, dict):
            return {k: self._cast(p, v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._cast(p, v) for v in value)
        if not isinstance(value, Tensor):
            return value
        keep = key == "step" or (key in self.scalars and p._array.dtype.itemsize < 4)
        as_it_is = keep or not p.is_floating_point()
        return wrap(np.array(value._array, None if as_it_is else p._array.dtype, order="K"))

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)  # options that are younger than the state_dict
        for own in self.state.values():
            for name in self.scalars:
                if name in own and not isinstance(own[name], Tensor):
                    own[name] = number(own[name])

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"


def register_optimizer_step_pre_hook(hook):
    """Call `hook(optimizer, args, kwargs)` before each step of any optimizer."""
    return Handle(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Call `hook(optimizer, args, kwargs)` after each step of any optimizer."""
    return Handle(_global_post_hooks, hook)
