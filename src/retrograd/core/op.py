"""Op: one operation, one row. The forward computation, and for each input the formula of its gradient.

    mul = Op("mul", lambda xp, x, y: xp.multiply(x, y),
             x=lambda g, y: g * conj(y),
             y=lambda g, x: g * conj(x), promote=PAIR)

A keyword is an input's name. What a formula may name, and what of it is saved until backward:

- `g`: the gradient of the output. Where `outputs="q r"` names several, `g` is a list of them (None where
  nothing arrived) and `g_q`, `g_r` are its members;
- an input's name: its value; `x_shape`, `x_dtype`: only that; a parameter's name; `out`, or an output's name;
- `needs`: a tuple of bools, in a joint formula: which inputs want a gradient.

Formulas are written with operators and rows: arrays pass through them in a plain backward, Tensors where
`create_graph=True`. A misspelt name fails at import.
"""

import re
import warnings
from functools import wraps
from operator import itemgetter

import numpy as np

from . import arrays
from .apply import DTYPE, INPUT, INPUTS, OUTPUT, SHAPE, RowNode, apply
from .arrays import namespace, promote, quiet
from .compiled import compiled
from .lists import update
from .modes import modes
from .tensor import Tensor, wrap

ELEMENTWISE = "elementwise"  # forward mode: the formulas, given tangents, are the tangent's formula too
LINEAR = "linear"  # forward mode: the row itself, run on tangents
PAIR = "pair"  # x and y are brought to PyTorch's common dtype
PAIR_FLOAT = "pair_float"  # and whole numbers to the default floating dtype, as / does
FLOAT = "float"  # x alone: whole numbers become the default floating dtype, as in sin

TABLE = {}  # name -> Op: all rows
KERNELS = {}  # (name, device) -> [(when, function)]


class Plan:
    """What one set of wanted gradients saves and computes: made once per row and set, then looked up.

    `entries` says what is saved, under which `names`. A step is (formula, getter of its arguments) or None;
    the getter picks, by the indices in `sources`, from the saved values, followed by g, by the outputs'
    gradients where there are several, and by `wanted` for a joint formula. `deferrals` has for each step what
    core/deferred.py's `deferral` registered, or None.
    """

    __slots__ = (
        "entries",
        "names",
        "sources",
        "steps",
        "joint",
        "several",
        "variadic",
        "wanted",
        "aliases",
        "elementwise",
        "deferrals",
    )

    def slot_of(self, name):
        """Where what PyTorch calls `name` in its nodes is saved: `self` and `other` are the first two
        inputs."""
        for ours in (
            name,
            self.aliases.get(name),
            self.aliases.get(name.removesuffix("_sym_sizes"), "") + "_shape",
        ):
            if ours in self.names:
                return self.names.index(ours)
        return None


