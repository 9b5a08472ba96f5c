"""Numbers of arguments: one value, or one for each dimension; prefixes of keys in a state_dict."""

from collections.abc import Iterable


def _ntuple(n):
    """A function that makes a tuple of n out of one value; several stay as they are."""

    def parse(x):
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))


def _reverse_repeat_tuple(t, n):
    """Each element of `t` n times, the last first: padding as F.pad wants it."""
    return tuple(x for x in reversed(t) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict, prefix):
    """Take `prefix` (such as "module.", which DataParallel adds) from the keys that have it, in place."""
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    for key in list(metadata or ()):
        if key.startswith(prefix):
            metadata[key[len(prefix) :]] = metadata.pop(key)
        elif key == prefix.rstrip("."):
            metadata[""] = metadata.pop(key)
