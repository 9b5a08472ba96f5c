"""`torch.backends.mkldnn`: its switches can be set; oneDNN is not used."""

from ._absent import flags, is_available  # noqa: F401

enabled = deterministic = allow_tf32 = False
