"""Networks for sound, video and text."""

import numpy as np

from ..cases import batch, fill
from . import labels, training


def wavenet(library):
    """Gated dilated convolutions over one axis, with skips."""
    torch, nn = library.torch, library.torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv1d(1, 32, 1)
            self.gated = nn.ModuleList([nn.Conv1d(32, 64, 3, padding=2**i, dilation=2**i) for i in range(8)])
            self.mix = nn.ModuleList([nn.Conv1d(32, 32, 1) for _ in range(8)])
            self.last = nn.Conv1d(32, 64, 1)

        def forward(self, x):
            x, total = self.first(x), 0
            for gated, mix in zip(self.gated, self.mix, strict=True):
                a, b = gated(x).chunk(2, 1)
                y = mix(torch.tanh(a) * torch.sigmoid(b))
                x, total = x + y, total + y
            return self.last(torch.relu(total))

    model = Net()
    fill(library, model)
    x, target = batch(library, 4, 1, 2000), labels(library, 64, 4, 2000)
    return training(library, model, lambda: nn.functional.cross_entropy(model(x), target), "Adam")


def video(library):
    """The beginnings of r3d_18."""
    nn = library.torch.nn

    def block(inputs, outputs, stride):
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm3d(outputs), nn.ReLU(),
        )  # fmt: skip

    model = nn.Sequential(
        nn.Conv3d(3, 16, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
        nn.BatchNorm3d(16), nn.ReLU(),
        nn.MaxPool3d(2), block(16, 32, 1), block(32, 32, 1), block(32, 64, 2),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    fill(library, model)
    clips, target = batch(library, 4, 3, 8, 64, 64), labels(library, 10, 4)
    return training(library, model, lambda: nn.functional.cross_entropy(model(clips), target))


def recurrent(kind, packed=False):
    """Two layers both ways over embedded tokens, classified by the mean of the outputs."""

    def build(library):
        torch, nn = library.torch, library.torch.nn
        rnn = torch.nn.utils.rnn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Embedding(5000, 64)
                self.rnn = getattr(nn, kind)(64, 128, num_layers=2, bidirectional=True, batch_first=True)
                self.last = nn.Linear(256, 5)

            def forward(self, tokens):
                x = self.embed(tokens)
                if packed:
                    x = rnn.pack_padded_sequence(x, lengths, batch_first=True)
                x, _ = self.rnn(x)
                if packed:
                    x, _ = rnn.pad_packed_sequence(x, batch_first=True)
                return self.last(x.mean(1))

        lengths = library.array(np.arange(40, 8, -1))
        model = Net()
        fill(library, model)
        tokens, target = labels(library, 5000, 32, 40), labels(library, 5, 32)
        return training(library, model, lambda: nn.functional.cross_entropy(model(tokens), target), "Adam")

    return build


def char_rnn(library):
    """A language model of characters: one layer, the state carried over and detached, clipped gradients."""
    torch, nn = library.torch, library.torch.nn
    embed, rnn, last = nn.Embedding(100, 64), nn.LSTM(64, 256), nn.Linear(256, 100)
    model = nn.ModuleList([embed, rnn, last])
    fill(library, model)
    tokens = labels(library, 100, 51, 16)
    optimizer = torch.optim.Adam(model.parameters())
    state = None

    def step(mark):
        nonlocal state
        out, state = rnn(embed(tokens[:-1]), state)
        state = tuple(s.detach() for s in state)
        loss = nn.functional.cross_entropy(last(out).flatten(0, 1), tokens[1:].flatten())
        mark("forward")
        loss.backward()
        mark("backward")
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        mark("step")
        return loss.item()

    return step


def embedding_bag(library):
    nn = library.torch.nn
    model = nn.Sequential(nn.EmbeddingBag(20000, 64), nn.Linear(64, 4))
    fill(library, model)
    tokens, starts = labels(library, 20000, 64 * 60), library.array(np.arange(64) * 60)
    target = labels(library, 4, 64)

    def loss():
        return nn.functional.cross_entropy(model[1](model[0](tokens, starts)), target)

    return training(library, model, loss, "SGD", lr=0.1)


def gpt(library):
    """Two blocks of a decoder, as nanoGPT writes them, with the tied matrix of the tokens."""
    torch, nn = library.torch, library.torch.nn
    width, heads = 192, 6

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            b, t, c = x.shape
            parts = self.qkv(self.norm1(x)).split(width, dim=2)
            q, k, v = (p.view(b, t, heads, c // heads).transpose(1, 2) for p in parts)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.mix(y.transpose(1, 2).contiguous().view(b, t, c))
            return x + self.mlp(self.norm2(x))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.place = nn.Embedding(2000, width), nn.Embedding(128, width)
            self.blocks = nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 2000, bias=False)
            self.head.weight = self.token.weight

        def forward(self, tokens):
            places = torch.arange(tokens.shape[1])
            return self.head(self.norm(self.blocks(self.token(tokens) + self.place(places))))

    model = Gpt()
    fill(library, model)
    tokens, target = labels(library, 2000, 4, 128), labels(library, 2000, 4 * 128)
    loss = nn.functional.cross_entropy
    return training(library, model, lambda: loss(model(tokens).view(-1, 2000), target), "AdamW")
