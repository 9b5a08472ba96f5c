"""Images enlarged by sub-pixel convolutions, with orthogonal initial weights and the PSNR as measure."""

from math import log10

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Resize


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 8, (3, 3), (1, 1), (1, 1))
        self.conv3 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv3(x))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv3.weight)


class Waves(Dataset):
    """Pictures of waves, large and small."""

    def __init__(self, count):
        self.count, self.shrink = count, Compose([Resize((8, 8), antialias=True)])

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        x = torch.linspace(0, 3 + i, 16)
        picture = (torch.sin(x)[:, None] * torch.cos(x)[None]).unsqueeze(0)
        return self.shrink(picture), picture


torch.manual_seed(123)
model, criterion = Net(2), nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
for epoch in range(3):
    epoch_loss = 0
    for batch in DataLoader(Waves(8), batch_size=4):
        optimizer.zero_grad()
        loss = criterion(model(batch[0]), batch[1])
        epoch_loss += loss.item()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        mse = criterion(*[f(b) for f, b in zip((model, lambda x: x), next(iter(DataLoader(Waves(8), 8))))])
        print(f"epoch {epoch}: loss {epoch_loss:.5f}, PSNR {10 * log10(1 / mse.item()):.4f} dB")