class Op:
    """A row of the table; call it on Tensors (through the door) or on raw arrays (straight through)."""

    exact_out = False  # whether `out=` must have the result's very dtype

    def __init__(
        self,
        name,
        forward,
        *,
        jvp=None,
        joint=None,
        outputs=None,
        nondiff=(),
        promote=None,
        view=False,
        node=None,
        doc=None,
        **formulas,
    ):
        self.name = self.__name__ = name
        self.forward = forward
        plain = getattr(forward, "__wrapped__", forward)
        code = plain.__code__
        count = code.co_argcount
        self.parameters = code.co_varnames[1:count]
        self.variadic = code.co_varnames[count] if code.co_flags & 4 else None  # *xs: comes last
        defaults = plain.__defaults__ or ()
        self.defaults = dict(
            zip(self.parameters[len(self.parameters) - len(defaults) :], defaults, strict=True)
        )
        self.jvp = jvp
        self.outputs = tuple(outputs.split()) if outputs else None
        self.nondiff = nondiff
        self.promote = promote
        self.view = view
        self.joint = joint
        if joint:
            inputs, formula = joint
            formulas = {n: formula for n in inputs.split()}
        self.formulas = formulas
        self.kernels = None
        self.deferrals = {}  # by input, see core/deferred.py
        self.node_name = node or _capitalised(name) + "Backward0"
        self._node_class = None
        self._plans = {}
        self._picks = {}
        self._check(formulas)
        self.inputs = tuple(i for i, p in enumerate(self.parameters) if p in formulas)
        self.first_variadic = len(self.parameters) if self.variadic in formulas else None
        if self.first_variadic is not None:
            self.inputs += (self.first_variadic,)
        if doc:
            self.__doc__ = doc
        if name in TABLE:
            raise ValueError(f"two rows are named {name} [RG139]")
        TABLE[name] = self

    # --- running ---

    @compiled
    def __call__(self, *args, **named):
        if named or len(args) < len(self.parameters):
            if "out" in named:
                return self._into(named.pop("out"), args, named)
            args = self._bind(args, named)
        for a in args:
            if isinstance(a, Tensor):
                return apply(self, args)
        return self.run(*args)

    def run(self, *values):
        """The forward on raw values, by the first kernel that takes them, else by the row's own."""
        if self.kernels is not None:
            for least, when, kernel in self.kernels:
                if least and getattr(values[0], "size", 0) < least:
                    continue
                if when is None or when(*values):
                    out = kernel(*values)
                    if out is not NotImplemented:
                        return out
        return self.forward(namespace(*values), *values)

    def _bind(self, args, named):
        """Positional arguments from keywords and defaults; `input`, `other`, `self` name the first and
        second."""
        for alias, i in (("input", 0), ("self", 0), ("other", 1)):
            if alias in named and alias not in self.parameters and i < len(self.parameters):
                named[self.parameters[i]] = named.pop(alias)
        if len(args) > len(self.parameters) and self.variadic is None:
            raise TypeError(
                f"{self.name}() takes {len(self.parameters)} arguments ({', '.join(self.parameters)}) but "
                f"{len(args)} were given [RG134]"
            )
        full = list(args)
        for p in self.parameters[len(args) :]:
            if p in named:
                full.append(named.pop(p))
            elif p in self.defaults:
                full.append(self.defaults[p])
            else:
                raise TypeError(
                    f"{self.name}() missing required argument '{p}'; it takes "
                    f"({', '.join(self.parameters)}) [RG134]"
                )
        if named:
            wrong = next(iter(named))
            raise TypeError(
                f"{self.name}() got an unexpected keyword argument '{wrong}'; it takes "
                f"({', '.join(self.parameters)}) [RG134]"
            )
        return tuple(full)

    def _into(self, out, args, named):
        return self._deliver(self(*args, **named), out)

    def _deliver(self, result, out):
        if out is None:
            return result
        if self.exact_out and out._array.dtype != result._array.dtype:
            found, expected = [arrays.scalar_name(t.dtype) for t in (out, result)]
            raise RuntimeError(
                f"Found dtype {found} but expected {expected}: {self.name}() casts no results [RG035]"
            )
        return write_out(result, out)

    def promote_arguments(self, values):
        """Bring `values` to the dtype that PyTorch computes in, in place; nothing to do for equal dtypes.

        16-bit floats meet a number that they can't hold in float32; then the result is the dtype to cast back
        to.
        """
        kind = self.promote
        x = values[0]
        if kind is FLOAT:
            if x.dtype.kind in "biu":
                values[0] = x.astype(arrays._default_dtype.numpy)
            return None
        y = values[1]
        if type(x) is np.ndarray:
            k, number = x.dtype.kind, type(y) is float or type(y) is int
            if type(y) is np.ndarray:
                if x.dtype is y.dtype and (kind is PAIR or k in "fcV"):
                    return None
            elif number and k in "fV" and x.dtype.itemsize == 2:
                if float(x.dtype.type(y)) != y:  # as Python floats: NumPy would round y first
                    values[:2] = x.astype(np.float32), np.float32(y)
                    return x.dtype
            elif (number and k == "f") or (k == "i" and kind is PAIR and type(y) is int and -128 <= y < 128):
                return None
        values[:2] = promote((x, y), kind is PAIR_FLOAT)
        return None

    def explain(self, error, args):
        """`error` with what was given: the operation and the shapes and dtypes of its inputs."""
        given = ", ".join(
            f"{n}: {list(a._array.shape)} {a.dtype.name}"
            for n, a in zip(self._names(len(args)), args, strict=True)
            if isinstance(a, Tensor)
        )
        if isinstance(error, (ValueError, TypeError)) and "could not be broadcast" in str(error):
            return RuntimeError(
                f"{self.name}: the shapes can't be broadcast together ({given}). The size of each dimension, "
                "counted from the last, must match or be 1 (PyTorch: 'The size of tensor a must match the "
                "size of tensor b'). [RG030]"
            )
        if isinstance(error, TypeError) and "boolean subtract" in str(error):
            return RuntimeError(
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
                f"`logical_xor()` operator instead, or convert them first ({given}) [RG132]"
            )
        if isinstance(error, TypeError) and "not supported for the input types" in str(error):
            kinds = [arrays.scalar_name(a.dtype) for a in args if isinstance(a, Tensor)]
            return NotImplementedError(f"\"{self.name}\" not implemented for '{kinds[0]}' ({given}) [RG041]")
        if isinstance(error, MemoryError):
            return MemoryError(f"{self.name}: not enough memory for the result ({given}) [RG138]")
        kind = {ValueError: RuntimeError}.get(type(error), type(error))
        text, _, code = str(error).partition(" [RG")  # the code stays at the end
        code = code or ("047]" if isinstance(error, (AttributeError, TypeError)) else "146]")
        try:
            return kind(f"{self.name}: {text} ({given}) [RG{code}")
        except TypeError:
            return error

    def _names(self, count):
        return (*self.parameters, *[f"{self.variadic}[{i}]" for i in range(count - len(self.parameters))])

    # --- the graph ---

    def input_positions(self, args):
        """Where in `args` the inputs with a formula are, one per edge."""
        if self.first_variadic is None:
            return self.inputs
        return (*self.inputs[:-1], *range(self.first_variadic, len(args)))

    def is_differentiable_output(self, i, tensor):
        return i not in self.nondiff and tensor._array.dtype.kind in "fcV"

    def node_class(self):
        """The class of this row's nodes, named as PyTorch names it (`MulBackward0`); made when first
        needed."""
        if self._node_class is None:
            self._node_class = type(self.node_name, (RowNode,), {"__module__": "retrograd", "op": self})
        return self._node_class

    def plan(self, needs):
        """What to save and which formulas to run where the bits of `needs` are wanted."""
        plan = self._plans.get(needs)
        if plan is None:
            plan = self._plans[needs] = self._make_plan(needs)
        return plan

    def _make_plan(self, needs):
        plan = Plan()
        plan.aliases = {"result": "out", **dict(zip(("self", "other"), self.parameters, strict=False))}
        plan.several = self.outputs is not None
        plan.elementwise = self.jvp == ELEMENTWISE
        plan.variadic = self.first_variadic is not None
        if self.joint:
            wanted = [self.joint[1]]
            plan.wanted = tuple(bool(needs >> i & 1) for i in range(len(self.inputs)))
        else:
            wanted = [
                self.formulas[self.variadic]
                if i == self.first_variadic
                else self.formulas[self.parameters[i]]
                if needs >> bit & 1
                else None
                for bit, i in enumerate(self.inputs)
            ]
        plan.names = []
        for formula in wanted:
            for name in _arguments(formula) if formula else ():
                if name not in plan.names and not self._is_gradient(name):
                    plan.names.append(name)
        plan.entries = [self._entry(name) for name in plan.names]
        plan.sources = [None if f is None else [self._source(n, plan) for n in _arguments(f)] for f in wanted]
        plan.steps = [
            None if f is None else (f, _getter(sources))
            for f, sources in zip(wanted, plan.sources, strict=True)
        ]
        plan.joint = plan.steps[0] if self.joint else None
        plan.deferrals = [None] * len(plan.steps)
        for bit, i in enumerate(self.inputs):
            if i < len(self.parameters) and self.parameters[i] in self.deferrals:
                plan.deferrals[bit] = self.deferrals[self.parameters[i]]
        return plan

    def _is_gradient(self, name):
        return name in ("g", "needs") or (
            name.startswith("g_") and self.outputs is not None and name[2:] in self.outputs
        )

    def _source(self, name, plan):
        """Where among a node's values (see Plan) a formula's argument is."""
        if not self._is_gradient(name):
            return plan.names.index(name)
        if name == "g":
            return len(plan.names)
        return -1 if name == "needs" else len(plan.names) + 1 + self.outputs.index(name[2:])

    def _entry(self, name):
        """(kind, position) of something that a formula names."""
        if name in self.parameters:
            return INPUT, self.parameters.index(name)
        if name == self.variadic:
            return INPUTS, len(self.parameters)
        if name == "out" and self.outputs is None:
            return OUTPUT, 0
        if self.outputs and name in self.outputs:
            return OUTPUT, self.outputs.index(name)
        stem, _, what = name.rpartition("_")
        if what in ("shape", "dtype") and stem in self.parameters:
            return (SHAPE if what == "shape" else DTYPE), self.parameters.index(stem)
        raise TypeError(
            f"row {self.name}: a formula names '{name}', which is none of g, out, needs, "
            f"{', '.join((*self.parameters, *(self.outputs or ())))} (or x_shape, x_dtype of one) [RG139]"
        )

    def _check(self, formulas):
        for name, formula in formulas.items():
            if name not in self.parameters and name != self.variadic:
                raise TypeError(
                    f"row {self.name}: a formula for '{name}', which is no input; they are "
                    f"{self.parameters} [RG139]"
                )
            for n in _arguments(formula):
                if not self._is_gradient(n):
                    self._entry(n)

    def pick(self, i):
        """This row's output number `i` alone, as a callable: how one of several views is made again."""
        if i not in self._picks:
            self._picks[i] = lambda x, *args: self(x, *args)[i]
        return self._picks[i]

    def __repr__(self):
        return f"<row {self.name}({', '.join(self._names(len(self.parameters)))})>"


