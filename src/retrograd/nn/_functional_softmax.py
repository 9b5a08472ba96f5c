"""Softmax with PyTorch's guess at the dimension, and samples by Gumbel noise."""

import warnings

from ..core import random
from ..core.tensor import wrap
from ..ops import softmaxes
from ..ops.elementary import log
from ..ops.picking import scatter
from ..ops.reduce import numpy_names


def _axis(name, input, dim, stacklevel):
    """`dim`, or PyTorch's old guess with its warning."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


@numpy_names
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(input) over its sum along `dim`; `dtype`: convert the input to it first."""
    return softmaxes.softmax(input, _axis("softmax", input, dim, _stacklevel + 1), dtype=dtype)


@numpy_names
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input)."""
    return softmaxes.softmax(-input, _axis("softmin", input, dim, _stacklevel + 1), dtype=dtype)


@numpy_names
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(softmax(input)) along `dim`, without overflow; `dtype`: convert the input to it first."""
    return softmaxes.log_softmax(input, _axis("log_softmax", input, dim, _stacklevel + 1), dtype=dtype)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + Gumbel noise) / tau); with `hard`, one-hot forward and the soft sample's gradient."""
    noise = -log(wrap(random.exponential(tuple(logits.shape), logits._array.dtype)))
    soft = softmaxes.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    one_hot_sample = scatter(soft.detach() * 0, dim, index, 1.0)
    return one_hot_sample - soft.detach() + soft
