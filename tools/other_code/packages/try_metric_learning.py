import torch
from pytorch_metric_learning import losses

torch.manual_seed(0)
e = torch.randn(12, 8, requires_grad=True)
y = torch.arange(12) % 3
for l in (
    losses.TripletMarginLoss(),
    losses.ContrastiveLoss(),
    losses.NTXentLoss(),
    losses.ArcFaceLoss(3, 8),
):
    v = l(e, y)
    v.backward()
    print(type(l).__name__, v.item())
