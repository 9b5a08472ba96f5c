"""Functions that write into their first argument: `abs_(x)` is `x.abs_()`, for the names that `torch` has."""

from ..core.tensor import Tensor

METHODS = []
INPLACE = []

_NAMES = (
    "abs acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin asinh atan atanh ceil clamp "
    "clamp_max clamp_min clip "
    "conj_physical cos cosh deg2rad erf erfc exp exp2 expm1 fix floor frac gcd i0 lcm ldexp log "
    "log10 log1p log2 logit "
    "nan_to_num neg negative rad2deg reciprocal round rsqrt sigmoid sin sinc sinh sqrt square tan "
    "tanh trunc xlogy as_strided detach resize_as addmv"
).split()

__all__ = [name + "_" for name in _NAMES]


def _function(name):
    def function(input, *args, **kwargs):
        return getattr(Tensor, name)(input, *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`input.{name}(...)`: writes into `input` and returns it."
    return function


for _name in __all__:
    globals()[_name] = _function(_name)
