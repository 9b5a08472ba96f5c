"""Jacobians three ways, for `gradcheck`: by finite differences, by reverse mode and by forward mode.

All is done on real numbers: a complex tensor counts as twice as many of them. In PyTorch's convention
the gradient of a real L is dL/d(re) + i dL/d(im), so that with 1 and 1j as the gradients of a complex
output, the real and imaginary parts that come back are rows of the Jacobian of the real numbers; with 1
and 1j as tangents, columns.
"""

import warnings

import numpy as np

from ..core.tensor import Tensor, wrap
from . import forward_ad
from .walks import grad


class GradcheckError(RuntimeError):
    """A derivative is not what finite differences say, or can't be computed."""


# --- real numbers ----------------------------------------------------------------------


def count_parts(array):
    """How many real numbers one element is."""
    return 2 if array.dtype.kind == "c" else 1


def count_reals(array):
    return array.size * count_parts(array)


def to_reals(array):
    """The real numbers in `array`, as a vector; those of a complex element beside each other."""
    if array.dtype.kind == "c":
        return np.ascontiguousarray(array, np.complex128).view(np.float64).ravel()
    return array.astype(np.float64).ravel()


def from_reals(vector, like):
    """An array of the shape and dtype of `like` from its real numbers."""
    if like.dtype.kind == "c":
        vector = np.ascontiguousarray(vector).view(np.complex128)
    return vector.reshape(like.shape).astype(like.dtype)


def unit(k, like):
    """The array like `like` of which real number `k` is 1 and the others 0."""
    vector = np.zeros(count_reals(like))
    vector[k] = 1
    return from_reals(vector, like)


def random_reals(like, rng):
    """A random direction of length 1 among the reals of `like`."""
    v = rng.uniform(-1, 1, count_reals(like))
    return v / (np.linalg.norm(v) or 1)


# --- inputs and outputs ----------------------------------------------------------------------


def as_tuple(x):
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def floating_outputs(outputs):
    """The floating and complex Tensors that a function returned."""
    outputs = as_tuple(outputs)
    for o in outputs:
        if not isinstance(o, Tensor):
            raise TypeError(
                f"the checked function must return a Tensor or a tuple of Tensors, not {type(o).__name__} "
                "[RG025]"
            )
    return [o for o in outputs if o._array.dtype.kind in "fcV"]


def check_inputs(inputs):
    """The positions of the inputs to differentiate; errors and warnings about those that can't be."""
    chosen = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not chosen:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True. [RG005]"
        )
    for i in chosen:
        array = inputs[i]._array
        if array.dtype not in (np.float64, np.complex128):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex "
                f"({array.dtype}). This check will likely fail if all the inputs are not of double precision "
                "floating point or complex.",
                stacklevel=4,
            )
        if array.size and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape, strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                ".clone() on the input before passing it to gradcheck. [RG037]"
            )
        if not array.flags.writeable:
            raise RuntimeError(
                f"Input #{i} is read-only (it came from a read-only NumPy array), and gradcheck changes its "
                "inputs by eps: clone() it first [RG124]"
            )
    return chosen


# --- Jacobians ----------------------------------------------------------------------


class Differentiated:
    """`func` at `inputs`, and its Jacobians: matrices with a row per real of an input, a column per real
    of an output.

    args: all inputs. chosen: the positions of those that are differentiated.
    """

    def __init__(self, func, inputs, eps):
        self.func = func
        self.args = as_tuple(inputs)
        self.chosen = check_inputs(self.args)
        self.inputs = [self.args[i] for i in self.chosen]
        self.eps = eps

    def outputs(self):
        return floating_outputs(self.func(*self.args))

    def differentiable_outputs(self):
        return [o for o in self.outputs() if o.requires_grad]

    # --- by finite differences ---

    def difference(self, x, direction):
        """How each output (its reals) changes along `direction`, an array like the input `x`."""
        array = x._array
        before = array.copy()
        step = self.eps * direction
        try:
            array[...] = before + step
            above = [np.array(o._array) for o in self.outputs()]
            array[...] = before - step
            below = [np.array(o._array) for o in self.outputs()]
        finally:
            array[...] = before
        for j, (a, b) in enumerate(zip(above, below, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                what = "shape" if a.shape != b.shape else "dtype"
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed "
                    "within +-"
                    f"{self.eps:g}, but output {j} is of shape {list(a.shape)}, {a.dtype} and of shape "
                    f"{list(b.shape)}, "
                    f"{b.dtype} at almost the same place [RG026]"
                )
        return [(to_reals(a) - to_reals(b)) / (2 * self.eps) for a, b in zip(above, below, strict=True)]

    def numerical(self, x):
        """The Jacobian of each output with respect to the input `x`."""
        rows = [self.difference(x, unit(k, x._array)) for k in range(count_reals(x._array))]
        return self._stacked(rows, [count_reals(o._array) for o in self.outputs()])

    @staticmethod
    def _stacked(rows, widths):
        if not rows:
            return [np.zeros((0, n)) for n in widths]
        return [np.stack(column) for column in zip(*rows, strict=True)]

    # --- by reverse mode ---

    def pull(self, output, g):
        """The gradients of the inputs for `g`, an array like `output`; zeros for None."""
        found = grad([output], self.inputs, [wrap(g)], retain_graph=True, allow_unused=True)
        return [
            np.zeros_like(x._array) if gx is None else gx._array
            for x, gx in zip(self.inputs, found, strict=True)
        ]

    def pull_twice(self, output, g, nondet_tol):
        """The reals of `pull`, done twice: the results must be within nondet_tol of each other."""
        first, second = [[to_reals(a) for a in self.pull(output, g)] for _ in range(2)]
        for i, a, b in zip(self.chosen, first, second, strict=True):
            apart = np.abs(a - b).max(initial=0)
            if apart > nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output "
                    f"multiple times gives different values: those of input {i} are {apart:g} apart, and "
                    f"nondet_tol is {nondet_tol:g}. If the operation is meant to be so, pass a larger one "
                    "[RG026]"
                )
        return first

    def reverse(self, output, nondet_tol):
        """The Jacobian of `output` with respect to each input."""
        array = output._array
        columns = [self.pull_twice(output, unit(k, array), nondet_tol) for k in range(count_reals(array))]
        return [m.T for m in self._stacked(columns, [count_reals(x._array) for x in self.inputs])]

    # --- by forward mode ---

    def push(self, tangents):
        """The tangents of the outputs for `tangents`, {position of an input: array}; zeros for None."""
        with forward_ad.dual_level():
            args = [a.detach() if isinstance(a, Tensor) else a for a in self.args]
            for i, t in tangents.items():
                args[i] = forward_ad.make_dual(args[i], wrap(t))
            pairs = [forward_ad.unpack_dual(o) for o in floating_outputs(self.func(*args))]
        return [np.zeros_like(p._array) if t is None else t._array for p, t in pairs]

    def push_one(self, i, tangent):
        """`push` of a tangent of input number `i`, and of zeros for the others."""
        zeros = {k: np.zeros_like(self.args[k]._array) for k in self.chosen}
        return self.push({**zeros, i: tangent})

    def forward(self, i):
        """The Jacobian of each output with respect to input number `i`."""
        array = self.args[i]._array
        rows = [[to_reals(t) for t in self.push_one(i, unit(k, array))] for k in range(count_reals(array))]
        return self._stacked(rows, [count_reals(o._array) for o in self.outputs()])
