import einx
import torch

torch.manual_seed(0)
x = torch.randn(4, 6, requires_grad=True)
y = einx.sum("a (b c) -> a b", x, c=2)
y = einx.dot("a b, b c -> a c", y, torch.randn(3, 2))
y.sum().backward()
print(y.sum().item(), x.grad.norm().item())
