# A model, its training loop, saving and loading, as in the tutorials.
import io

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Shapes(Dataset):
    def __init__(self, count, transform=None, target_transform=None):
        self.images = torch.randint(0, 255, (count, 8, 8), dtype=torch.uint8)
        self.labels = (self.images.float().mean((1, 2)) > 127).long().tolist()
        self.transform, self.target_transform = transform, target_transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        image, label = self.images[idx], self.labels[idx]
        if self.transform:
            image = self.transform(image)
        if self.target_transform:
            label = self.target_transform(label)
        return image, label


def one_hot(y):
    return torch.zeros(2, dtype=torch.float).scatter_(0, torch.tensor(y), value=1)


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(8 * 8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)
        )

    def forward(self, x):
        return self.linear_relu_stack(self.flatten(x))


device = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
print(f"Using {device} device")
data = Shapes(64, lambda x: x.float() / 255, one_hot)
train_dataloader = DataLoader(data, batch_size=16, shuffle=True)
features, labels = next(iter(train_dataloader))
print(f"Feature batch shape: {features.size()} Labels batch shape: {labels.size()}")
model = NeuralNetwork().to(device)
print(f"Model structure: {model}\n")
for name, param in model.named_parameters():
    print(f"Layer: {name} | Size: {param.size()} | Values: {param[:1].sum():.4f}")
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-1)
for t in range(3):
    size, correct = len(train_dataloader.dataset), 0
    model.train()
    for batch, (X, y) in enumerate(train_dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        correct += (pred.argmax(1) == y.argmax(1)).type(torch.float).sum().item()
        if batch % 2 == 0:
            loss, current = loss.item(), batch * 16 + len(X)
            print(f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]")
    print(f"Epoch {t + 1}\n Accuracy: {(100 * correct / size):>0.1f}%")
buffer = io.BytesIO()
torch.save(
    {
        "epoch": 3,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": loss,
    },
    buffer,
)
buffer.seek(0)
checkpoint = torch.load(buffer, weights_only=True)
model.load_state_dict(checkpoint["model_state_dict"])
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
print(checkpoint["epoch"], nn.Softmax(dim=1)(model(torch.ones(1, 8, 8))).argmax(1).item())
