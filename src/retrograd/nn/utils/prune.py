"""Pruning: a parameter becomes an original (`name_orig`) times a mask of zeros and ones (`name_mask`)."""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable

from ...core.graph import no_grad
from ...ops.creation import ones_like, zeros_like
from ...ops.join import cat
from ...ops.sampling import rand, rand_like

# --- the base of all methods ------------------------------------------------------------------------------


class BasePruningMethod(ABC):
    """A way to choose what to prune: a subclass defines `PRUNING_TYPE` and `compute_mask(t, default_mask)`.

    PRUNING_TYPE: "unstructured" (single elements), "structured" (slices along `dim`) or "global"; it says
    what of an already pruned tensor a further method is shown. Prune with the class method `apply`.
    """

    _tensor_name: str

    def __call__(self, module, inputs):
        """The forward pre-hook: the attribute is computed anew from the original and the mask."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t, default_mask):
        """A mask of the shape of `t`, by the importances `t`; `default_mask` is that of former prunings."""

    def apply_mask(self, module):
        """The pruned tensor: original times mask."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned [RG066]")
        return self._masked(module, getattr(module, name + "_orig"))

    def _masked(self, module, original):
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune the parameter `name` of `module`, on top of former prunings; the rest goes to the class.

        importance_scores: a tensor of the parameter's shape to choose by, instead of the parameter itself.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        key, former = _pruning_of(module, name)
        if former is None:
            original = getattr(module, name)
            default_mask = ones_like(original)
        else:
            original, default_mask = getattr(module, name + "_orig"), getattr(module, name + "_mask")
            container = PruningContainer()
            container._tensor_name = name
            for earlier in former if isinstance(former, PruningContainer) else [former]:
                container.add_pruning_method(earlier)
            container.add_pruning_method(method)
            method = container
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}: "
                f"{list(importance_scores.shape)} instead of {list(original.shape)} [RG066]"
            )
        with no_grad():
            mask = method.compute_mask(importance_scores.detach(), default_mask.detach())
        if former is None:
            del module._parameters[name]
            module.register_parameter(name + "_orig", original)
        else:
            del module._forward_pre_hooks[key]
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t, default_mask=None, importance_scores=None):
        """`t` with zeros where this method prunes; no module is involved."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t [RG066]")
        default_mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(importance_scores, default_mask)

    def remove(self, module):
        """Make the pruning permanent: the parameter is itself again, with zeros where it was pruned."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed [RG066]")
        original = module._parameters.pop(name + "_orig")
        original.data = self._masked(module, original).data
        del module._buffers[name + "_mask"]
        if hasattr(module, name):
            delattr(module, name)
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several methods for one parameter, one after the other: each is shown what the former ones left."""

    def __init__(self, *args):
        self._pruning_methods = ()
        if len(args) == 1 and isinstance(args[0], BasePruningMethod):
            self._tensor_name = args[0]._tensor_name
            self.add_pruning_method(args[0])
            return
        if len(args) == 1 and isinstance(args[0], Iterable):
            args = args[0]
        for method in args:
            self._tensor_name = getattr(self, "_tensor_name", None) or method._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method):
        """Add a method for the same parameter."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass [RG066]")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}' [RG066]"
            )
        self._pruning_methods += (method,)

    def __len__(self):
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, i):
        return self._pruning_methods[i]

    def compute_mask(self, t, default_mask):
        """The mask of the last method, by what the default mask has left, times the default mask."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        if method.PRUNING_TYPE == "unstructured":
            left = mask == 1
        elif method.PRUNING_TYPE == "structured":
            dim = method.dim + t.ndim if method.dim < 0 else method.dim
            others = [d for d in range(t.ndim) if d != dim]
            kept = (mask.sum(dim=others) if others else mask) != 0
            left = (*[slice(None)] * dim, kept)
        elif method.PRUNING_TYPE == "global":
            left = (slice(None),) * t.ndim
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE} [RG066]")
        new = mask.clone()
        new[left] = method.compute_mask(t[left], mask[left]).to(dtype=mask.dtype)
        return mask * new


# --- methods ------------------------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing: the mask is all ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        """The default mask."""
        return default_mask

    @classmethod
    def apply(cls, module, name):
        """Give the parameter `name` a mask of ones."""
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Prunes single elements at random: `amount` of them, a number or a fraction."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def _least(self, t, count):
        return rand_like(t).reshape(-1).topk(count).indices

    def compute_mask(self, t, default_mask):
        """The default mask with `amount` more zeros."""
        count = _count(self.amount, t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._least(t, count)] = 0
        return mask

    @classmethod
    def apply(cls, module, name, amount):
        """Prune `amount` of the parameter `name`."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(RandomUnstructured):
    """Prunes the single elements of the smallest magnitude."""

    def _least(self, t, count):
        return t.abs().reshape(-1).topk(count, largest=False).indices

    @classmethod
    def apply(cls, module, name, amount, importance_scores=None):
        """Prune `amount` of the parameter `name`."""
        return super(RandomUnstructured, cls).apply(
            module, name, amount=amount, importance_scores=importance_scores
        )


