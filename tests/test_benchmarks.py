"""The benchmark command: its table and its JSON, on the smallest cases. The figures are not tested."""

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import retrograd
import retrograd.vision.models
from retrograd import kernels, nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are beside the package, not in it

from benchmarks import cases, growth, layers, limits, page, report, rivals, timing  # noqa: E402
from benchmarks.picture import picture  # noqa: E402

NAMES = ["chain-scalar", "memory-mlp", "import", "size", "size-required"]


def benchmarks(*arguments):
    # The folder that retrograd came from, as the command runs in the repository's root.
    paths = [str(Path(retrograd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The table and the JSON of one quick run."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    only = [argument for name in NAMES for argument in ("--only", name)]
    done = benchmarks("--quick", "--rounds", "2", "--threads", "1", "--json", str(file), *only)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


def test_the_machine_is_described(quick):
    table, results = quick
    machine = results["machine"]
    assert machine["cpu"] and machine["cores"] >= 1 and machine["threads"] == 1
    assert machine["retrograd"]["version"] == retrograd.__version__
    assert machine["retrograd"]["threads"] == machine["torch"]["threads"] == 1
    assert "2.13.0" in machine["torch"]["version"]
    assert machine["cpu"] in table and "threads: 1 each" in table


def test_each_measurement_is_a_row_with_both_libraries_and_their_ratio(quick):
    table, results = quick
    assert [r["name"] for r in results["results"]] == NAMES
    for result in results["results"]:
        ours, theirs = result["retrograd"]["median"], result["torch"]["median"]
        assert ours > 0 and theirs > 0 and result["ratio"]["median"] > 0
        assert any(line.startswith("  " + result["title"]) for line in table.splitlines())
    for heading in ("Time", "Peak memory", "Import, beyond NumPy", "Installed size"):
        assert any(line.startswith(heading) for line in table.splitlines())


def test_times_have_quartiles_around_the_median_and_phases(quick):
    chain = next(r for r in quick[1]["results"] if r["name"] == "chain-scalar")
    assert chain["rounds"] == 2 and chain["unit"] == "s"
    for library in ("retrograd", "torch"):
        low, high = chain[library]["quartiles"]
        assert low <= chain[library]["median"] <= high
        assert list(chain[library]["phases"]) == ["forward", "backward"]
    assert list(chain["torch"]["variants"]) == ["eager"] and not chain["rivals"], "--quick compiles nothing"


def test_peak_memory_is_given_beyond_imports_and_for_the_whole_process(quick):
    table, results = quick
    memory = next(r for r in results["results"] if r["name"] == "memory-mlp")
    for library in ("retrograd", "torch"):
        assert memory["whole"][library]["median"] > memory[library]["median"]
    assert "Peak memory, beyond imports" in table and "    the whole process" in table


def test_sizes_are_those_of_the_packages(quick):
    alone, required = (r for r in quick[1]["results"] if r["unit"] == "B" and r["name"].startswith("size"))
    assert alone["retrograd"]["packages"] == ["retrograd"]
    assert {"retrograd", "numpy", "ml_dtypes", "tqdm", "filelock"} == set(required["retrograd"]["packages"])
    assert alone["torch"]["median"] < required["torch"]["median"]


def test_list_names_every_case_and_an_unknown_name_is_refused():
    listed = benchmarks("--list").stdout
    for name in ("step-1x64", "step-16x64", "step-8x224", "inference-1x224", "mlp", "memory-step-8x224"):
        assert f"\n{name} " in f"\n{listed}"
    refused = benchmarks("--only", "nothing-of-that-name")
    assert refused.returncode == 2 and "--list shows the names" in refused.stderr


# --- limits, rivals, growth ------------------------------------------------------------------------


def test_the_limit_is_a_share_of_what_was_measured(quick):
    table, results = quick
    peaks = results["machine"]["limits"]
    assert peaks["bandwidth"] > 1e8 and "GB/s of memory" in table
    if kernels.available():
        assert peaks["flops"] > 1e8
    small = next(r for r in results["results"] if r["name"] == "chain-scalar")
    assert small["limit"] is None


def test_what_cases_do_is_counted_as_the_network_does_it():
    model = retrograd.vision.models.resnet18()
    products = []

    def count(module, inputs, out):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            products.append(out.numel() * module.weight[0].numel())

    for module in model.modules():
        module.register_forward_hook(count)
    model.eval()(retrograd.zeros(2, 3, 64, 64))
    ((flops, moved),) = limits.resnet18(2, 64, False).values()
    assert flops == 2 * sum(products)
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert moved == 4 * weights
    training = limits.resnet18(2, 64, True)
    assert list(training) == ["forward", "backward", "step"]
    assert training["forward"][0] + training["backward"][0] == 2 * (3 * sum(products) - products[0])
    assert sum(moved for _, moved in training.values()) == 8 * 4 * weights


def test_the_shorter_of_two_limits_does_not_count():
    least = {"forward": (2e9, 3e9), "step": (0, 4e9)}
    limit = limits.shortest(least, {"flops": 1e9, "bandwidth": 1e12})
    assert (limit["seconds"], limit["bound"]) == (2.0, "arithmetic")
    limit = limits.shortest(least, {"flops": 1e15, "bandwidth": 1e9}, work=2)
    assert (limit["seconds"], limit["bound"]) == (3.5, "memory")
    assert [phase["seconds"] for phase in limit["phases"].values()] == [1.5, 2.0]
    assert limits.shortest(least, {"flops": None, "bandwidth": 1e9}) is None
    assert limits.shortest(None, {"flops": 1e9, "bandwidth": 1e9}) is None


def test_weights_that_caches_hold_need_not_move():
    assert all(moved == 0 for _, moved in limits.perceptron(32, 64, 128, 10).values())
    assert all(moved > 0 for _, moved in limits.perceptron(32, 4096, 4096, 10).values())


def test_torch_compile_counts_for_networks_and_stands_beside_small_operations():
    for case in cases.CASES:
        if case.least:
            assert case.compiled and not case.beside
        else:
            assert case.beside == ("compiled",) and not case.compiled
    library = cases.Library("torch", "compiled channels_last")
    assert library.channels_last and library.compiled(abs) is not abs
    library = cases.Library("torch", "channels_last")
    assert library.channels_last and library.compiled(abs) is abs


def test_without_a_compiler_the_compiled_variant_is_left_out_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    result = timing.measure(cases.BY_NAME["chain-scalar"], 1, 1, 0.0)
    (reason,) = result["torch"]["variants_left_out"].values()
    assert "no-such-compiler" in reason and "\n" not in reason
    rows = report.rows({"title": "a chain", **result})
    assert any("left out: torch.compile: " in row for row in rows)
    assert result["ratio"]["median"] > 0


def test_rivals_that_are_not_there_are_left_out():
    assert set(rivals.installed(sys.executable)) <= set(rivals.NAMES)
    if "jax" not in rivals.installed(sys.executable):
        rival = rivals.Rival(sys.executable, "jax", "mlp", 1, 0.1)
        rival.close()
        assert "jax" in rival.missing


@pytest.mark.parametrize("library", rivals.NAMES)
def test_a_rival_computes_what_pytorch_does(library):
    python = os.environ.get("RIVALS_PYTHON", sys.executable)
    if library not in rivals.installed(python):
        pytest.skip(f"{library} is not installed for {python}; RIVALS_PYTHON may name another interpreter")
    for case in cases.CASES:
        assert library in case.rivals
    step = cases.BY_NAME["mlp"].build(cases.Library("torch"))
    expected = [step(lambda phase: None) for _ in range(2)]
    rival = rivals.Rival(python, library, "mlp", 1, 0.0)
    try:
        rival.check(expected)
        assert rival.missing is None
        rival.check([expected[0], expected[1] + 1])
        assert "PyTorch" in rival.missing
    finally:
        rival.close()


@pytest.mark.parametrize("name", ["mlp", "transformer", "step-1x64"])
def test_rivals_are_given_the_numbers_that_cases_draw(name):
    library = cases.Library("retrograd")
    model = {
        "mlp": lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)),
        "transformer": lambda: nn.TransformerEncoderLayer(256, 8),
        "step-1x64": retrograd.vision.models.resnet18,
    }[name]()
    cases.fill(library, model)
    ours = [value.numpy() for value in model.state_dict().values() if value.ndim > 1]
    shapes = {"mlp": [(128, 64), (10, 128)], "transformer": rivals.ENCODER_SHAPES,
              "step-1x64": rivals.resnet18_shapes()}[name]  # fmt: skip
    for a, b in zip(ours, rivals.weights(*shapes), strict=True):
        np.testing.assert_array_equal(a, b)
    images = cases.batch(library, 2, 3, 8, 8).numpy()
    np.testing.assert_array_equal(images, rivals.normal(1, 2, 3, 8, 8))


def test_a_slow_rival_has_fewer_turns():
    rival = object.__new__(rivals.Rival)  # without a process: a turn would fail
    rival.totals, rival.steps = [10.0, 10.0], 2
    rival.round(True)
    assert rival.totals == [10.0, 10.0]


def test_growth_is_drawn():
    points = [
        {"at": n, "retrograd": n * 1e-6, "torch": n * 3e-6, "ratio": 1 / 3} for n in (100, 1000, 100_000)
    ]
    figures = {
        "machine": {"load": 1.0, "threads": 1, "cpu": "a processor"},
        "series": dict.fromkeys(growth.SERIES, {"points": points}),
    }
    text = picture(figures, growth.SERIES)
    drawn = ET.fromstring(text)
    svg = "{http://www.w3.org/2000/svg}"
    lines = [line.get("points").split() for line in drawn.iter(svg + "polyline")]
    assert len(lines) == 2 * len(growth.SERIES) and all(len(line) == 3 for line in lines)
    ours, theirs = ([float(place.split(",")[1]) for place in line] for line in lines[:2])
    assert all(a > b for a, b in zip(ours, theirs, strict=True)), "the slower one stands higher"
    assert ours == sorted(ours, reverse=True)
    texts = [t.text for t in drawn.iter(svg + "text")]
    assert {"retrograd", "PyTorch", "10 ms", "ratio", "time of a step"} <= set(texts)
    assert texts.count("0.33") == len(points) * len(growth.SERIES)
    for title, axis, _ in growth.SERIES.values():
        assert title in texts and axis in texts
    assert "prefers-color-scheme:dark" in text


def test_a_series_is_measured_again_and_the_others_stay(tmp_path):
    file = tmp_path / "growth.json"
    before = {"points": [{"at": 1, "retrograd": 1.0, "torch": 2.0, "ratio": 0.5}]}
    file.write_text(json.dumps({"series": {"batch": before, "length": before}}))
    done = benchmarks(
        "--growth", "--quick", "--only", "length", "--rounds", "1", "--threads", "1", "--json", str(file)
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text())
    assert figures["series"]["batch"] == before
    assert [p["at"] for p in figures["series"]["length"]["points"]] == [100, 1000, 10_000]
    assert file.with_suffix(".svg").read_text().count("<polyline") == 4
    assert "\n  10,000 " in done.stdout
    refused = benchmarks("--growth", "--only", "nothing-of-that-name")
    assert refused.returncode and "batch, size, depth, length" in refused.stderr


def test_a_point_at_which_libraries_differ_is_left_out_and_the_rest_measured(tmp_path, monkeypatch, capsys):
    def measure(case, *_, **__):
        if case.name == "growth-length-1000":
            raise timing.Different("the reason")
        half = {"median": 1.0, "variant": "eager"}
        return {"unit": "s", "retrograd": half, "torch": {**half, "median": 2.0}, "ratio": {"median": 0.5}}

    monkeypatch.setattr(timing, "measure", measure)
    options = argparse.Namespace(
        only=["length"], json=str(tmp_path / "growth.json"), threads=1, quick=True, rounds=1
    )
    assert growth.main(options) == 1
    assert "left out: the reason" in capsys.readouterr().out
    points = json.loads((tmp_path / "growth.json").read_text())["series"]["length"]["points"]
    assert [p["at"] for p in points] == [100, 10_000]


def test_points_of_growth_are_cases():
    case = growth.case("growth-length-100")
    library = cases.Library("retrograd")
    assert case.build(library)(lambda phase: None) == pytest.approx(8 * 0.999**50)


# --- layers ----------------------------------------------------------------------------------------


def test_the_layers_are_those_of_the_network():
    sizes = []
    model = retrograd.vision.models.resnet18()

    def note(module, inputs, out):
        if isinstance(module, nn.Conv2d):
            sizes.append((*inputs[0].shape[:2], out.shape[1], module.kernel_size[0], module.stride[0],
                          inputs[0].shape[2], out.shape[2]))  # fmt: skip

    for module in model.modules():
        module.register_forward_hook(note)
    model.eval()(retrograd.zeros(2, 3, 96, 96))
    ours = [
        ((c.count, c.inputs, c.outputs, c.kernel, c.stride, c.side, c.out_side), c.times)
        for c in layers.convolutions(2, 96)
    ]
    assert dict(ours) == {size: sizes.count(size) for size in sizes}


@pytest.mark.parametrize("start", ["64-64 3x3 at 16", "64-128 1x1/2", "linear 256-256", "attention"])
def test_a_layer_computes_the_same_in_both_libraries(start, monkeypatch):
    monkeypatch.setattr(kernels, "allow_factors", lambda allowed: None)  # for good, in a worker of its own
    some = [layer for layer in layers.all_layers(((1, 64),)) if layer.case.title.startswith(start)]
    assert len(some) == (2 if start == "attention" else 3)
    for layer in some:
        values = []
        for library, variant in (("retrograd", "channels_last"), ("torch", "eager")):
            step = layer.case.build(cases.Library(library, variant if "linear" not in start else "eager"))
            values.append([step(None) for _ in range(3)])
        assert values[0][:2] == pytest.approx(values[1][:2], rel=1e-4) and values[0][0] > 0
        assert values[0][2] is None, "only the first two steps are compared"


def test_a_row_of_layers_says_rates_and_shares_of_the_peak():
    result = {"title": "a layer, forward", "flops": 2_000_000, "ratio": {"median": 0.5}, "times": 3,
              "kind": "forward", "section": "a network",
              "retrograd": {"median": 1e-5}, "torch": {"median": 2e-5}}  # fmt: skip
    row = layers.row(result, 4e11)
    assert "10.0 us" in row and "0.50  200 and 100, 50% and 25%" in row
    assert layers.row(result, None).endswith("200 and 100")
    (total,) = layers.sums([result, {**result, "times": 1}], "a network")
    assert total["flops"] == 8_000_000 and total["retrograd"]["median"] == pytest.approx(4e-5)
    assert total["ratio"]["median"] == pytest.approx(0.5)


# --- the page --------------------------------------------------------------------------------------


def test_the_page_is_written_from_results(quick, tmp_path, monkeypatch, capsys):
    path = tmp_path / "README.md"
    path.write_text(page.PAGE.read_text())
    monkeypatch.setattr(page, "PAGE", path)
    file = tmp_path / "results.json"
    file.write_text(json.dumps(quick[1]))
    assert page.main([file]) == 0 and "memory, phases, time" in capsys.readouterr().out
    text = path.read_text()
    chain = quick[1]["results"][0]
    for median in (chain["retrograd"]["median"], chain["torch"]["phases"]["forward"]["median"]):
        assert f"| {report.number(median, 's')} |" in text
    assert "| small operation, shape () |" in text and "| the whole process |" in text
    assert quick[1]["machine"]["cpu"] in text
    page.main([file])
    assert path.read_text() == text, "written twice, the same"
    file.write_text("{}")
    with pytest.raises(SystemExit, match="holds no results"):
        page.main([file])


def test_tables_have_as_many_cells_as_columns(quick):
    times = {"median": 1e-3, "variant": "eager", "phases": {"forward": {"median": 1e-3}}}
    row = {"name": "a", "section": "Time", "title": "a row", "unit": "s", "retrograd": times, "torch": times,
           "ratio": {"median": 1.0, "quartiles": [0.9, 1.1]}}  # fmt: skip
    limit = {"seconds": 5e-4, "bound": "memory", "phases": {}}
    results = [
        {**row, "rivals": {"jax": {"median": 1.0}}, "limit": limit},
        {**row, "rivals": {"jax": {"left_out": "no"}}, "limit": None},
        {"name": "b", "section": "Time", "title": "another", "left_out": "the reason"},
    ]
    layer = {**row, "name": "layer x", "section": "a network", "kind": "forward", "flops": 10, "times": 2}
    points = [{"at": 100_000, "retrograd": 1.0, "torch": 2.0, "ratio": 0.5}]
    tables = page.tables_of({"machine": quick[1]["machine"], "results": results})
    tables |= page.tables_of({"machine": quick[1]["machine"], "results": [layer]})
    tables |= page.tables_of({"machine": quick[1]["machine"], "series": {"length": {"points": points}}})
    assert list(tables) == ["time", "phases", "layers", "growth"]
    for table in tables.values():
        cells = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(cells) == 1, table
    assert "50% (memory)" in tables["time"] and "1.00 (0.90-1.10)" in tables["time"]
    assert "left out: the reason" in tables["time"] and "100,000 operations in the graph" in tables["growth"]


def test_the_page_has_a_place_for_each_table_and_the_picture():
    text = page.PAGE.read_text()
    names = [name for _, name, _ in page.PART.findall(text)]
    assert names == ["time", "phases", "memory", "growth", "layers"]
    assert "](growth.svg)" in text
