"""Events of a profile, lists of them, their averages and tables.

Times are in microseconds, as PyTorch's. Everything runs on the CPU: fields of devices are 0.
"""

from ..core.location import describe_location, line_of

DEVICE = ("cuda_time", "cuda_time_total", "self_cuda_time_total", "device_time", "device_time_total")


class FunctionEvent:
    """One run of an operation, a node, an optimizer's step, or of what `record_function` names.

    name; kind: "operation", "backward", "optimizer" or "user"; where: the user's line (for a backward node,
    that of the operation it belongs to), which `line` tells as text; thread; cpu_parent and cpu_children.
    """

    def __init__(self, name, kind, where, thread, parent=None):
        self.name = self.key = name
        self.kind = kind
        self.where = where
        self.thread = thread
        self.cpu_parent = parent
        self.cpu_children = []
        if parent is not None:
            parent.cpu_children.append(self)
        self.start = self.end = 0  # in nanoseconds of time.perf_counter_ns
        self.input_shapes = []
        self.own_bytes = 0
        self.sequence_nr = -1
        self.count = 1
        self.is_async = False

    @property
    def cpu_time_total(self):
        return (self.end - self.start) / 1e3

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self):
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self):
        return self.own_bytes

    @property
    def cpu_memory_usage(self):
        """The bytes of results made by it and by what it called."""
        inside = sum(child.cpu_memory_usage for child in self.cpu_children)
        return max(self.own_bytes, inside)  # its result is one that was made inside, if any was

    @property
    def stack(self):
        """The user's line, as a list of one text; empty where it isn't known."""
        return [describe_location(self.where)] if self.where is not None else []

    @property
    def line(self):
        """The user's line: `train.py:12 in step: loss = model(x).sum()`."""
        return describe_location(self.where)

    def __repr__(self):
        return (
            f"<FunctionEvent {self.name}, {format_time(self.cpu_time_total)}, {self.kind}, "
            f"{self.input_shapes}, at {self.line}>"
        )


