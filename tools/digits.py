"""A small ResNet on scikit-learn's digits: python tools/digits.py [--epochs N] [--library LIBRARY]

The digits are written as an image folder, a fifth of them is kept for testing, and one program trains on
retrograd and on PyTorch (LIBRARY: retrograd, torch or both). With both, the accuracies and losses stand in a
table, and as a picture in docs/images/digits.svg.
"""

import argparse
import csv
import io
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

import digits_folder  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "digits.svg"


def train(folder, library, epochs):
    """Yield (epoch, training loss, test loss, test accuracy)."""
    if library == "torch":
        import torch
        import torch.nn.functional as F
        from benchmarks.cases import torchvision_models
        from torch.utils.data import DataLoader, random_split

        torchvision_models()  # torchvision may lack its compiled operators
        from torchvision.datasets import ImageFolder
        from torchvision.models.resnet import BasicBlock, ResNet
        from torchvision.transforms import Compose, Grayscale, ToTensor
    else:
        import retrograd as torch
        import retrograd.nn.functional as F
        from retrograd.utils.data import DataLoader, random_split
        from retrograd.vision.datasets import ImageFolder
        from retrograd.vision.models.resnet import BasicBlock, ResNet
        from retrograd.vision.transforms import Compose, Grayscale, ToTensor

    torch.manual_seed(0)
    images = ImageFolder(folder, transform=Compose([Grayscale(3), ToTensor()]))
    count = len(images) // 5
    learnt, tested = random_split(images, [len(images) - count, count], torch.Generator().manual_seed(0))
    loader = DataLoader(learnt, batch_size=64, shuffle=True)
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=len(images.classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs * len(loader))
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for batch, labels in loader:
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(labels)
        model.eval()
        right = wrong = 0.0
        with torch.no_grad():
            for batch, labels in DataLoader(tested, batch_size=180):
                scores = model(batch)
                wrong += F.cross_entropy(scores, labels, reduction="sum").item()
                right += (scores.argmax(1) == labels).sum().item()
        yield epoch, total / len(learnt), wrong / count, right / count


def apart(folder, library, epochs):
    """The rows of `train` in a process of its own."""
    command = [sys.executable, __file__, "--library", library, "--folder", folder, "--epochs", str(epochs)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [tuple(map(float, row)) for row in csv.reader(io.StringIO(out))]


def draw(ours, theirs):
    """The curves of both libraries, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for rows, name, style in ((theirs, "PyTorch", {"color": "#c9d1d9", "linewidth": 5}),
                              (ours, "retrograd", {"color": "#c2410c", "linewidth": 1.5})):  # fmt: skip
        epochs = [row[0] for row in rows]
        loss.semilogy(epochs, [row[1] for row in rows], label=name, **style)
        accuracy.plot(epochs, [100 * row[3] for row in rows], label=name, **style)
    loss.set_title("training loss", loc="left", fontsize=11)
    accuracy.set_title("test accuracy, %", loc="left", fontsize=11)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.spines[["top", "right"]].set_visible(False)
    accuracy.legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--library", choices=["retrograd", "torch", "both"], default="both")
    parser.add_argument("--folder", help="the image folder, if it is there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        if not options.folder:
            digits_folder.write(folder)
        if options.library != "both":
            for row in train(folder, options.library, options.epochs):
                print(*row, sep=",", flush=True)
            return
        ours, theirs = (apart(folder, library, options.epochs) for library in ("retrograd", "torch"))
    print("epoch   training loss        test loss            test accuracy")
    print("        retrograd  PyTorch   retrograd  PyTorch   retrograd  PyTorch")
    for a, b in zip(ours, theirs, strict=True):
        print(f"{a[0]:5.0f}   {a[1]:9.4f}  {b[1]:7.4f}   {a[2]:9.4f}  {b[2]:7.4f}   {a[3]:9.1%}  {b[3]:7.1%}")
    draw(ours, theirs)


if __name__ == "__main__":
    main()
