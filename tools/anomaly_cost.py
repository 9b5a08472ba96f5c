"""What anomaly mode costs: a training step of a ResNet-18 with and without it, in turn.

    python tools/anomaly_cost.py [--batch 8] [--size 64] [--rounds 10]

Prints the median times of both and the median of the ratios of neighbouring steps. The mode looks at every
gradient of the backward walk, and keeps the stack of every operation of the forward; it is meant to be cheap
enough to leave on: under 10 % of such a step.
"""

import argparse
import statistics
import time

import retrograd as torch
from retrograd.vision.models import resnet18


def step(model, optimizer, images, labels, anomaly):
    """The seconds that one training step takes."""
    start = time.perf_counter()
    with torch.autograd.set_detect_anomaly(anomaly):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, help="height and width of the images")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = resnet18(num_classes=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(options.batch, 3, options.size, options.size)
    labels = torch.randint(0, 10, (options.batch,))
    arguments = model, optimizer, images, labels
    for anomaly in (False, True):  # what is set up by the first steps
        step(*arguments, anomaly)
    times = [(step(*arguments, False), step(*arguments, True)) for _ in range(options.rounds)]
    plain, watched = [statistics.median(column) for column in zip(*times, strict=True)]
    ratio = statistics.median([b / a for a, b in times])
    print(f"ResNet-18, batch {options.batch} of {options.size}x{options.size}, {options.rounds} rounds:")
    print(f"  a step      {plain * 1000:8.1f} ms")
    print(f"  in the mode {watched * 1000:8.1f} ms")
    print(f"  cost        {(ratio - 1) * 100:+8.1f} %")


if __name__ == "__main__":
    main()
