import timm
import torch

torch.manual_seed(0)
for n in ("resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224", "convnext_atto"):
    m = timm.create_model(n, num_classes=7).eval()
    o = m(torch.randn(1, 3, 224, 224))
    o.sum().backward()
    print(n, o.norm().item())
