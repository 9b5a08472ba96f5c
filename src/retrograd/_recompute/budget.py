"""`checkpoint.budget`: keep so many bytes for backward and no more; what goes over is computed again, the
cheapest first.

The method is that of dynamic tensor rematerialization (Kirisame et al., 2021): every operation's result
remembers what it was made of and how long that took. When the results that are saved for backward exceed the
budget, those are let go that take the least time to make again per byte; where backward wants one, it is made
again, with those it is made of.
"""

import time
import weakref

import numpy as np

from ..core.apply import apply
from ..core.arrays import quiet
from ..core.location import describe_location, user_location
from ..core.modes import modes
from ..core.tensor import Tensor, wrap


class _Buffer:
    """A piece of memory that saved results lie in: they go together."""

    __slots__ = ("nbytes", "values")

    def __init__(self, nbytes):
        self.nbytes = nbytes
        self.values = set()


class _Value:
    """An operation's result, or a tensor that none made (`op` is None): its array, or how to make that again.

    A node saves its own output before it is known to be one: `made_by` comes after.
    """

    __slots__ = (
        "__weakref__", "again", "args", "array", "buffer", "counter", "made", "op", "output", "saved",
        "seconds", "siblings",
        "version", "where",
    )  # fmt: skip

    def __init__(self, tensor):
        self.op, self.args, self.output, self.seconds, self.siblings, self.where = None, (), 0, 0.0, (), None
        self.counter = tensor._versions()
        self.version = self.counter.n
        self.made = weakref.ref(tensor._array)
        self.array = tensor._array  # held where no operation made it, or where a node keeps it
        self.buffer = None  # where that node's share of memory is counted
        self.saved = 0  # how many nodes keep it
        self.again = (
            False  # whether `array` was made again, and so is as it was, whatever became of the first
        )

    def made_by(self, op, args, output, seconds):
        self.op, self.args, self.output, self.seconds = op, args, output, seconds
        self.where = user_location()
        self.array = None

    def current(self):
        """The array, if somebody still has it, as it was."""
        if self.counter.n != self.version and not self.again:
            return None
        return self.array if self.array is not None else self.made()


class _Handle:
    """What a node keeps of a saved result."""

    __slots__ = ("plan", "value")

    def __init__(self, plan, value):
        self.plan = plan
        self.value = value
        plan._keep(value)

    def __del__(self):
        self.plan._let_go(self.value)


