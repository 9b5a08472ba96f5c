"""The network: an architecture with its weights, a new last layer, and what of it stays as it is."""

import os

import retrograd
from retrograd import nn
from retrograd.vision import models

from . import UsageError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def build(options, classes):
    """(model, the names of its new layers, notes for the user) for `classes` classes."""
    try:
        builder = models.get_model_builder(options.model)
    except ValueError:
        raise UsageError(_unknown(options.model)) from None
    notes = []
    if options.weights.lower() == "none":
        return builder(weights=None, num_classes=classes), [], notes
    if os.path.exists(options.weights):
        return *_from_file(builder, options, classes, notes), notes
    try:
        weights = models.get_model_weights(options.model).verify(options.weights)
    except KeyError as error:
        raise UsageError(f"--weights: {error.args[0]}; or give a file, or none [RG173]") from None
    model = builder(weights=weights)
    return model, replace_head(model, len(weights.meta["categories"]), classes), notes


def _unknown(name):
    import difflib

    near = difflib.get_close_matches(name, models.list_models(), 4)
    advice = (
        f"did you mean {', '.join(near)}?" if near else "retrograd.vision.models.list_models() has them all"
    )
    return f"--model: there is no architecture {name!r}; {advice} [RG173]"


def _from_file(builder, options, classes, notes):
    """A model with the weights of a checkpoint: its own last layer if that fits, else a new one."""
    state = retrograd.load(options.weights, weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, retrograd.Tensor) for v in state.values()):
        raise UsageError(
            f"--weights: {options.weights!r} holds no dictionary of tensors; give a state dict [RG173]"
        )
    state = {name.removeprefix("module."): value for name, value in state.items()}
    outputs = _outputs(state)
    model = builder(weights=None, num_classes=outputs)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(
            f"--weights: {options.weights!r} does not fit {options.model}: {error} [RG173]"
        ) from None
    if outputs == classes:
        notes.append("the checkpoint's last layer is kept: it has as many classes")
        return model, []
    return model, replace_head(model, outputs, classes)


def _outputs(state):
    """The number of classes of a classifier with this state: the length of its last matrix or kernel."""
    return [len(v) for v in state.values() if v.ndim in (2, 4)][-1]


def replace_head(model, old, new):
    """Put a new layer where the model, or an auxiliary classifier, gives its `old` classes; their names."""
    names = []
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and layer.out_features == old:
            fresh = nn.Linear(layer.in_features, new, bias=layer.bias is not None)
        elif isinstance(layer, nn.Conv2d) and layer.out_channels == old and layer.kernel_size == (1, 1):
            fresh = nn.Conv2d(layer.in_channels, new, 1, bias=layer.bias is not None)
        else:
            continue
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, fresh)
        names.append(name)
    if not names:
        raise UsageError(f"found no layer with {old} outputs in {type(model).__name__} to replace [RG173]")
    return names


def freeze(model, what, heads):
    """Let what `--freeze` names keep its values; gives the modules that stay in evaluation mode."""
    if what == "none":
        return []
    if what == "backbone":
        if not heads:
            raise UsageError(
                "--freeze backbone: no layer is new, so nothing would learn; it is for pretrained "
                "--weights [RG173]"
            )
        frozen = [n for n, _ in model.named_parameters() if not n.startswith(tuple(h + "." for h in heads))]
    else:
        prefixes = tuple(what.split(","))
        names = [n for n, _ in model.named_parameters()]
        for prefix in prefixes:
            if not any(n.startswith(prefix) for n in names):
                top = ", ".join(dict.fromkeys(n.partition(".")[0] for n in names))
                raise UsageError(
                    f"--freeze: no parameter's name starts with {prefix!r}; the names begin with {top} "
                    "[RG173]"
                )
        frozen = [n for n in names if n.startswith(prefixes)]
    parameters = dict(model.named_parameters())
    if len(frozen) == len(parameters):
        raise UsageError(f"--freeze {what}: that is every parameter, and nothing would learn [RG173]")
    for name in frozen:
        parameters[name].requires_grad_(False)
    # A module all of whose parameters are frozen keeps its running statistics too.
    return [
        m for m in model.modules()
        if (own := list(m.parameters())) and not any(p.requires_grad for p in own)
    ]  # fmt: skip


def train_mode(model, frozen):
    model.train()
    for module in frozen:
        module.eval()


def optimizer_of(options, model):
    learning = [p for p in model.parameters() if p.requires_grad]
    if options.optimizer == "adamw":
        return retrograd.optim.AdamW(learning, lr=options.lr or 1e-3, weight_decay=options.weight_decay)
    return retrograd.optim.SGD(
        learning, lr=options.lr or 1e-2, momentum=0.9, weight_decay=options.weight_decay
    )
