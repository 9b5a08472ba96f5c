# A pretrained network's body with a new head, as in the tutorial; the weights are random here.
import copy
import os
import tempfile
import time

import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler
from torchvision import models

torch.manual_seed(3)
device = torch.device("cpu")
images, labels = torch.randn(12, 3, 64, 64), torch.arange(12) % 2
images[labels == 1] += 1
dataloaders = {
    x: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, labels), batch_size=4, shuffle=x == "train"
    )
    for x in ["train", "val"]
}
dataset_sizes = {x: 12 for x in ["train", "val"]}


def train_model(model, criterion, optimizer, scheduler, num_epochs=2):
    since = time.time()
    with tempfile.TemporaryDirectory() as tempdir:
        best_path = os.path.join(tempdir, "best_model_params.pt")
        torch.save(model.state_dict(), best_path)
        best_acc = 0.0
        for epoch in range(num_epochs):
            for phase in ["train", "val"]:
                model.train() if phase == "train" else model.eval()
                running_loss, running_corrects = 0.0, 0
                for inputs, labels in dataloaders[phase]:
                    inputs, labels = inputs.to(device), labels.to(device)
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        outputs = model(inputs)
                        _, preds = torch.max(outputs, 1)
                        loss = criterion(outputs, labels)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
                    running_loss += loss.item() * inputs.size(0)
                    running_corrects += torch.sum(preds == labels.data)
                if phase == "train":
                    scheduler.step()
                epoch_acc = running_corrects.double() / dataset_sizes[phase]
                print(f"{epoch} {phase} Loss: {running_loss / dataset_sizes[phase]:.3f} Acc: {epoch_acc:.3f}")
                if phase == "val" and epoch_acc > best_acc:
                    best_acc = epoch_acc
                    torch.save(model.state_dict(), best_path)
        assert time.time() >= since
        model.load_state_dict(torch.load(best_path, weights_only=True))
    return model


model_conv = models.resnet18(weights=None)
for param in model_conv.parameters():
    param.requires_grad = False
num_ftrs = model_conv.fc.in_features
model_conv.fc = nn.Linear(num_ftrs, 2)
model_conv = model_conv.to(device)
before = copy.deepcopy(model_conv.conv1.weight)
optimizer_conv = optim.SGD(model_conv.fc.parameters(), lr=0.01, momentum=0.9)
exp_lr_scheduler = lr_scheduler.StepLR(optimizer_conv, step_size=7, gamma=0.1)
model_conv = train_model(model_conv, nn.CrossEntropyLoss(), optimizer_conv, exp_lr_scheduler)
print(torch.equal(before, model_conv.conv1.weight), model_conv.conv1.weight.grad)
