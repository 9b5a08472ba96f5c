import torch
from lion_pytorch import Lion

torch.manual_seed(0)
m = torch.nn.Linear(3, 1)
o = Lion(m.parameters(), lr=1e-2, weight_decay=1e-2)
for i in range(5):
    l = m(torch.randn(4, 3)).pow(2).mean()
    o.zero_grad()
    l.backward()
    o.step()
print(l.item())
