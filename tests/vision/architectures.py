"""One architecture in both libraries: the same weights, the same images, the same draws; what differs."""

import io
import tempfile
import warnings
from dataclasses import dataclass

import numpy as np
import torch

import retrograd
from oracle import torchvision
from retrograd.vision import models as ours

theirs = torchvision().models
NAMES = theirs.list_models(module=theirs)

# Images as small as the architectures allow in training mode; what is not listed takes 64x64.
_SIZES = {"alexnet": 96, "googlenet": 96, "inception_v3": 299, "maxvit_t": 224}
_OPTIONS = {
    "googlenet": {"init_weights": True}, "inception_v3": {"init_weights": True},
    **{f"vit_{name}": {"image_size": 64} for name in ("b_16", "b_32", "l_16", "l_32")},
    "vit_h_14": {"image_size": 56},
}  # fmt: skip
LARGE = 160_000_000  # parameters, above which the expected gradients wait in files, for want of memory
# PyTorch's gradient of hardsigmoid multiplies with 1/6 in float32, whatever the type.
_ROUGH = ("mobilenet_v3_large", "mobilenet_v3_small")


@dataclass
class Row:
    """What was compared. Errors are relative to the largest value."""

    name: str
    parameters: int
    same_names: bool  # keys, their order, shapes and types of the state dict
    same_start: bool = False  # initial weights after the same seed
    logits: float = float("inf")
    gradients: float = float("inf")

    def agrees(self):
        bound = 1e-7 if self.name in _ROUGH else 1e-9
        return self.same_names and self.same_start and max(self.logits, self.gradients) < bound


def signature(state):
    """Names, shapes and types of a state dict, in order."""
    return [(key, tuple(value.shape), str(value.dtype).rpartition(".")[2]) for key, value in state.items()]


def build(library, name, **options):
    """The model, its weights drawn after manual_seed(0)."""
    (torch if library is theirs else retrograd).manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about initial weights that will change one day
        return library.get_model(name, **options)


def _enliven(model):
    """Change a fresh model's zeros, ones and statistics, so that every part of it shows in the results."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                noise = torch.empty_like(parameter).normal_(generator=generator)
                parameter.add_(noise, alpha=0.02 if parameter.ndim > 1 else 0.1)
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.normal_(0, 0.1, generator=generator)
            elif key.endswith("running_var"):
                buffer.uniform_(0.5, 1.5, generator=generator)


def _carry_over(source, target):
    """Load the checkpoint that PyTorch writes of `source` into `target`."""
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(retrograd.load(file))


def _error(got, expected, scale):
    difference = np.abs(got - expected).max(initial=0.0)
    return float(difference / scale) if np.isfinite(difference) else float("inf")


def _arrays(out):
    """The arrays of a model's output, which in training may be a tuple."""
    return [x.detach().numpy() for x in (out if isinstance(out, tuple) else (out,))]


def _gradients(framework, model, images, weighting):
    """One step's gradients, {name: array}; dropout and the like draw after the same seed."""
    framework.manual_seed(1)
    out = model(images)
    outputs = out if isinstance(out, tuple) else (out,)
    sum((x * weighting).sum() for x in outputs).backward()
    return {key: p.grad.numpy() for key, p in model.named_parameters() if p.grad is not None}


def _logits_and_gradients(framework, model, images):
    """(logits in evaluation mode, {parameter: gradient} of one training step), in float64."""
    images = framework.from_numpy(images)
    with framework.no_grad():
        logits = _arrays(model.double().eval()(images))[0]
    weighting = np.random.default_rng(4).standard_normal(logits.shape)
    return logits, _gradients(framework, model.train(), images, framework.from_numpy(weighting))


def _errors(got, expected):
    """(error of the logits, error of the gradients)."""
    (logits, made), (wanted_logits, wanted) = got, expected
    assert made.keys() == wanted.keys()
    largest = max(np.abs(g).max() for g in wanted.values())
    # What cancels to nothing, such as a bias before a batch norm, is measured by the others' size.
    gradients = max(_error(made[key], g, max(np.abs(g).max(), 1e-3 * largest)) for key, g in wanted.items())
    return _error(logits, wanted_logits, np.abs(wanted_logits).max()), gradients


def agree(their_model, our_model, images):
    """(error of the logits in evaluation mode, error of a step's gradients) for models of equal weights."""
    return _errors(
        _logits_and_gradients(retrograd, our_model, images),
        _logits_and_gradients(torch, their_model, images),
    )


def transplant(their_model, our_model):
    """Make the weights of both equal, and neither zero nor one, through a checkpoint of PyTorch's."""
    _enliven(their_model)
    _carry_over(their_model, our_model)
    their_model.double()
    our_model.double()


def images(size):
    return np.random.default_rng(3).standard_normal((2, 3, size, size))


def _in_files(gradients, folder):
    """`gradients` as arrays that lie in files and are read when needed."""
    for i, key in enumerate(gradients):
        file = f"{folder}/{i}.npy"
        np.save(file, gradients[key])
        gradients[key] = np.load(file, mmap_mode="r")
    return gradients


def compare(name):
    """The `Row` of one architecture; gradients in training mode, everything random after the same seed."""
    their_model, our_model = build(theirs, name), build(ours, name)
    their_state, our_state = their_model.state_dict(), our_model.state_dict()
    parameters = sum(parameter.numel() for parameter in our_model.parameters())
    row = Row(name, parameters, signature(their_state) == signature(our_state))
    row.same_start = all(
        np.array_equal(their_state[key].numpy(), our_state[key].numpy()) for key in their_state
    )
    options = _OPTIONS.get(name, {})
    if options.keys() - {"init_weights"}:
        their_model, our_model = build(theirs, name, **options), build(ours, name, **options)
    inputs = images(options.get("image_size", _SIZES.get(name, 64)))
    del their_state, our_state
    if parameters < LARGE:
        transplant(their_model, our_model)
        row.logits, row.gradients = agree(their_model, our_model, inputs)
        return row
    _enliven(their_model)
    _carry_over(their_model, our_model)
    with tempfile.TemporaryDirectory() as folder:
        logits, gradients = _logits_and_gradients(torch, their_model, inputs)
        their_model.zero_grad()
        expected = logits, _in_files(gradients, folder)
        del their_model
        row.logits, row.gradients = _errors(_logits_and_gradients(retrograd, our_model, inputs), expected)
    return row
