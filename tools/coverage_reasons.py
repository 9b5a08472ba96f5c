"""Why names of PyTorch are missing here, or differ on purpose: what tools/coverage.py can't find out."""

import re

# Arguments and attributes that need not be there: named dimensions, types and bookkeeping of PyTorch's own;
# and `self`, as the stubs call a number that stands in the place of a tensor.
IGNORED = {
    "names",
    "self",
    "T_destination",
    "call_super_init",
    "dump_patches",
    "OptimizerPostHook",
    "OptimizerPreHook",
    "profile_hook_step",
}

# The same for one name.
IGNORED_IN = {
    # PyTorch's stubs name these arguments, its functions refuse them.
    "Tensor.requires_grad_": {"mode"},
    "Tensor.apply_": {"callable"},
    "set_num_threads": {"num"},
    "set_num_interop_threads": {"num"},
    "argsort": {"out"},
    # CUDA only.
    **dict.fromkeys(["addmm", "baddbmm", "bmm", "mm"], {"out_dtype"}),
    # What `ctx` has; here the class of the user's function and that of `ctx` are two.
    "autograd.Function": {
        "boxed_grads_call",
        "dirty_tensors",
        "mark_dirty",
        "mark_non_differentiable",
        "mark_shared_storage",
        "materialize_grads",
        "maybe_clear_saved_tensors",
        "metadata",
        "name",
        "needs_input_grad",
        "next_functions",
        "non_differentiable",
        "register_hook",
        "register_prehook",
        "requires_grad",
        "save_for_backward",
        "save_for_forward",
        "saved_for_forward",
        "saved_tensors",
        "saved_variables",
        "set_materialize_grads",
        "to_save",
    },
    # None means 0.0.
    **dict.fromkeys(["Tensor.nan_to_num", "Tensor.nan_to_num_", "nan_to_num"], {"nan"}),
    # Steps of PyTorch's own methods, not documented.
    **dict.fromkeys(
        ["nn.RNNBase", "nn.RNN", "nn.LSTM", "nn.GRU"],
        {
            "check_forward_args",
            "check_hidden_size",
            "check_input",
            "get_expected_cell_size",
            "get_expected_hidden_size",
            "permute_hidden",
        },
    ),
    "nn.MultiheadAttention": {"merge_masks"},
    "nn.DataParallel": {"gather", "parallel_apply", "replicate", "scatter"},
    # Attributes of the instances here.
    "finfo": {"bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny"},
    "iinfo": {"bits", "dtype", "max", "min"},
    "dtype": {"abbr"},
    "Generator": {"device", "graphsafe_get_state", "graphsafe_set_state"},
    "cdist": {"compute_mode"},
    "nn.Module": {"ipu", "mtia", "xpu"},
    "utils.data.DataLoader": {"check_worker_number_rationality"},
    "utils.data.ConcatDataset": {"cummulative_sizes"},
    "optim.lr_scheduler.SequentialLR": {"recursive_undo"},
    "autograd.forward_ad.dual_level": {"clone"},
}

_DENSE = "gradients here are dense"
_NO_EFFECT = "accepted, without effect: "
_OVERLAP = "where places overlap, PyTorch's gradient depends on the strides, ours does not"
_INFINITE = "a zero gradient stays zero where the derivative is infinite; NaN in PyTorch"

DIFFERS = {
    # autograd
    "autograd.gradcheck": "fast_mode works for complex functions too; errors show the entries that differ",
    "autograd.graph.save_on_cpu": _NO_EFFECT + "tensors are in main memory already",
    "autograd.graph.set_warn_on_accumulate_grad_stream_mismatch": _NO_EFFECT + "there are no streams",
    "autograd.graph.set_override_stale_capture_stream": _NO_EFFECT + "there are no streams",
    "utils.checkpoint.SAC_IGNORED_OPS": "holds aten.alias and aten.detach; PyTorch has more there",
    # optim
    "autograd.graph.Node": "the abstract class alone; each node has PyTorch's methods and attributes",
    "optim.SparseAdam": "gradients are dense, and their rows of zeros are the absent ones",
    "optim.Muon": "orthogonalises in the parameter's precision (at least float32), PyTorch in bfloat16",
    # nn
    "nn.Embedding": f"sparse=True is accepted; {_DENSE}",
    "nn.EmbeddingBag": f"sparse=True is accepted; {_DENSE}",
    "nn.functional.embedding": f"sparse=True is accepted; {_DENSE}",
    "nn.functional.embedding_bag": f"sparse=True is accepted; {_DENSE}",
    "nn.DataParallel": "one machine without GPUs: the module itself runs, and the devices are ignored",
    "nn.SyncBatchNorm": "one process: as BatchNorm",
    # tensors and functions
    "as_strided_scatter": _OVERLAP,
    "Tensor.as_strided_scatter": _OVERLAP,
    **dict.fromkeys(["sqrt", "Tensor.sqrt", "pow", "Tensor.pow"], _INFINITE),
    "cdist": "compute_mode is ignored: always from differences, the accurate way",
    "load": "a file's pickle is never handed to Python's unpickler; weights_only=False runs nothing either",
    "TypedStorage": "a tensor's memory, to look at; tensors do the rest",
    "UntypedStorage": "a tensor's memory, to look at; tensors do the rest",
    "save": "the pickle inside is always of protocol 2",
    "compile": "gives the function itself: eager code runs as it is",
    "use_deterministic_algorithms": _NO_EFFECT + "results are always the same from run to run",
    "set_float32_matmul_precision": _NO_EFFECT + "float32 products are always computed in float32",
    "set_num_interop_threads": _NO_EFFECT + "operations don't run beside each other",
    **dict.fromkeys(
        [
            "autocast",
            "is_autocast_enabled",
            "is_autocast_cpu_enabled",
            "is_autocast_cache_enabled",
            "GradScaler",
        ],
        "nothing is cast: everything keeps its dtype",
    ),
    "set_flush_denormal": "gives False: NumPy can't set the processor's mode",
    "set_warn_always": _NO_EFFECT + "Python's filters of warnings decide",
    "set_deterministic_debug_mode": _NO_EFFECT + "results are always the same from run to run",
    "Tensor.share_memory_": "refuses: threads share tensors as they are",
}

