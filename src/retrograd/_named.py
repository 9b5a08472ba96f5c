"""Names of PyTorch's that programs import to ask about, and behind which there is nothing here: modules of
other machinery (several processes, its compiler, its exporters).

A class here has no instances, so `isinstance` is false; a function whose name ends in `?` below answers
False, one with `=` gives back its argument, as a decorator without effect. Making an instance and calling
another function raise NotImplementedError. What is not listed is not there.
"""

import importlib.abc
import importlib.machinery
import types

MODULES = {
    "_dynamo": (
        "OptimizedModule is_compiling? allow_in_graph= assume_constant_result= disable= graph_break reset "
        "mark_dynamic"
    ),
    "_dynamo.eval_frame": "OptimizedModule",
    "_dynamo._trace_wrapped_higher_order_op": "TransformGetItemToIndex",
    "_inductor": "",
    "_subclasses": "FakeTensor FakeTensorMode",
    "_subclasses.fake_tensor": "FakeTensor FakeTensorMode is_fake?",
    "_higher_order_ops": "",
    "cuda": (
        "CUDAGraph Event ExternalStream Stream StreamContext current_stream default_stream graph "
        "make_graphed_callables stream"
    ),
    "distributed": "ReduceOp Store TCPStore all_gather all_reduce barrier broadcast new_group",
    "distributed._composable": "",
    "distributed._composable.fsdp": "FSDPModule MixedPrecisionPolicy fully_shard",
    "distributed._functional_collectives": "all_to_all_single_autograd wait_tensor AsyncCollectiveTensor",
    "distributed._tensor": "DTensor Shard Replicate Placement",
    "distributed._tensor.experimental": "implicit_replication",
    "distributed.algorithms": "",
    "distributed.algorithms.model_averaging.averagers": "ModelAverager PeriodicModelAverager",
    "distributed.checkpoint": "FileSystemReader FileSystemWriter load save",
    "distributed.device_mesh": "DeviceMesh init_device_mesh",
    "distributed.elastic.multiprocessing.errors": "ChildFailedError",
    "distributed.fsdp": (
        "BackwardPrefetch CPUOffload CPUOffloadPolicy FSDPModule FullStateDictConfig "
        "FullyShardedDataParallel MixedPrecision MixedPrecisionPolicy OffloadPolicy ShardingStrategy "
        "StateDictType fully_shard"
    ),
    "distributed.fsdp.fully_sharded_data_parallel": (
        "FullOptimStateDictConfig FullStateDictConfig FullyShardedDataParallel ShardedOptimStateDictConfig "
        "ShardedStateDictConfig ShardingStrategy StateDictType"
    ),
    "distributed.nn": "",
    "distributed.optim": "ZeroRedundancyOptimizer",
    "distributed.rpc": "is_available? RRef",
    "distributed.tensor": (
        "DTensor Partial Placement Replicate Shard distribute_module distribute_tensor DeviceMesh"
    ),
    "distributed.tensor.parallel": "ColwiseParallel ParallelStyle RowwiseParallel parallelize_module",
    "distributed.tensor.placement_types": "Partial Placement Replicate Shard",
    "fx": "Graph GraphModule Interpreter Node Proxy Tracer Transformer",
    "fx.experimental": "",
    "fx.experimental.proxy_tensor": "ProxyTorchDispatchMode get_proxy_mode? make_fx",
    "fx.experimental.symbolic_shapes": "free_symbols free_unbacked_symbols",
    "nn.parallel.distributed": "DistributedDataParallel",
    "nn.parallel.scatter_gather": "gather scatter scatter_kwargs",
    "onnx": "ONNXProgram export is_in_onnx_export?",
    "utils.flop_counter": "FlopCounterMode",
}  # fmt: skip


class Instanceless(type):
    """The type of classes without instances."""

    def __instancecheck__(cls, instance):
        return False

    def __call__(cls, *args, **kwargs):
        raise NotImplementedError(f"{cls.__module__}.{cls.__name__}: retrograd has it in name only [RG137]")

    def __or__(cls, other):
        return other

    __ror__ = __or__


def _function(module, name):
    """What a listed function does: `?` answers False, `=` gives back its argument (decorators), others
    raise."""
    last, name = name[-1], name.rstrip("?=")

    def raising(*args, **kwargs):
        raise NotImplementedError(f"{module}.{name}: retrograd has it in name only [RG137]")

    function = {"?": lambda *args, **kwargs: False, "=": lambda function=None, **kwargs: function}.get(
        last, raising
    )
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    return name, function


_modules = {}  # what is after "torch." -> module


def find(name):
    """The module `torch.<name>`, where that is one of MODULES or a package on the way to one; else None."""
    if name not in _modules and any((key + ".").startswith(name + ".") for key in MODULES):
        module = _modules[name] = types.ModuleType(f"torch.{name}", __doc__)
        for each in MODULES.get(name, "").split():
            if each.lstrip("_")[0].isupper():
                setattr(module, each, Instanceless(each, (), {"__module__": module.__name__}))
            else:
                setattr(module, *_function(module.__name__, each))
        module.__getattr__ = attribute_of(name)
    return _modules.get(name)


def attribute_of(package):
    """The `__getattr__` of a package of ours, `distributed`: its modules and names that are here."""

    def find_attribute(name):
        found = find(f"{package}.{name}") or vars(find(package)).get(name)
        if found is None:
            raise AttributeError(f"module 'torch.{package}' has no attribute '{name}' [RG135]")
        return found

    return find_attribute


class NameFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch.x` for x in MODULES, and the packages on the way to it."""

    def find_spec(self, fullname, path=None, target=None):
        head, _, rest = fullname.partition(".")
        if head == "torch" and find(rest):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return find(spec.name.partition(".")[2])

    def exec_module(self, module):
        """Nothing to execute."""
