"""`python -m retrograd tour`: a gentle walk through automatic differentiation, on a real network and a real photo."""

import math
import os
import sys
import time

import retrograd as torch

from . import nn
from .draw import tree
from .vision.models import ResNet18_Weights, resnet18

WIDTH = 78


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
    """The sections, in order; each prints what it does and what came out."""

    def __init__(self, image, weights, seed, out):
        self.image = image
        self.weights = weights
        self.seed = seed
        self.out = out
        self.number = 0

    def run(self):
        torch.manual_seed(self.seed)
        self.say("retrograd: automatic differentiation that trains neural networks.")
        self.say("What follows is computed on this machine as you read it.")
        self.load()
        self.see()
        self.train_step()
        self.derivatives()
        self.vector_jacobian()
        self.graph()
        self.fine_tune()

    # --- printing ---

    def say(self, text=""):
        print(text, file=self.out)

    def section(self, title, *code):
        self.number += 1
        self.say()
        self.say(f"{self.number}. {title} ".ljust(WIDTH, "-"))
        for line in code:
            self.say(f"    >>> {line}")

    def table(self, rows):
        widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            self.say("    " + "  ".join(str(cell).ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())

    # --- the sections ---

    def load(self):
        self.section("A network", f"model = resnet18(weights={self.weights!r})")
        started = time.perf_counter()
        self.trained = True
        if self.weights.lower() == "none":
            self.model, self.trained = resnet18(weights=None), False
            self.say("    as asked: no pretrained weights, random ones from the seed.")
        elif os.path.exists(self.weights):
            self.model = resnet18(weights=None)
            self.model.load_state_dict(torch.load(self.weights))
            self.say(f"    weights from {self.weights}")
        else:
            self._load_pretrained()
        self.model.eval()
        count = sum(p.numel() for p in self.model.parameters())
        self.say(f"    {count:,} parameters in {len(list(self.model.parameters()))} tensors, {time.perf_counter() - started:.2f} s")

    def _load_pretrained(self):
        try:
            chosen = ResNet18_Weights.verify(self.weights)
        except (ValueError, KeyError, TypeError) as error:
            raise TourError(f"--weights {self.weights}: {error}, or a file, or none") from None
        try:
            self.model = resnet18(weights=chosen)
        except (OSError, RuntimeError) as error:
            self.model, self.trained = resnet18(weights=None), False
            self.say("    The pretrained weights can't be had:")
            for line in str(error).splitlines():
                self.say(f"      {line}")
            self.say("    The tour goes on with random weights from the seed: every step is real, but")
            self.say("    what the network says about the photo means nothing.")

    def see(self):
        self.section("A prediction", "batch = weights.transforms()(photo).unsqueeze(0)", "scores = model(batch)")
        self.batch = self._photo().unsqueeze(0)
        started = time.perf_counter()
        with torch.no_grad():
            scores = self.model(self.batch)
        elapsed = time.perf_counter() - started
        self.say(f"    {tuple(self.batch.shape)} in, {tuple(scores.shape)} out, {elapsed * 1e3:.0f} ms")
        categories = ResNet18_Weights.DEFAULT.meta["categories"]
        best = scores.softmax(1)[0].topk(5)
        self.table([[f"{100 * p:5.1f} %", categories[i]] for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)])
        if not self.trained:
            self.say("    (random weights: these five are chance)")

    def _photo(self):
        """The photo as the network wants it: (3, 224, 224), normalised."""
        transform = ResNet18_Weights.DEFAULT.transforms()
        path = self.image or sample_photo()
        if path is None:
            self.say("    no photo given (--image FILE) and none at hand: a picture made of waves instead")
            return transform(waves())
        try:
            from PIL import Image
        except ImportError:
            raise TourError("reading a photo needs Pillow: pip install 'retrograd[vision]'") from None
        try:
            with Image.open(path) as photo:
                picture = photo.convert("RGB")
        except OSError as error:
            raise TourError(f"--image {path}: {error}; give a JPEG or PNG file") from None
        self.say(f"    photo: {path} ({picture.width} x {picture.height})")
        return transform(picture)

    def train_step(self):
        self.section(
            "One step of training", "loss = cross_entropy(model(batch), target)", "loss.backward()",
            "optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)", "optim.step()",
        )  # fmt: skip
        target = torch.tensor([torch.randint(0, 1000, ()).item()])
        name = ResNet18_Weights.DEFAULT.meta["categories"][target.item()]
        self.say(f"    target: a class drawn at random, {name!r}")
        times = {}

        def timed(what, function):
            started = time.perf_counter()
            result = function()
            times[what] = (time.perf_counter() - started) * 1e3
            return result

        loss = timed("forward", lambda: nn.functional.cross_entropy(self.model(self.batch), target))
        timed("backward", loss.backward)
        optim = torch.optim.SGD(self.model.parameters(), lr=1e-2, momentum=0.9)
        timed("step", optim.step)
        with torch.no_grad():
            after = nn.functional.cross_entropy(self.model(self.batch), target)
        self.say("    " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in times.items()))
        self.say(f"    loss before {loss.item():.4f}, after {after.item():.4f}")
        self.say("    norm of the gradient, by layer:")
        rows = []
        for child, module in self.model.named_children():
            grads = [p.grad for p in module.parameters() if p.grad is not None]
            if grads:
                norm = math.sqrt(sum(float(g.double().pow(2).sum()) for g in grads))
                rows.append([child, f"{norm:.3e}", "#" * max(1, min(40, round(8 * (math.log10(norm) + 4)))) if norm > 0 else ""])
        self.table(rows)

    def derivatives(self):
        self.section(
            "Derivatives: Q = 3a^3 - b^2", "a = torch.tensor([2., 3.], requires_grad=True)",
            "b = torch.tensor([6., 4.], requires_grad=True)", "Q = 3*a**3 - b**2", "Q.backward(gradient=torch.tensor([1., 1.]))",
        )  # fmt: skip
        a = torch.tensor([2.0, 3.0], requires_grad=True)
        b = torch.tensor([6.0, 4.0], requires_grad=True)
        Q = 3 * a**3 - b**2
        Q.backward(gradient=torch.tensor([1.0, 1.0]))
        self.say(f"    Q = {Q}")
        self.check("dQ/da = 9a^2", a.grad, 9 * a.detach() ** 2)
        self.check("dQ/db = -2b ", b.grad, -2 * b.detach())

    def check(self, what, ours, expected):
        right = torch.equal(ours, expected)
        self.say(f"    {what}: {ours.tolist()}, by hand {expected.tolist()}: {'equal' if right else 'DIFFERENT'}")
        if not right:
            raise TourError(f"{what} came out wrong; please report this with the output of `python -m retrograd env`")

    def vector_jacobian(self):
        self.section(
            "A vector-Jacobian product: v^T J without forming J", "y = x * x.sum()", "y.backward(gradient=v)",
        )  # fmt: skip
        x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        v = torch.tensor([1.0, 0.0, -1.0])
        y = x * x.sum()
        y.backward(gradient=v)
        total = x.detach().sum()
        jacobian = torch.eye(3) * total + x.detach().unsqueeze(1).expand(3, 3)
        self.say("    J = " + str(jacobian).replace("\n", "\n    "))
        self.check("v^T J", x.grad, v @ jacobian)

    def graph(self):
        self.section("The graph that backward walks", "print(retrograd.draw.tree(loss))")
        x = torch.rand(1, 4)
        layer = nn.Linear(4, 2)
        loss = (layer(x).tanh() ** 2).sum()
        for line in tree(loss, params=layer.named_parameters()).splitlines():
            self.say(f"    {line}")

    def fine_tune(self):
        self.section(
            "Freeze the network, train a new last layer", "model.requires_grad_(False)", "model.fc = nn.Linear(512, 10)",
            "optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)",
        )  # fmt: skip
        model = self.model
        model.requires_grad_(False)
        for p in model.parameters():
            p.grad = None
        model.fc = nn.Linear(512, 10)
        optim = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        target = torch.tensor([3])
        before = model.conv1.weight.clone()
        losses = []
        for _ in range(3):
            optim.zero_grad()
            loss = nn.functional.cross_entropy(model(self.batch), target)
            loss.backward()
            optim.step()
            losses.append(loss.item())
        trained = [name for name, p in model.named_parameters() if p.grad is not None]
        self.say(f"    parameters with a gradient: {', '.join(trained)}")
        self.say(f"    the frozen ones unchanged: {torch.equal(before, model.conv1.weight)}")
        self.say("    loss over three steps: " + ", ".join(f"{v:.4f}" for v in losses))
        self.say()


def sample_photo():
    """A photo that is at hand, scikit-learn's, or None."""
    import importlib.util

    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = os.path.join(spec.submodule_search_locations[0], "datasets", "images", "china.jpg")
    return path if os.path.exists(path) else None


def waves(size=256):
    """A colourful picture, computed: (3, size, size) bytes."""
    grid = torch.arange(size, dtype=torch.float32) * (2 * math.pi / size)
    x, y = grid.unsqueeze(0), grid.unsqueeze(1)
    bands = [((3 * x + k).sin() * (2 * y - k).cos() + 1) * 127.5 for k in range(3)]
    return torch.stack(bands).to(torch.uint8)
