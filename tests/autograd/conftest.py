"""Each test that takes `torch` runs twice: with retrograd and with PyTorch, which must behave as the test
says.
"""

import importlib

import pytest


@pytest.fixture(params=["retrograd", "torch"])
def torch(request):
    return importlib.import_module(request.param)