class budget:
    """A context for the forward: what its operations save for backward is held to `limit` bytes.

    Parameters and other tensors that no operation within the context made don't count. The results are those
    of a run without it, bit for bit. `print(plan)` (of `with budget(10**9) as plan:`) says what was chosen:
    how much would have been saved, what is computed again, and what that costs. Where even the least does not
    fit, the budget is exceeded, and that is said too.
    """

    batching = False  # as an interpreter at the door

    def __init__(self, limit):
        if limit < 0:
            raise ValueError(f"budget: expected a number of bytes, got {limit} [RG049]")
        self.limit = limit
        self.wanted = 0  # bytes that would have been saved
        self.kept = 0  # bytes that are saved now
        self.peak = 0  # the most that were
        self.recomputed = 0  # how many operations were run again
        self.seconds = 0.0  # and how long that took
        self.chosen = {}  # (operation, shape, line) -> [times, bytes, seconds] of what was let go
        self._values = {}  # identity of an array -> its value
        self._buffers = {}  # identity of a piece of memory -> buffer

    # --- the context ---

    def __enter__(self):
        stack = modes.interpreters
        first = [i for i in stack if not i.batching]
        modes.interpreters = (*first, self, *stack[len(first) :])
        modes.saving = (*modes.saving, (self._pack, self._unpack))
        return self

    def __exit__(self, *exc):
        modes.saving = modes.saving[:-1]
        modes.interpreters = tuple([i for i in modes.interpreters if i is not self])

    def process(self, op, args):
        """What the door calls: run the row, and remember how the results were made."""
        start = time.perf_counter()
        result = apply(op, args)
        seconds = time.perf_counter() - start
        sources = tuple([self._value_of(a) if isinstance(a, Tensor) else a for a in args])
        values = []
        for i, r in enumerate(result if isinstance(result, tuple) else (result,)):
            value = self._known(r)
            if value is None:
                value = self._remember(r)
            if value.op is None:
                value.made_by(op, sources, i, seconds)
                if value.saved:
                    self.wanted += self._hold(value, r._array)
            values.append(value)
        for v in values:
            v.siblings = tuple([weakref.ref(s) for s in values])
        self._shrink()
        return result

    def process_function(self, cls, args, kwargs):
        return cls.apply(*args, **kwargs)

    def _known(self, tensor):
        """The value of a tensor's array as it is now, or None."""
        value = self._values.get(id(tensor._array))
        if value is None or value.made() is not tensor._array or value.counter.n != value.version:
            return None
        return value

    def _remember(self, tensor):
        value, key = _Value(tensor), id(tensor._array)
        self._values[key] = value
        weakref.finalize(tensor._array, _forget, weakref.ref(self), key, weakref.ref(value))
        return value

    def _value_of(self, tensor):
        return self._known(tensor) or self._remember(tensor)

    # --- what is saved ---

    def _pack(self, tensor):
        return _Handle(self, self._value_of(tensor))

    def _unpack(self, handle):
        value = handle.value
        array = value.current()
        if array is None:
            if value.op is None:
                _refuse(value)
            array = self._make(value)
        return wrap(array)

    def _keep(self, value):
        value.saved += 1
        if value.saved == 1 and value.op is not None:
            self.wanted += self._hold(value, value.current())

    def _hold(self, value, array):
        """Hold the array of a saved value; gives how many bytes more that are."""
        value.array = array
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        buffer = self._buffers.get(id(root))
        more = 0
        if buffer is None:
            buffer = self._buffers[id(root)] = _Buffer(root.nbytes)
            weakref.finalize(root, self._buffers.pop, id(root), None)
        if not buffer.values:
            more = buffer.nbytes
            self.kept += more
        buffer.values.add(value)
        value.buffer = buffer
        return more

    def _drop(self, value):
        buffer, value.buffer = value.buffer, None
        value.array, value.again = None, False
        buffer.values.discard(value)
        if not buffer.values:
            self.kept -= buffer.nbytes

    def _let_go(self, value):
        value.saved -= 1
        if not value.saved and value.buffer is not None:
            self._drop(value)

    # --- what is let go, and made again ---

    def _shrink(self, needed=()):
        """Let go saved results, the cheapest to make again per byte first, until the rest fits."""
        while self.kept > self.limit:
            best = None
            for buffer in self._buffers.values():
                values = buffer.values
                if not values or any([v in needed for v in values]):
                    continue
                price = sum([self._price(v) for v in values]) / max(buffer.nbytes, 1)
                if best is None or price < best[0]:
                    best = price, buffer
            if best is None:
                break
            for value in list(best[1].values):
                self._note(value, best[1].nbytes)
                self._drop(value)
        self.peak = max(self.peak, self.kept)

    def _price(self, value):
        """The seconds that making a value again takes, with all that was let go and it is made of."""
        total, stack, seen = 0.0, [value], set()
        while stack:
            v = stack.pop()
            if v in seen:
                continue
            seen.add(v)
            total += v.seconds
            stack.extend(
                [a for a in v.args if isinstance(a, _Value) and a.op is not None and a.array is None]
            )
        return total

    def _note(self, value, nbytes):
        if modes.task is not None:  # made again for this backward, and let go again
            return
        key = value.op.name, value.where
        entry = self.chosen.setdefault(key, [0, 0, 0.0])
        entry[0] += 1
        entry[1] += nbytes
        entry[2] += value.seconds

    def _make(self, wanted):
        """Run again the operations that made a value, and before them those that made their inputs."""
        start, arrays, stack = time.perf_counter(), {}, [wanted]
        while stack:
            value = stack[-1]
            if value in arrays:
                stack.pop()
                continue
            missing = []
            for a in value.args:
                if isinstance(a, _Value) and a not in arrays:
                    array = a.current()
                    if array is None and a.op is None:
                        _refuse(a)
                    elif array is None:
                        missing.append(a)
                    else:
                        arrays[a] = array
            if missing:
                stack.extend(missing)
                continue
            outputs = _run(value.op, [arrays[a] if isinstance(a, _Value) else a for a in value.args])
            self.recomputed += 1
            for ref in value.siblings:
                sibling = ref()
                if sibling is not None and sibling.current() is None:
                    arrays[sibling] = array = outputs[sibling.output]
                    if sibling.saved:
                        if sibling.buffer is not None:  # overwritten since it was saved
                            self._drop(sibling)
                        sibling.again = True
                        self._hold(sibling, array)
            arrays.setdefault(value, outputs[value.output])
        self.seconds += time.perf_counter() - start
        self._shrink(arrays)
        return arrays[wanted]

    # --- what it chose ---

    def __str__(self):
        mib = lambda n: f"{n / 2**20:.2f} MiB"
        lines = [
            f"budget {mib(self.limit)}: {mib(self.wanted)} would have been saved for backward, at most "
            f"{mib(self.peak)} were"
        ]
        if self.peak > self.limit and self.wanted > self.limit:
            lines.append(
                "  (over the budget: a single operation needs more, or what is left can't be computed again)"
            )
        for (name, where), (times, nbytes, seconds) in sorted(
            self.chosen.items(), key=lambda item: -item[1][1]
        ):
            lines.append(
                f"  computes again {name} x {times}: {mib(nbytes)}, {seconds * 1e3:.2f} ms "
                f"({describe_location(where)})"
            )
        if self.recomputed:
            lines.append(
                f"  so far {self.recomputed} operations were run again, in {self.seconds * 1e3:.2f} ms"
            )
        return "\n".join(lines)


def _forget(plan, key, value):
    """An array is gone: forget what its identity stood for, if that was it."""
    plan, value = plan(), value()
    if plan is not None and plan._values.get(key) is value:
        plan._values.pop(key, None)


def _run(op, values):
    """The outputs of a row on arrays, as the door computes them."""
    token = quiet.enter()
    try:
        if op.promote is not None:
            op.promote_arguments(values)
        out = op.run(*values)
    finally:
        quiet.leave(token)
    return [np.asarray(o) for o in out] if op.outputs is not None else [np.asarray(out)]


def _refuse(value):
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: a "
        "tensor that "
        f"budget() computes from again is at version {value.counter.n}; expected version {value.version} "
        "instead.\n"
        f"  it was overwritten at {describe_location(value.counter.where)} [RG002]"
    )
