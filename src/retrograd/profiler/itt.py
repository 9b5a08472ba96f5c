"""Marks for Intel's profiler, which retrograd does not write: `is_available()` is False."""


def is_available():
    """False."""
    return False


def _refuse(msg=""):
    raise RuntimeError(
        "torch.profiler.itt: ITT is not available here; use torch.profiler.record_function [RG137]"
    )


range_push = range_pop = mark = range = _refuse
