"""set_num_threads reaches the BLAS that NumPy brings, in workers of a DataLoader too."""

import ctypes

import numpy as np
import pytest

import retrograd
from retrograd.kernels import blas


def number():
    """How many threads NumPy's OpenBLAS uses now."""
    library = ctypes.CDLL(np._core._multiarray_umath.__file__)
    return library.scipy_openblas_get_num_threads64_()


@pytest.fixture
def openblas():
    try:
        before = number()
    except AttributeError:
        pytest.skip("NumPy's BLAS isn't the OpenBLAS of its wheels")
    threads = retrograd.get_num_threads()
    yield
    retrograd.set_num_threads(threads)
    blas.set_num_threads(before)


@pytest.mark.usefixtures("openblas")
def test_set_num_threads_reaches_blas():
    for threads in (1, 2):
        retrograd.set_num_threads(threads)
        assert number() == threads


class Counts(retrograd.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return number()


@pytest.mark.usefixtures("openblas")
def test_a_worker_uses_one_thread_of_blas():
    blas.set_num_threads(2)
    assert list(retrograd.utils.data.DataLoader(Counts(), batch_size=2, num_workers=1))[0].tolist() == [1, 1]
    assert number() == 2


def test_a_blas_that_cannot_be_told_is_left_alone(monkeypatch):
    monkeypatch.setattr(blas, "_SETTERS", ("no_such_function",))
    assert not blas.set_num_threads(1)
