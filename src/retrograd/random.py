"""The state of the default random number generator: `manual_seed`, `fork_rng` and the like."""

import contextlib

from .core.generator import Generator, default_generator

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip


def manual_seed(seed):
    """Restart the default generator from `seed`: the same seed gives the same numbers, PyTorch's. Returns
    it."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Restart the default generator from a seed that the operating system gives; returns that seed."""
    return default_generator.seed()


def initial_seed():
    """The seed that the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state():
    """The default generator's state, a uint8 tensor in PyTorch's layout."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continue from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, device_type="cpu", **ignored):
    """Within the `with` block draw freely: afterwards the default generator goes on from where it was
    before."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
