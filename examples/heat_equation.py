"""A network solves the heat equation u_t = u_xx / 10 with u(x, 0) = sin(pi x), u(0, t) = u(1, t) = 0.

A physics-informed network (Raissi and others, 2019): its loss is how far it is from obeying the equation, so
training differentiates derivatives. The solution is exp(-pi^2 t / 10) sin(pi x).
"""

import argparse
import math

from tqdm import trange

import retrograd as torch
from retrograd import nn

DIFFUSIVITY = 0.1


def residual(u, x, t):
    """u_t - u_xx / 10 at points (x, t), each (count, 1)."""
    value = u(torch.cat([x, t], 1))
    u_x, u_t = torch.autograd.grad(value.sum(), (x, t), create_graph=True)
    (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
    return u_t - DIFFUSIVITY * u_xx


def solution(x, t):
    return torch.exp(-DIFFUSIVITY * math.pi**2 * t) * torch.sin(math.pi * x)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=800)
    args = parser.parse_args()

    torch.manual_seed(0)
    u = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(u.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)

    bar = trange(args.steps, unit="step")
    for _ in bar:
        x, t = torch.rand(128, 1, requires_grad=True), torch.rand(128, 1, requires_grad=True)
        inside = residual(u, x, t).square().mean()
        x0, t0 = torch.rand(64, 1), torch.rand(64, 1)
        first = (u(torch.cat([x0, torch.zeros_like(x0)], 1)) - torch.sin(math.pi * x0)).square().mean()
        ends = sum(u(torch.cat([torch.full_like(t0, end), t0], 1)).square().mean() for end in (0.0, 1.0))
        loss = inside + 10 * (first + ends)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.5f}")

    x, t = (
        v.reshape(-1, 1)
        for v in torch.meshgrid(torch.linspace(0, 1, 50), torch.linspace(0, 1, 50), indexing="ij")
    )
    with torch.no_grad():
        error = (u(torch.cat([x, t], 1)) - solution(x, t)).abs().max()
    print(f"largest error against the exact solution: {error:.4f}")
    print(f"loss {loss.item():.6f}")


if __name__ == "__main__":
    main()