_SPARSE = "sparse layouts: not for a library of dense tensors"
_QUANTIZED = "quantized tensors: not for a library of dense floating tensors"
_VENDOR = "calls one vendor's library or device; the plain function is here"
_JIT = "internals of TorchScript, which is not here"
_INTERNAL = "an internal step of a public function that is here"
_AUTOCAST = "switches behind autocast, which `amp.autocast` sets"
_PIPES = "DataPipes, which PyTorch stopped developing; `Dataset`, `IterableDataset` are here"
_REMOVED = "PyTorch itself only says that it was removed"

MISSING = {
    **dict.fromkeys(["cond", "while_loop", "export"], "for compiled graphs; plain Python runs here"),
    "get_device_module": "each device's module is here by name",
    "qscheme": "quantized tensors: not for a library of dense floating tensors",
    **dict.fromkeys(
        ["Tensor.eig", "Tensor.lstsq", "Tensor.solve", "Tensor.symeig", "Tensor.reinforce"], _REMOVED
    ),
    **dict.fromkeys(["Tensor.resize", "Tensor.resize_as"], "deprecated; `resize_`, `reshape` are here"),
    "Tensor.chalf": "NumPy has no complex numbers of half precision",
    **dict.fromkeys(["Tensor.index", "Tensor.storage_type"], _INTERNAL),
    **dict.fromkeys(["Tensor.ipu", "Tensor.mtia", "Tensor.xpu", "Tensor.record_stream"], "another device"),
    "Tensor.to_padded_tensor": "nested tensors are not here",
    "sym_constrain_range": _JIT,
    "sym_constrain_range_for_size": _JIT,
    **dict.fromkeys(["fork", "wait"], "TorchScript's tasks; Python's threads do this"),
    **dict.fromkeys(
        ["nn.functional.ScalingType", "nn.functional.SwizzleType"],
        "for scaled products of 8-bit floats on GPUs",
    ),
    **dict.fromkeys(
        ["nn.functional.scaled_mm", "nn.functional.scaled_grouped_mm"],
        "products of scaled 8-bit floats on GPUs",
    ),
    "nn.functional.grouped_mm": "on GPUs only",
    "nn.functional.boolean_dispatch": _JIT,
    "nn.functional.assert_int_or_pair": _JIT,
}

MISSING_PATTERNS = [
    (re.compile(pattern), reason)
    for pattern, reason in [
        (r"sparse|coalesce|(row|col|crow|ccol)_indices|(^|\.)(indices|values)(_copy)?$|dense_dim", _SPARSE),
        (r"(^|\.)(dsmm|smm|hsmm|hspmm|spmm|sspaddmm|saddmm)$", _SPARSE),
        (r"quanti[sz]e|q_(scale|zero|per)|qscheme|int_repr|fbgemm|qparams|fused_moving_avg", _QUANTIZED),
        (r"^(cudnn|miopen|mkldnn)_|to_mkldnn", _VENDOR),
        (r"^batch_norm_|^native_|norm_except_dim", _INTERNAL),
        (r"autocast", _AUTOCAST),
        (r"^(import_ir|parse_|merge_type|unify_type)", _JIT),
        (r"has_torch_function", "`__torch_function__` is not here, by which other classes answer functions"),
        (r"DataPipe|datapipe|DataChunk|^utils\.data\.(runtime|argument|non_det|guaranteed)", _PIPES),
        (r"ldl_|geqrf|ormqr", "a LAPACK factorisation that NumPy does not give"),
        (r"bessel|airy", "SciPy's function, without a gradient in PyTorch too"),
        (r"^sym_", "symbolic shapes of PyTorch's compiler"),
        (r"slice_inverse", _INTERNAL),
    ]
]
