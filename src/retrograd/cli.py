"""The command line: `python -m retrograd run | tour | inspect | env`.

Commands live in modules of their own and are imported when asked for.
"""

import argparse
import sys


def main(argv=None):
    """Run one command; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m retrograd", description="Automatic differentiation that trains neural networks, with PyTorch's API."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run = commands.add_parser("run", help="run a PyTorch script, unmodified, with torch and torchvision bound to retrograd")
    run.add_argument("script", help="the script's path")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments for the script")

    tour = commands.add_parser("tour", help="walk through autograd on a pretrained ResNet-18 and a real photo")
    tour.add_argument("--image", metavar="PHOTO", help="a photo to classify (JPEG, PNG...); default: one that is at hand")
    tour.add_argument("--weights", default="DEFAULT", metavar="NAME|FILE|none", help="pretrained weights (default: DEFAULT)")
    tour.add_argument("--seed", type=int, default=0, help="seed of whatever is random (default: 0)")

    inspect = commands.add_parser("inspect", help="show what a checkpoint holds, without loading it")
    inspect.add_argument("file", help="a .pth, .pt or .safetensors file")

    commands.add_parser("env", help="show the version, the kernels in use and the optional packages found")

    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_help()
        return 2
    return _COMMANDS[options.command](options)


def _run(options):
    from .script import run_script

    return run_script(options.script, options.args)


def _tour(options):
    from .tour import tour

    return tour(image=options.image, weights=options.weights, seed=options.seed)


def _inspect(options):
    from ._checkpoint.inspect import inspect_checkpoint

    try:
        print(inspect_checkpoint(options.file))
    except (OSError, RuntimeError, ValueError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    return 0


def _env(options):
    import importlib.util
    import platform

    import numpy

    from . import __version__, kernels

    print(f"retrograd {__version__}, Python {platform.python_version()}, NumPy {numpy.__version__}, {platform.platform()}")
    print(kernels.describe())
    for package, use in (("PIL", "images"), ("cupy", "GPU"), ("matplotlib", "plots"), ("safetensors", "tests only")):
        found = importlib.util.find_spec(package) is not None
        print(f"{package}: {'found' if found else 'not installed'} ({use})")
    return 0


_COMMANDS = {"run": _run, "tour": _tour, "inspect": _inspect, "env": _env}
