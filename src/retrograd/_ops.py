"""PyTorch's operators by name: `torch.ops.aten.sin.default(x)`, and which operator a row of ours is.

An operator (`OpOverload`) calls the public function of its name; the overload says nothing more than which of
its signatures the caller means. Rows that PyTorch has no operator for are in the namespace `retrograd`:
`torch.ops.retrograd.lstm_steps.default`.
"""

import importlib

from .core import arrays
from .core.op import TABLE
from .core.tensor import Tensor


class OpOverload:
    """One signature of an operator, such as `torch.ops.aten.add.Tensor`: there is one object of each."""

    def __init__(self, packet, overload):
        self.overloadpacket = packet
        self._overloadname = overload
        self.__name__ = self.__qualname__ = f"{packet.__name__}.{overload}"
        self.__doc__ = packet.__doc__

    @property
    def namespace(self):
        return self.overloadpacket.namespace

    @property
    def is_view(self):
        """Whether the result shares memory with the first argument."""
        return self.overloadpacket.__name__ in _VIEWS

    def name(self):
        """`aten::add.Tensor`; `aten::sin` for the overload `default`."""
        name = self.overloadpacket._qualified_op_name
        return name if self._overloadname == "default" else f"{name}.{self._overloadname}"

    def __call__(self, *args, **kwargs):
        return self.overloadpacket(*args, **kwargs)

    def __str__(self):
        return f"{self.overloadpacket}.{self._overloadname}"

    def __repr__(self):
        return f"<OpOverload(op='{self.overloadpacket}', overload='{self._overloadname}')>"

    def __reduce__(self):
        return _overload, (self.namespace, self.overloadpacket.__name__, self._overloadname)

    def __deepcopy__(self, memo):
        return self


class OpOverloadPacket:
    """An operator with all its signatures, such as `torch.ops.aten.add`; its attributes are overloads."""

    def __init__(self, namespace, name, function):
        self.namespace = namespace
        self.__name__ = self.__qualname__ = name
        self.__doc__ = getattr(function, "__doc__", None)
        self.op = function
        self._qualified_op_name = f"{namespace}::{name}"

    def __call__(self, *args, **kwargs):
        return self.op(*args, **kwargs)

    def __getattr__(self, name):
        if name.startswith("__") or not name.isidentifier():
            raise AttributeError(f"The operator '{self._qualified_op_name}' has no overload '{name}' [RG135]")
        overload = self.__dict__[name] = OpOverload(self, name)
        return overload

    def overloads(self):
        """The names of the overloads that were asked for so far."""
        return [name for name, value in self.__dict__.items() if isinstance(value, OpOverload)]

    def __str__(self):
        return f"{self.namespace}.{self.__name__}"

    def __repr__(self):
        return f"<OpOverloadPacket(op='{self}')>"

    def __reduce__(self):
        return find, (self.namespace, self.__name__)

    def __deepcopy__(self, memo):
        return self


_packets = {}  # (namespace, name) -> OpOverloadPacket


def find(namespace, name):
    """The operator of that name. AttributeError if there is none."""
    packet = _packets.get((namespace, name))
    if packet is None:
        function = _find_function(namespace, name)
        if function is None:
            raise AttributeError(
                f"'_OpNamespace' '{namespace}' object has no attribute '{name}': no operator of that name is "
                "known here [RG135]"
            )
        packet = _packets[namespace, name] = OpOverloadPacket(namespace, name, function)
    return packet


def register(packet):
    """Make an operator of the user's known under its name."""
    _packets[packet.namespace, packet.__name__] = packet


def namespaces():
    """The names of the users' namespaces."""
    return {namespace for namespace, _ in _packets}


def _overload(namespace, name, overload):
    return getattr(find(namespace, name), overload)


def _find_function(namespace, name):
    if namespace == "retrograd":
        return TABLE.get(name)
    if name in (own := importlib.import_module("retrograd._aten").functions):
        return own[name]
    if namespace != "aten":
        return None
    root = importlib.import_module("retrograd")
    for owner, prefix in (
        (root, ""), (root.nn.functional, ""), (Tensor, ""), (root.linalg, "linalg_"),
        (root.special, "special_"), (root.fft, "fft_"),
    ):  # fmt: skip
        found = getattr(owner, name.removeprefix(prefix), None) if name.startswith(prefix) else None
        if callable(found) and not isinstance(found, type):
            return found
    return None


class Namespace:
    """`torch.ops.retrograd`, and the like: operators as attributes."""

    def __init__(self, name):
        self.__name__ = name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return find(self.__name__, name)

    def __repr__(self):
        return f"<module 'torch.ops.{self.__name__}'>"


# --- rows as operators -------------------------------------------------------------------------------

_VIEWS = frozenset(
    "alias view expand permute transpose t squeeze unsqueeze select slice split split_with_sizes unbind "
    "diagonal unfold as_strided view_as_real view_as_complex real imag newaxis squeeze_dim squeeze_dims "
    "view_dtype".split()
)


