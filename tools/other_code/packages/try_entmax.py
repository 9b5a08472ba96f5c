import torch
from entmax import entmax15, sparsemax

x = torch.linspace(-1, 2, 12).reshape(3, 4).requires_grad_()
y = sparsemax(x, dim=-1) + entmax15(x, dim=-1)
(y * torch.arange(4.0)).sum().backward()
print([round(v, 5) for v in y.flatten().tolist()], x.grad.norm().item())
