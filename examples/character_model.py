"""A transformer learns a text letter by letter, and then writes some itself."""

import argparse

from tqdm import trange

import retrograd as torch
from retrograd import nn
from retrograd.nn import functional as F

TEXT = """
The wind was a gardener of the sea. It sowed the waves in rows, and it reaped the foam in the evening.
The moon was a miller of the night. It ground the dark to silver, and it let the silver fall on the water.
The sea was a mirror of the sky. It kept the stars in the evening, and it gave the stars back in the morning.
""".strip()


class CharacterModel(nn.Module):
    """Letters (batch, length) to scores of the next letter (batch, length, letters)."""

    def __init__(self, letters, length, width=64, heads=4, layers=2):
        super().__init__()
        self.letter = nn.Embedding(letters, width)
        self.position = nn.Parameter(torch.zeros(length, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, letters)

    def forward(self, letters):
        length = letters.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        x = self.letter(letters) + self.position[:length]
        return self.head(self.body(x, mask=mask, is_causal=True))


@torch.no_grad()
def write(model, alphabet, start, count, length):
    """`start` and `count` letters more, each the likeliest after those before it."""
    letters = [alphabet.index(letter) for letter in start]
    for _ in range(count):
        scores = model(torch.tensor([letters[-length:]]))
        letters.append(scores[0, -1].argmax().item())
    return "".join(alphabet[i] for i in letters)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--length", type=int, default=32, help="letters that the model sees at once")
    args = parser.parse_args()

    torch.manual_seed(0)
    alphabet = sorted(set(TEXT))
    text = torch.tensor([alphabet.index(letter) for letter in TEXT])
    model = CharacterModel(len(alphabet), args.length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    bar = trange(args.steps, unit="step")
    for _ in bar:
        starts = torch.randint(len(text) - args.length, (16,))
        windows = torch.stack([text[i : i + args.length + 1] for i in starts])
        scores = model(windows[:, :-1])
        loss = F.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")

    model.eval()
    print(write(model, alphabet, "The ", 100, args.length))
    print(f"loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
