"""`torch.torch_version`: a version that compares by its numbers."""

import re

__all__ = ["TorchVersion"]


class TorchVersion(str):
    """A version string; `TorchVersion("2.13.0") >= "2.9"` and `>= (2, 9)` compare numbers, not letters."""

    def _key(self, other):
        if isinstance(other, str):
            return tuple(int(n) for n in re.findall(r"\d+", re.split(r"[+a-z]", other)[0]))
        return tuple(int(n) for n in other)

    def _pair(self, other):
        a, b = self._key(self), self._key(other)
        size = max(len(a), len(b))
        return a + (0,) * (size - len(a)), b + (0,) * (size - len(b))

    def __lt__(self, other):
        a, b = self._pair(other)
        return a < b

    def __le__(self, other):
        a, b = self._pair(other)
        return a <= b

    def __gt__(self, other):
        return not self <= other

    def __ge__(self, other):
        return not self < other

    def __eq__(self, other):
        if not isinstance(other, str | tuple | list):
            return NotImplemented
        a, b = self._pair(other)
        return a == b

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__
