"""The command line: `python -m retrograd COMMAND`.

Commands live in modules of their own and are imported when asked for.
"""

import argparse
import os
import sys


def main(argv=None):
    """Run one command; gives the exit status."""
    options = parser().parse_args(argv)
    if options.command is None:
        parser().print_help()
        return 2
    if options.command == "run":  # a script's output and errors are its own
        return _run(options)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that can't show a line drawing shows "?"
    try:
        status = _COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 1


def parser():
    """The parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m retrograd",
        description="Automatic differentiation that trains neural networks, with PyTorch's API.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    text = "run a PyTorch script, unmodified, with torch and torchvision bound to retrograd"
    run = commands.add_parser("run", help=text, description=text.capitalize() + ".")
    run.add_argument("script", help="the script's path")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments for the script")

    text = "walk through autograd on a pretrained ResNet-18 and a real photo"
    tour = commands.add_parser("tour", help=text, description=text.capitalize() + ".")
    tour.add_argument("--image", metavar="FILE", help="a photo to classify (JPEG, PNG...)")
    tour.add_argument(
        "--weights",
        default="DEFAULT",
        metavar="NAME|FILE|none",
        help="pretrained weights, a checkpoint of ResNet-18, or none for random ones (default: DEFAULT)",
    )
    tour.add_argument("--seed", type=int, default=0, help="seed of whatever is random (default: 0)")

    text = "fine-tune a vision model on a folder of images"
    finetune = commands.add_parser("finetune", help=text, description=text.capitalize() + ".")
    text = "tell what a fine-tuned model sees in images"
    predict = commands.add_parser("predict", help=text, description=text.capitalize() + ".")
    from .finetune.options import add_finetune_arguments, add_predict_arguments

    add_finetune_arguments(finetune)
    add_predict_arguments(predict)

    text = "show what a checkpoint holds, without loading it"
    inspect = commands.add_parser("inspect", help=text, description=text.capitalize() + ".")
    inspect.add_argument("file", help="a .pth, .pt or .safetensors file")

    text = "tell what the code at the end of an error means, with an example"
    explain = commands.add_parser("explain", help=text, description=text.capitalize() + ".")
    explain.add_argument("code", nargs="?", metavar="CODE", help="such as RG001, or a word; none: list all")

    text = "show the version, the kernels in use, the cache folder and the optional packages found"
    commands.add_parser("env", help=text, description=text.capitalize() + ".")
    return top


def _run(options):
    from .script import run_script

    return run_script(options.script, options.args)


def _tour(options):
    from .tour import tour

    return tour(image=options.image, weights=options.weights, seed=options.seed)


def _finetune(options):
    from .finetune.train import finetune

    return finetune(options)


def _predict(options):
    from .finetune.predict import predict

    return predict(options)


def _inspect(options):
    from ._checkpoint.errors import CheckpointError
    from ._checkpoint.inspect import inspect_checkpoint

    try:
        report = inspect_checkpoint(options.file)
    except CheckpointError as error:
        print(f"inspect: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"inspect: can't read {options.file!r}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(report)
    return 0


def _explain(options):
    from .explain import explain

    return explain(options.code)


def _env(options):
    import importlib.util
    import platform

    import numpy

    from . import __version__, hub, kernels

    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    print(f"retrograd {__version__}")
    print(kernels.describe())
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores")
    print(f"NumPy {numpy.__version__} with {blas['name']} {blas['version']}")
    print(f"downloads are kept in {os.path.join(hub.get_dir(), 'checkpoints')}")
    for package, use in (("PIL", "images"), ("cupy", "GPU arrays"), ("torch", "not used")):
        found = importlib.util.find_spec(package) is not None
        print(f"{package}: {'found' if found else 'not installed'} ({use})")
    return 0


_COMMANDS = {
    "tour": _tour,
    "finetune": _finetune,
    "predict": _predict,
    "inspect": _inspect,
    "explain": _explain,
    "env": _env,
}
