import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV2, accuracy

torch.manual_seed(0)
m = torch.nn.Linear(5, 3)
o = create_optimizer_v2(m, opt="adamw", lr=1e-2)
e = ModelEmaV2(m)
for i in range(3):
    l = LabelSmoothingCrossEntropy()(m(torch.randn(8, 5)), torch.randint(3, (8,)))
    o.zero_grad()
    l.backward()
    o.step()
    e.update(m)
print(l.item(), accuracy(torch.eye(3), torch.arange(3))[0].item())