def _capitalised(name):
    """`avg_pool2d` as PyTorch's nodes spell it: `AvgPool2D`."""
    return re.sub(r"(^|_|\d)([a-z])", lambda m: m[1].strip("_") + m[2].upper(), name.strip("_"))


def _arguments(formula):
    return formula.__code__.co_varnames[: formula.__code__.co_argcount]


def _getter(indices):
    """A function that picks `indices` from a list, as a tuple."""
    if len(indices) == 1:
        i = indices[0]
        return lambda values: (values[i],)
    return itemgetter(*indices)


def no_derivative(name, of="its input"):
    """The formula of a gradient that is not known, here as in PyTorch: an error once it is wanted."""
    raise NotImplementedError(f"the derivative of '{name}' with respect to {of} is not implemented [RG027]")


def write_out(result, out):
    """Put `result` into the Tensor(s) that the caller gave as `out=`, resized if need be; gives `out`
    back."""
    if (
        type(result) is type(out) is Tensor
        and not (out._requires or result._requires)
        and out._grad_fn is result._grad_fn is out._view is result._view is result._tangents is None
        and out._array.dtype is result._array.dtype
        and update("copy", (), [out], [result])
    ):
        return out
    if isinstance(result, (tuple, list)):
        for r, o in zip(result, out, strict=True):
            write_out(r, o)
        return out
    if out.requires_grad or (isinstance(result, Tensor) and result.requires_grad):
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad. [RG028]"
        )
    if out._tangents or (isinstance(result, Tensor) and result._tangents):
        raise RuntimeError(
            "Trying to use forward AD with an out= function, which does not support it: leave out= away, or "
            "write with "
            "copy_() [RG028]"
        )
    if out._inference and not modes.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. clone() it first. "
            "[RG011]"
        )
    array = result._array if isinstance(result, Tensor) else np.asarray(result)
    kind = arrays._FROM_NUMPY[array.dtype]
    if kind.category > out.dtype.category:
        raise RuntimeError(arrays.cannot_cast(kind, out.dtype) + " [RG035]")
    if out._array.shape == array.shape:
        if modes.before_write is not None:
            modes.before_write(out)
        np.copyto(out._array, array, casting="unsafe")
    else:
        if out._array.size:
            warnings.warn(
                "An output with one or more elements was resized since it had shape "
                f"{list(out._array.shape)}, which does not match the required output shape "
                f"{list(array.shape)}. This behavior is deprecated, and in a future release outputs will not "
                "be resized unless they have zero elements. You can explicitly reuse an out tensor t by "
                "resizing it, inplace, to zero elements with t.resize_(0).",
                stacklevel=2,
            )
        out._array = array.astype(out._array.dtype)
    out._versions().bump()
    return out


