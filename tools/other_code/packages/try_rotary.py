import torch
from rotary_embedding_torch import RotaryEmbedding

torch.manual_seed(0)
r = RotaryEmbedding(dim=16)
q = torch.randn(1, 4, 12, 32, requires_grad=True)
o = r.rotate_queries_or_keys(q)
o.sum().backward()
print(o.norm().item(), q.grad.norm().item())
