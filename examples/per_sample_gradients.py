"""The gradient of every sample in one call, and training that clips each of them.

`vmap(grad(f))` computes what a loop over the samples would. Clipping each sample's gradient and adding noise
is differentially private training: Abadi and others, Deep Learning with Differential Privacy (2016).
"""

import argparse

from tqdm import trange

import retrograd as torch
from retrograd import nn
from retrograd.func import functional_call, grad, vmap
from retrograd.nn import functional as F


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--clip", type=float, default=1.0, help="the largest norm of a sample's gradient")
    parser.add_argument("--noise", type=float, default=0.1, help="standard deviation, in units of --clip")
    args = parser.parse_args()

    torch.manual_seed(0)
    points = torch.randn(256, 2)
    labels = (points.norm(dim=1) > 1.2).long()
    model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
    parameters = dict(model.named_parameters())

    def loss_of(parameters, point, label):
        scores = functional_call(model, parameters, (point.unsqueeze(0),))
        return F.cross_entropy(scores, label.unsqueeze(0))

    gradients_of = vmap(grad(loss_of), in_dims=(None, 0, 0))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)

    bar = trange(args.steps, unit="step")
    for _ in bar:
        chosen = torch.randperm(len(points))[:64]
        detached = {name: p.detach() for name, p in parameters.items()}
        gradients = gradients_of(detached, points[chosen], labels[chosen])  # each (64, *parameter's shape)
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
        scale = (args.clip / norms).clamp(max=1)
        for name, p in parameters.items():
            clipped = torch.einsum("n,n...->...", scale, gradients[name])
            p.grad = (clipped + args.noise * args.clip * torch.randn_like(p)) / len(chosen)
        optimizer.step()
        bar.set_postfix(
            largest=f"{norms.max().item():.2f}", clipped=f"{(scale < 1).float().mean().item():.0%}"
        )

    with torch.no_grad():
        scores = model(points)
    print(f"accuracy {(scores.argmax(1) == labels).float().mean():.1%}")
    print(f"loss {F.cross_entropy(scores, labels).item():.4f}")


if __name__ == "__main__":
    main()
