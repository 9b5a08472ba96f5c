"""Profiles as files: the trace of Chrome (chrome://tracing, ui.perfetto.dev), and stacks for flame graphs."""

import gzip
import json
import os

CATEGORIES = {
    "operation": "cpu_op",
    "backward": "cpu_op",
    "optimizer": "user_annotation",
    "user": "user_annotation",
}


def _open(path):
    return gzip.open(path, "wt") if str(path).endswith(".gz") else open(path, "w")


def export_chrome_trace(events, path, started, metadata=None):
    """Write `events` as a trace; arrows lead from operations to their backward nodes. `.gz` is compressed."""
    process = os.getpid()
    threads = {thread: i + 1 for i, thread in enumerate(dict.fromkeys(e.thread for e in events))}
    trace = []
    forward, backward = {}, {}
    for event in events:
        at = {"pid": process, "tid": threads[event.thread], "ts": (event.start - started) / 1e3}
        args = {"Line": event.line}
        if event.input_shapes:
            args["Input Dims"] = event.input_shapes
        if event.own_bytes:
            args["Bytes"] = event.own_bytes
        if event.sequence_nr >= 0:
            args["Sequence number"] = event.sequence_nr
            (backward if event.kind == "backward" else forward).setdefault(event.sequence_nr, at)
        trace.append(
            {"ph": "X", "cat": CATEGORIES[event.kind], "name": event.name, "dur": event.cpu_time_total, **at,
             "args": args}
        )  # fmt: skip
    for number, at in forward.items():
        if number in backward:
            link = {"id": number, "cat": "fwdbwd", "name": "fwdbwd"}
            trace.append({"ph": "s", **link, **at})
            trace.append({"ph": "f", "bp": "e", **link, **backward[number]})
    named = {"ph": "M", "name": "process_name", "pid": process, "args": {"name": "retrograd"}}
    head = {"schemaVersion": 1, "displayTimeUnit": "ms", **(metadata or {})}
    with _open(path) as file:
        json.dump({**head, "traceEvents": [named, *trace]}, file)


def export_stacks(events, path, metric="self_cpu_time_total"):
    """Write `outer;inner;operation microseconds` lines, as tools for flame graphs read them."""
    if metric != "self_cpu_time_total":
        raise ValueError(
            f"export_stacks: metric={metric!r} is not supported; use 'self_cpu_time_total' [RG048]"
        )
    with _open(path) as file:
        for event in events:
            names, at = [], event
            while at is not None:
                names.append(at.name.replace(";", ","))
                at = at.cpu_parent
            line = event.line.replace(";", ",")
            time = int(event.self_cpu_time_total)
            if time > 0:
                file.write(";".join([line, *reversed(names)]) + f" {time}\n")
