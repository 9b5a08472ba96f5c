"""Functions that transform functions: `grad`, `vjp`, `jvp`, `vmap`, `jacrev` and their compositions.

What PyTorch refuses inside them and works here, as there is one graph: saved_tensors_hooks,
torch.autograd.functional and torch.autograd.grad, `retain_grad`, custom Functions that have no
setup_context, `.data`, random numbers of rrelu. A tensor from outside that a transformed function writes to
is not noticed; PyTorch makes it an error.
"""

from .derivatives import grad, grad_and_value, jvp, linearize, vjp
from .jacobians import hessian, jacfwd, jacrev
from .modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from .rearranging import rearrange
from .vmapping import vmap
from .wrappers import debug_unwrap, functionalize

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
    "jacrev",
    "jvp", "linearize", "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
