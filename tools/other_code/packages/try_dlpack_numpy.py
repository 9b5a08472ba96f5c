import numpy as np
import torch

a = np.arange(6.0).reshape(2, 3)
t = torch.from_numpy(a)
t += 1
print(
    np.sin(t.numpy()).sum(),
    np.asarray(t).mean(),
    np.from_dlpack(t).sum(),
    torch.from_dlpack(a).sum().item(),
    np.add(t.numpy(), 1).sum(),
)
