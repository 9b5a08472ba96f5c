import torch
from tensordict import TensorDict

torch.manual_seed(0)
t = TensorDict({"a": torch.randn(3, 4), "b": torch.zeros(3, 2)}, batch_size=[3])
print(t[0]["a"].sum().item(), torch.stack([t, t]).shape)
