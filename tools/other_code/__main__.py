"""Other people's code on retrograd: python tools/other_code [NAME ...] [--site FOLDER] [--write]

Each program in scripts/ (the ordinary PyTorch idiom, unmodified) and packages/ (a use of a package from PyPI)
runs twice, by `python -m retrograd run` and on PyTorch, and their printed numbers are compared. The packages
are installed without what they require, PyTorch above all, into FOLDER. --write puts the table into
docs/coverage/other_code.md.
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "coverage" / "other_code.md"

# What a program needs from PyPI, itself first; all but the first may be absent where the machine has them.
_HUB = [
    "huggingface-hub", "httpx2", "httpcore2", "truststore", "h11", "anyio", "idna", "certifi", "pyyaml",
    "packaging", "filelock", "fsspec",
]  # fmt: skip
_TRANSFORMERS = ["transformers", "tokenizers", "safetensors", "regex", "typer", *_HUB]
_LIGHTNING = ["pytorch-lightning", "lightning-utilities", "torchmetrics", "fsspec", "packaging", "pyyaml"]
PACKAGES = {
    "accelerate": ["accelerate", "psutil", "safetensors", *_HUB],
    "captum": ["captum"],
    "diffusers": ["diffusers", "importlib-metadata", "zipp", "requests", "urllib3", *_TRANSFORMERS],
    "einops": ["einops"],
    "einx": ["einx", "frozendict"],
    "ema_pytorch": ["ema-pytorch"],
    "entmax": ["entmax"],
    "geometric": ["torch-geometric", "aiohttp", "fsspec", "psutil", "requests", "xxhash"],
    "gpytorch": ["gpytorch", "linear-operator", "jaxtyping", "wadler-lindig"],
    "higher": ["higher"],
    "ignite": ["pytorch-ignite", "packaging"],
    "jaxtyping": ["jaxtyping", "wadler-lindig"],
    "kornia": ["kornia", "kornia-rs"],
    "lightning": _LIGHTNING,
    "lion_pytorch": ["lion-pytorch"],
    "metric_learning": ["pytorch-metric-learning"],
    "monai": ["monai"],
    "msssim": ["pytorch-msssim"],
    "opacus": ["opacus", "opt-einsum"],
    "peft": ["peft", "accelerate", "psutil", *_TRANSFORMERS],
    "rotary": ["rotary-embedding-torch", "einops"],
    "safetensors": ["safetensors"],
    "skorch": ["skorch", "tabulate"],
    "smp": ["segmentation-models-pytorch", "timm", "huggingface-hub", "pyyaml"],
    "tensordict": ["tensordict", "pyvers", "cloudpickle", "orjson", "importlib-metadata"],
    "timm": ["timm", "huggingface-hub", "pyyaml"],
    "timm_data": ["timm", "huggingface-hub", "pyyaml"],
    "torch_optimizer": ["torch-optimizer", "pytorch-ranger"],
    "torchcde": ["torchcde", "torchdiffeq", "torchsde", "trampoline", "boltons"],
    "torchdiffeq": ["torchdiffeq"],
    "torchinfo": ["torchinfo"],
    "torchmetrics": ["torchmetrics", "lightning-utilities"],
    "torchsummary": ["torchsummary"],
    "tqdm": ["tqdm"],
    "transformers": _TRANSFORMERS,
    "vit_pytorch": ["vit-pytorch", "einops"],
    "x_transformers": ["x-transformers", "torch-einops-utils", "einops", "einx", "loguru", "frozendict"],
    "zuko": ["zuko"],
}


def programs():
    """{name: path} of all programs."""
    found = {path.stem: path for path in sorted((HERE / "scripts").glob("*.py"))}
    return found | {p.stem.removeprefix("try_"): p for p in sorted((HERE / "packages").glob("*.py"))}


def install(names, site):
    """Install what the programs need into `site`, nothing that these require."""
    wanted = sorted({package for name in names for package in PACKAGES.get(name, [])})
    if wanted:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(site),
            *wanted,
        ]
        subprocess.run(command, check=True)


def run(path, site, library):
    """(exit status, standard output, last line of the errors) of one program."""
    start = [
        sys.executable,
        *(["-m", "retrograd", "run"] if library == "retrograd" else [HERE / "on_pytorch.py"]),
    ]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")]), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*start, str(path)], capture_output=True, text=True, env=env, cwd=folder, timeout=300
            )
        except subprocess.TimeoutExpired:
            return 1, "", "not finished after 300 s"
    return done.returncode, done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


def same(ours, theirs):
    """Equal words, and numbers equal to 1 part in 1,000 (float32 through several steps)."""
    if NUMBER.sub("#", ours).split() != NUMBER.sub("#", theirs).split():
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=1e-3, abs_tol=2e-4) for a, b in pairs)


def judge(path, site):
    """(works, what to say) of one program."""
    status, ours, error = run(path, site, "retrograd")
    if status:
        return False, error[:160].replace("|", "/").replace(str(site) + os.sep, "").replace(
            str(ROOT) + os.sep, ""
        )
    status, theirs, error = run(path, site, "torch")
    if status:
        return True, "runs; PyTorch itself could not be asked here"
    return (
        (True, "prints what PyTorch prints")
        if same(ours, theirs)
        else (False, "prints other numbers than PyTorch")
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="programs to run (default: all)")
    parser.add_argument("--site", help="where the packages are, or go (default: a temporary folder)")
    parser.add_argument("--write", action="store_true", help="write docs/coverage/other_code.md")
    options = parser.parse_args()
    known = programs()
    names = options.names or list(known)
    with tempfile.TemporaryDirectory() as temporary:
        site = Path(options.site or temporary)
        if not options.site or not site.exists():
            install(names, site)
        results = {}
        for name in names:
            results[name] = judge(known[name], site)
            print(f"{'works' if results[name][0] else 'FAILS':6} {name:20} {results[name][1]}", flush=True)
    print(f"{sum(works for works, _ in results.values())} of {len(results)} work")
    if options.write:
        write(results, known)


def write(results, known):
    lines = [
        "# Other people's code",
        "",
        "Made by `python tools/other_code --write`: each program runs unmodified, by `retrograd run` and",
        "on PyTorch, and the numbers that they print are compared. They stand in `tools/other_code/`.",
        "",
        f"{sum(works for works, _ in results.values())} of {len(results)} work.",
        "",
        "| program | what it is | | |",
        "|---|---|---|---|",
    ]
    for name, (works, words) in results.items():
        kind = "script" if known[name].parent.name == "scripts" else "package"
        lines.append(f"| `{name}` | {kind} | {'works' if works else 'fails'} | {words} |")
    PAGE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
