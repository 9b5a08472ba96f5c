"""Intermediate results of a model by the names of its modules."""

import copy
import difflib
import re
from collections import Counter, OrderedDict
from contextlib import ExitStack

__all__ = ["create_feature_extractor"]


class _Complete(Exception):
    """Everything asked for is there: the rest of the model need not run."""


def create_feature_extractor(
    model, return_nodes=None, train_return_nodes=None, eval_return_nodes=None, tracer_kwargs=None,
    suppress_diff_warning=False, concrete_args=None,
):  # fmt: skip
    """A model that shares `model`'s weights and returns a dict of what some of its modules gave.

    return_nodes: {module's name: key in the dict}, or a list of names, which are the keys then. A name is one
    of `model.named_modules()`, such as "layer1" or "layer4.1.conv2"; with "_1" for the second result of a
    module that is called more than once, "_2" for the third. train_return_nodes, eval_return_nodes: two such,
    for the two modes. The dict is in the order of computation. The model stops when all are there.

    torchvision traces the model and offers what functions give too ("flatten", "add"), and prunes what is not
    needed; here modules are watched while the model runs, all stay, and `tracer_kwargs`,
    `suppress_diff_warning` and `concrete_args` are ignored.
    """
    separate = train_return_nodes, eval_return_nodes
    if return_nodes is not None and separate != (None, None):
        raise ValueError("pass either return_nodes, or train_return_nodes and eval_return_nodes [RG099]")
    if return_nodes is None and None in separate:
        raise ValueError("pass return_nodes, or both train_return_nodes and eval_return_nodes [RG099]")
    if return_nodes is not None:
        separate = return_nodes, return_nodes
    extractor = copy.copy(model)
    for name in ("_modules", "_parameters", "_buffers"):
        extractor.__dict__[name] = copy.copy(model.__dict__[name])
    base = type(model)
    extractor.__class__ = type(f"{base.__name__}FeatureExtractor", (_Extracting, base), {})
    extractor._nodes = {True: _checked(model, separate[0]), False: _checked(model, separate[1])}
    return extractor


def _checked(model, nodes):
    """`nodes` as {(module's name, number of its call): key}."""
    nodes = nodes if isinstance(nodes, dict) else {name: name for name in nodes}
    known = [name for name, _ in model.named_modules() if name]
    places = {}
    for node, key in nodes.items():
        suffix = re.search(r"_(\d+)$", node)
        if node in known:
            places[node, 0] = str(key)
        elif suffix and node[: suffix.start()] in known:
            places[node[: suffix.start()], int(suffix[1])] = str(key)
        else:
            near = ", ".join(difflib.get_close_matches(node, known)) or "model.named_modules() has them all"
            raise ValueError(
                f"node: '{node}' is not the name of a module of the model; near it: {near} [RG099]"
            )
    return places


class _Extracting:
    """Put before a model's class: `forward` returns the dict."""

    def forward(self, *args, **kwargs):
        places = self._nodes[self.training]
        calls, found = Counter(), {}

        def watch(name):
            def hook(module, inputs, output):
                place = name, calls[name]
                calls[name] += 1
                if place in places:
                    found[place] = output
                    if len(found) == len(places):
                        raise _Complete

            return hook

        modules = dict(self.named_modules())
        with ExitStack() as hooks:
            for name in {name for name, _ in places}:
                hooks.callback(modules[name].register_forward_hook(watch(name)).remove)
            try:
                super().forward(*args, **kwargs)
            except _Complete:
                pass
        if missing := places.keys() - found.keys():
            name, call = min(missing)
            raise ValueError(
                f"the model called {name!r} {calls[name]} times, but its result {call} is asked for [RG099]"
            )
        return OrderedDict((places[place], output) for place, output in found.items())
