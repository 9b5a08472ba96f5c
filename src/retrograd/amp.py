"""`torch.amp` for scripts that use it. On the CPU in float32 there is nothing to gain, so nothing is cast."""

import contextlib
import functools
import warnings


class autocast(contextlib.ContextDecorator):
    """A context in which PyTorch would compute in 16 bits where that is safe; here everything keeps its
    dtype.

    That is what `enabled=False` means in PyTorch. Entering it with `enabled=True` warns once.
    """

    def __init__(self, device_type="cpu", dtype=None, enabled=True, cache_enabled=None):
        self.device_type = device_type
        self.dtype = dtype
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            _warn_once()
        return self

    def __exit__(self, *exc):
        return None


@functools.cache
def _warn_once():
    warnings.warn(
        "autocast: retrograd computes in the dtype of its inputs; nothing is cast", UserWarning, stacklevel=3
    )


class GradScaler:
    """A scaler of losses that scales by 1, as PyTorch's does where it is not enabled."""

    def __init__(
        self,
        device="cuda",
        init_scale=65536.0,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        self._enabled = False

    def is_enabled(self):
        """False: float32 needs no scaling."""
        return self._enabled

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        """Nothing was scaled."""

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        """Nothing to update."""

    def get_scale(self):
        return 1.0

    def state_dict(self):
        return {}

    def load_state_dict(self, state_dict):
        """Nothing to load."""