class RandomStructured(BasePruningMethod):
    """Prunes slices along `dim` at random: `amount` of them, a number or a fraction."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def _kept(self, t, count):
        """Which slices stay: indices, or True for each."""
        chances = rand(t.shape[self.dim])
        return chances > chances.kthvalue(count).values

    def compute_mask(self, t, default_mask):
        """The default mask with `amount` slices more of zeros."""
        _validate_structured_pruning(t)
        _validate_pruning_dim(t, self.dim)
        count = _count(self.amount, t.shape[self.dim])
        if count == 0:
            return default_mask
        dim = self.dim % t.ndim
        mask = zeros_like(t)
        mask[(*[slice(None)] * dim, self._kept(t, count))] = 1
        return mask * default_mask.to(dtype=mask.dtype)

    @classmethod
    def apply(cls, module, name, amount, dim=-1):
        """Prune `amount` slices along `dim` of the parameter `name`."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(RandomStructured):
    """Prunes the slices along `dim` with the smallest norms of order `n`."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t, count):
        return _compute_norm(t, self.n, self.dim).topk(t.shape[self.dim] - count).indices

    @classmethod
    def apply(cls, module, name, amount, n, dim, importance_scores=None):
        """Prune `amount` slices along `dim` of the parameter `name`."""
        return super(RandomStructured, cls).apply(
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask of your own."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        """The default mask times the given one."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask has the shape {list(self.mask.shape)}, and the tensor "
                f"{list(default_mask.shape)} [RG066]"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module, name, mask):
        """Prune the parameter `name` where `mask` is zero."""
        return super().apply(module, name, mask=mask)


# --- functions ----------------------------------------------------------------------------------------------


def identity(module, name):
    """Give the parameter a mask of ones; returns the module, as all of these functions do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Prune `amount` elements (a whole number, or a fraction between 0 and 1) at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Prune the `amount` elements of the smallest magnitude."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Prune `amount` slices along `dim` at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Prune the `amount` slices along `dim` with the smallest norms of order `n`."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module, name, mask):
    """Prune where `mask` is zero."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prune the pairs (module, name) together, as if they were one tensor.

    pruning_method: an unstructured method's class, made with kwargs (`amount=0.2`). importance_scores: a
    dict from pairs to tensors to choose by.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable of (module, name) [RG066]")
    parameters = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError(
            "global_unstructured(): importance_scores should be a dict from (module, name) [RG066]"
        )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE} [RG066]"
        )
    tensors = [getattr(module, name).detach() for module, name in parameters]
    given = [scores.get(pair, t).detach() for pair, t in zip(parameters, tensors, strict=True)]
    former = [getattr(m, n + "_mask", ones_like(t)) for (m, n), t in zip(parameters, tensors, strict=True)]
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "temp"
    container.add_pruning_method(method)
    mask = container.compute_mask(*[cat([t.reshape(-1) for t in part]) for part in (given, former)])
    start = 0
    for (module, name), t in zip(parameters, tensors, strict=True):
        custom_from_mask(module, name, mask[start : start + t.numel()].view_as(t))
        start += t.numel()


def remove(module, name):
    """Make the pruning of a parameter permanent: mask and original go, the parameter keeps the zeros."""
    key, method = _pruning_of(module, name)
    if method is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed [RG066]"
        )
    method.remove(module)
    del module._forward_pre_hooks[key]
    return module


def is_pruned(module):
    """Whether a parameter of `module`, or of one below it, is pruned."""
    hooks = (hook for m in module.modules() for hook in m._forward_pre_hooks.values())
    return any(isinstance(hook, BasePruningMethod) for hook in hooks)


# --- checks and sizes ---------------------------------------------------------------------------------------


def _pruning_of(module, name):
    """The hook that prunes a parameter, with its key; (None, None) if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


def _count(amount, size):
    count = _compute_nparams_toprune(amount, size)
    _validate_pruning_amount(count, size)
    return count


def _validate_pruning_amount_init(amount):
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float. [RG066]")
    whole = isinstance(amount, numbers.Integral)
    if amount < 0 or (not whole and amount > 1):
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer [RG066]"
        )


def _validate_pruning_amount(amount, tensor_size):
    if isinstance(amount, numbers.Integral) and amount > tensor_size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to prune={tensor_size} [RG066]"
        )


def _compute_nparams_toprune(amount, tensor_size):
    return amount if isinstance(amount, numbers.Integral) else round(amount * tensor_size)


def _validate_structured_pruning(t):
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
            f"{list(t.shape)} with {t.ndim} dims [RG066]"
        )


def _validate_pruning_dim(t, dim):
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {list(t.shape)} [RG066]")


def _compute_norm(t, n, dim):
    """The norms of order `n` of the slices of `t` along `dim`."""
    dims = [d for d in range(t.ndim) if d != dim % t.ndim]
    return t.norm(p=n, dim=dims)
