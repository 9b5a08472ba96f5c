"""A sum of two peaks fitted to noisy points: L-BFGS beside gradient descent with momentum."""

import argparse

from tqdm import trange

import retrograd as torch


def peaks(x, height, centre, width):
    """A sum of Gaussian peaks at `x`; the parameters have one number for each peak."""
    return (height * torch.exp(-(((x[:, None] - centre) / width) ** 2))).sum(1)


def start():
    values = {"height": [1.0, 1.0], "centre": [-1.0, 1.5], "width": [1.0, 1.0]}
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def fit(parameters, optimizer, x, y, steps, name):
    """Take `steps` steps; gives the loss of the last one."""

    def closure():
        optimizer.zero_grad()
        loss = (peaks(x, **parameters) - y).square().mean()
        loss.backward()
        return loss

    bar = trange(steps, desc=name, unit="step")
    for _ in bar:
        loss = optimizer.step(closure)
        bar.set_postfix(loss=f"{loss.item():.5f}")
    return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()

    torch.manual_seed(0)
    x = torch.linspace(-4, 4, 200)
    truth = {"height": [2.0, 1.2], "centre": [-1.3, 1.0], "width": [0.7, 1.1]}
    y = peaks(x, **{name: torch.tensor(value) for name, value in truth.items()}) + 0.02 * torch.randn(200)

    losses = {}
    for name, make in {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        "L-BFGS": lambda p: torch.optim.LBFGS(p, max_iter=5, line_search_fn="strong_wolfe"),
    }.items():
        parameters = start()
        losses[name] = fit(parameters, make(list(parameters.values())), x, y, args.steps, name)
    for name, value in parameters.items():
        print(f"{name}: {[round(v, 2) for v in value.tolist()]} (true: {truth[name]})")
    print(f"after {args.steps} steps: " + ", ".join(f"{name} {loss:.6f}" for name, loss in losses.items()))
    print(f"loss {losses['L-BFGS']:.6f}")


if __name__ == "__main__":
    main()
