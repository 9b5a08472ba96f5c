import torch
from captum.attr import DeepLift, IntegratedGradients, LayerGradCam, Occlusion, Saliency

torch.manual_seed(0)
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 3)
)
x = torch.randn(2, 1, 6, 6, requires_grad=True)
print(IntegratedGradients(net).attribute(x, target=1, n_steps=10).abs().sum().item())
print(Saliency(net).attribute(x, target=0).sum().item())
print(DeepLift(net).attribute(x, target=2).abs().sum().item())
print(LayerGradCam(net, net[0]).attribute(x, target=1).abs().sum().item())
print(Occlusion(net).attribute(x, target=1, sliding_window_shapes=(1, 3, 3)).abs().sum().item())
