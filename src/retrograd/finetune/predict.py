"""What a fine-tuned model sees in images."""

import json
import os
import sys

import retrograd
from retrograd.vision import models

from . import UsageError, data
from .state import BEST
from .train import outputs_of


def predict(options):
    """Run the command; gives the exit status: 1 if an image could not be read."""
    try:
        checkpoint = load(options.checkpoint)
        paths = _paths(options.images)
    except UsageError as error:
        print(f"predict: {error}", file=sys.stderr)
        return 2
    model, classes = model_of(checkpoint), checkpoint["classes"]
    transform = data.preprocessing(checkpoint["size"], checkpoint["mean"], checkpoint["std"])
    top, failed = min(options.top, len(classes)), 0
    width = min(60, max(len(path) for path in paths))
    for first in range(0, len(paths), options.batch_size):
        readable, images = [], []
        for path in paths[first : first + options.batch_size]:
            try:
                images.append(transform(data.open_image(path)))
                readable.append(path)
            except UsageError as error:
                print(f"predict: {error}", file=sys.stderr)
                failed += 1
        if images:
            with retrograd.no_grad():
                scores, _ = outputs_of(model(retrograd.stack(images)))
            shares, numbers = scores.softmax(1).topk(top)
            for path, p, n in zip(readable, shares.tolist(), numbers.tolist(), strict=True):
                _show(path, [(classes[i], share) for i, share in zip(n, p, strict=True)], width, options.json)
    return 1 if failed else 0


def load(path):
    """The checkpoint at `path`, a file or the folder of a run."""
    if os.path.isdir(path):
        path = os.path.join(path, BEST)
    try:
        state = retrograd.load(path, weights_only=True)
    except FileNotFoundError:
        raise UsageError(
            f"there is no {path!r}; `finetune` writes {BEST} at the end of its first epoch [RG173]"
        ) from None
    if not isinstance(state, dict) or state.get("format") != "retrograd-finetune-1":
        raise UsageError(f"{path!r} is not a model of `finetune`; give its {BEST} [RG173]")
    return state


def model_of(checkpoint):
    model = models.get_model(checkpoint["model"], weights=None, num_classes=len(checkpoint["classes"]))
    model.load_state_dict(checkpoint["state_dict"])
    return model.eval()


def _paths(given):
    paths = []
    for path in given:
        found = data.images_under(path) if os.path.isdir(path) else [path]
        if not found:
            raise UsageError(f"no images in {path!r}; looked for {', '.join(data.EXTENSIONS)} [RG173]")
        paths += found
    return paths


def _show(path, answers, width, as_json):
    if as_json:
        print(
            json.dumps({"image": path, "classes": [{"class": c, "share": round(s, 6)} for c, s in answers]})
        )
    else:
        print(f"{path:{width}}  " + "  ".join(f"{name} {share:.1%}" for name, share in answers))
