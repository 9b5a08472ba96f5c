"""Averages of a model's parameters over the training: stochastic weight averaging and moving averages."""

import math
from copy import deepcopy
from itertools import chain

import numpy as np

from ..core import lists
from ..core.graph import no_grad
from ..core.tensor import wrap
from ..nn import Module
from ..nn.modules.batchnorm import _BatchNorm
from .pieces import lerp
from .schedule import LRScheduler, per_group

__all__ = [
    "AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip


def get_ema_avg_fn(decay=0.999):
    """For AveragedModel(avg_fn=...): decay * average + (1 - decay) * parameter."""
    _check_decay(decay)

    @no_grad
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """For AveragedModel(avg_fn=...): the mean of all that was averaged."""

    @no_grad
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay=0.999):
    """For AveragedModel(multi_avg_fn=...): the moving average, in place for a list of one dtype."""
    _check_decay(decay)

    def ema_update(ema_param_list, current_param_list, _):
        _move_all(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn():
    """For AveragedModel(multi_avg_fn=...): the mean, in place for a list of one dtype."""

    def swa_update(averaged_param_list, current_param_list, num_averaged):
        _move_all(averaged_param_list, current_param_list, 1 / (float(num_averaged) + 1))

    return swa_update


def _check_decay(decay):
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range. [RG080]"
        )


@no_grad
def _move_all(averages, currents, weight):
    if lists.update("lerp", (weight,), averages, currents):
        return
    for average, current in zip(averages, currents, strict=True):
        array, end = average._array, current._array
        if array.dtype.kind == "c" or array.itemsize > 2 and array.dtype.kind == "f":
            lerp(array, end, weight)
        else:
            start = array.astype(np.float32 if array.dtype.kind in "fV" else np.float64)
            lerp(start, end.astype(start.dtype), weight)
            array[...] = start
        average._versions().bump()


class AveragedModel(Module):
    """A copy of `model` whose parameters are averages of the model's; `update_parameters(model)` adds.

    avg_fn(average, parameter, count) gives a new average, multi_avg_fn(averages, parameters, count) writes
    many in place; without either it is the mean. use_buffers: average the buffers too, instead of copying
    them.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided [RG080]")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad
    def update_parameters(self, model):
        """Take the parameters of `model` as they are now into the averages."""
        averages, currents = (
            [t.detach() for t in (chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters())]
            for m in (self.module, model)
        )
        if self.n_averaged == 0:
            if not lists.update("copy", (), averages, currents):
                for average, current in zip(averages, currents, strict=True):
                    average.copy_(current)
        elif self.multi_avg_fn is not None:
            for group in _by_dtype(averages, currents):
                self.multi_avg_fn(*group, self.n_averaged)
        else:
            weight = 1 / (float(self.n_averaged) + 1)
            for group in _by_dtype(averages, currents):
                if self.avg_fn is not None or not lists.update("lerp", (weight,), *group):
                    average_of = self.avg_fn or get_swa_avg_fn()
                    for average, current in zip(*group, strict=True):
                        average.copy_(average_of(average, current, self.n_averaged))
        if not self.use_buffers:
            for own, current in zip(self.module.buffers(), model.buffers(), strict=True):
                own.copy_(current)
        self.n_averaged += 1


def _by_dtype(averages, currents):
    groups = {}
    for average, current in zip(averages, currents, strict=True):
        own, others = groups.setdefault(average.dtype, ([], []))
        own.append(average)
        others.append(current)
    return groups.values()


@no_grad
def update_bn(loader, model, device=None):
    """Compute the batch norms' running statistics anew, as means over the batches of `loader`.

    A batch may be a tensor, or a list or tuple whose first entry is the model's input.
    """
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # a plain mean over all batches
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the rate that it finds to swa_lr in anneal_epochs steps ("cos" or "linear"), then constant."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', not {anneal_strategy} [RG083]"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs} [RG083]")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step):
        """How far from the first rate to swa_lr the step is, 0 to 1."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _rates(self):
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            first = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + first * (1 - now))
        return rates
