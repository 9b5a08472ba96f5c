"""`torch._C._functions`: the classes of nodes by name, `AccumulateGrad` and `MulBackward0` among them."""

from ..core.graph import AccumulateGrad, Node, next_number
from ..core.op import TABLE

__all__ = ["AccumulateGrad", "DelayedError", "UndefinedGrad"]


class _Passing(Node):
    """A function that passes tensors on, and the node of it: called once, with tensors."""

    def __call__(self, *tensors):
        self.edges = [t._edge() if t.requires_grad else (None, 0) for t in tensors]
        self.number = next_number()
        self.outputs = len(tensors)
        results = tuple([t.detach() for t in tensors])
        shapes, dtypes = [r._array.shape for r in results], [r._array.dtype for r in results]
        self.shape, self.dtype = (shapes[0], dtypes[0]) if len(results) == 1 else (shapes, dtypes)
        for i, r in enumerate(results):
            r._grad_fn, r._output_nr = self, i
        return results[0] if len(results) == 1 else results


class DelayedError(_Passing):
    """`DelayedError(message, count)(*tensors)`: the tensors, whose backward is an error with that message."""

    def __init__(self, message, num_inputs):
        self.message = message.decode() if isinstance(message, bytes) else message

    def run(self, g, graph, wanted=None):
        raise RuntimeError(self.message)

    def name(self):
        return "torch::autograd::Error"


class UndefinedGrad(_Passing):
    """`UndefinedGrad()(*tensors)`: the tensors, through which no gradient flows."""

    def run(self, g, graph, wanted=None):
        return [None] * len(self.edges)

    def name(self):
        return "torch::autograd::UndefinedGradBackward"


def __getattr__(name):
    for op in TABLE.values():
        if op.node_name == name:
            return op.node_class()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}' [RG135]")
