"""Checkpoints without reentrance: saved tensors are placeholders, filled by running the function once
more."""

import contextlib
import weakref

from .. import engine
from ..core.apply import apply, saved_before
from ..core.location import describe_location, user_location
from ..core.modes import enable_grad, modes
from ..core.saved import pack, unpack_packed
from ..core.tensor import Tensor
from ..dispatch import DispatchLevel
from ..random import get_rng_state, set_rng_state
from .switches import switches


class CheckpointError(RuntimeError):
    """What was computed again is not what the forward saved."""


class _Enough(Exception):
    """Stops computing `region` again: the last saved tensor is there."""

    def __init__(self, region):
        self.region = region


class _Slot:
    """Stands in a node for a tensor that it saved: the one of number `index` in its region."""

    __slots__ = ("__weakref__", "index", "region")

    def __init__(self, region, index):
        self.region = region
        self.index = index


class _Foresight:
    """An interpreter at the door that stops computing again before an operation whose inputs are the last
    tensors wanted: its result would be for nothing."""

    batching = False

    def __init__(self, fill, left):
        self.fill = fill
        self.left = left  # how many tensors are still wanted

    def process(self, op, args):
        ours = modes.saving[-1][0] is self.fill  # and not a checkpoint's within
        tensors = saved_before(op, args) if ours else ()
        if tensors and len(tensors) >= self.left():
            for tensor in tensors:
                self.fill(tensor)
        return apply(op, args)

    def process_function(self, cls, args, kwargs):
        modes.interpreters = (*modes.interpreters, self)
        return cls._call(args, kwargs)


class _Argument:
    """A tensor that the function was given: packed by the hooks around, if there are any, or itself."""

    def __init__(self, tensor):
        self.counter = tensor._versions()
        self.version = self.counter.n
        self.where = user_location()
        self.packed = pack(tensor) if modes.saving else None
        self.tensor = None if modes.saving else tensor

    def get(self):
        if self.packed is not None:
            return unpack_packed(self.packed, None)
        if self.counter.n != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace "
                "operation: an "
                f"input of a checkpoint, of shape {list(self.tensor.shape)}, is at version {self.counter.n}; "
                "expected "
                f"version {self.version} instead.\n"
                f"  it was given to the checkpoint at {describe_location(self.where)}\n"
                f"  and overwritten at {describe_location(self.counter.where)}\n"
                "  Remedy: let the checkpointed function work on a clone(), or write the change out of "
                "place. [RG002]"
            )
        return self.tensor


