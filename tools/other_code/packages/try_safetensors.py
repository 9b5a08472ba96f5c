import os
import tempfile

import torch
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
p = os.path.join(tempfile.mkdtemp(), "a.safetensors")
save_file(net.state_dict(), p)
s = load_file(p)
save_model(net, p)
load_model(net, p)
b = save({"x": torch.arange(6).reshape(2, 3)})
print(load(b)["x"].sum().item(), sorted(s), s["0.weight"].norm().item())
