"""`python -m retrograd tour`: a walk through automatic differentiation, on a real network and a real photo.

It follows PyTorch's tutorial "A gentle introduction to torch.autograd". The code that it shows is what runs.
"""

import importlib.util
import math
import os
import sys
import textwrap
import time
from functools import partial

import retrograd

from . import draw, nn, optim
from ._version import __version__
from .vision.models import ResNet18_Weights, resnet18

WIDTH = 78
MARGIN = " " * 3
BOLD, DIM, CYAN, GREEN = "1", "2", "36", "32"


def tour(image=None, weights="DEFAULT", seed=0, out=None):
    """Print the tour to `out` (default: standard output); gives the exit status."""
    try:
        Tour(image, weights, seed, out or sys.stdout).run()
    except TourError as error:
        print(f"tour: {error}", file=sys.stderr)
        return 1
    return 0


class TourError(Exception):
    """Something that was asked for can't be had; the message says what to do."""


class Tour:
    """The sections, in order; each shows its code, runs it and prints what came out."""

    def __init__(self, image, weights, seed, out):
        self.image = image
        self.weights = weights
        self.seed = seed
        self.out = out
        self.number = 0
        self.colours = has_colours(out)
        self.names = {"torch": retrograd, "nn": nn, "draw": draw, "optim": optim,
                      "resnet18": resnet18, "ResNet18_Weights": ResNet18_Weights}  # fmt: skip

    def run(self):
        self.find_photo()
        self.check_weights()
        retrograd.manual_seed(self.seed)
        self.say(f"retrograd {__version__}, a walk through automatic differentiation.", BOLD)
        self.say("The code below runs on this machine as you read it; times are on the right.")
        self.build_network()
        self.predict()
        self.train_step()
        self.derivatives()
        self.vector_jacobian()
        self.graph()
        self.fine_tune()

    # --- printing and running ---

    def paint(self, text, colour):
        return f"\33[{colour}m{text}\33[0m" if self.colours and colour and text else text

    def say(self, text="", colour=None, end="\n"):
        print(self.paint(text, colour), file=self.out, end=end, flush=True)

    def tell(self, text, colour=None):
        """A line of output below the code, wrapped if it is long."""
        for line in textwrap.wrap(text, WIDTH - len(MARGIN), break_long_words=False, break_on_hyphens=False):
            self.say(MARGIN + line, colour)

    def block(self, text):
        """Lines of output that stay as they are."""
        self.say(textwrap.indent(text, MARGIN))

    def section(self, title):
        self.number += 1
        self.say()
        self.say(f"{self.number}. {title}", BOLD)

    def code(self, line):
        """Show a line of code, run it, and show how long it took if that can be felt."""
        shown = f"{MARGIN}>>> {line}"
        self.say(shown, CYAN, end="")
        started = time.perf_counter()
        try:
            exec(line, self.names)
        except BaseException:
            self.say()
            raise
        elapsed = time.perf_counter() - started
        # A space first: a long line may leave no room.
        spent = f" {elapsed * 1e3:.0f} ms".rjust(WIDTH - len(shown))
        self.say(spent if elapsed >= 1e-3 else "", DIM)

    def __getitem__(self, expression):
        """The value of an expression of the names that the code so far defined."""
        return eval(expression, self.names)

    def check(self, name, formula, by_hand):
        """Show that a gradient equals the one worked out by hand."""
        ours = self[name]
        if not retrograd.equal(ours, by_hand):
            raise TourError(
                f"{name} is {ours.tolist()} where {formula} is {by_hand.tolist()}; "
                "please report this with the output of `python -m retrograd env` [RG173]"
            )
        self.say(f"{MARGIN}{name} = {ours.tolist()}", end="")
        self.say(f"  equals {formula} by hand", GREEN)

    # --- the sections ---

    def find_photo(self):
        """The photo, before anything that takes time: what can't be read is said at once."""
        path = self.image or sample_photo()
        if path is None:
            self.names["photo"] = waves()
            self.source = "no photo given (--image FILE): a picture of waves, computed"
            return
        try:
            from PIL import Image, ImageOps, UnidentifiedImageError
        except ImportError:
            raise TourError("reading a photo needs Pillow: pip install Pillow [RG173]") from None
        try:
            with Image.open(path) as photo:
                self.names["photo"] = ImageOps.exif_transpose(photo).convert("RGB")
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            unknown = isinstance(error, UnidentifiedImageError)
            reason = (
                "not an image that Pillow knows" if unknown else getattr(error, "strerror", None) or error
            )
            raise TourError(f"--image {path}: {reason}; give a JPEG or PNG file [RG173]") from None
        size = self["f'{photo.width} x {photo.height}'"]
        origin = "" if self.image else ", of scikit-learn's samples"
        self.source = f"photo: {os.path.basename(path)}{origin}, {size}"

    def check_weights(self):
        """The name of the weights, before anything that takes time."""
        if self.weights.lower() == "none" or os.path.isfile(self.weights):
            return
        try:
            ResNet18_Weights.verify(self.weights)
        except KeyError as error:
            raise TourError(f"--weights: {error.args[0]}; or give a file, or none [RG173]") from None

    def build_network(self):
        self.section("A network")
        self.trained = True
        if self.weights.lower() == "none":
            self.random_weights("Random weights, as asked.")
        elif os.path.isfile(self.weights):
            self.load_file()
        else:
            self.load_pretrained()
        parameters = list(self["model"].parameters())
        self.tell(f"{sum(p.numel() for p in parameters):,} parameters in {len(parameters)} tensors")

    def random_weights(self, why):
        self.trained = False
        self.tell(why)
        self.code("model = resnet18(weights=None)")

    def load_file(self):
        self.code("model = resnet18(weights=None)")
        try:
            self.code(f"model.load_state_dict(torch.load({self.weights!r}))")
        except (OSError, RuntimeError, TypeError) as error:
            raise TourError(f"--weights {self.weights}: {error} [RG173]") from None

    def load_pretrained(self):
        self.names["resnet18"] = partial(resnet18, progress=sys.stderr.isatty())
        try:
            self.code(f"model = resnet18(weights={self.weights!r})")
        except (OSError, RuntimeError) as error:
            self.tell(f"The pretrained weights can't be had: {error}.")
            self.random_weights(
                "The tour goes on with random weights: every step is real, but what the network says about "
                "the photo means nothing."
            )

    def predict(self):
        self.section("A prediction")
        self.tell(self.source)
        self.code("transform = ResNet18_Weights.DEFAULT.transforms()")
        self.code("batch = transform(photo).unsqueeze(0)")
        self.code("model = model.eval()")
        self.code("with torch.no_grad(): prediction = model(batch)")
        self.code("best = prediction[0].softmax(0).topk(5)")
        categories = ResNet18_Weights.DEFAULT.meta["categories"]
        for probability, i in zip(self["best.values.tolist()"], self["best.indices.tolist()"], strict=True):
            self.say(f"{MARGIN}{probability:7.1%}  {categories[i]}")
        if not self.trained:
            self.tell("(chance: the weights are random)")

    def train_step(self):
        self.section("One step of training")
        self.names["model"].train()
        self.names["start"] = {k: v.clone() for k, v in self["model.state_dict()"].items()}
        self.code("labels = torch.rand(1, 1000)")
        self.code("loss = (model(batch) - labels).sum()")
        self.code("loss.backward()")
        self.code("optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)")
        self.code("optim.step()")
        with retrograd.no_grad():
            after = self["(model(batch) - labels).sum().item()"]
        self.tell(f"loss before the step {self['loss.item()']:.1f}, after it {after:.1f}")
        self.tell("(a plain sum, as in PyTorch's tutorial: it has no lowest value)")
        self.tell("norm of the gradient, by layer:")
        norms = {}
        for name, module in self["model.named_children()"]:
            grads = [p.grad for p in module.parameters()]
            if grads:
                norms[name] = math.sqrt(sum(g.double().square().sum().item() for g in grads))
        top = max(norms.values())
        for name, norm in norms.items():
            bar = "#" * max(1, round(36 * norm / top)) if 0 < norm and math.isfinite(top) else ""
            self.say(f"{MARGIN}  {name:8}{norm:12.4g}  {self.paint(bar, DIM)}".rstrip())

    def derivatives(self):
        self.section("Derivatives of Q = 3a^3 - b^2")
        self.code("a = torch.tensor([2., 3.], requires_grad=True)")
        self.code("b = torch.tensor([6., 4.], requires_grad=True)")
        self.code("Q = 3 * a**3 - b**2")
        self.tell(f"{self['Q']}")
        self.code("Q.backward(gradient=torch.tensor([1., 1.]))")
        self.check("a.grad", "9a^2", retrograd.tensor([36.0, 81.0]))
        self.check("b.grad", "-2b", retrograd.tensor([-12.0, -8.0]))

    def vector_jacobian(self):
        self.section("A vector-Jacobian product: v^T J, and J is never formed")
        self.code("x = torch.tensor([1., 2., 3.], requires_grad=True)")
        self.code("v = torch.tensor([1., 0., -1.])")
        self.code("y = x * x.sum()")
        self.code("y.backward(v)")
        jacobian = self["torch.eye(3) * x.detach().sum() + x.detach().unsqueeze(1)"]
        self.tell("J, by hand, is the sum of x on the diagonal, plus x_i in each row i:")
        self.block(str(jacobian))
        self.check("x.grad", "v^T J", self["v"] @ jacobian)

    def graph(self):
        self.section("The graph that backward walks")
        self.code("layer = nn.Linear(4, 4)")
        self.code("h = layer(torch.rand(1, 4)).tanh()")
        self.code("loss = (h + layer(h)).square().sum()")
        self.code("picture = draw.tree(loss, layer.named_parameters())")
        self.block(self["picture"])

    def fine_tune(self):
        self.section("The network frozen, a new last layer trained")
        self["model.load_state_dict(start)"]
        self.code("model = model.requires_grad_(False)")
        self.code("model.fc = nn.Linear(512, 10)")
        self.code("optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)")
        self["optim.zero_grad()"]
        before = {name: p.clone() for name, p in self["model.named_parameters()"]}
        self.tell("three steps towards class 3 of 10:")
        for _ in range(3):
            self["optim.zero_grad()"]
            loss = nn.functional.cross_entropy(self["model(batch)"], retrograd.tensor([3]))
            loss.backward()
            self["optim.step()"]
            self.tell(f"  loss {loss.item():.4f}")
        moved = [name for name, p in self["model.named_parameters()"] if not retrograd.equal(p, before[name])]
        self.tell(f"of {len(before)} parameters these have moved: {', '.join(moved)}")
        self.say()


def has_colours(out):
    """Whether to colour what goes to `out`: a terminal that can, and a user who has not set NO_COLOR."""
    is_terminal = getattr(out, "isatty", lambda: False)()
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def sample_photo():
    """The path of a photo that is at hand, scikit-learn's, or None."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = os.path.join(spec.submodule_search_locations[0], "datasets", "images", "china.jpg")
    return path if os.path.exists(path) else None


def waves(size=256):
    """A colourful picture, computed: (3, size, size) bytes."""
    grid = retrograd.arange(size, dtype=retrograd.float32) * (2 * math.pi / size)
    x, y = grid.unsqueeze(0), grid.unsqueeze(1)
    bands = [((3 * x + k).sin() * (2 * y - k).cos() + 1) * 127.5 for k in range(3)]
    return retrograd.stack(bands).to(retrograd.uint8)
