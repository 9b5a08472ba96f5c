"""Selective checkpoints: an interpreter at the door keeps results of chosen operations and gives them back
later."""

import enum

from ..core.apply import apply, record
from ..core.modes import modes
from ..core.op import TABLE, Op
from ..core.tensor import Tensor, wrap

# Operations that policies are not asked about: they compute nothing.
SAC_IGNORED_OPS = {"alias"}


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

    policy_fn_or_list: a function `(ctx, op, *args)` that gives a CheckpointPolicy (or a bool: whether to
    save), or a list of operations to save. Operations are rows of the table, whose `name` says which
    (`op.name == "mm"`); lists may hold their names, or functions of the same name such as torch.mm. Views are
    always made again. allow_cache_entry_mutation: don't mind where a kept result was changed in place
    meanwhile.
    """
    if isinstance(policy_fn_or_list, list):
        names = {_name(op) for op in policy_fn_or_list}

        def policy(ctx, op, *args):
            return CheckpointPolicy.MUST_SAVE if op.name in names else CheckpointPolicy.PREFER_RECOMPUTE

    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    kept = {}
    return _Keeping(policy, kept), _GivingBack(policy, kept, allow_cache_entry_mutation)


def _name(op):
    name = op if isinstance(op, str) else op.name if isinstance(op, Op) else getattr(op, "__name__", None)
    if name not in TABLE:
        raise ValueError(
            f"Expected op in `op_list` to be an operation, but got: {op} of type {type(op)}. Operations are "
            "named as the "
            "rows of the table are: 'mm', 'linear', 'conv2d', 'exp'..."
        )
    return name


class _Selecting:
    """An interpreter that asks the policy about every operation that is no view."""

    batching = False
    is_recompute = False

    def __init__(self, policy, kept):
        self.policy = policy
        self.kept = kept  # {row name: results in the order of the forward}

    def __enter__(self):
        stack = modes.interpreters
        first = [i for i in stack if not i.batching]
        modes.interpreters = (*first, self, *stack[len(first) :])

    def __exit__(self, *exc):
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])

    def process(self, op, args):
        if op.view or op.name in SAC_IGNORED_OPS:
            return apply(op, args)
        policy = self.policy(SelectiveCheckpointContext(is_recompute=self.is_recompute), op, *args)
        if isinstance(policy, bool):
            policy = CheckpointPolicy.MUST_SAVE if policy else CheckpointPolicy.PREFER_RECOMPUTE
        return self.run(op, args, policy in _SAVED)

    def process_function(self, cls, args, kwargs):
        return cls.apply(*args, **kwargs)


class _Keeping(_Selecting):
    def run(self, op, args, save):
        result = apply(op, args)
        if save:
            outputs = result if isinstance(result, tuple) else (result,)
            entry = [(o._array, o._versions(), o._versions().n) for o in outputs]
            self.kept.setdefault(op.name, []).append(entry)
        return result


class _GivingBack(_Selecting):
    is_recompute = True

    def __init__(self, policy, kept, allow_mutation):
        super().__init__(policy, kept)
        self.allow_mutation = allow_mutation
        self.taken = {}

    def __enter__(self):
        super().__enter__()
        self.taken = {}

    def run(self, op, args, save):
        if not save:
            return apply(op, args)
        at = self.taken[op.name] = self.taken.get(op.name, -1) + 1
        if at >= len(self.kept.get(op.name, ())):
            raise RuntimeError(
                f"{op.name} encountered during backward, but not found in storage: the policy must decide as "
                "it did in the "
                "forward"
            )
        outputs = []
        for array, counter, version in self.kept[op.name][at]:
            if counter.n != version and not self.allow_mutation:
                raise RuntimeError(
                    "Tensor cached during selective activation checkpoint has been mutated: a result of "
                    f"{op.name}"
                )
            outputs.append(wrap(array))
        result = outputs[0] if op.outputs is None else tuple(outputs)
        if modes.grad and op.inputs and any(isinstance(a, Tensor) for a in args):
            record(op, args, result)
        return result
