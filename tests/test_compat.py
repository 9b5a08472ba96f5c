"""Switches and facts that scripts ask `torch` for, and unravel_index."""

import pytest
import torch

import retrograd
from oracle import both_refuse, same


@pytest.mark.parametrize(
    "program",
    [
        lambda t: t.unravel_index(t.tensor([3, 7]), (3, 4)),
        lambda t: t.unravel_index(t.tensor([[3, 7], [11, 0]], dtype=t.int32), t.Size([2, 3, 2])),
        lambda t: t.unravel_index(t.tensor(5), 4 * [2]),
        lambda t: t.unravel_index(t.tensor([1, 3]), 4),
        lambda t: t.unravel_index(t.tensor([9, -1]), (2, 2)),
        lambda t: [t.is_autocast_enabled(), t.is_autocast_enabled("cpu"), t.is_autocast_cpu_enabled()],
        lambda t: [t.get_autocast_dtype("cpu"), t.get_autocast_dtype("cuda"), t.get_autocast_cpu_dtype()],
        lambda t: [t.get_autocast_gpu_dtype(), t.clear_autocast_cache(), t.has_lapack, t.has_spectral],
        lambda t: [isinstance(t.strided, t.layout), isinstance(3, t.layout), t.is_vulkan_available()],
        lambda t: [t.set_warn_always(True), t.is_warn_always_enabled(), t.set_warn_always(False)],
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_as_pytorch(program):
    same(program)


@pytest.mark.parametrize("mode", [0, 1, 2, "default", "warn", "error"])
def test_deterministic_debug_mode(mode):
    def program(t):
        before = t.get_deterministic_debug_mode()
        try:
            t.set_deterministic_debug_mode(mode)
            return (
                t.get_deterministic_debug_mode(),
                t.are_deterministic_algorithms_enabled(),
                t.is_deterministic_algorithms_warn_only_enabled(),
            )
        finally:
            t.set_deterministic_debug_mode(before)

    same(program)


def test_set_anomaly_enabled():
    def program(t):
        t.set_anomaly_enabled(True, check_nan=False)
        try:
            return t.is_anomaly_enabled(), t.is_anomaly_check_nan_enabled()
        finally:
            t.set_anomaly_enabled(False)

    same(program)


@pytest.mark.parametrize(
    "program, error",
    [
        (lambda t: t.unravel_index(t.tensor([1.0]), (2,)), TypeError),
        (lambda t: t.unravel_index(t.tensor([1]), (-2,)), ValueError),
        (lambda t: t.unravel_index(t.tensor([1]), "a"), TypeError),
        (lambda t: t.set_deterministic_debug_mode("loud"), RuntimeError),
        (lambda t: t.set_deterministic_debug_mode(5), RuntimeError),
        (lambda t: t.set_deterministic_debug_mode(None), TypeError),
    ],
)
def test_refusals(program, error):
    both_refuse(program, error)


def test_what_is_not_there_says_so():
    assert retrograd.set_flush_denormal(True) is False
    assert retrograd.has_mkl is False and retrograd.has_openmp is False
    assert retrograd.init_num_threads() is None
    assert isinstance(retrograd.GradScaler().scale(retrograd.ones(1)), retrograd.Tensor)
    assert torch.GradScaler is not None
