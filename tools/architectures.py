"""Every classification architecture of torchvision against ours: docs/coverage/architectures.md.

    python tools/architectures.py [resnet50 vit_b_16 ...] [--check-weights FOLDER]

Both libraries build the model after the same seed; then a checkpoint that PyTorch wrote is loaded and two
images give logits (in evaluation mode) and one step's gradients (in training mode, dropout and stochastic
depth drawn after the same seed). With names, only their lines of the page are made again. It takes half an
hour and 16 GB of memory for all.

Pre-trained weights are verified in FOLDER, or in the hub's cache, where their files are: their SHA-256
begins as the address says, and they load.
"""

import argparse
import gc
import hashlib
import re
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT / "tests"), str(ROOT / "tests/vision")]  # this folder has a file of the same name

import architectures  # noqa: E402

from retrograd import hub  # noqa: E402

PAGE = ROOT / "docs/coverage/architectures.md"
HEAD = """# The classification architectures of torchvision

Made by `python tools/architectures.py`. Parameters: their number. Names: whether the state dict has the same
keys, shapes and types in the same order. Start: whether the initial weights are bitwise equal after the same
`manual_seed`. Logits, gradients: the largest difference from PyTorch's, relative to the largest value, of two
images in evaluation mode and of one training step with the same weights, dropout and stochastic depth
included, in float64. Weights: the pre-trained sets whose address, hash and facts are torchvision's, and how
many of the files were at hand to be loaded.

| architecture | parameters | names | start | logits | gradients | weights |
|---|---:|---|---|---:|---:|---|
"""


def weights(name, folder):
    """How many sets of weights have torchvision's address and facts, and how many files were loaded."""
    enum, expected = architectures.ours.get_model_weights(name), architectures.theirs.get_model_weights(name)
    same = [member.url == expected[member.name].url for member in enum]
    loaded = 0
    for member in enum:
        file = folder / member.url.rpartition("/")[2]
        if not file.is_file():
            continue
        start = re.search(r"-([0-9a-f]{8,})\.pth$", file.name)[1]
        if not hashlib.sha256(file.read_bytes()).hexdigest().startswith(start):
            raise SystemExit(f"{file}: the SHA-256 does not start with {start}; remove the file")
        architectures.ours.get_model(name, weights=member)
        loaded += 1
    text = f"{sum(same)} of {len(expected)}"
    return f"{text}, {loaded} loaded" if loaded else text


def line(row, checked):
    yes = {True: "equal", False: "DIFFER"}
    cells = [
        row.name, f"{row.parameters:,}", yes[row.same_names], yes[row.same_start], f"{row.logits:.0e}",
        f"{row.gradients:.0e}" if row.agrees() else f"{row.gradients:.0e} DIFFERS", checked,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="architectures (default: all)")
    cache = Path(hub.get_dir()) / "checkpoints"
    parser.add_argument("--check-weights", metavar="FOLDER", type=Path, default=cache)
    options = parser.parse_args()
    if unknown := set(options.names) - set(architectures.NAMES):
        parser.error(f"unknown architectures: {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    lines = {}
    if options.names and PAGE.exists():
        found = re.finditer(r"^\| (\w+) \| [\d,]+ .*$", PAGE.read_text(), re.M)
        lines = {match[1]: match[0] for match in found}
    failed = []
    for name in options.names or architectures.NAMES:
        start = time.perf_counter()
        row = architectures.compare(name)
        lines[name] = line(row, weights(name, options.check_weights))
        failed += [] if row.agrees() else [name]
        print(f"{lines[name]} {time.perf_counter() - start:.0f} s", flush=True)
        gc.collect()
        PAGE.write_text(HEAD + "\n".join(lines[n] for n in architectures.NAMES if n in lines) + "\n")
    if failed:
        raise SystemExit(f"differ: {', '.join(failed)}")


if __name__ == "__main__":
    main()
