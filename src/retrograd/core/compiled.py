"""The compiled module, where there is one, and what of the door and the walk it stands in for.

`RETROGRAD_KERNELS=numpy` does without it. The Python functions stay the reference: the compiled ones do their
common
path and call them for the rest (native/door.h says which is which).
"""

import importlib
import os


def _load():
    """The compiled module and None, or None and the reason why it is not used."""
    choice = os.environ.get("RETROGRAD_KERNELS", "")
    if choice == "numpy":
        return None, "RETROGRAD_KERNELS=numpy"
    if choice not in ("", "native"):
        raise ValueError(
            f"RETROGRAD_KERNELS is {choice!r}: expected 'native' (the default) or 'numpy'. [RG140]"
        )
    try:
        module = importlib.import_module("retrograd._native")
    except ImportError as error:
        if choice == "native":
            raise
        if isinstance(error, ModuleNotFoundError):
            return None, "installed without a C++ compiler"
        return None, f"the compiled module does not load: {error}"
    module.isa()  # an impossible RETROGRAD_ISA is an error now, not in the middle of a training run
    return module, None


native, reason = _load()


def compiled(function):
    """Decorate a function that the compiled module has too."""
    return function if native is None else native.stand_in(function.__qualname__, function)


def fused(function):
    """Decorate an elementwise function of arrays and numbers, written with operators, ufuncs and rows.

    On raw values it then runs as one compiled pass (see `elementwise`), with Tensors among them as it is: so
    that formulas and forwards of several steps make no arrays in between.
    """
    return function if native is None else native.fused(function)


def compiled_method(row, function, operands=False, reflected=False, inplace=False):
    """The method `function` of Tensor, which calls `row` on its arguments: compiled, if it can be.

    operands: the second argument may only be a Tensor or a Python number. reflected: the arguments change
    places. inplace: it writes the result into its first argument.
    """
    return function if native is None else native.method(row, function, operands, reflected, inplace)


# In-place methods of Tensor that native/lists.h does for floats outside of graphs: the name there, and
# whether it is the counterpart of that (of `square` a power, which must be 2).
_EACH = {
    "abs_": ("abs", False), "absolute_": ("abs", False), "add_": ("add", False),
    "addcdiv_": ("addcdiv", False), "addcmul_": ("addcmul", False), "clamp_": ("clamp", False),
    "clamp_max_": ("clamp_max", False), "clamp_min_": ("clamp_min", False), "clip_": ("clamp", False),
    "copy_": ("copy", False), "div_": ("divide", False), "divide_": ("divide", False),
    "fill_": ("fill", False), "lerp_": ("lerp", False), "mul_": ("mul", False), "multiply_": ("mul", False),
    "neg_": ("neg", False), "negative_": ("neg", False),
    "pow_": ("square", True), "reciprocal_": ("reciprocal", False),
    "relu_": ("relu", False), "sign_": ("sign", False), "sqrt_": ("sqrt", False),
    "square_": ("square", False), "sub_": ("add", True), "subtract_": ("add", True),
    "true_divide_": ("divide", False), "zero_": ("fill", True),
}  # fmt: skip


def compiled_inplace(function, name=None):
    """The in-place method `function` of Tensor, or of this name: compiled, if native/lists.cpp does it."""
    known = _EACH.get(name or function.__name__)
    return function if native is None or known is None else native.each_method(known[0], function, known[1])
