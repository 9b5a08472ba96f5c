"""Small networks for tables of numbers, and loops of small steps."""

import numpy as np

from ..cases import batch, fill
from . import labels, training


def wide_mlp(library):
    nn = library.torch.nn
    layers, width = [], 256
    for _ in range(3):
        layers += [nn.Linear(width, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.2)]
        width = 512
    model = nn.Sequential(*layers, nn.Linear(512, 10))
    fill(library, model)
    x, target = batch(library, 256, 256), labels(library, 10, 256)
    return training(library, model, lambda: nn.functional.cross_entropy(model(x), target), "Adam")


def factorisation(library):
    torch, nn = library.torch, library.torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.users, self.items = nn.Embedding(5000, 32), nn.Embedding(8000, 32)
            self.user_bias, self.item_bias = nn.Embedding(5000, 1), nn.Embedding(8000, 1)

        def forward(self, u, i):
            product = (self.users(u) * self.items(i)).sum(1, keepdim=True)
            return torch.sigmoid(product + self.user_bias(u) + self.item_bias(i)).squeeze(1)

    model = Net()
    fill(library, model)
    users, items = labels(library, 5000, 4096), labels(library, 8000, 4096)
    rated = library.array(np.random.default_rng(5).random(4096, np.float32))
    return training(library, model, lambda: nn.functional.mse_loss(model(users, items), rated), "Adam")


def vae(library):
    torch, nn = library.torch, library.torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.mean, self.spread = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.up, self.last = nn.Linear(20, 400), nn.Linear(400, 784)

        def forward(self, x):
            h = torch.relu(self.first(x))
            mean, spread = self.mean(h), self.spread(h)
            z = mean + torch.randn_like(spread) * torch.exp(0.5 * spread)
            return torch.sigmoid(self.last(torch.relu(self.up(z)))), mean, spread

    model = Net()
    fill(library, model)
    x = library.array(np.random.default_rng(1).random((128, 784), np.float32))

    def loss():
        out, mean, spread = model(x)
        error = nn.functional.binary_cross_entropy(out, x, reduction="sum") / 1000
        return error - 0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp()) / 1000

    return training(library, model, loss, "Adam")


def dqn(library):
    """Twenty times: choose an action for one state, then learn from 32 of them."""
    torch, nn = library.torch, library.torch.nn

    def net():
        model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
        fill(library, model)
        return model

    policy, target = net(), net()
    random = np.random.default_rng(4)
    states, after = (library.array(random.normal(0, 1, (32, 4)).astype(np.float32)) for _ in range(2))
    rewards, actions = library.array(random.random(32, np.float32)), labels(library, 2, 32)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-4, amsgrad=True)
    loss_of = nn.SmoothL1Loss()

    def step(mark):
        total = 0.0
        for i in range(20):
            with torch.no_grad():
                policy(states[i : i + 1]).max(1).indices.view(1, 1).item()
                best = target(after).max(1).values
            values = policy(states).gather(1, actions.unsqueeze(1))
            loss = loss_of(values, (best * 0.99 + rewards).unsqueeze(1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(policy.parameters(), 100)
            optimizer.step()
            for a, b in zip(target.parameters(), policy.parameters(), strict=True):
                a.data.mul_(0.995).add_(b.data, alpha=0.005)
            total += loss.item()
        return total

    return step


def logistic(library):
    """Fifty steps on 1000 features, two of which make the classes."""
    nn = library.torch.nn
    model = nn.Linear(1000, 1)
    fill(library, model)
    x = batch(library, 512, 1000)
    y = (x[:, 0] + x[:, 1] > 0).float()
    loss = nn.BCEWithLogitsLoss()
    once = training(library, model, lambda: loss(model(x).squeeze(1), y), lr=0.01)

    def step(mark):
        return sum(once(lambda phase: None) for _ in range(50))

    return step
