"""What the builders of all families share, and `IntermediateLayerGetter`."""

from collections import OrderedDict

from retrograd import nn

__all__ = ["IntermediateLayerGetter"]


def _make_divisible(v, divisor, min_value=None):
    """`v` rounded to a multiple of `divisor`, at least `min_value` and not more than a tenth below `v`."""
    rounded = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * v else rounded + divisor


def require(kwargs, name, value):
    """Set the option `name`, which the weights dictate; ValueError if the caller wants another value."""
    if kwargs.setdefault(name, value) != value:
        raise ValueError(
            f"The parameter '{name}' expected value {value} but got {kwargs[name]} instead: the weights were "
            "trained with it. Load them without this argument, then change the model. [RG097]"
        )


def build(model_class, weights, progress, *args, **kwargs):
    """`model_class(*args, **kwargs)` with `weights`, a member of an enum, loaded; None: initial values."""
    if weights is not None:
        require(kwargs, "num_classes", len(weights.meta["categories"]))
    model = model_class(*args, **kwargs)
    if weights is not None:
        model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
    return model


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of `model`, called one after the other; returns an ordered dict of chosen results.

    return_layers: {child's name: name in the result}. Children after the last of them are left out, and so
    is whatever the model's own forward does between its children.
    """

    _version = 2

    def __init__(self, model, return_layers):
        wanted = {str(child): str(name) for child, name in return_layers.items()}
        children = dict(model.named_children())
        if missing := wanted.keys() - children.keys():
            raise ValueError(
                f"return_layers are not present in model: {sorted(missing)}; its children: "
                f"{list(children)} [RG099]"
            )
        names = list(children)
        last = max((names.index(name) for name in wanted), default=0)
        super().__init__(OrderedDict((name, children[name]) for name in names[: last + 1]))
        self.return_layers = return_layers

    def forward(self, x):
        out = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out
