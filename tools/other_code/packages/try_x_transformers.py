import torch
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

torch.manual_seed(0)
m = TransformerWrapper(
    num_tokens=50, max_seq_len=32, attn_layers=Decoder(dim=32, depth=2, heads=4, rotary_pos_emb=True)
)
m = AutoregressiveWrapper(m)
x = torch.randint(0, 50, (2, 20))
l = m(x)
l.backward()
print(l.item())
