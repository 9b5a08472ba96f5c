import torch
from pytorch_msssim import ssim

torch.manual_seed(0)
a = torch.rand(1, 3, 64, 64, requires_grad=True)
b = torch.rand(1, 3, 64, 64)
s = ssim(a, b, data_range=1)
s.backward()
print(s.item(), a.grad.norm().item())
