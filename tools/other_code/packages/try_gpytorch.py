import gpytorch
import torch

torch.manual_seed(0)
x = torch.linspace(0, 1, 20)
y = torch.sin(x * 6)


class M(gpytorch.models.ExactGP):
    def __init__(s, x, y, l):
        super().__init__(x, y, l)
        s.m = gpytorch.means.ConstantMean()
        s.k = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())

    def forward(s, x):
        return gpytorch.distributions.MultivariateNormal(s.m(x), s.k(x))


l = gpytorch.likelihoods.GaussianLikelihood()
m = M(x, y, l)
m.train()
l.train()
o = torch.optim.Adam(m.parameters(), lr=0.1)
mll = gpytorch.mlls.ExactMarginalLogLikelihood(l, m)
for i in range(5):
    o.zero_grad()
    loss = -mll(m(x), y)
    loss.backward()
    o.step()
print(loss.item())
