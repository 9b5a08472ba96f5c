"""Ready-made parametrizations: orthogonal matrices, weight and spectral normalisation."""

import numpy as np

from ... import linalg
from ...core.graph import no_grad
from ...core.tensor import Tensor, wrap
from ...ops import cat, eye, mv, randn, vdot
from ..functional import normalize
from ..modules.module import Module
from .parametrize import register_parametrization
from .spectral_norm import as_matrix, output_dim
from .weight_norm import norm_except_dim, scaled_direction

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _Orthogonal(Module):
    """A matrix with orthonormal columns (rows, if it is wide), from the lower triangle of any matrix."""

    def __init__(self, weight, orthogonal_map, use_trivialization=True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors. [RG066]")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        wide = X.shape[-2] < X.shape[-1]
        if wide:
            X = X.mT
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            Q = linalg.householder_product(A, 2.0 / (1.0 + (A * A).sum(dim=-2)))
            Q = Q * X.diagonal(dim1=-2, dim2=-1).detach().int().unsqueeze(-2)
        else:
            X = X.tril()
            if n != k:
                X = cat([X, X.new_zeros((*X.shape[:-1], n - k))], dim=-1)
            A = X - X.mH
            if self.orthogonal_map == "matrix_exp":
                Q = linalg.matrix_exp(A)
            else:
                half, one = 0.5 * A, eye(n, dtype=A.dtype)
                Q = linalg.solve(one - half, one + half)
            Q = Q[..., :k]
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    @no_grad
    def right_inverse(self, Q):
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape "
                f"{Q.shape}. [RG066]"
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        if not hasattr(self, "base"):
            return self._without_base(tall, wide)
        n, k = tall.shape[-2:]
        if n == k and _is_orthogonal(tall):
            self.base = tall.clone()
        elif n == k:
            self.base = _orthogonal_factor(tall)
        else:
            more = randn((*tall.shape[:-2], n, n - k), dtype=Q.dtype)
            self.base = _orthogonal_factor(cat([tall, more], dim=-1))
        start = np.zeros_like(Q._array)  # is mapped to the first columns of the identity
        i = np.arange(k)
        start[..., i, i] = -1
        return wrap(start)

    def _without_base(self, tall, wide):
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                "use_trivialization=False. [RG066]"
            )
        A, tau = _householder(tall)
        i = np.arange(A.shape[-1])
        signs = np.sign(A[..., i, i])
        A[..., i, i] = np.where(tau == 0, -signs, signs)
        return wrap(A).mT if wide else wrap(A)


def _householder(matrix):
    """LAPACK's geqrf: Householder vectors below the diagonal, R above; and their factors tau."""
    A, tau = np.linalg.qr(matrix._array, mode="raw")
    return np.array(A.swapaxes(-1, -2)), tau


def _orthogonal_factor(matrix):
    """Q of the QR decomposition whose R has a positive diagonal: of random matrices, evenly distributed."""
    A, tau = _householder(matrix)
    i = np.arange(A.shape[-1])
    return linalg.householder_product(wrap(A), wrap(tau)) * wrap(np.sign(A[..., i, i])[..., None, :])


def _is_orthogonal(Q):
    n, k = Q.shape[-2:]
    product = (Q.mH @ Q)._array
    return np.allclose(product, np.eye(k), atol=10 * n * float(np.finfo(product.dtype).eps))


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Keep a matrix, or a batch of them, orthogonal (unitary): Q^H Q = 1, or Q Q^H = 1 where it is wide.

    orthogonal_map: "matrix_exp", "cayley" (both for square matrices best) or "householder"; by default the
    first for square or complex ones, else the last. use_trivialization: start from a base, the matrix as it
    is (Lezcano-Casado 2019); assigning is possible only then, or with "householder".
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}' [RG066]")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions. [RG066]"
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map} [RG066]"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return scaled_direction(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Split a weight into magnitude (original0) and direction (original1) by slices along `dim` (None: all).

    Salimans & Kingma 2016. State dicts of the older `nn.utils.weight_norm` can be loaded.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict, prefix, *rest):
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim}) "
                "[RG039]"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got n_power_iterations="
                f"{n_power_iterations} [RG066]"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            with no_grad():
                u, v = (weight.new_empty(n).normal_(0, 1) for n in matrix.shape)
                self.register_buffer("_u", normalize(u, dim=0, eps=eps))
                self.register_buffer("_v", normalize(v, dim=0, eps=eps))
            self._iterate(matrix, 15)

    @no_grad
    def _iterate(self, matrix, steps):
        for _ in range(steps):
            self._u.copy_(normalize(mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next forward will write to them
        return weight / vdot(u, mv(matrix, v))

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value (Miyato et al. 2018), as a matrix with a row per output.

    n_power_iterations: to estimate the singular value, per use in training. dim: the dimension of the rows.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}' [RG066]")
    dim = output_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
