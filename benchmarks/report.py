"""The results as a table for a terminal, and as a file for programs."""

import json
import math

WIDTH = 36


def head(machine):
    """What the figures were measured on, in a few lines."""
    ours, theirs = machine["retrograd"], machine["torch"]
    memory = f", {machine['memory'] / 2**30:.0f} GiB" if machine["memory"] else ""
    load = "" if machine["load"] is None else f"; load average at the start {machine['load']:.1f}"
    return "\n".join(
        [
            f"{machine['cpu']}, {machine['cores']} cores{memory}",
            f"{machine['system']}, Python {machine['python']}",
            f"retrograd {ours['version']} ({ours['kernels']}; NumPy {ours['numpy']}, {ours['blas']})",
            f"PyTorch {theirs['version']} ({theirs['isa']})",
            f"threads: {machine['threads']} each{load}",
            *_malloc(machine.get("malloc")),
            *_limits(machine.get("limits")),
        ]
    )


def _limits(limits):
    if not limits:
        return []
    peak = f"{limits['flops'] / 1e9:.0f} GFLOP/s of multiply-adds, " if limits["flops"] else ""
    return [f"measured at most: {peak}{limits['bandwidth'] / 1e9:.1f} GB/s of memory"]


def _malloc(variables):
    return ["malloc: " + " ".join(f"{k}={v}" for k, v in variables.items())] if variables else []


def heading(section):
    """The line above a section's rows."""
    return f"\n{section:{WIDTH}}{'retrograd':>10}{'PyTorch':>10}{'ratio':>8}  quartiles  of the limit, others"


def rows(result):
    """The lines of one result: its own, and one per phase."""
    title = "  " + result["title"]
    if "left_out" in result:
        return [f"{title:{WIDTH}}  left out: {result['left_out']}"]
    ours, theirs, unit, ratio = result["retrograd"], result["torch"], result["unit"], result["ratio"]
    line = _row(title, ours["median"], theirs["median"], unit, ratio["median"])
    quartiles = "-".join(map(ratio_text, ratio["quartiles"])) if "quartiles" in ratio else ""
    variant = f"PyTorch: {theirs['variant']}" if len(theirs.get("variants", ())) > 1 else ""
    limit = result.get("limit")
    lines = [f"{line}  {quartiles:11}{share(limit, ours):18}{variant}".rstrip()]
    for name, reason in theirs.get("variants_left_out", {}).items():
        lines.append(f"{f'    PyTorch, {name}':{WIDTH}}  left out: {reason}")
    for name, times in result.get("rivals", {}).items():
        if "left_out" in times:
            lines.append(f"{'    ' + name:{WIDTH}}  left out: {times['left_out']}")
        else:
            ratio = ours["median"] / times["median"]
            lines.append(_row(f"    {name}", ours["median"], times["median"], unit, ratio))
    if "whole" in result:
        whole = result["whole"]
        title, ours, theirs = "    the whole process", whole["retrograd"]["median"], whole["torch"]["median"]
        return [*lines, _row(title, ours, theirs, unit, whole["ratio"]["median"])]
    for phase, times in ours.get("phases", {}).items():
        rival = theirs["phases"][phase]["median"]
        line = _row("    " + phase, times["median"], rival, unit, times["median"] / rival)
        part = share(limit and limit["phases"].get(phase), times)
        lines.append(f"{line}{'':13}{part}".rstrip())
    return lines


def share(limit, times):
    """How near to the limit: 64% (memory)."""
    if not limit or not limit["seconds"]:
        return ""
    return f"{limit['seconds'] / times['median']:.0%} ({limit['bound']})"


def _row(title, ours, theirs, unit, ratio):
    return f"{title:{WIDTH}}{number(ours, unit):>10}{number(theirs, unit):>10}{ratio_text(ratio):>8}"


def ratio_text(value):
    """Two digits."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def number(value, unit):
    """Three digits and the unit that fits: 43.1 ms, 612 kB."""
    if unit == "s":
        scales = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
    else:
        scales = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    scale, name = next((s for s in scales if abs(value) >= s[0]), scales[-1])
    scaled = value / scale
    return f"{scaled:.{max(0, 3 - len(str(int(abs(scaled)))))}f} {name}"


def save(path, machine, results):
    """Write the figures for programs, if there is a `path`."""
    if path:
        with open(path, "w") as file:
            json.dump({"machine": machine, "results": results}, file, indent=1)


def ratios(results):
    """The ratios of those results that have one."""
    return [r["ratio"]["median"] for r in results if "ratio" in r]


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def worst_first(results):
    """The results by falling ratio; those without one come first."""
    return sorted(results, key=lambda r: -r["ratio"]["median"] if "ratio" in r else -math.inf)
