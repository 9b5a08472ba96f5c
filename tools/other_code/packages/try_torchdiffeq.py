import torch
from torchdiffeq import odeint, odeint_adjoint

torch.manual_seed(0)


class F(torch.nn.Module):
    def __init__(s):
        super().__init__()
        s.n = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))

    def forward(s, t, y):
        return s.n(y)


f = F()
y0 = torch.randn(3, 2)
t = torch.linspace(0, 1, 5)
for m in ("dopri5", "rk4"):
    y = odeint(f, y0, t, method=m)
    y.pow(2).sum().backward()
    print(y.sum().item(), f.n[0].weight.grad.norm().item())
y = odeint_adjoint(f, y0, t)
y.sum().backward()
print(y.sum().item(), f.n[0].weight.grad.norm().item())
