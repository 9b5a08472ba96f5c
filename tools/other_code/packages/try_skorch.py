import numpy as np
import torch
from skorch import NeuralNetClassifier

torch.manual_seed(0)


class M(torch.nn.Module):
    def __init__(s):
        super().__init__()
        s.a = torch.nn.Linear(4, 8)
        s.b = torch.nn.Linear(8, 2)

    def forward(s, x):
        return torch.softmax(s.b(torch.relu(s.a(x))), -1)


X = np.random.RandomState(0).randn(60, 4).astype("float32")
y = (X.sum(1) > 0).astype("int64")
n = NeuralNetClassifier(M, max_epochs=5, lr=0.5, verbose=0)
n.fit(X, y)
print((n.predict(X) == y).mean())
