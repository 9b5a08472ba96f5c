"""Global switches that PyTorch scripts set: determinism, precision of matrix products, compilation."""

_matmul_precision = "highest"
_deterministic = (True, False)


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted either way: results here are always the same from run to run."""
    global _deterministic
    _deterministic = (bool(mode), bool(warn_only))


def are_deterministic_algorithms_enabled():
    """What `use_deterministic_algorithms` was told last; True to begin with."""
    return _deterministic[0]


def is_deterministic_algorithms_warn_only_enabled():
    return _deterministic[1]


def set_float32_matmul_precision(precision):
    """Accepted: "highest", "high" or "medium". float32 products are always computed in float32."""
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"{precision!r} is not one of 'highest', 'high', or 'medium' (set_float32_matmul_precision) "
            "[RG048]"
        )
    _matmul_precision = precision


def get_float32_matmul_precision():
    """What `set_float32_matmul_precision` was told last."""
    return _matmul_precision


def compile(
    model=None, *, fullgraph=False, dynamic=None, backend="eager", mode=None, options=None, disable=False
):
    """The model or function itself: eager code runs as it is. Also a decorator."""
    if model is None:
        return lambda function: function
    return model


def set_num_interop_threads(threads):
    """Accepted: operations don't run beside each other here."""
    if not isinstance(threads, int) or threads < 1:
        raise RuntimeError(f"set_num_interop_threads expects a positive integer, got {threads!r} [RG049]")


def get_num_interop_threads():
    """1: operations don't run beside each other."""
    return 1


def set_deterministic_debug_mode(debug_mode):
    """`use_deterministic_algorithms` by a word or number: "default" or 0, "warn" or 1, "error" or 2."""
    if not isinstance(debug_mode, (str, int)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)} [RG047]")
    if isinstance(debug_mode, str):
        if debug_mode not in ("default", "warn", "error"):
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got "
                f"{debug_mode} [RG048]"
            )
        debug_mode = ("default", "warn", "error").index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode} [RG048]")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode():
    """0, 1 or 2, as `set_deterministic_debug_mode` takes it; 2 to begin with."""
    on, warn_only = _deterministic
    return (1 if warn_only else 2) if on else 0


_warn_always = False


def set_warn_always(b, /):
    """Accepted, for PyTorch's warnings of its compiled part: here Python's `warnings` filters decide."""
    global _warn_always
    _warn_always = bool(b)


def is_warn_always_enabled():
    """What `set_warn_always` was told last."""
    return _warn_always
