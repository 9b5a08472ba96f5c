# What the first tutorial does with tensors.
import numpy as np
import torch

data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
x_np = torch.from_numpy(np.array(data))
print(torch.ones_like(x_data), torch.rand_like(x_data, dtype=torch.float).shape, x_np)
shape = (
    2,
    3,
)
tensor = torch.ones(shape)
print(f"Shape {tensor.shape} Datatype {tensor.dtype} Device {tensor.device}")
if torch.cuda.is_available():
    tensor = tensor.to("cuda")
tensor = torch.ones(4, 4)
tensor[:, 1] = 0
print(f"First row: {tensor[0]}", f"First column: {tensor[:, 0]}", f"Last column: {tensor[..., -1]}", sep="\n")
print(torch.cat([tensor, tensor, tensor], dim=1))
y1 = tensor @ tensor.T
y2 = tensor.matmul(tensor.T)
y3 = torch.rand_like(y1)
torch.matmul(tensor, tensor.T, out=y3)
z3 = torch.rand_like(tensor)
torch.mul(tensor, tensor, out=z3)
print(torch.equal(y1, y2), torch.equal(y2, y3), torch.equal(tensor * tensor, z3))
agg = tensor.sum()
print(agg.item(), type(agg.item()))
tensor.add_(5)
t = torch.ones(5)
n = t.numpy()
t.add_(1)
print(t, n)
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(t, n)
