"""What a run keeps in its folder, written whole or not at all, so that a kill at any moment loses little.

last.pth: all that the next step depends on. best.pth: the model with the best validation accuracy, and what
`predict` needs. metrics.csv: a row for each epoch.
"""

import os

import retrograd
from retrograd._checkpoint.replacing import writing

from . import UsageError
from .options import deciding

LAST, BEST, METRICS = "last.pth", "best.pth", "metrics.csv"
COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")


def prepare_folder(options):
    """Make the folder of a new run; refuse one that holds another."""
    path = os.path.join(options.out, LAST)
    if options.resume:
        if not os.path.exists(path):
            raise UsageError(
                f"--resume: there is no {path!r} to go on from; leave --resume out to start [RG173]"
            )
    elif os.path.exists(path):
        raise UsageError(f"{options.out!r} holds a run; go on with --resume, or choose another --out [RG173]")
    elif not options.dry_run:
        os.makedirs(options.out, exist_ok=True)


def save_last(options, model, optimizer, schedule, progress):
    """Keep all that the next step depends on; the random state too, for layers that draw, such as dropout."""
    state = {
        "format": "retrograd-finetune-last-1",
        "options": deciding(options),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "progress": progress,
        "random": retrograd.get_rng_state(),
    }
    retrograd.save(state, os.path.join(options.out, LAST))


def load_last(options, model, optimizer, schedule):
    """Go back to what `save_last` kept; gives the progress."""
    path = os.path.join(options.out, LAST)
    state = retrograd.load(path, weights_only=True)
    if not isinstance(state, dict) or state.get("format") != "retrograd-finetune-last-1":
        raise UsageError(f"{path!r} is not a run of `finetune` [RG173]")
    now = deciding(options)
    if different := [k for k in now if state["options"].get(k) != now[k]]:
        told = "; ".join(
            f"--{k.replace('_', '-')} was {state['options'].get(k)}, is {now[k]}" for k in different
        )
        raise UsageError(f"--resume: the run in {options.out!r} had other arguments: {told} [RG173]")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    retrograd.set_rng_state(state["random"])
    return state["progress"]


def save_best(options, model, classes, mean, std, row):
    """Keep the model for `predict`; PyTorch's `load` reads it too."""
    state = {
        "format": "retrograd-finetune-1",
        "model": options.model,
        "classes": classes,
        "size": options.size,
        "mean": list(mean),
        "std": list(std),
        "metrics": row,
        "state_dict": model.state_dict(),
    }
    retrograd.save(state, os.path.join(options.out, BEST))


def write_metrics(options, history):
    """metrics.csv anew, in place of the old one at once."""
    lines = [COLUMNS, *([repr(row[name]) for name in COLUMNS] for row in history)]
    with writing(os.path.join(options.out, METRICS)) as file:
        file.write("".join(",".join(line) + "\n" for line in lines).encode())
