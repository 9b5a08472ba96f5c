"""Optimizer: parameter groups, state and its dictionary, hooks; a subclass brings the formula of one step."""

import itertools
from collections import OrderedDict, defaultdict
from copy import deepcopy

from ..core.arrays import quiet
from ..core.graph import Handle, enable_grad, no_grad
from ..core.tensor import Tensor

_global_pre_hooks = OrderedDict()
_global_post_hooks = OrderedDict()


class _Required:
    def __repr__(self):
        return "<required parameter>"


required = _Required()


class Optimizer:
    """Base class: `step()` changes the parameters by their gradients.

    params: Parameters, (name, Parameter) pairs, or dicts with "params" and options of their own. defaults: the options
    of groups that don't say otherwise. A subclass defines `update(group, params, grads, states)` on NumPy arrays.
    """

    def __init__(self, params, defaults):
        self.defaults = defaults
        self._hooks_before = OrderedDict()
        self._hooks_after = OrderedDict()
        self._state_dict_hooks_before = OrderedDict()
        self._state_dict_hooks_after = OrderedDict()
        self._load_hooks_before = OrderedDict()
        self._load_hooks_after = OrderedDict()
        self.state = defaultdict(dict)
        self.param_groups = []
        if isinstance(params, Tensor):
            raise TypeError(
                f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got {type(params).__name__}"
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))

    def add_param_group(self, param_group):
        """Add a group: a dict with "params" and any options; for layers that are unfrozen later, say."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change "
                "between runs. Please use a list instead."
            )
        params = list(params)
        if params and isinstance(params[0], tuple):
            param_group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor: it is computed from others; optimize those, or its detach()")
        param_group["params"] = params
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len({id(p) for p in params}) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error", stacklevel=3
            )
        taken = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        if self.param_groups and ("param_names" in param_group) != ("param_names" in self.param_groups[0]):
            raise ValueError("all optimizer param groups should be with/without names.")
        self.param_groups.append(param_group)

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                else:
                    if p._grad.grad_fn is not None:
                        p._grad = p._grad.detach()
                    with no_grad():
                        p._grad.zero_()

    def step(self, closure=None):
        """One step. closure: computes the loss anew and calls backward; its value is returned."""
        args, kwargs = (closure,), {}
        for hook in [*_global_pre_hooks.values(), *self._hooks_before.values()]:
            new = hook(self, args, kwargs)
            if new is not None:
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(f"{type(self).__name__}.step must return None or a tuple of (new_args, new_kwargs), but got {new}.")
                args, kwargs = new
        result = self._step(*args, **kwargs)
        for hook in [*self._hooks_after.values(), *_global_post_hooks.values()]:
            hook(self, args, kwargs)
        return result

    def _step(self, closure=None):
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        token = quiet.enter()
        try:
            for group in self.param_groups:
                params = [p for p in group["params"] if p._grad is not None]
                if params:
                    self.update(group, params)
                    for p in params:
                        p._versions().bump()
        finally:
            quiet.leave(token)
        return loss

    def update(self, group, params):
        """Change `params`, which have gradients, in place by one step with the group's options."""
        raise NotImplementedError(f"{type(self).__name__} must define update(group, params), or step")

    # --- hooks ---

    def register_step_pre_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` before each step."""
        return Handle(self._hooks_before, hook)

    def register_step_post_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return Handle(self._hooks_after, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` before state_dict."""
        return Handle(self._state_dict_hooks_before, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` after state_dict; it may return another."""
        return Handle(self._state_dict_hooks_after, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` before loading; it may return another."""
        return Handle(self._load_hooks_before, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` after loading."""
        return Handle(self._load_hooks_after, hook, prepend)

    # --- state ---

    def state_dict(self):
        """The state (by a number per parameter) and the groups (with those numbers), as PyTorch writes them."""
        for hook in list(self._state_dict_hooks_before.values()):
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
        for hook in list(self._state_dict_hooks_after.values()):
            new = hook(self, result)
            result = result if new is None else new
        return result

    def load_state_dict(self, state_dict):
        """Take over a state_dict, of this library or of PyTorch, for parameters in the same order."""
        state_dict = dict(state_dict)
        for hook in list(self._load_hooks_before.values()):
            new = hook(self, state_dict)
            state_dict = state_dict if new is None else new
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, the optimizer has {len(self.param_groups)}"
            )
        sizes = [(len(g["params"]), len(s["params"])) for g, s in zip(self.param_groups, saved, strict=True)]
        if any(own != given for own, given in sizes):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: (own, loaded) sizes "
                f"are {sizes}"
            )
        numbers = itertools.chain.from_iterable(s["params"] for s in saved)
        params = itertools.chain.from_iterable(g["params"] for g in self.param_groups)
        by_number = dict(zip(numbers, params, strict=True))
        self.state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                self.state[by_number[key]] = _cast_state(by_number[key], value)
            else:
                self.state[key] = value
        groups = []
        for own, new in zip(self.param_groups, saved, strict=True):
            new["params"] = own["params"]
            if "param_names" in own and "param_names" not in new:
                new["param_names"] = own["param_names"]
            groups.append(new)
        self.__setstate__({"state": self.state, "param_groups": groups})
        for hook in list(self._load_hooks_after.values()):
            hook(self)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        for name in (
            "_hooks_before", "_hooks_after", "_state_dict_hooks_before", "_state_dict_hooks_after", "_load_hooks_before", "_load_hooks_after",
        ):  # fmt: skip
            self.__dict__.setdefault(name, OrderedDict())
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
        return text + ")"


def _cast_state(p, value, key=None):
    """State in the parameter's dtype; `step` stays as it is."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.clone()
        return value.to(dtype=p.dtype) if p.is_floating_point() and value.is_floating_point() else value.clone()
    if isinstance(value, dict):
        return {k: _cast_state(p, v, key=k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast_state(p, v) for v in value)
    return value


def register_optimizer_step_pre_hook(hook):
    """Call `hook(optimizer, args, kwargs)` before each step of any optimizer."""
    return Handle(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Call `hook(optimizer, args, kwargs)` after each step of any optimizer."""
    return Handle(_global_post_hooks, hook)


def check(name, value, low=0.0, high=None, what=None):
    """ValueError in PyTorch's words where an option is out of range (`high` excluded)."""
    number = float(value)
    if not (number >= low and (high is None or number < high)):
        raise ValueError(f"Invalid {what or name}: {value}" if what else f"Invalid {name}: {value}")


def real_view(array):
    """A complex array as real pairs, which is how optimizers treat it; others as they are. Shares memory."""
    return array.view(array.real.dtype) if array.dtype.kind == "c" and array.ndim else array


