import torch
from opacus.grad_sample import GradSampleModule

torch.manual_seed(0)
m = GradSampleModule(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)))
m(torch.randn(5, 4)).sum().backward()
print([p.grad_sample.shape for p in m.parameters()], sum(p.grad_sample.norm().item() for p in m.parameters()))
