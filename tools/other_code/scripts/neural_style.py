"""A picture moved towards the features of one picture and the Gram matrices of another's, by L-BFGS."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torchvision.models import vgg11


def gram_matrix(y):
    b, ch, h, w = y.size()
    features = y.view(b, ch, w * h)
    return features.bmm(features.transpose(1, 2)) / (ch * h * w)


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


class Normalization(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def forward(self, img):
        return (img - self.mean) / self.std


torch.manual_seed(0)
cnn = vgg11(weights=None, num_classes=1).features[:6].eval().requires_grad_(False)
content, style = torch.rand(1, 3, 24, 24), torch.rand(1, 3, 24, 24)
model, losses = nn.Sequential(Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])), []
for i, layer in enumerate(cnn.children()):
    if isinstance(layer, nn.ReLU):
        layer = nn.ReLU(inplace=False)
    model.add_module(f"{type(layer).__name__.lower()}_{i}", layer)
    if isinstance(layer, nn.Conv2d):
        losses.append(StyleLoss(model(style).detach()))
        model.add_module(f"style_loss_{i}", losses[-1])
image = content.clone().requires_grad_(True)
wanted = model(content).detach()
optimizer = optim.LBFGS([image], max_iter=4)
for run in range(2):

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        score = F.mse_loss(model(image), wanted)
        loss = score + 1000 * sum(s.loss for s in losses)
        loss.backward()
        return loss

    print(run, optimizer.step(closure).item())
print(image.detach().clamp(0, 1).mean().item())