class _Region:
    """One call of a checkpointed function: how to make it again, and what it saved."""

    def __init__(self, function, args, kwargs, context, options):
        self.function = function
        self.args = [_Argument(a) if isinstance(a, Tensor) else a for a in args]
        self.kwargs = {k: _Argument(v) if isinstance(v, Tensor) else v for k, v in kwargs.items()}
        self.context = context
        self.check = options["determinism_check"] != "none"
        self.debug = options["debug"] if switches.debug is None else switches.debug
        self.early_stop = options["early_stop"] and switches.early_stop
        self.group = switches.group
        self.interpreters = modes.interpreters
        self.random = get_rng_state() if options["preserve_rng_state"] else None
        self.slots = []  # weak references: a node that is gone wants nothing
        self.saved = []  # (shape, dtype, line) of each
        self.found = {}  # {number of a walk: {slot number: tensor computed again, None once it was taken}}
        self.complete = False  # the forward is over
        self.walked_inside = False  # the function itself walks backward, before it has saved everything

    # --- forward ---

    def pack(self, tensor):
        slot = _Slot(self, len(self.slots))
        self.slots.append(weakref.ref(slot))
        self.saved.append((tensor._array.shape, tensor.dtype, user_location()))
        return slot

    # --- backward ---

    def unpack(self, slot):
        """The tensor of a slot, for the walk that runs now: each walk computes once, and lets go what it
        takes."""
        walk = self.group or (modes.task and modes.task.number)
        values = self.found.get(walk)
        if values is None:
            values = self.recompute()
            if walk is not None:  # else a curious reader
                self.found[walk] = values
            if self.group is None and walk is not None:
                engine.queue_callback(lambda: self.found.pop(walk, None))
        value = values.get(slot.index)
        if value is None:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked "
                "once in this backward, and let go. Read ctx.saved_tensors only once in your backward [RG021]"
            )
        if self.group is None:
            values[slot.index] = None
        return value

    def recompute(self):
        """Run the function again: {slot number: tensor} of the slots that are still wanted."""
        again, values = [], {}

        def fill(tensor):
            index = len(again)
            again.append((tensor._array.shape, tensor.dtype, user_location()))
            kept = tensor.detach() if tensor.requires_grad else tensor
            if index < len(self.slots):
                if self.slots[index]() is not None:
                    values[index] = kept
            elif self.complete:
                self._fail(
                    "trying to save more tensors during recomputation than during the original forward pass.",
                    again,
                )
            else:
                self.walked_inside = True
            if self.early_stop and len(again) == len(self.slots):
                raise _Enough(self)
            return kept

        args = [a.get() if isinstance(a, _Argument) else a for a in self.args]
        kwargs = {k: v.get() if isinstance(v, _Argument) else v for k, v in self.kwargs.items()}
        interpreters = modes.interpreters
        others = [i for i in self.interpreters if not isinstance(i, DispatchLevel)]
        modes.interpreters = (*[i for i in interpreters if isinstance(i, DispatchLevel)], *others)
        foresight = contextlib.nullcontext()
        if self.early_stop and not others:
            foresight = _standing(_Foresight(fill, lambda: len(self.slots) - len(again)))
        try:
            hooks = _hooks(fill, lambda kept: kept)
            with _random_state(self.random), enable_grad(), self.context, hooks, foresight:
                self.function(*args, **kwargs)
        except _Enough as enough:
            if enough.region is not self:
                raise
        finally:
            modes.interpreters = interpreters
        if not self.walked_inside:
            self._compare(again)
        return values

    def _compare(self, again):
        if len(again) != len(self.saved):
            self._fail(
                "A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.saved)}\n"
                f"Number of tensors saved during recomputation: {len(again)}.",
                again,
            )
        if not self.check:
            return
        for i, (before, now) in enumerate(zip(self.saved, again, strict=True)):
            if before[:2] != now[:2]:
                self._fail(
                    "Recomputed values for the following tensors have different metadata than during the "
                    "forward pass.\n"
                    f"tensor at position {i}:\n"
                    f"saved metadata: {_describe(before)}\nrecomputed metadata: {_describe(now)}",
                    again,
                )

    def _fail(self, message, again):
        tip = (
            "\nTip: to see all saved tensors, pass `debug=True` to `torch.utils.checkpoint.checkpoint(...)`."
        )
        if self.debug:
            tip = (
                "\nYou are seeing this error because you passed `debug=True` to checkpoint "
                "(or set_checkpoint_debug_enabled holds)."
            ) + "".join([
                f"\n{title}:\n" + "".join([f"  {i}: {_describe(s)}\n" for i, s in enumerate(saved)])
                for title, saved in (
                    ("Saved in the forward", self.saved), ("Saved when computed again", again)
                )
            ])  # fmt: skip
        raise CheckpointError(f"torch.utils.checkpoint: {message}{tip} [RG023]")


def _describe(saved):
    shape, dtype, line = saved
    return f"{{'shape': {list(shape)}, 'dtype': {dtype}}}, saved at {describe_location(line)}"


@contextlib.contextmanager
def _standing(interpreter):
    """Put an interpreter nearest to the door for a block."""
    before = modes.interpreters
    modes.interpreters = (*before, interpreter)
    try:
        yield
    finally:
        modes.interpreters = before


class _hooks:
    """Hooks on saved tensors for a block; unlike the user's they are not refused where those are disabled."""

    def __init__(self, pack_hook, unpack_hook):
        self.pair = pack_hook, unpack_hook

    def __enter__(self):
        modes.saving = (*modes.saving, self.pair)

    def __exit__(self, *exc):
        modes.saving = modes.saving[:-1]


@contextlib.contextmanager
def _random_state(state):
    """Draw from `state` for a block; None leaves the generator alone."""
    if state is None:
        yield
        return
    before = get_rng_state()
    set_rng_state(state)
    try:
        yield
    finally:
        set_rng_state(before)


def run_and_recompute(function, args, kwargs, *, contexts, **options):
    """Run `function` so that what it saves is let go and computed again; see
    `utils.checkpoint.checkpoint`."""
    if options["determinism_check"] not in ("default", "none"):
        raise ValueError(
            "determinism_check should be one of ['default', 'none'], but got "
            f"{options['determinism_check']} [RG023]"
        )
    forward, again = contexts
    if not modes.grad:
        with forward:
            return function(*args, **kwargs)
    if modes.saving_disabled is not None:
        raise RuntimeError(modes.saving_disabled)
    region = _Region(function, args, kwargs, again, options)
    with _hooks(region.pack, region.unpack), forward:
        result = function(*args, **kwargs)
    region.complete = True
    return result
