import torch
from tqdm import tqdm

t = 0
for row in tqdm(torch.arange(6).reshape(3, 2)):
    t += row.sum()
print(t.item())
