"""An ODE whose right-hand side is a network learns a spiral from points on it.

Chen and others, Neural Ordinary Differential Equations (2018). The gradient goes through the solver's own
steps (Runge-Kutta, fourth order); `checkpoint` keeps only the state at each step and computes the rest again.
"""

import argparse

from tqdm import trange

import retrograd as torch
from retrograd import nn
from retrograd.utils.checkpoint import checkpoint


def step(f, y, h):
    """One step of size `h` of the classical Runge-Kutta method for y' = f(y)."""
    a = f(y)
    b = f(y + h / 2 * a)
    c = f(y + h / 2 * b)
    d = f(y + h * c)
    return y + h / 6 * (a + 2 * b + 2 * c + d)


def solve(f, y, times):
    """y at each of `times` (evenly spaced), stacked along dimension 0; y is the state at times[0]."""
    states = [y]
    for h in times.diff():
        y = checkpoint(step, f, y, h, use_reentrant=False)
        states.append(y)
    return torch.stack(states)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()

    torch.manual_seed(0)
    times = torch.linspace(0, 10, 101)
    turn = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    start = torch.tensor([[2.0, 0.0]])
    with torch.no_grad():
        spiral = solve(lambda y: y.pow(3) @ turn, start, times)

    field = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(field.parameters(), lr=5e-3)
    bar = trange(args.steps, unit="step")
    for _ in bar:
        first = torch.randint(len(times) - 10, (16,))
        states = solve(lambda y: field(y.pow(3)), spiral[first, 0], times[:10])
        wanted = torch.stack([spiral[first + i, 0] for i in range(10)])
        loss = (states - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.4f}")

    with torch.no_grad():
        error = (solve(lambda y: field(y.pow(3)), start, times) - spiral).abs().mean()
    print(f"the learnt spiral over {times[-1]:.0f} time units is off by {error:.3f} on average")
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
