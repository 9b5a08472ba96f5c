import torch
from torchinfo import summary

print(
    summary(
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 2)
        ),
        input_size=(1, 3, 8, 8),
        verbose=0,
    )
)
