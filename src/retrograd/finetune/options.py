"""The arguments of `finetune` and `predict`."""

import argparse


def add_finetune_arguments(parser):
    """Everything that decides the result is kept in the run's folder, and must be the same to resume."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", required=True, metavar="FOLDER",
        help="a sub-folder of images for each class; or folders `train` and `val` of such",
    )  # fmt: skip
    data.add_argument(
        "--val-fraction", type=_fraction, default=0.2, metavar="F",
        help="share of each class kept for validation where there is no `val` folder (default: 0.2)",
    )  # fmt: skip
    data.add_argument(
        "--size", type=_positive, default=224, help="images are cut to SIZE x SIZE (default: 224)"
    )
    data.add_argument(
        "--augment", choices=["none", "light", "mixed"], default="light",
        help="light: random crops and mirroring; mixed: MixUp or CutMix of a batch as well (default: light)",
    )  # fmt: skip
    data.add_argument("--no-flip", action="store_true", help="no mirroring: digits, letters, signs")
    data.add_argument(
        "--workers", type=_count, default=0, metavar="N", help="processes that read images (default: 0)"
    )

    model = parser.add_argument_group("model")
    model.add_argument(
        "--model", default="resnet18", metavar="NAME", help="an architecture (default: resnet18)"
    )
    model.add_argument(
        "--weights", default="DEFAULT", metavar="NAME|FILE|none",
        help="pretrained weights, a checkpoint, or none for random ones (default: DEFAULT)",
    )  # fmt: skip
    model.add_argument(
        "--freeze", default="none", metavar="none|backbone|PREFIX,...",
        help="what keeps its values: nothing, all but the new last layer, or parameters whose names start so",
    )  # fmt: skip

    training = parser.add_argument_group("training")
    training.add_argument("--epochs", type=_positive, default=10, metavar="N", help="(default: 10)")
    training.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="(default: 32)")
    training.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd", help="(default: sgd)")
    training.add_argument(
        "--lr", type=_rate, default=None, metavar="RATE",
        help="learning rate at the start (default: 0.01 for sgd, 0.001 for adamw)",
    )  # fmt: skip
    training.add_argument("--weight-decay", type=float, default=1e-4, metavar="W", help="(default: 1e-4)")
    training.add_argument(
        "--schedule", choices=["cosine", "constant"], default="cosine", help="(default: cosine)"
    )
    training.add_argument(
        "--label-smoothing",
        type=float,
        default=0.0,
        metavar="E",
        help="share of the label given to all classes",
    )
    training.add_argument(
        "--patience", type=_positive, default=None, metavar="N",
        help="stop when the validation accuracy has not risen for N epochs",
    )  # fmt: skip
    training.add_argument("--seed", type=int, default=0, help="of all that is random (default: 0)")

    run = parser.add_argument_group("the run")
    run.add_argument(
        "--out", default="finetuned", metavar="FOLDER", help="where it is kept (default: finetuned)"
    )
    run.add_argument("--resume", action="store_true", help="go on where the run in --out was interrupted")
    run.add_argument(
        "--save-steps", type=_count, default=200, metavar="N",
        help="save every N steps within an epoch as well; 0: at its end only (default: 200)",
    )  # fmt: skip
    run.add_argument("--dry-run", action="store_true", help="check everything, time a step, write nothing")


def add_predict_arguments(parser):
    parser.add_argument("checkpoint", help="best.pth of a fine-tuned run, or the run's folder")
    parser.add_argument("images", nargs="+", help="image files, or folders of them")
    parser.add_argument("--top", type=_positive, default=3, metavar="K", help="classes to show (default: 3)")
    parser.add_argument("--batch-size", type=_positive, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


# What may differ between a run and its continuation: none of these changes a result.
FREE = {"out", "resume", "dry_run", "workers", "save_steps", "command"}


def deciding(options):
    """The options that decide the result, as a plain dict."""
    return {name: value for name, value in sorted(vars(options).items()) if name not in FREE}


def _number(kind, fits, words):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {words} [RG173]")
        return value

    return parse


_positive = _number(int, lambda n: n > 0, "a whole number above 0")
_count = _number(int, lambda n: n >= 0, "a whole number, 0 or more")
_fraction = _number(float, lambda f: 0 < f < 1, "a number between 0 and 1")
_rate = _number(float, lambda f: f > 0, "a number above 0")
