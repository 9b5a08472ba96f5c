"""functorch's names, for code from before `torch.func`: each warns once per place and says what replaced it.

`python -m retrograd run script.py` gives it to scripts that say `import functorch`.
"""

import functools
import warnings

from .. import func
from .stateless import FunctionalModule, FunctionalModuleWithBuffers
from .stateless import combine_state_for_ensemble as _combine
from .stateless import make_functional as _make
from .stateless import make_functional_with_buffers as _make_with_buffers

__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "combine_state_for_ensemble", "functionalize", "grad",
    "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "make_functional", "make_functional_with_buffers",
    "vjp", "vmap",
]  # fmt: skip


def _deprecated(function, instead):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        warnings.warn(
            f"functorch is part of PyTorch since 2.0, and `functorch.{function.__name__}` is deprecated. "
            f"Please use `{instead}` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    return wrapped


vmap = _deprecated(func.vmap, "torch.vmap")
grad = _deprecated(func.grad, "torch.func.grad")
grad_and_value = _deprecated(func.grad_and_value, "torch.func.grad_and_value")
vjp = _deprecated(func.vjp, "torch.func.vjp")
jvp = _deprecated(func.jvp, "torch.func.jvp")
jacrev = _deprecated(func.jacrev, "torch.func.jacrev")
jacfwd = _deprecated(func.jacfwd, "torch.func.jacfwd")
hessian = _deprecated(func.hessian, "torch.func.hessian")
functionalize = _deprecated(func.functionalize, "torch.func.functionalize")
make_functional = _deprecated(_make, "torch.func.functional_call")
make_functional_with_buffers = _deprecated(_make_with_buffers, "torch.func.functional_call")
combine_state_for_ensemble = _deprecated(_combine, "torch.func.stack_module_state")
