"""Random matrices of a kind, by the names and arguments of `torch.testing._internal.common_utils`."""

import torch

__all__ = [
    "make_fullrank_matrices_with_distinct_singular_values", "make_symmetric_matrices",
    "make_symmetric_pd_matrices", "random_fullrank_matrix_distinct_singular_value", "random_hermitian_matrix",
    "random_hermitian_pd_matrix", "random_hermitian_psd_matrix", "random_lowrank_matrix",
    "random_square_matrix_of_rank", "random_symmetric_matrix", "random_symmetric_pd_matrix",
    "random_symmetric_psd_matrix", "random_well_conditioned_matrix",
]  # fmt: skip


def _random(rows, columns, batch, kwargs):
    options = {k: kwargs[k] for k in ("dtype", "device") if k in kwargs}
    return torch.randn(*batch, rows, columns, **options)


def _with_values(rows, columns, batch, kwargs, values):
    """A random matrix with these singular values, a tensor of min(rows, columns) of them."""
    u, _, vh = torch.linalg.svd(_random(rows, columns, batch, kwargs), full_matrices=False)
    return (u * values.to(u.dtype)) @ vh


def random_hermitian_matrix(size, *batch, **kwargs):
    a = _random(size, size, batch, kwargs)
    return (a + a.mH).div_(2)


def random_hermitian_psd_matrix(size, *batch, **kwargs):
    a = _random(size, size, batch, kwargs)
    return a @ a.mH


def random_hermitian_pd_matrix(size, *batch, **kwargs):
    a = random_hermitian_psd_matrix(size, *batch, **kwargs)
    return a + torch.eye(size, dtype=a.dtype)


random_symmetric_matrix = make_symmetric_matrices = random_hermitian_matrix
random_symmetric_psd_matrix = random_hermitian_psd_matrix
random_symmetric_pd_matrix = make_symmetric_pd_matrices = random_hermitian_pd_matrix


def random_well_conditioned_matrix(*shape, dtype, device, mean=1.0, sigma=0.001):
    """Singular values close to `mean`."""
    *batch, m, n = shape
    values = torch.randn(*batch, 1, min(m, n), dtype=torch.float64) * sigma + mean
    return _with_values(m, n, batch, {"dtype": dtype}, values.sort(descending=True).values).to(dtype)


def make_fullrank_matrices_with_distinct_singular_values(*shape, device, dtype, requires_grad=False):
    """Singular values 1 + 1/1, 1 + 1/2, ..."""
    *batch, m, n = shape
    values = 1 + 1 / torch.arange(1, min(m, n) + 1, dtype=torch.float64)
    return _with_values(m, n, batch, {"dtype": dtype}, values).to(dtype).requires_grad_(requires_grad)


def random_fullrank_matrix_distinct_singular_value(size, *batch, **kwargs):
    values = 1 + 1 / torch.arange(1, size + 1, dtype=torch.float64)
    a = _with_values(size, size, batch, kwargs, values)
    return a.to(kwargs["dtype"]) if "dtype" in kwargs else a


def random_lowrank_matrix(rank, rows, columns, *batch, **kwargs):
    return _random(rows, rank, batch, kwargs) @ _random(rank, columns, batch, kwargs)


def random_square_matrix_of_rank(size, rank, dtype=torch.double, device="cpu"):
    return random_lowrank_matrix(rank, size, size, dtype=dtype)
