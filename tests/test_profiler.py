"""The profiler: what it records, adds up and writes; that it leaves no trace; memory by what holds it."""

import gzip
import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch as reference

import retrograd as torch
from draw.browser import run
from retrograd.profiler import observing

nn = torch.nn


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def loss_of(model):
    return nn.functional.cross_entropy(model(torch.ones(4, 6)), torch.tensor([0, 1, 2, 0]))


def profiled_step(**options):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.profiler.profile(**options) as prof:
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
    return prof


def test_events_are_operations_nodes_and_steps():
    prof = profiled_step()
    counts = {a.key: a.count for a in prof.key_averages()}
    assert counts["aten::linear"] == counts["AddmmBackward0"] == 2
    assert counts["aten::relu"] == counts["ReluBackward0"] == 1
    assert counts["torch::autograd::AccumulateGrad"] == 4
    assert counts["Optimizer.step#SGD.step"] == 1
    kinds = {e.name: e.kind for e in prof.events()}
    assert kinds["aten::relu"] == "operation" and kinds["ReluBackward0"] == "backward"


def test_names_of_backward_nodes_are_those_of_the_other_library():
    x = reference.ones(3, requires_grad=True)
    with reference.profiler.profile() as theirs:
        (x * x).sum().backward()
    y = torch.ones(3, requires_grad=True)
    with torch.profiler.profile() as ours:
        (y * y).sum().backward()
    names = {e.key for e in ours.key_averages()}
    expected = {e.key for e in theirs.key_averages() if "Backward" in e.key and "evaluate" not in e.key}
    assert expected and expected <= names
    steps = {name for name in (e.key for e in theirs.key_averages()) if name.startswith("aten::")}
    assert {"aten::mul", "aten::sum"} <= steps & names


def test_lines_shapes_and_bytes():
    prof = profiled_step(record_shapes=True, profile_memory=True, with_stack=True)
    first = next(e for e in prof.events() if e.name == "aten::linear")
    assert first.input_shapes == [[4, 6], [8, 6], [8]]
    assert first.self_cpu_memory_usage == 4 * 8 * 4
    assert "test_profiler.py" in first.line and "in loss_of" in first.line
    backward = next(e for e in prof.events() if e.name == "ReluBackward0")
    assert backward.input_shapes == [[4, 8]] and backward.line == first.line
    by_shape = prof.key_averages(group_by_input_shape=True)
    assert sorted(a.count for a in by_shape if a.key == "aten::linear") == [1, 1]
    by_line = prof.key_averages(group_by_stack_n=1)
    assert all("test_profiler.py" in a.stack[0] for a in by_line if a.stack)


def test_self_and_total_times_add_up():
    with torch.profiler.profile() as prof:
        with torch.profiler.record_function("outer"):
            torch.ones(3).exp()
            with torch.profiler.record_function("inner"):
                time.sleep(0.01)
    events = {e.name: e for e in prof.events()}
    outer, inner, exp = events["outer"], events["inner"], events["aten::exp"]
    assert outer.cpu_children == [exp, inner] and inner.cpu_parent is outer
    assert 1e4 < inner.cpu_time_total < outer.cpu_time_total
    parts = outer.self_cpu_time_total + inner.cpu_time_total + exp.cpu_time_total
    assert parts == pytest.approx(outer.cpu_time_total)
    assert prof.events().self_cpu_time_total == pytest.approx(outer.cpu_time_total)


def test_a_name_inside_itself_counts_once_in_total():
    @torch.profiler.record_function("again")
    def again(depth):
        if depth:
            again(depth - 1)
        time.sleep(0.001)

    with torch.profiler.profile() as prof:
        again(2)
    (average,) = prof.key_averages()
    assert average.count == 3
    assert average.cpu_time_total == pytest.approx(average.self_cpu_time_total)


def test_table():
    averages = profiled_step(profile_memory=True).key_averages()
    lines = averages.table(sort_by="count", row_limit=2).splitlines()
    assert re.match(r"Name +Self CPU % +Self CPU +CPU total % .*CPU Mem +Self CPU Mem +# of Calls", lines[1])
    assert lines[3].startswith("torch::autograd::AccumulateGrad") and lines[3].rstrip().endswith("4")
    assert len(lines) == 7 and lines[-1].startswith("Self CPU time total: ")
    assert "hello" in averages.table(header="hello") and "ms" in averages.table(time_unit="ms")
    with pytest.raises(AttributeError, match="choose self_cpu_time_total"):
        averages.table(sort_by="price")


