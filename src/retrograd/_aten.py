"""Operators of `torch.ops.aten` that no public function does under the same name."""

import builtins
import math

from .core.op import TABLE

slice_of = builtins.slice


def _softmax(self, dim, half_to_float=False):
    """softmax along one dimension."""
    return TABLE["softmax"](self, dim % max(self.ndim, 1))


def _log_softmax(self, dim, half_to_float=False):
    """log(softmax(self)) along one dimension."""
    return TABLE["log_softmax"](self, dim % max(self.ndim, 1))


def _to_copy(self, *, dtype=None, layout=None, device=None, pin_memory=None, non_blocking=False,
             memory_format=None):  # fmt: skip
    """A copy, of another dtype if one is given."""
    return self.to(dtype or self.dtype, copy=True)


def sym_size(self, dim=None):
    """The shape, or the size of one dimension."""
    return self.size() if dim is None else self.size(dim)


def _unsafe_view(self, size):
    """`view`."""
    return self.view(size)


def alias(self):
    """A view of all of it."""
    return TABLE["alias"](self)


def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A convolution of 1 to 3 dimensions, or a transposed one; stride, padding and the like are tuples."""
    from .nn import functional

    n = weight.ndim - 2
    name = f"conv_transpose{n}d" if transposed else f"conv{n}d"
    extra = {"output_padding": _each(output_padding, n)} if transposed else {}
    return getattr(functional, name)(
        input, weight, bias, _each(stride, n), _each(padding, n), dilation=_each(dilation, n), groups=groups,
        **extra,
    )  # fmt: skip


def _each(values, n):
    return tuple(values) * n if len(values) == 1 else tuple(values)


def convolution_backward(
    grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups,
    output_mask,
):  # fmt: skip
    """(gradient of input, of weight, of bias) of `convolution`; None where `output_mask` is False."""
    n = weight.ndim - 2
    options = [_each(v, n) for v in (stride, padding, dilation)] + [groups]
    to_input, to_weight = TABLE[f"conv{n}d_input"], TABLE[f"conv{n}d_weight"]
    kernel = tuple(weight.shape[2:])
    if transposed:
        forward = TABLE[f"conv{n}d"]
        gx = forward(grad_output, weight, None, *options) if output_mask[0] else None
        gw = to_weight(input, grad_output, kernel, *options) if output_mask[1] else None
    else:
        gx = to_input(grad_output, weight, tuple(input.shape[2:]), *options) if output_mask[0] else None
        gw = to_weight(grad_output, input, kernel, *options) if output_mask[1] else None
    gb = grad_output.sum((0, *range(2, n + 2))) if output_mask[2] else None
    return gx, gw, gb


def _new_zeros_with_same_feature_meta(self, other, *, self_num_batch_dims=0):
    """Zeros that lie in memory as `other` does, one of it for each element of self's first dimensions."""
    batch = tuple(self.shape[:self_num_batch_dims])
    elements = len(other.storage())
    storage = other.new_zeros((*batch, elements))
    strides = tuple([n * elements for n in _c_strides(batch)])
    return storage.as_strided(
        (*batch, *other.shape), (*strides, *other.stride()), other.storage_offset()
    )  # fmt: skip


def _c_strides(shape):
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def _pin_memory(self, device=None):
    """`pin_memory`."""
    return self.pin_memory()


def index(self, indices):
    """`self[indices]`, where None takes all of a dimension."""
    return self[tuple([slice_of(None) if i is None else i for i in indices])]


def slice(self, dim=0, start=None, end=None, step=1):
    """A view of the elements start, start + step, ... before `end` along `dim`."""
    return self[(slice_of(None),) * (dim % self.ndim) + (slice_of(start, end, step),)]


def _sparse(name):
    def function(*args, **kwargs):
        raise NotImplementedError(f"aten::{name}: sparse tensors are not supported; use to_dense() [RG137]")

    function.__name__ = name
    return function


functions = {
    f.__name__: f
    for f in (
        _log_softmax, _new_zeros_with_same_feature_meta,
        _pin_memory, _softmax, _to_copy, _unsafe_view, alias, convolution, convolution_backward, index, slice,
        sym_size, *[_sparse(name) for name in ("_sparse_addmm", "_sparse_mm_reduce_impl")],
    )
}  # fmt: skip