def _conv(x, weight, bias, stride, padding, dilation, groups):
    return (x, weight, bias, stride, padding, dilation, False, (0,) * len(stride), groups), {}


def _with_scales(input, x, y, beta, alpha):
    return (input, x, y), {"beta": beta, "alpha": alpha}


def _variance(x, axes, correction, keepdim):
    return (x, axes), {"correction": correction, "keepdim": keepdim}


# name of a row -> its operator, and how that takes the row's arguments, where it is not as they are
_OPERATORS = {
    "sum": ("sum.dim_IntList", None), "mean": ("mean.dim", None), "var": ("var.correction", _variance),
    "std": ("std.correction", _variance), "var_mean": ("var_mean.correction", _variance),
    "std_mean": ("std_mean.correction", _variance), "amax": ("amax.default", None),
    "amin": ("amin.default", None), "any": ("any.dims", None), "all": ("all.dims", None),
    "pow": ("pow.Tensor_Tensor", None), "square": ("square.default", None), "relu": ("relu.default", None),
    "silu": ("silu.default", None), "mish": ("mish.default", None), "gelu": ("gelu.default", None),
    "logit": ("logit.default", None), "hardtanh": ("hardtanh.default", None),
    "leaky_relu": ("leaky_relu.default", None), "threshold": ("threshold.default", None),
    "view": ("view.default", None), "reshape": ("reshape.default", None), "t": ("t.default", None),
    "permute": ("permute.default", None), "transpose": ("transpose.int", None),
    "broadcast_to": ("expand.default", None), "alias": ("alias.default", None),
    "squeeze": ("squeeze.default", lambda x, axes: ((x,), {})), "clone": ("clone.default", None),
    "diagonal": ("diagonal.default", None), "unbind": ("unbind.int", None), "flip": ("flip.default", None),
    "split_with_sizes": ("split_with_sizes.default", lambda x, axis, sizes: ((x, sizes, axis), {})),
    "real": ("real.default", None), "imag": ("imag.default", None), "complex": ("complex.default", None),
    "view_as_real": ("view_as_real.default", None), "view_as_complex": ("view_as_complex.default", None),
    "cast": ("_to_copy.default", lambda x, kind: ((x,), {"dtype": _dtype(kind)})),
    "softmax": ("_softmax.default", lambda x, axis: ((x, axis, False), {})),
    "log_softmax": ("_log_softmax.default", lambda x, axis: ((x, axis, False), {})),
    "cat": ("cat.default", lambda axis, sizes, *xs: ((list(xs), axis), {})),
    "stack": ("stack.default", lambda axis, *xs: ((list(xs), axis), {})),
    "where": ("where.self", lambda x, y, condition: ((condition, x, y), {})),
    "matmul": ("matmul.default", None), "addmm": ("addmm.default", _with_scales),
    "addmv": ("addmv.default", _with_scales), "baddbmm": ("baddbmm.default", _with_scales),
    "cumsum": ("cumsum.default", lambda x, axis, reverse: ((x, axis), {}) if not reverse else None),
    "index_select": ("index_select.default", None), "gather": ("gather.default", None),
    "masked_fill": ("masked_fill.Scalar", lambda x, value, mask: ((x, mask, value), {})),
    "tril": ("tril.default", lambda x, diagonal, keep: ((x, diagonal), {})),
    "triu": ("triu.default", lambda x, diagonal, keep: ((x, diagonal), {})),
    "embedding": (
        "embedding.default",
        lambda w, indices, padding, scale: ((w, indices, -1 if padding is None else padding, scale), {}),
    ),
    "conv1d": ("convolution.default", _conv), "conv2d": ("convolution.default", _conv),
    "conv3d": ("convolution.default", _conv),
    **{name: (f"{name}.Tensor", None) for name in
       "add sub mul div floor_divide remainder fmod eq ne lt le gt ge lerp".split()},
    **{name: (f"{name}.default", None) for name in
       "neg sign sgn abs maximum minimum fmax fmin isnan isinf isfinite logical_and logical_or logical_xor "
       "logical_not exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 sigmoid sin cos tan asin acos "
       "atan atan2 hypot sinc deg2rad rad2deg sinh cosh tanh asinh acosh atanh erf erfc erfinv lgamma "
       "digamma mm bmm mv dot linear i0 sqrt rsqrt reciprocal floor ceil trunc frac angle".split()},
}  # fmt: skip


def _dtype(kind):
    return arrays._FROM_NUMPY[kind]


def operator_of(op, args):
    """(operator, its arguments, its keyword arguments) that stand for a row and its arguments (None: any)."""
    name, translate = _OPERATORS.get(op.name, (None, None))
    given = (args, {}) if translate is None or args is None else translate(*args)
    if name is None or given is None:
        return _overload("retrograd", op.name, "default"), args, {}
    packet, _, overload = name.partition(".")
    return _overload("aten", packet, overload), *given
