"""`torch.backends.cudnn`: its switches can be set; there is no cuDNN here."""

from ._absent import flags, is_available  # noqa: F401

enabled = benchmark = deterministic = allow_tf32 = False
benchmark_limit = 10


def version():
    return None
