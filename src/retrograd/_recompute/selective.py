"""Selective checkpoints: modes at the door that keep results of chosen operations, and give them back."""

import enum

from .._ops import OpOverload, OpOverloadPacket, _overload, operator_of
from ..core.modes import modes
from ..core.op import TABLE, Op
from ..core.tensor import Tensor, wrap
from ..dispatch import TorchDispatchMode

# Operations that policies are not asked about: they compute nothing.
SAC_IGNORED_OPS = {_overload("aten", "alias", "default"), _overload("aten", "detach", "default")}


class CheckpointPolicy(enum.Enum):
    """What becomes of an operation's result in a selective checkpoint. PREFER_ leaves it to others; here,
    none do."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_SAVED = {
    CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE, CheckpointPolicy.MUST_CPU_OFFLOAD,
    CheckpointPolicy.PREFER_CPU_OFFLOAD,
}  # fmt: skip


class SelectiveCheckpointContext:
    """What a policy function is told: whether the forward runs or is computed again (`is_recompute`)."""

    def __init__(self, *, is_recompute, op_output=None):
        self.is_recompute = is_recompute
        self.op_output = op_output


def create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False):
    """Two contexts, for `checkpoint(..., context_fn=...)`, that keep the results of chosen operations.

    policy_fn_or_list: a function `(ctx, op, *args, **kwargs)` that gives a CheckpointPolicy (or a bool:
    whether to save), or a list of operations to save. Operations are such as torch.ops.aten.mm.default; lists
    may also hold names of rows ("mm") and functions of such a name (torch.mm). Views are always made
    again. allow_cache_entry_mutation: don't mind where a kept result was changed in place meanwhile.

    What is kept is let go as backward takes it: there is one backward, unless it has create_graph=True.
    """
    if isinstance(policy_fn_or_list, list):
        chosen = {_operator(op) for op in policy_fn_or_list}

        def policy(ctx, op, *args, **kwargs):
            return CheckpointPolicy.MUST_SAVE if op in chosen else CheckpointPolicy.PREFER_RECOMPUTE

    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops. [RG023]")
    storage = {}
    return (
        _CachingTorchDispatchMode(policy, storage),
        _CachedTorchDispatchMode(policy, storage, allow_cache_entry_mutation),
    )


def _operator(op):
    """The operator that an entry of a list means."""
    if isinstance(op, OpOverload):
        return op
    extra = ""
    if isinstance(op, OpOverloadPacket):
        extra = "\nPlease update the OpOverloadPacket to a specific OpOverload, such as aten.mm.default."
    else:
        name = op if isinstance(op, str) else op.name if isinstance(op, Op) else getattr(op, "__name__", None)
        if name in TABLE:
            return operator_of(TABLE[name], None)[0]
    raise ValueError(
        f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}.{extra} Or give the "
        "name of a row: 'mm', 'linear', 'conv2d', 'exp'... [RG023]"
    )


class _Kept:
    """A result that is kept, and which version of its memory it was."""

    __slots__ = ("val", "counter", "version")

    def __init__(self, out):
        self.val = wrap(out._array)
        self.counter = self.val._version_counter = out._versions()
        self.version = self.counter.n

    def get(self, op, allow_mutation):
        if self.counter.n != self.version and not allow_mutation:
            raise RuntimeError(
                f"Tensor cached during selective activation checkpoint has been mutated: a result of {op} "
                "[RG023]"
            )
        return self.val


def _kept(out):
    """A result as it is kept; what is no tensor, as it is."""
    return _Kept(out) if isinstance(out, Tensor) else out


class _Selecting(TorchDispatchMode):
    """Asks the policy about every operation that is no view."""

    is_recompute = False

    def __init__(self, policy_fn, storage):
        self.policy_fn = policy_fn
        self.storage = storage  # {operator: results, in the order of the forward}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.is_view or func in SAC_IGNORED_OPS:
            return func(*args, **kwargs)
        policy = self.policy_fn(
            SelectiveCheckpointContext(is_recompute=self.is_recompute), func, *args, **kwargs
        )
        if isinstance(policy, bool):
            policy = CheckpointPolicy.MUST_SAVE if policy else CheckpointPolicy.PREFER_RECOMPUTE
        return self.run(func, args, kwargs, policy in _SAVED)


class _CachingTorchDispatchMode(_Selecting):
    """In the forward: keeps what the policy chooses."""

    def run(self, func, args, kwargs, save):
        out = func(*args, **kwargs)
        if save:
            kept = tuple([_kept(o) for o in out]) if isinstance(out, tuple) else _kept(out)
            self.storage.setdefault(func, []).append(kept)
        return out


class _CachedTorchDispatchMode(_Selecting):
    """When computing again: gives back what was kept."""

    is_recompute = True

    def __init__(self, policy_fn, storage, allow_cache_entry_mutation):
        super().__init__(policy_fn, storage)
        self.allow_mutation = allow_cache_entry_mutation
        self.taken = {}
        self.keep = False  # for another walk, through the graph of the one that runs now

    def __enter__(self):
        self.taken = {}
        self.keep = modes.task is None or modes.task.graph
        return super().__enter__()

    def run(self, func, args, kwargs, save):
        if not save:
            return func(*args, **kwargs)
        at = self.taken[func] = self.taken.get(func, -1) + 1
        if at >= len(self.storage.get(func, ())):
            raise RuntimeError(
                f"{func} encountered during backward, but not found in storage: the policy must decide as it "
                "did in the forward [RG023]"
            )
        kept = self.storage[func][at]
        if kept is None:
            raise RuntimeError(
                "Trying to backward an extra time through a region computed under selective activation "
                "checkpoint: what it kept was let go by the first backward, which had not "
                "create_graph=True [RG023]"
            )
        if not self.keep:
            self.storage[func][at] = None
        if isinstance(kept, tuple):
            return tuple([self._given(k, func) for k in kept])
        return self._given(kept, func)

    def _given(self, kept, func):
        return kept.get(func, self.allow_mutation) if type(kept) is _Kept else kept
