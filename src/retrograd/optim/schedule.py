"""LRScheduler: what all learning-rate schedules share."""

import warnings

from ..core.tensor import Tensor, wrap
from .numbers import scalar
from .optimizer import Optimizer

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different "
    "from None, the closed form is used instead of the new chainable form, where available."
)


class LRScheduler:
    """Base class of schedules: `step()`, after the optimizer's, sets the learning rates of its groups.

    last_epoch: the number of steps taken before, to resume; the groups must then have an "initial_lr". A
    subclass defines `get_lr()`, a list of rates, one per group, for the step `self.last_epoch`.
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", copied(group["lr"]))
        else:
            for i, group in enumerate(optimizer.param_groups):
                if "initial_lr" not in group:
                    raise KeyError(
                        f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler "
                        f"with last_epoch={last_epoch}: load the optimizer's state_dict before making the "
                        "scheduler, or start with last_epoch=-1 [RG083]"
                    )
        self.base_lrs = [copied(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch=None):
        """Go on to the next rates. epoch: deprecated; the rates of that epoch."""
        if self._step_count == 1:
            self._warn_of_wrong_order()
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_of_wrong_order(self):
        if not getattr(self.optimizer.step, "_counts_calls", False):
            warnings.warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`.",
                UserWarning,
                stacklevel=3,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the "
                "learning rate schedule is skipped. Call them in the opposite order.",
                UserWarning,
                stacklevel=3,
            )

    def _update_lr(self, epoch=None):
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = epoch is not None and hasattr(self, "_get_closed_form_lr")
            rates = self._get_closed_form_lr() if closed else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set(rates)

    def _set(self, rates):
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", lr)
        self._last_lr = self._current()

    def get_lr(self):
        """The rates for the step `last_epoch`. For `step` to call: ask `get_last_lr` for the rates in use."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=2,
            )
        return self._rates()

    def _rates(self):
        raise NotImplementedError(f"{type(self).__name__} must define get_lr() [RG144]")

    def _current(self):
        return [copied(group["lr"]) for group in self.optimizer.param_groups]

    def _times(self, factor):
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def get_last_lr(self):
        """The rates in use, one per group."""
        return self._last_lr

    def state_dict(self):
        """All that this schedule remembers, but the optimizer; under PyTorch's keys."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict):
        """Resume from a state_dict, of this library or of PyTorch. Load the optimizer's too."""
        self.__dict__.update(state_dict)


def check_optimizer(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer [RG083]")


def copied(option):
    return wrap(option._array.copy()) if isinstance(option, Tensor) else option


def set_option(group, name, value):
    """Set an option of a group; one that is a Tensor is written to, as others may hold it."""
    if isinstance(group[name], Tensor):
        group[name]._array[...] = scalar(value)
    else:
        group[name] = value


def per_group(name, optimizer, value):
    """`value` as a list with an entry per group of the optimizer."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {count}. [RG083]"
        )
    return [copied(v) for v in value]


def saved_function(function):
    """What a state_dict keeps of a function: nothing, or the attributes of an object that can be called."""
    if hasattr(function, "__code__"):
        return None
    return dict(function.__dict__) if hasattr(function, "__dict__") else None
