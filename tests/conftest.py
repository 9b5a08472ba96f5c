"""For all tests: PyTorch on one thread, and the helpers of this folder first among modules of their names."""

import pytest
import torch
from hypothesis import HealthCheck, settings

import oracle
from retrograd.kernels import native

torch.set_num_threads(1)
assert oracle.__file__.startswith(__file__.rpartition("/")[0]), "another module named oracle is in the way"

# How long drawing an example takes says how busy the machine is, not whether the test holds.
settings.register_profile("any_machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_machine")


@pytest.fixture
def threads():
    """Sets the number of the kernels' threads, for this test."""
    before = native.get_num_threads()
    yield native.set_num_threads
    native.set_num_threads(before)
