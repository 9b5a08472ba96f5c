"""Options and state of optimizers that are numbers: a Python number, or a Tensor of one element."""

import numpy as np

from ..core.arrays import float64, get_default_dtype
from ..core.compiled import native
from ..core.tensor import Tensor, wrap


def scalar(option):
    """An option as a Python number; it may be a Tensor of one element."""
    return option._array.item() if isinstance(option, Tensor) else option


def number(value=0.0):
    """A 0-d Tensor for state that is one number: float32, or float64 where that is the default dtype."""
    return wrap(np.array(value, np.float64 if get_default_dtype() is float64 else np.float32))


def advance(state):
    """Count one more step; the count as a Python number."""
    array = state["step"]._array
    count = None if native is None else native.advance(array)
    if count is None:
        array += 1
        return array.item()
    return count


def check(name, value, high=None, positive=False):
    """ValueError in PyTorch's words unless `value` is at least 0 (or above it: positive) and below `high`."""
    if isinstance(value, Tensor) and value._array.size != 1:
        what = "lr" if name == "learning rate" else name
        raise ValueError(f"Tensor {what} must be 1-element, but it has the shape {list(value.shape)} [RG080]")
    n = scalar(value)
    if not ((n > 0 if positive else n >= 0) and (high is None or n < high)):
        wanted = ("above 0" if positive else "at least 0") + (f" and below {high:g}" if high else "")
        raise ValueError(f"Invalid {name}: {value} (expected {wanted}) [RG080]")


def check_betas(betas):
    for i, beta in enumerate(betas):
        check(f"beta parameter at index {i}", beta, high=1.0)


def decayed(group):
    """The options of Adam and its kin as numbers: lr, eps, {those of weight decay and maximize}, betas."""
    lr, decay = scalar(group["lr"]), scalar(group["weight_decay"])
    options = {"maximize": group["maximize"]}
    if group["decoupled_weight_decay"]:
        options["shrink"] = 1 - lr * decay
    else:
        options["weight_decay"] = decay
    return lr, group["eps"], options, [scalar(beta) for beta in group["betas"]]