class FunctionEventAvg:
    """Events of one key together: `count` of them, with the sums of their times and bytes."""

    def __init__(self, key, first):
        self.key = key
        self.kind = first.kind
        self.input_shapes = first.input_shapes
        self.where = first.where
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.device_time_total = self.self_device_time_total = 0.0

    def add(self, event):
        """Count `event` in. A total counts what called itself once, by its outermost call."""
        self.count += event.count
        parent = getattr(event, "cpu_parent", None)
        while parent is not None and parent.name != event.name:
            parent = parent.cpu_parent
        if parent is None:
            self.cpu_time_total += event.cpu_time_total
            self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_time_total += event.self_cpu_time_total
        self.self_cpu_memory_usage += event.self_cpu_memory_usage

    @property
    def cpu_time(self):
        """The mean of its total time."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def stack(self):
        return [describe_location(self.where)] if self.where is not None else []

    def __repr__(self):
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={format_time(self.self_cpu_time_total)} "
            f"cpu_time={format_time(self.cpu_time)} count={self.count} input_shapes={self.input_shapes}>"
        )


class EventList(list):
    """Events, or averages of them, that can be averaged and shown as a table."""

    def __init__(self, events=(), profile_memory=False, with_stack=False):
        super().__init__(events)
        self.profile_memory = profile_memory
        self.with_stack = with_stack

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_overload_name=False):
        """Averages by name, and by shapes or by the user's line too if asked."""
        groups = {}
        for event in self:
            line = None
            if group_by_stack_n and event.where is not None:
                line = event.where[0].co_filename, line_of(event.where)
            key = event.key, line, str(event.input_shapes) if group_by_input_shape else None
            if key not in groups:
                groups[key] = FunctionEventAvg(event.key, event)
                if not group_by_input_shape:
                    groups[key].input_shapes = []
            groups[key].add(event)
        return EventList(groups.values(), self.profile_memory, self.with_stack or bool(group_by_stack_n))

    def total_average(self):
        """All events together; self times only, as totals hold each other."""
        total = FunctionEventAvg("Total", self[0]) if self else None
        for event in self:
            total.count += event.count
            total.self_cpu_time_total += event.self_cpu_time_total
            total.self_cpu_memory_usage += event.self_cpu_memory_usage
        return total

    @property
    def self_cpu_time_total(self):
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self, sort_by=None, row_limit=100, max_src_column_width=75, max_name_column_width=55,
        max_shapes_column_width=80, header=None, top_level_events_only=False, time_unit=None,
    ):  # fmt: skip
        """A table as text. sort_by: "self_cpu_time_total", "cpu_time_total", "cpu_time", "count",
        "cpu_memory_usage", "self_cpu_memory_usage". time_unit: "s", "ms" or "us" for all times."""
        rows = [e for e in self if not top_level_events_only or getattr(e, "cpu_parent", None) is None]
        if sort_by is not None:
            if sort_by in DEVICE:
                sort_by = "cpu_time_total"
            if rows and not hasattr(rows[0], sort_by):
                raise AttributeError(
                    f"sort_by={sort_by!r}: events have no such number; choose self_cpu_time_total, "
                    "cpu_time_total, cpu_time, count, cpu_memory_usage or self_cpu_memory_usage [RG048]"
                )
            rows.sort(key=lambda e: getattr(e, sort_by), reverse=True)
        if row_limit >= 0:
            rows = rows[:row_limit]
        whole = self.self_cpu_time_total or 1.0
        memory = self.profile_memory or any(e.self_cpu_memory_usage for e in self)
        shapes = any(e.input_shapes for e in rows)
        columns = [
            ("Name", lambda e: _short(e.key, max_name_column_width)),
            ("Self CPU %", lambda e: f"{e.self_cpu_time_total / whole:.2%}"),
            ("Self CPU", lambda e: format_time(e.self_cpu_time_total, time_unit)),
            ("CPU total %", lambda e: f"{e.cpu_time_total / whole:.2%}"),
            ("CPU total", lambda e: format_time(e.cpu_time_total, time_unit)),
            ("CPU time avg", lambda e: format_time(e.cpu_time, time_unit)),
        ]
        if memory:
            columns += [
                ("CPU Mem", lambda e: format_memory(e.cpu_memory_usage)),
                ("Self CPU Mem", lambda e: format_memory(e.self_cpu_memory_usage)),
            ]
        columns.append(("# of Calls", lambda e: str(e.count)))
        if shapes:
            columns.append(("Input Shapes", lambda e: _short(str(e.input_shapes), max_shapes_column_width)))
        if self.with_stack:
            columns.append(("Source Location", lambda e: _short(" ".join(e.stack), max_src_column_width)))
        cells = [[title for title, _ in columns]] + [[cell(e) for _, cell in columns] for e in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        left = {0} | {i for i, (title, _) in enumerate(columns) if title == "Source Location"}
        rule = "  ".join("-" * w for w in widths)
        lines = [
            "  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(pairs)).rstrip()
            for pairs in [list(zip(row, widths, strict=True)) for row in cells]
        ]
        head = [header] if header else []
        tail = f"Self CPU time total: {format_time(self.self_cpu_time_total, time_unit)}"
        return "\n".join([*head, rule, lines[0], rule, *lines[1:], rule, tail, ""])

    def __str__(self):
        return self.table()


def _short(text, width):
    return text if width is None or len(text) <= width else text[: width - 3] + "..."


def format_time(microseconds, unit=None):
    """Microseconds as PyTorch writes them: 12.345us, 1.234ms, 2.000s."""
    if unit == "s" or (unit is None and microseconds >= 1e6):
        return f"{microseconds / 1e6:.3f}s"
    if unit == "ms" or (unit is None and microseconds >= 1e3):
        return f"{microseconds / 1e3:.3f}ms"
    return f"{microseconds:.3f}us"


def format_memory(count):
    """Bytes in the unit that fits: 1.50 KB, 2.00 MB."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"
