"""A variational autoencoder of scikit-learn's handwritten digits: 64 pixels to 8 numbers and back.

Kingma and Welling, Auto-Encoding Variational Bayes (2013): the loss is the error of the picture that comes
back plus the divergence of the code's distribution from the standard normal one.
"""

import argparse

from sklearn.datasets import load_digits
from tqdm import trange

import retrograd as torch
from retrograd import nn
from retrograd.nn import functional as F
from retrograd.utils.data import DataLoader, TensorDataset


class Autoencoder(nn.Module):
    def __init__(self, pixels=64, width=128, code=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels))

    def forward(self, pictures):
        mean, log_variance = self.encoder(pictures).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(code), mean, log_variance


def loss_of(pictures, scores, mean, log_variance):
    """Per picture, in nats: (error of the picture, divergence of the code)."""
    error = F.binary_cross_entropy_with_logits(scores, pictures, reduction="sum")
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
    return error / len(pictures), divergence / len(pictures)


def picture(pixels, size=8):
    """An 8x8 picture in characters."""
    shades = " .:-=+*#%@"
    rows = pixels.reshape(size, size).clamp(0, 0.999).tolist()
    return ["".join(2 * shades[int(10 * value)] for value in row) for row in rows]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()

    torch.manual_seed(0)
    pixels, _ = load_digits(return_X_y=True)
    digits = torch.from_numpy(pixels).float() / 16
    loader = DataLoader(TensorDataset(digits), batch_size=64, shuffle=True, drop_last=True)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    batches = iter(loader)
    bar = trange(args.steps, unit="step")
    for _ in bar:
        try:
            (pictures,) = next(batches)
        except StopIteration:
            batches = iter(loader)
            (pictures,) = next(batches)
        error, divergence = loss_of(pictures, *model(pictures))
        loss = error + divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix(error=f"{error.item():.2f}", divergence=f"{divergence.item():.2f}")

    with torch.no_grad():
        made = torch.sigmoid(model.decoder(torch.randn(4, 8)))
    print("\n".join("   ".join(row) for row in zip(*(picture(one) for one in made), strict=True)))
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