def test_the_older_name():
    with torch.autograd.profiler.profile(use_kineto=True) as prof:
        torch.ones(2).exp()
    assert [e.name for e in prof.function_events] == ["aten::exp"]
    assert prof.table(sort_by="cpu_time_total") and prof.total_average().count == 1
    with torch.autograd.profiler.profile(enabled=False) as off:
        torch.ones(2).exp()
    assert off is None and not observing.listeners


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_chrome_trace(tmp_path, name):
    prof = profiled_step(record_shapes=True)
    prof.add_metadata("note", "a test")
    prof.export_chrome_trace(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    trace = json.loads(gzip.decompress(data) if name.endswith("gz") else data)
    assert trace["note"] == "a test"
    whole = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [e["name"] for e in whole] == [e.name for e in prof.events()]
    assert all(e["ts"] >= 0 and e["dur"] >= 0 for e in whole)
    starts = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "s"}
    ends = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "f"}
    assert starts.keys() == ends.keys() and len(starts) >= 4
    assert all(starts[i] < ends[i] for i in starts)


def test_stacks(tmp_path):
    with torch.profiler.profile() as prof:
        with torch.profiler.record_function("a;b"):
            time.sleep(0.002)
    prof.export_stacks(tmp_path / "stacks")
    assert re.search(r";a,b \d+$", (tmp_path / "stacks").read_text().strip())


@pytest.mark.parametrize("repeat", [0, 1])
def test_schedule(repeat):
    plan = {"wait": 1, "warmup": 1, "active": 2, "repeat": repeat, "skip_first": 1}
    ours, theirs = torch.profiler.schedule(**plan), reference.profiler.schedule(**plan)
    assert [ours(i).name for i in range(14)] == [theirs(i).name for i in range(14)]
    ready = []
    with torch.profiler.profile(
        schedule=ours,
        on_trace_ready=lambda p: ready.append((p.step_num, [e.name for e in p.events()])),
        activities=[torch.profiler.ProfilerActivity.CPU],
    ) as prof:
        for _ in range(9):
            torch.ones(2).exp()
            prof.step()
    turns = [5, 9] if not repeat else [5]
    assert [step for step, _ in ready] == turns
    first = turns[0] - 2
    assert ready[0][1] == [f"ProfilerStep#{first}", "aten::exp", f"ProfilerStep#{first + 1}", "aten::exp"]


def test_handler_for_tensorboard(tmp_path):
    handler = torch.profiler.tensorboard_trace_handler(str(tmp_path), "me")
    with torch.profiler.profile(on_trace_ready=handler):
        torch.ones(2).exp()
    (path,) = tmp_path.glob("me.*.pt.trace.json")
    assert "exp" in path.read_text()


def test_errors_leave_events_and_no_listener():
    with pytest.raises(RuntimeError, match="broadcast"), torch.profiler.profile() as prof:
        torch.ones(2) + torch.ones(3)
    assert [e.name for e in prof.events()] == ["aten::add"]
    assert not observing.listeners and not observing._running.stack


def test_it_changes_no_result_and_costs_nothing_afterwards():
    expected = [p for p in _gradients()]
    with torch.profiler.profile(record_shapes=True, profile_memory=True):
        got = _gradients()
    for a, b in zip(got, expected, strict=True):
        assert np.array_equal(a, b)
    run = torch.core.apply.RowNode.run
    assert not hasattr(run, "__wrapped__") and not observing.listeners


def _gradients():
    model = network()
    loss_of(model).backward()
    return [p.grad.numpy() for p in model.parameters()]


def test_second_derivatives_are_seen():
    x = torch.ones(3, requires_grad=True)
    with torch.profiler.profile() as prof:
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        g.sum().backward()
    names = [e.name for e in prof.events()]
    assert names.count("PowBackward0") >= 2 and "MulBackward0" in names
    node = next(e for e in prof.events() if e.name == "PowBackward0")
    assert {child.name for child in node.cpu_children} >= {"aten::mul"}


