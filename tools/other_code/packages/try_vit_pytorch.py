import torch
from vit_pytorch import ViT

torch.manual_seed(0)
v = ViT(image_size=32, patch_size=8, num_classes=10, dim=32, depth=2, heads=4, mlp_dim=64, dropout=0.1)
v.eval()
o = v(torch.randn(2, 3, 32, 32))
o.sum().backward()
print(o.norm().item(), v.to_patch_embedding[2].weight.grad.norm().item())
