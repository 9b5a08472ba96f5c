import torch
import torchmetrics

torch.manual_seed(0)
p = torch.randn(20, 5).softmax(-1)
t = torch.randint(5, (20,))
for m in (
    torchmetrics.Accuracy(task="multiclass", num_classes=5),
    torchmetrics.F1Score(task="multiclass", num_classes=5),
    torchmetrics.AUROC(task="multiclass", num_classes=5),
    torchmetrics.ConfusionMatrix(task="multiclass", num_classes=5),
):
    m.update(p, t)
    print(type(m).__name__, m.compute())
r = torchmetrics.MeanSquaredError()
print(r(torch.arange(4.0), torch.ones(4)))