def test_it_is_imported_when_asked_for():
    code = (
        "import sys, retrograd as t, retrograd.nn, retrograd.optim;"
        "assert 'retrograd.profiler' not in sys.modules;"
        "t.profiler.profile; t.graph_stats; t.autograd.profiler.record_function"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- memory --------------------------------------------------------------------------------------


def test_memory_by_what_holds_it(tmp_path):
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    with torch.profiler.memory_timeline(model, optimizer) as timeline:
        for _ in range(2):
            loss = loss_of(model)
            middle = len(timeline.changes)
            loss.backward()
            after = len(timeline.changes)
            optimizer.step()
            optimizer.zero_grad()
        del loss
    parameters = sum(p.numel() for p in model.parameters()) * 4
    held = held_after(timeline.changes, middle)
    assert held["parameters"] == parameters
    assert held["saved by 1"] == 4 * 8 * 4  # ReLU's output, which the second Linear keeps too
    assert held["inputs"] + held["saved by 0"] >= 4 * 6 * 4
    held = held_after(timeline.changes, after)
    assert held["gradients"] == parameters
    assert not any(count for what, count in held.items() if what.startswith("saved by"))
    held = held_after(timeline.changes, len(timeline.changes))
    assert held["gradients"] == 0 and held["optimizer state"] >= 2 * parameters
    assert min(held.values()) >= 0
    assert sum(timeline.peak()[1].values()) > 3 * parameters

    timeline.save(tmp_path / "memory.svg")
    picture = ET.parse(tmp_path / "memory.svg").getroot()
    names = [p.get("data-name") for p in picture.iter("{http://www.w3.org/2000/svg}path")]
    assert {"parameters", "gradients", "optimizer state", "temporary"} <= set(names)
    assert names[-1] == "temporary"
    assert "prefers-color-scheme:dark" in (tmp_path / "memory.svg").read_text()
    timeline.save(tmp_path / "memory.html")
    html = (tmp_path / "memory.html").read_text()
    assert "<svg" in html and "optimizer state" in html and "src=" not in html and "http://" not in html[:200]
    with pytest.raises(ValueError, match=r"\.svg and \.html"):
        timeline.save(tmp_path / "memory.png")


def test_gradients_on_their_way_to_leaves_are_gradients():
    """They wait there until the walk is over, when the leaves' turn comes."""
    model = network()
    with torch.profiler.memory_timeline(model) as timeline:
        loss = loss_of(model)
        middle = len(timeline.changes)
        loss.backward()
    parameters = sum(p.numel() for p in model.parameters()) * 4
    during = [held_after(timeline.changes, n) for n in range(middle, len(timeline.changes) + 1)]
    most = max(held.get("gradients", 0) + held.get("temporary", 0) for held in during)
    assert most < parameters + 3 * 4 * 8 * 4  # and what flows between two operations
    assert during[-1]["gradients"] == parameters


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_of_a_timeline_in_a_browser(tmp_path, dark):
    model = network()
    with torch.profiler.memory_timeline(model) as timeline:
        loss_of(model).backward()
    timeline.save(tmp_path / "memory.html")
    script = """
      const look = getComputedStyle, svg = document.querySelector("svg");
      const texts = [...svg.querySelectorAll("text")].map(t => t.getBoundingClientRect());
      const meet = (a, b) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2;
      const frame = svg.getBoundingClientRect();
      return {
        ground: [look(document.body).backgroundColor, look(svg.querySelector(".ground")).fill],
        ink: look(svg.querySelector("text")).fill,
        overlaps: texts.flatMap((a, i) => texts.slice(i + 1).filter(b => meet(a, b))).length,
        outside: texts.filter(t =>
          t.left < frame.left || t.right > frame.right || t.bottom > frame.bottom).length,
        titles: document.body.innerText.split("Memory by what holds it").length - 1,
        wide: document.documentElement.scrollWidth <= innerWidth,
      };
    """
    seen = run((tmp_path / "memory.html").read_text(), script, tmp_path, dark=dark)
    assert seen["ground"][0] == seen["ground"][1] == ("rgb(22, 25, 29)" if dark else "rgb(255, 255, 255)")
    assert seen["ink"] == ("rgb(238, 238, 238)" if dark else "rgb(34, 34, 34)")
    assert (seen["overlaps"], seen["outside"], seen["titles"], seen["wide"]) == (0, 0, 1, True)


def held_after(changes, count):
    held = {}
    for _, what, more in changes[:count]:
        held[what] = held.get(what, 0) + more
    return held


def test_many_modules_make_one_picture():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(20)])
    with torch.profiler.memory_timeline(model) as timeline:
        model(torch.ones(2, 4)).sum().backward()
    picture = ET.fromstring(timeline.svg())
    names = [p.get("data-name") for p in picture.iter("{http://www.w3.org/2000/svg}path")]
    assert len(names) <= 10 and "saved by others" in names


def test_graph_stats():
    x = torch.ones(10, 10)
    w = torch.ones(10, 10, requires_grad=True)
    y = x @ w
    z = y.exp()
    loss = (z * y).sum()
    stats = torch.graph_stats(loss)
    assert stats.by_operation == {
        "MmBackward0" if "MmBackward0" in stats.by_operation else y.grad_fn.name(): 1,
        "ExpBackward0": 1,
        "MulBackward0": 1,
        "SumBackward0": 1,
        "torch::autograd::AccumulateGrad": 1,
    }
    assert stats.nodes == 5
    assert stats.bytes == 3 * 400  # x, z and y
    assert stats.leaf_bytes == 0  # no gradient of x is wanted: w is not saved
    sizes = {line.split(": ", 1)[1]: (count, size) for line, count, size in stats.by_line}
    assert sizes["y = x @ w"] == (1, 400) and sizes["z = y.exp()"] == (1, 400)
    assert sizes["loss = (z * y).sum()"] == (2, 400)
    assert "5 nodes keep 1.17 KB alive" in str(stats)
    loss.backward()
    assert torch.graph_stats(loss).bytes == 0
    with pytest.raises(TypeError, match="graphs of Tensors"):
        torch.graph_stats(3)
