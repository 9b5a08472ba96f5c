import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange, Reduce

torch.manual_seed(0)
x = torch.randn(2, 3, 8, 8, requires_grad=True)
y = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=2, q=2)
z = reduce(y, "b n d -> b d", "mean") + repeat(torch.ones(12), "d -> b d", b=2)
z = einsum(z, torch.randn(12, 5), "b d, d e -> b e")
net = torch.nn.Sequential(
    Rearrange("b (e f) -> b e f", e=5, f=1), Reduce("b e f -> b f", "max"), torch.nn.Linear(1, 3)
)
mix = EinMix("b c -> b d", weight_shape="c d", bias_shape="d", c=3, d=4)
packed, shapes = pack([x, x], "b * h w")
a, b = unpack(packed, shapes, "b * h w")
out = mix(net(z)).sum() + a.mean()
out.backward()
print(out.item(), x.grad.norm().item())
