"""Why tests of PyTorch's do not pass: by file, whole areas that retrograd leaves out, and single tests."""

# A test is of an area if one of the words is in its name.
AREAS = {
    "test_autograd.py": {
        "sparse tensors": (
            "sparse", "test_gradcheck_input_layout", "test_gradcheck_backward_mul_by_grad_output",
            "test_gradcheck_check_batched_grad", "test_gradcheck_validates_inputs", "test_graph_save_on_cpu",
            "test_accumulate_grad_tensor_reference", "test_set_data_tensorimpl_type",
        ),
        "nested tensors": (
            "test_calculate_shape_util", "test_grad_fn_input_metadata", "test_view_func_replay",
        ),
        "MKL-DNN tensors": ("mkldnn", "test_gradcheck_test_outputs"),
        "operators that PyTorch has for its tests only": (
            "TestAutogradMultipleDispatchCPU::test_autograd_", "test_per_dispatch_key_input_saving",
            "TestAutogradMultipleDispatchCPU::test_view_copy", "test_warning_in_backward_cpu",
        ),
        "PyTorch's C++ interface, its log of its own use, Intel's ITT": (
            "test_multi_grad_all_hooks", "test_thread_shutdown", "itt",
        ),
    },
}  # fmt: skip

TESTS = {
    "test_autograd.py": {
        "test_autograd_inplace_views_cross_dtype":
            "asserts a gradient that the test itself calls a bug of PyTorch; ours is the right one",
        "test_backward_hook_relative_ordering":
            "a Linear layer is one node here; PyTorch's graph has a TBackward0 for the transposed weight",
        "test_checkpointing_non_reentrant_autocast_cpu": "asks for the dtypes that autocast gives",
        "test_grad": "compares the whole text of an error, which ends with a code here",
        "test_grad_fn_attr_bindings":
            "nodes keep what their formulas use: not every parameter that PyTorch's generated code keeps",
        "test_inplace_on_view_backward":
            "second derivatives are made of other operations: no ThresholdBackwardBackward0",
        "test_node_post_hook_registered_during_unpack_hook":
            "a hook that is registered while its node runs sees the gradients; PyTorch shows it None",
        "test_saved_variable_saved_original_inplace_detach":
            "backward past a saved tensor that was detached in place works; PyTorch refuses it",
        "test_view_func_replay_with_modified_state": "views replayed with other sizes: PyTorch's compiler's",
        "test_view_replay_enabled": "views are made again by their own operations, never by as_strided",
        "test_inplace_on_view_not_same_layout":
            "a tensor outside of vmap is not written to with tangents that are batched",
        "test_inplace_on_view_same_layout":
            "a tensor outside of vmap is not written to with tangents that are batched",
        "test_make_dual_torch_dispatch": "__torch_dispatch__ of subclasses; that of modes is here",
        "test_subclass_dispatching_sizes": "__torch_dispatch__ of subclasses; that of modes is here",
        "test_metadata_check_check_conj":
            "conj() computes at once: no tensor has a conjugate or negative bit",
        "test_metadata_check_when_primal_has_conj_bit":
            "conj() computes at once: no tensor has a conjugate or negative bit",
        "test_metadata_check_when_primal_has_neg_bit":
            "conj() computes at once: no tensor has a conjugate or negative bit",
        "test_multi_grad_any_hooks":
            "leaves come after all nodes younger than the first that used them, not as soon as they can",
    },
}  # fmt: skip


def area_of(file, test):
    """The area that a test belongs to, or None."""
    for area, words in AREAS.get(file, {}).items():
        if any(word in test for word in words):
            return area
    return None


def reason_of(file, test, outcome):
    """One line that says why a test does not pass, or what became of it."""
    name = test.rpartition("::")[2]
    return TESTS.get(file, {}).get(name) or f"not yet: {' '.join(outcome.split())[:120]}"
