"""Exchanging what two Tensors are, where others hold references to them."""

from ..core.tensor import Tensor


def swap_tensors(t1, t2):
    """Exchange two Tensors: values, gradients, hooks, class and attributes; each object stays who it is.

    A graph that was recorded from one of them as a leaf can't be walked backward afterwards: it says so.
    """
    for t in (t1, t2):
        if not isinstance(t, Tensor):
            raise TypeError(f"swap_tensors takes two Tensors, but one is {type(t).__name__} [RG047]")
    for t in (t1, t2):
        node = t._accumulator and t._accumulator()
        if node is not None:
            node.register_prehook(_refuse)
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__
    for t in (t1, t2):
        t._accumulator = None


def _refuse(grads):
    raise RuntimeError(
        "Trying to execute AccumulateGrad node that was poisoned by swap_tensors: the graph was recorded "
        "before its leaf was exchanged with another tensor (by a conversion or load with "
        "torch.__future__.set_swap_module_params_on_conversion(True)). Compute the loss anew. [RG029]"
    )
