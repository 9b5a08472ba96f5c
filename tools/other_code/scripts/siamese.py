# Two pictures through one network: are they of one kind?
import random

import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(1)
random.seed(1)


class Pairs(Dataset):
    def __init__(self, count):
        super(Pairs, self).__init__()
        self.targets = torch.arange(count) % 4
        self.data = torch.randn(count, 16, 16) * 0.2 + self.targets.float()[:, None, None] / 2
        self.groups = {int(k): torch.where(self.targets == k)[0] for k in torch.unique(self.targets)}

    def __len__(self):
        return self.data.shape[0]

    def __getitem__(self, index):
        first = random.randint(0, 3)
        second = first if index % 2 == 0 else (first + random.randint(1, 3)) % 4
        i, j = (random.choice(self.groups[k].tolist()) for k in (first, second))
        target = torch.tensor(float(first == second), dtype=torch.float)
        return self.data[i].clone().float().unsqueeze(0), self.data[j].clone().float().unsqueeze(0), target


class SiameseNetwork(nn.Module):
    def __init__(self):
        super(SiameseNetwork, self).__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(2, 6),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((2, 2)),
            nn.Flatten(),
        )
        self.fc = nn.Sequential(nn.Linear(48, 16), nn.ReLU(inplace=True), nn.Linear(16, 1))
        self.sigmoid = nn.Sigmoid()
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            torch.nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        output = self.body(x)
        return output.view(output.size()[0], -1)

    def forward(self, input1, input2):
        output = torch.cat((self.forward_once(input1), self.forward_once(input2)), 1)
        return self.sigmoid(self.fc(output))


model = SiameseNetwork()
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
criterion = nn.BCELoss()
for epoch in range(3):
    for a, b, targets in DataLoader(Pairs(32), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        outputs = model(a, b).squeeze()
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
    pred = torch.where(outputs > 0.5, 1, 0)
    print(epoch, "%.4f" % loss.item(), pred.eq(targets.view_as(pred)).sum().item())
