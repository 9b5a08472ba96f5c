import torch
import torch_optimizer as optim

torch.manual_seed(0)
for n in ("RAdam", "Lamb", "AdaBound", "Yogi", "DiffGrad", "Lookahead", "QHAdam", "NovoGrad"):
    m = torch.nn.Linear(3, 1)
    o = (
        optim.Lookahead(optim.Yogi(m.parameters()))
        if n == "Lookahead"
        else getattr(optim, n)(m.parameters(), lr=1e-2)
    )
    for i in range(3):
        l = m(torch.ones(4, 3)).pow(2).mean()
        o.zero_grad()
        l.backward()
        o.step()
    print(n, l.item())
