import torch
import torchcde

torch.manual_seed(0)
x = torch.randn(2, 7, 3)
c = torchcde.natural_cubic_coeffs(x)
s = torchcde.CubicSpline(c)
print(s.evaluate(torch.tensor(1.5)).sum().item())
