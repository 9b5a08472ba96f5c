import kornia
import torch

torch.manual_seed(0)
x = torch.rand(1, 3, 32, 32, requires_grad=True)
y = kornia.filters.gaussian_blur2d(x, (3, 3), (1.5, 1.5))
y = kornia.geometry.rotate(y, torch.tensor([30.0]))
y = kornia.color.rgb_to_hsv(y)
y.mean().backward()
print(y.mean().item(), x.grad.norm().item())
