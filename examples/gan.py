"""Two networks against each other: one makes points on a ring, the other tells them from true ones."""

import argparse
import math

from tqdm import trange

import retrograd as torch
from retrograd import nn


def ring(count):
    """Points near the unit circle, (count, 2)."""
    angle = 2 * math.pi * torch.rand(count, 1)
    return torch.cat([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(count, 2)


def network(inputs, outputs, width=64):
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()

    torch.manual_seed(0)
    generator, critic = network(8, 2), network(2, 1)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.9)) for net in (generator, critic)
    ]
    judge = nn.BCEWithLogitsLoss()
    true, false = torch.ones(args.batch, 1), torch.zeros(args.batch, 1)

    bar = trange(args.steps, unit="step")
    for _ in bar:
        made = generator(torch.randn(args.batch, 8))
        # The critic learns from true points and from made ones, which it sees detached.
        loss_critic = judge(critic(ring(args.batch)), true) + judge(critic(made.detach()), false)
        optimizers[1].zero_grad()
        loss_critic.backward()
        optimizers[1].step()
        # The generator learns what the critic would take for true.
        loss_generator = judge(critic(made), true)
        optimizers[0].zero_grad()
        loss_generator.backward()
        optimizers[0].step()
        bar.set_postfix(critic=f"{loss_critic.item():.3f}", generator=f"{loss_generator.item():.3f}")

    with torch.no_grad():
        radius = generator(torch.randn(1000, 8)).norm(dim=1)
    print(f"radius of made points: {radius.mean():.3f} +- {radius.std():.3f} (true: 1.00 +- 0.05)")
    print(f"loss {loss_generator.item():.4f}")


if __name__ == "__main__":
    main()