def is_complex(x):
    """Whether a Tensor, an array or a Python number is complex."""
    if isinstance(x, Tensor):
        return x._array.dtype.kind == "c"
    return x.dtype.kind == "c" if hasattr(x, "dtype") else isinstance(x, complex)


def through_float32(forward):
    """A forward of several steps, with float16 and bfloat16 computed in float32 and rounded once, as PyTorch
    does."""

    @wraps(forward)
    def widened(xp, x, *rest):
        kind = x.dtype
        if kind.kind != "V" and kind != np.float16:
            return forward(xp, x, *rest)
        rest = [r.astype(np.float32) if getattr(r, "dtype", None) == kind else r for r in rest]
        out = forward(xp, x.astype(np.float32), *rest)
        if isinstance(out, tuple):
            return tuple(o.astype(kind) if o.dtype == np.float32 else o for o in out)
        return out.astype(kind) if out.dtype == np.float32 else out

    return widened


def zeros_like(x):
    """Zeros of the shape and dtype of `x`, carried as `x` is: an array for an array, a Tensor for a
    Tensor."""
    return wrap(np.zeros_like(x._array)) if isinstance(x, Tensor) else np.zeros_like(x)


def kernel(name, device="cpu", when=None, least=0):
    """Register a faster forward for the row `name`, used where `when(*values)` holds. Decorates the function.

    It takes the forward's arguments without `xp`, raw, and gives what the forward gives, or NotImplemented
    for what it leaves to the row's own forward, which stays the reference and the fall-back. least: `when` is
    not even asked where the first value has fewer elements.
    """

    def register(function):
        op = TABLE[name]
        KERNELS.setdefault((name, device), []).append((when, function))
        op.kernels = (*(op.kernels or ()), (least, when, function))
        return function

    return register


def raw(function):
    """Run `function` on arrays quietly: for code that computes outside a row, such as an optimizer's step."""

    def quietly(*args, **kwargs):
        token = quiet.enter()
        try:
            return function(*args, **kwargs)
        finally:
            quiet.leave(token)

    return quietly


def as_tensor(value, like=None):
    """`value` as a Tensor: itself, or a number as a 0-d array of `like`'s dtype where its category allows
    that."""
    if isinstance(value, Tensor):
        return value
    if like is not None:
        d = arrays.result_dtype([like._array, value])
        return wrap(np.asarray(value, d.numpy))
    return wrap(np.asarray(value, arrays.scalar_dtype(value).numpy if not hasattr(value, "dtype") else None))
