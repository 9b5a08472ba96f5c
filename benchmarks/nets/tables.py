"""Small networks for tables of numbers, and loops of small steps."""

import numpy as np

from ..cases import batch, fill, prepare
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


def nerf(library):
    """A field of colours: positions as sines and cosines, six layers with a skip, rays summed up."""
    torch, nn = library.torch, library.torch.nn
    rays, samples, width = 64, 32, 128

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [63, *[width] * 2, width + 63, *[width] * 2]
            self.layers = nn.ModuleList([nn.Linear(n, width) for n in sizes])
            self.last = nn.Linear(width, 4)

        def forward(self, x):
            parts = [x]
            for k in range(10):
                parts += [torch.sin(2.0**k * x), torch.cos(2.0**k * x)]
            x = h = torch.cat(parts, -1)
            for i, layer in enumerate(self.layers):
                h = torch.relu(layer(torch.cat([h, x], -1) if i == 3 else h))
            return self.last(h)

    model = Field()
    fill(library, model)
    points, wanted = batch(library, rays, samples, 3), batch(library, rays, 3)

    def loss():
        out = model(points)
        alpha = 1 - torch.exp(-torch.relu(out[..., 3]))
        seen = torch.cumprod(torch.cat([torch.ones(rays, 1), 1 - alpha + 1e-10], 1), 1)[:, :-1]
        colours = (torch.sigmoid(out[..., :3]) * (alpha * seen)[..., None]).sum(1)
        return nn.functional.mse_loss(colours, wanted)

    return training(library, model, loss, "Adam")


def graph(library):
    """Two layers of a graph convolution: neighbours are gathered by index and summed up by index_add."""
    torch, nn = library.torch, library.torch.nn
    nodes, edges = 2700, 10500
    model = nn.ModuleList([nn.Linear(500, 64), nn.Linear(64, 7)])
    fill(library, model)
    x, target = batch(library, nodes, 500), labels(library, 7, nodes)
    source, into = labels(library, nodes, 2, edges)
    degree = torch.zeros(nodes).index_add(0, into, torch.ones(edges)).clamp(min=1)
    weight = (degree[source] * degree[into]).rsqrt().unsqueeze(1)

    def spread(x):
        return torch.zeros(nodes, x.shape[1]).index_add(0, into, x[source] * weight)

    def loss():
        hidden = torch.relu(spread(model[0](x)))
        return nn.functional.cross_entropy(spread(model[1](hidden)), target)

    return training(library, model, loss, "Adam", lr=0.01, weight_decay=5e-4)


def policy(library):
    """REINFORCE: fifty times an action is drawn for one state, then the policy learns from all of them."""
    torch, nn = library.torch, library.torch.nn
    model = nn.Sequential(nn.Linear(4, 128), nn.Dropout(0.6), nn.ReLU(), nn.Linear(128, 2), nn.Softmax(-1))
    fill(library, model)
    states, rewards = batch(library, 50, 1, 4), batch(library, 50)

    def loss():
        chances = []
        for state in states:
            chosen = torch.distributions.Categorical(model(state))
            action = chosen.sample()
            action.item()
            chances.append(chosen.log_prob(action))
        returns = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
        return -(torch.cat(chances) * returns).sum()

    return training(library, model, loss, "Adam", lr=1e-4)


def siamese(library):
    """Pairs of images by one network; those of a class are drawn together, others apart."""
    torch, nn = library.torch, library.torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5), nn.PReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5), nn.PReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1024, 256), nn.PReLU(), nn.Linear(256, 2),
    )  # fmt: skip
    model = prepare(library, model)
    first, second = batch(library, 64, 1, 28, 28), batch(library, 64, 1, 28, 28).flip(0)
    same = (labels(library, 10, 64) < 5).float()

    def loss():
        apart = nn.functional.pairwise_distance(model(first), model(second))
        return (same * apart.pow(2) + (1 - same) * torch.clamp(1 - apart, min=0).pow(2)).mean() / 100

    return training(library, model, loss, "Adam")


def distillation(library):
    """A small network learns what a large one says of images."""
    torch, nn = library.torch, library.torch.nn

    def net(width):
        return prepare(library, nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128 * width, 10),
        ))  # fmt: skip

    teacher, student = net(32).eval(), net(8)
    images, target = batch(library, 32, 3, 32, 32), labels(library, 10, 32)
    functional, temperature = nn.functional, 4.0

    def loss():
        with torch.no_grad():
            wanted = torch.softmax(teacher(images) / temperature, 1)
        out = student(images)
        soft = functional.kl_div(functional.log_softmax(out / temperature, 1), wanted, reduction="batchmean")
        return 0.7 * soft * temperature**2 + 0.3 * functional.cross_entropy(out, target)

    return training(library, student, loss)
