"""Anomaly mode: find the forward code whose backward fails or makes NaN."""

import warnings

from ..core.anomaly import first_bad
from ..core.apply import apply
from ..core.location import anomaly
from ..core.modes import modes
from ..core.tensor import Tensor

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class _Watch:
    """Turns anomaly mode on and off, as a context or at once."""

    def _save(self):
        self.before = anomaly.on, anomaly.check_nan, anomaly.check_inf, modes.interpreters

    def _set(self, on, check_nan, check_inf, check_forward):
        anomaly.on, anomaly.check_nan, anomaly.check_inf = on, check_nan, check_inf
        others = tuple([i for i in modes.interpreters if not isinstance(i, ForwardCheck)])
        modes.interpreters = (ForwardCheck(check_inf), *others) if on and check_forward else others

    def __exit__(self, *exc):
        anomaly.on, anomaly.check_nan, anomaly.check_inf, modes.interpreters = self.before


class detect_anomaly(_Watch):
    """A context in which a failing backward is reported with the forward code that it comes from.

    check_nan: backward raises RuntimeError where a gradient has NaN, and names the operation, the line
    that made it, the shapes and the first bad element. Beyond PyTorch: check_inf does so for infinities,
    check_forward also for what operations of this thread compute in the forward pass.
    """

    def __init__(self, check_nan=True, *, check_inf=False, check_forward=False):
        self.options = check_nan, check_inf, check_forward
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be "
            "enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self):
        self._save()
        self._set(True, *self.options)


class set_detect_anomaly(_Watch):
    """`detect_anomaly` by the bool `mode`; holds at once when called, and until the end as a context."""

    def __init__(self, mode, check_nan=True, *, check_inf=False, check_forward=False):
        self._save()
        self._set(bool(mode), check_nan, check_inf, check_forward)

    def __enter__(self):
        pass


def is_anomaly_enabled():
    """Whether anomaly mode is on."""
    return anomaly.on


def is_anomaly_check_nan_enabled():
    """Whether anomaly mode looks for NaN."""
    return anomaly.check_nan


class ForwardCheck:
    """Stands at the door and looks at what each row computes."""

    batching = False

    def __init__(self, infinite):
        self.infinite = infinite

    def process(self, op, args):
        result = apply(op, args)
        for i, r in enumerate(result if type(result) is tuple else (result,)):
            found = first_bad(r._array, self.infinite)
            if found is not None and not any(
                isinstance(a, Tensor) and first_bad(a._array, self.infinite) is not None for a in args
            ):
                index, value = found
                raise RuntimeError(
                    f"{op.name}: the first bad value of output {i}, of shape {list(r._array.shape)}, is "
                    f"{value} at index "
                    f"{index}, and the inputs have none: {', '.join(_describe(a) for a in args)} [RG010]"
                )
        return result

    def process_function(self, cls, args, kwargs):
        return cls.apply(*args, **kwargs)


def _describe(a):
    return f"a {a.dtype} of shape {list(a._array.shape)}" if isinstance(a, Tensor) else repr(a)
