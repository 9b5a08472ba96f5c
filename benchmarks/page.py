"""`python -m benchmarks --page FILE.json ...`: the tables of docs/benchmarks/README.md, written from results.

Between `<!-- table: NAME -->` and `<!-- end -->` stands what the command writes; the rest is written by hand.
Files are told apart by what is in them: results of the table, of `--only layers`, of `--growth`.
"""

import json
import re
from pathlib import Path

from . import growth, layers, report

PAGE = growth.FOLDER / "README.md"
PART = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.S)
RIVALS = ("jax", "tinygrad", "PyTorch, compiled")
NAMES = {"jax": "JAX, jit"}


def main(files):
    """Write the tables that `files` have results for, and say which."""
    tables = {}
    for file in files:
        found = tables_of(json.loads(Path(file).read_text()))
        if not found:
            raise SystemExit(f"{file} holds no results of this command's --json")
        tables |= found
    text = PAGE.read_text()
    there = {name for _, name, _ in PART.findall(text)}
    if missing := set(tables) - there:
        raise SystemExit(f"{PAGE} has no place `<!-- table: NAME -->` for {', '.join(sorted(missing))}")
    PAGE.write_text(filled(text, tables))
    print(f"{PAGE}: {', '.join(sorted(tables))}")
    return 0


def filled(text, tables):
    """`text` with the tables in their places."""

    def fill(match):
        name = match[2]
        return f"{match[1]}\n{tables[name]}\n\n{match[3]}" if name in tables else match[0]

    return PART.sub(fill, text)


def tables_of(figures):
    """{name of the table: Markdown} of one file's figures."""
    if "series" in figures:
        return {"growth": _about(figures["machine"]) + _growth(figures["series"])}
    results = figures.get("results", ())
    if any(r["name"].startswith("layer ") for r in results):
        peak = figures["machine"]["limits"]["flops"]
        return {"layers": _about(figures["machine"]) + _layers(results, peak)}
    about = _about(figures["machine"]) if results else ""
    out = {}
    if times := [r for r in results if r["section"] == "Time"]:
        out["time"] = about + _times(times)
        out["phases"] = _phases(times)
    if others := [r for r in results if r["section"] != "Time"]:
        out["memory"] = about + _others(others)
    return out


def _about(machine):
    """The machine in a sentence or two."""
    ours, theirs, threads = machine["retrograd"], machine["torch"], machine["threads"]
    peaks = machine.get("limits") or {}
    most = ""
    if peaks.get("flops"):
        most = f" At most: {peaks['flops'] / 1e9:.0f} GFLOP/s, {peaks['bandwidth'] / 1e9:.0f} GB/s."
    load = "" if machine["load"] is None else f" Load average at the start: {machine['load']:.1f}."
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {threads} thread{'s' * (threads != 1)} each; "
        f"retrograd {ours['version']} (NumPy {ours['numpy']}), PyTorch {theirs['version']}.{most}{load}\n\n"
    )


def _table(head, rows):
    """Markdown, the first column to the left and the others to the right."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _ratio(ratio):
    text = report.ratio_text(ratio["median"])
    if "quartiles" in ratio:
        text += f" ({'-'.join(map(report.ratio_text, ratio['quartiles']))})"
    return text


def _left_out(result, columns):
    return [result["title"], f"left out: {result['left_out']}", *[""] * (columns - 2)]


def _times(results):
    there = [name for name in RIVALS if any(name in r.get("rivals", {}) for r in results)]
    head = ["", "retrograd", "PyTorch", "its variant", "ratio", "of the limit"]
    head += [NAMES.get(name, name) for name in there]
    rows = []
    for r in results:
        if "left_out" in r:
            rows.append(_left_out(r, len(head)))
            continue
        ours, theirs = r["retrograd"], r["torch"]
        row = [r["title"], report.number(ours["median"], "s"), report.number(theirs["median"], "s")]
        row += [theirs["variant"], _ratio(r["ratio"]), report.share(r.get("limit"), ours)]
        for name in there:
            rival = r["rivals"].get(name, {})
            row.append(report.number(rival["median"], "s") if "median" in rival else "-")
        rows.append(row)
    return _table(head, rows)


def _phases(results):
    rows = []
    for r in results:
        for phase, times in r.get("retrograd", {}).get("phases", {}).items():
            rival = r["torch"]["phases"][phase]["median"]
            limit = (r.get("limit") or {"phases": {}})["phases"].get(phase)
            rows.append([
                f"{r['title']}: {phase}", report.number(times["median"], "s"), report.number(rival, "s"),
                report.ratio_text(times["median"] / rival), report.share(limit, times),
            ])  # fmt: skip
    return _table(["", "retrograd", "PyTorch", "ratio", "of the limit"], rows)


def _others(results):
    head, rows = ["", "retrograd", "PyTorch", "ratio"], []
    for r in results:
        if "left_out" in r:
            rows.append(_left_out(r, len(head)))
            continue
        for title, part in ((f"{r['section']}: {r['title']}", r), ("the whole process", r.get("whole"))):
            if part:
                both = [report.number(part[name]["median"], r["unit"]) for name in ("retrograd", "torch")]
                rows.append([title, *both, _ratio(part["ratio"])])
    return _table(head, rows)


def _layers(results, peak):
    """For each network a table: a row for each layer and direction."""
    parts = []
    for group in dict.fromkeys(r["section"] for r in results):
        rows = []
        for r in [r for r in results if r["section"] == group] + layers.sums(results, group):
            rates = [r["flops"] / r[name]["median"] for name in ("retrograd", "torch")]
            rows.append([
                r["title"], *(report.number(r[name]["median"], "s") for name in ("retrograd", "torch")),
                report.ratio_text(r["ratio"]["median"]), *(f"{rate / 1e9:.0f}" for rate in rates),
                *([f"{rate / peak:.0%}" for rate in rates] if peak else ("", "")),
            ])  # fmt: skip
        head = [group, "retrograd", "PyTorch", "ratio", "GFLOP/s", "PyTorch's", "of the peak", "PyTorch's"]
        parts.append(_table(head, rows))
    return "\n\n".join(parts)


def _growth(series):
    rows = []
    for kind, (title, axis, _) in growth.SERIES.items():
        for p in series.get(kind, {}).get("points", ()):
            both = [report.number(p[name], "s") for name in ("retrograd", "torch")]
            at = f"{p['at']:,} {axis.rpartition(', ')[2]}"
            rows.append([title, at, *both, report.ratio_text(p["ratio"])])
    return _table(["series", "at", "retrograd", "PyTorch", "ratio"], rows)
