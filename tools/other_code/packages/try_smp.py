import segmentation_models_pytorch as smp
import torch

torch.manual_seed(0)
m = smp.Unet("resnet18", encoder_weights=None, classes=2).eval()
o = m(torch.randn(1, 3, 64, 64))
o.mean().backward()
print(o.shape, o.norm().item())
l = smp.losses.DiceLoss("multiclass")
print(l(o, torch.randint(2, (1, 64, 64))).item())
