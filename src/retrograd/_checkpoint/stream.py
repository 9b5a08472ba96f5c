"""The bytes that a pickle is interpreted from, bounds checked."""

from .errors import CheckpointError, quote

_CHUNK = 1 << 16


class Stream:
    """Bytes to interpret: `data` in memory, or pieces of a Source between two of its offsets."""

    def __init__(self, data=b"", source=None, start=0, end=0):
        self.data = data
        self.pos = 0
        self._source = source
        self._next = start  # the offset of the piece after `data`
        self._end = end

    @property
    def position(self):
        """The offset of the next byte."""
        return self._next - len(self.data) + self.pos if self._source else self.pos

    @property
    def remaining(self):
        return len(self.data) - self.pos + self._end - self._next

    def take(self, n):
        """The next `n` bytes."""
        start = self.pos
        end = start + n
        if end > len(self.data):
            self._fill(n)
            start, end = 0, n
        self.pos = end
        return self.data[start:end]

    def line(self, limit=1000):
        """The bytes up to the next newline, which is read too."""
        end = self.data.find(b"\n", self.pos, self.pos + limit)
        if end < 0 and self._next < self._end:
            self._fill(min(limit, self.remaining))
            end = self.data.find(b"\n", self.pos, self.pos + limit)
        if end < 0:
            raise CheckpointError(f"byte {self.position}: a name without an end within {limit} bytes")
        start, self.pos = self.pos, end + 1
        return self.data[start:end]

    def take_into(self, array):
        """Fill `array` (uint8) with the next bytes, most of them straight from the file."""
        if len(array) > self.remaining:
            self._fill(len(array))
        kept = self.data[self.pos : self.pos + len(array)]
        memoryview(array)[: len(kept)] = kept
        self.pos += len(kept)
        rest = array[len(kept) :]
        if len(rest):
            self._source.read_into(self._next, rest)
            self._next += len(rest)
            self.data, self.pos = b"", 0

    def _fill(self, n):
        if n > self.remaining:
            raise CheckpointError(
                f"byte {self.position}: {quote(n)} bytes are announced, {self.remaining} are left: the file "
                "is truncated or damaged"
            )
        kept = self.data[self.pos :]
        n = min(max(n - len(kept), _CHUNK), self._end - self._next)
        self.data = kept + self._source.read(self._next, n)
        self.pos = 0
        self._next += n
