import torch
from ema_pytorch import EMA

torch.manual_seed(0)
m = torch.nn.Linear(3, 2)
e = EMA(m, beta=0.9, update_after_step=0, update_every=1)
for i in range(3):
    with torch.no_grad():
        m.weight.add_(1)
    e.update()
print(e(torch.ones(1, 3)))
