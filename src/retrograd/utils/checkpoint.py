"""Checkpointing: compute part of a forward again during backward, instead of keeping what it saved.

`checkpoint` says where; `create_selective_checkpoint_contexts` says which operations in it are kept all the
same; `budget` chooses by itself what to compute again so that no more than a number of bytes is kept.
"""

import contextlib
import warnings

from .._recompute.budget import budget
from .._recompute.recompute import CheckpointError, run_and_recompute
from .._recompute.reentrant import CheckpointFunction, check_backward_validity, detach_variable
from .._recompute.selective import (  # noqa: F401
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    SelectiveCheckpointContext,
    _CachedTorchDispatchMode,
    _CachingTorchDispatchMode,
    create_selective_checkpoint_contexts,
)  # fmt: skip
from .._recompute.switches import GraphExecGroup, set_checkpoint_debug_enabled, set_checkpoint_early_stop

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "DefaultDeviceType", "GraphExecGroup",
    "SAC_IGNORED_OPS", "SelectiveCheckpointContext", "budget", "check_backward_validity", "checkpoint",
    "checkpoint_sequential", "create_selective_checkpoint_contexts", "detach_variable",
    "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop",
    "set_device_states",
]  # fmt: skip


def noop_context_fn():
    """The contexts of a checkpoint that needs none."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function, *args, use_reentrant=None, context_fn=noop_context_fn, determinism_check="default", debug=False,
    early_stop=True, **kwargs,
):  # fmt: skip
    """function(*args, **kwargs), with what it saves for backward let go, and computed again when backward
    wants it.

    use_reentrant: False is recommended; True runs function without a graph and then, in backward, a backward
    within the backward, which `autograd.grad` and `inputs=` can't be combined with. None means True, and
    warns. The others but preserve_rng_state are for use_reentrant=False. context_fn: gives two contexts, for
    the forward and for computing again. determinism_check: "default" compares shapes and dtypes of what is
    computed again; "none" doesn't. debug: errors list all saved tensors, with the lines of code. early_stop:
    stop computing again once the last saved tensor is there. preserve_rng_state (True): draw the same random
    numbers again.
    """
    if use_reentrant is None:
        _warn_of_default("checkpoint")
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        return run_and_recompute(
            function, args, kwargs, contexts=context_fn(), preserve_rng_state=preserve,
            determinism_check=determinism_check, debug=debug, early_stop=early_stop,
        )  # fmt: skip
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)} [RG023]")
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False. [RG023]"
        )
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """The functions (an nn.Sequential or a list) one after the other, in `segments` checkpoints; the last
    one is kept."""
    if use_reentrant is None:
        _warn_of_default("checkpoint_sequential")
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)} [RG023]")
    functions = list(functions)
    size = len(functions) // segments
    if not size:
        raise ValueError(
            f"checkpoint_sequential: {len(functions)} functions can't be divided into {segments} segments "
            "[RG023]"
        )
    start = 0
    for _ in range(segments - 1):
        part = _in_sequence(functions[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
        start += size
    return _in_sequence(functions[start:])(input)


def _in_sequence(functions):
    def run(input):
        for function in functions:
            input = function(input)
        return input

    return run


def _warn_of_default(name):
    warnings.warn(
        f"torch.utils.checkpoint.{name}: the use_reentrant parameter should be passed explicitly. "
        "use_reentrant=False is recommended, but if you need to preserve the current default behavior, you "
        "can "
        "pass use_reentrant=True.",
        stacklevel=3,
    )


# --- of devices other than the CPU: there are none to take care of ---------------------------


class DefaultDeviceType:
    """The kind of device whose random state checkpoints preserve besides the CPU's; kept, and without
    effect here."""

    _default_device_type = "cpu"

    @staticmethod
    def set_device_type(device="cpu"):
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type():
        return DefaultDeviceType._default_device_type


def get_device_states(*args):
    """(devices, random states) of the devices other than the CPU among the arguments: none."""
    return [], []


def set_device_states(devices, states, *, device_type=None):
    """Restore what `get_device_states` gave."""
