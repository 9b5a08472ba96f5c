"""`torch.backends.cuda`: its switches can be set; there is no CUDA here."""

from contextlib import contextmanager as _contextmanager

from ._absent import Switches as _Switches
from ._absent import is_built  # noqa: F401

matmul = _Switches(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=False,
    allow_bf16_reduced_precision_reduction=False,
)


def flash_sdp_enabled():
    """False: attention is computed in one way."""
    return False


mem_efficient_sdp_enabled = cudnn_sdp_enabled = flash_sdp_enabled


def math_sdp_enabled():
    return True


def enable_flash_sdp(enabled):
    """Nothing to choose: attention is computed in one way."""


enable_mem_efficient_sdp = enable_math_sdp = enable_cudnn_sdp = enable_flash_sdp


@_contextmanager
def sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """A context that would choose how attention is computed; nothing changes in it."""
    yield
